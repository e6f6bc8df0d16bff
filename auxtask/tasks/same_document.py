"""The preset for texts: do two spans come from the same document?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from auxtask.backbones.language_names import text_embeddings
from auxtask.backbones.pooling import pooled
from auxtask.data.text_batches import EncodedTexts
from auxtask.data.text_spans import DocumentSpans
from auxtask.framework import keras, tf
from auxtask.losses.supervised_contrastive import SupervisedContrastive
from auxtask.tasks.identity_data import IdentityData
from auxtask.tasks.pretraining import in_steps
from auxtask.tasks.same_identity import SameIdentity
from auxtask.training.budget import parse_budget


class SameDocument(SameIdentity):
    """Same document or not? `SameIdentity` with documents for people and spans of text for photos.

    Two spans of one text are a positive pair, the other texts of the batch the negatives. With the texts' few labels
    for documents the same code asks "same label or not?", the idea of SetFit (Tunstall et al., 2022). Sources: Gao et
    al., "SimCSE" (2021) for the loss; Giorgi et al., "DeCLUTR" (2021) for spans.

    Parameters
    ----------
    backbone : keras.Model
        From `language_model`; trained in place.
    pooling : {"mean", "cls", "max"}
        From tokens to one vector per span.
    temperature : float
        Of the supervised contrastive loss.

    Examples
    --------
    >>> task = SameDocument(backbone)
    >>> task.pretrain(DocumentSpans(cache, tokenizer, length=64), budget="10min")
    """

    def __init__(
        self, backbone: keras.Model, pooling: str = "mean", temperature: float = 0.05, name: str | None = None
    ) -> None:
        super().__init__(pooled(backbone, pooling), SupervisedContrastive(temperature), name=name)
        self.backbone = backbone

    @property
    def kept(self) -> keras.Model:
        """The backbone, without the pooling."""
        return self.backbone

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Give embeddings of unit length: float32 [n, d]."""
        # No dropout: two spans differ enough, and half of the noise would be the network's own.
        return super().call(inputs, training=False)

    def pretrain(  # type: ignore[override]
        self,
        data: IdentityData,
        validation: IdentityData | None = None,
        budget: str | int = "10min",
        learning_rate: float = 3e-5,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        documents: int = 48,
        spans: int = 2,
        callbacks: Iterable[Any] = (),
        seed: int = 0,
        verbose: int = 0,
    ) -> keras.Model:
        """Train the backbone and give it back; settings as in `SameIdentity.pretrain`.

        Parameters
        ----------
        data, validation : DocumentSpans
            Of different texts. Or `EncodedTexts` with labels: same label or not?
        budget : str or int
            As there; with `DocumentSpans` also tokens (`"2Mtokens"`), each span counting as its full length.
        documents, spans : int
            A batch: so many documents, so many spans of each.

        Returns
        -------
        keras.Model
            The backbone. History and provenance are in `self.pretraining`.

        Raises
        ------
        ValueError
            Spans by a tokenizer with more tokens than the backbone has vectors; a setting is out of range; the loss is
            not finite.
        """
        known = text_embeddings(self.backbone).vocab_size
        if isinstance(data, DocumentSpans) and data.vocab_size > known:
            raise ValueError(f"the spans have numbers up to {data.vocab_size}, {self.backbone.name} has {known} tokens")
        length = getattr(data, "length", None)  # of labelled texts there is none
        if length is not None and parse_budget(budget).kind == "tokens":
            budget = in_steps(budget, 1, documents * spans * int(length))
        return super().pretrain(
            data,
            validation,
            budget,
            learning_rate,
            weight_decay,
            warmup,
            ema=None,
            people=documents,
            photos=spans,
            singles=0,
            monitor=None,
            callbacks=callbacks,
            seed=seed,
            verbose=verbose,
        )

    def embed(self, items: Any) -> np.ndarray:
        """Give the embeddings of spans: float32 [n, d], unit length."""
        return np.asarray(self.predict(items, batch_size=64, verbose=0))


def teach_labels(
    encoder: keras.Model, texts: EncodedTexts, seed: int, steps: int, learning_rate: float, batch_size: int
) -> None:
    """Train a language model, in place, by "same label or not?" on few labelled texts (see `pair_fit`).

    Parameters
    ----------
    encoder : keras.Model
    texts : EncodedTexts
        With labels, every class from 0 on.
    seed, steps : int
    learning_rate : float
    batch_size : int
        Texts in a batch, about: two of each class or more.
    """
    classes = int(texts.labels.max()) + 1
    SameDocument(encoder).pretrain(
        texts, budget=f"{steps}steps", learning_rate=learning_rate, documents=classes,
        spans=max(2, batch_size // classes), seed=seed,
    )  # fmt: skip
