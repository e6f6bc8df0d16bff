"""Put word vectors from elsewhere into a language model's table."""

from __future__ import annotations

import numpy as np

from auxtask.backbones.language_names import text_embeddings
from auxtask.framework import keras


def set_word_vectors(backbone: keras.Model, vectors: np.ndarray) -> None:
    """Start a language model's table of words from given vectors, in place.

    Masked words on little text learn first how sentences are built, and what words mean long after. Vectors that were
    counted (`cooccurrence_vectors`) hold that from the first step on.

    Parameters
    ----------
    backbone : keras.Model
        From `language_backbone`, or `language_model`.
    vectors : float32 [vocab_size, embedding size]
        By token number. They are scaled to the length that the table's rows have on average; rows of zeros leave the
        model's own as they are.

    Raises
    ------
    ValueError
        The model is no language model, or its table has another shape; a number is not finite.
    """
    table = text_embeddings(backbone).word
    own = table.embeddings.numpy()
    if vectors.shape != own.shape:
        raise ValueError(f"vectors must be {list(own.shape)} for this model, not {list(vectors.shape)}")
    if not np.isfinite(vectors).all():
        raise ValueError("vectors must be finite numbers")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    usual = np.linalg.norm(own, axis=1).mean()
    table.embeddings.assign(np.where(lengths > 0, vectors * (usual / np.maximum(lengths, 1e-9)), own))
