"""The head that guesses words: its layer, and its weights in checkpoints of the four families."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from auxtask.backbones.checkpoint_files import Checkpoint, checkpoint_folder, read_checkpoint
from auxtask.backbones.language_layers import TextEmbeddings, TransformerBlock, activate
from auxtask.backbones.language_names import language_layers, to_keras
from auxtask.data.untrusted_file import reading
from auxtask.framework import keras, tf


@dataclass(frozen=True)
class _Names:
    """What a family's checkpoints call the head's parts; `bias` is the words' offset, `table` their matrix."""

    dense: str
    norm: str
    bias: str
    table: str


_NAMES = {
    "bert": _Names(
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
        "cls.predictions.bias",
        "cls.predictions.decoder.weight",
    ),
    "roberta": _Names("lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder.weight"),
    "distilbert": _Names("vocab_transform", "vocab_layer_norm", "vocab_projector.bias", "vocab_projector.weight"),
    "electra": _Names(
        "generator_predictions.dense",
        "generator_predictions.LayerNorm",
        "generator_lm_head.bias",
        "generator_lm_head.weight",
    ),
}


class MaskedHead(keras.layers.Layer):
    """From hidden states to log-odds of words: dense, activation, LayerNorm, then the (tied) table and an offset each.

    Parameters
    ----------
    embedding_size, vocab_size : int
    epsilon : float
    hidden_act : str
        A key of `ACTIVATIONS`.
    """

    def __init__(
        self, embedding_size: int, vocab_size: int, epsilon: float = 1e-12, hidden_act: str = "gelu", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        initializer = keras.initializers.TruncatedNormal(stddev=0.02)
        self.transform = keras.layers.Dense(embedding_size, kernel_initializer=initializer, name="transform")
        self.norm = keras.layers.LayerNormalization(epsilon=epsilon, name="norm")
        self.embedding_size, self.vocab_size, self.hidden_act = embedding_size, vocab_size, hidden_act

    def build(self, shape: Any) -> None:
        """Make the weights."""
        self.transform.build(shape)
        self.norm.build((None, self.embedding_size))
        self.bias = self.add_weight("bias", (self.vocab_size,), initializer="zeros")
        super().build(shape)

    def call(self, hidden: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
        """Give float32 [M, vocabulary] from hidden states [M, d] and word vectors [vocabulary, embedding_size]."""
        x = self.norm(activate(self.transform(hidden), self.hidden_act))
        return tf.cast(tf.matmul(x, table, transpose_b=True) + self.bias, tf.float32)


def fresh_head(embeddings: TextEmbeddings, width: int, hidden_act: str = "gelu") -> MaskedHead:
    """Make an untrained head for hidden states of this width."""
    head = MaskedHead(
        embeddings.embedding_size, embeddings.vocab_size, embeddings.epsilon, hidden_act, name="masked_head"
    )
    head.build((None, width))
    return head


def masked_head(backbone: keras.Model, checkpoint: str | os.PathLike[str] | None = None) -> tuple[MaskedHead, bool]:
    """Make a backbone's head, with a checkpoint's weights where it has some.

    Parameters
    ----------
    backbone : keras.Model
        From `language_model`.
    checkpoint : str or path, optional
        As `language_model` takes it.

    Returns
    -------
    head : MaskedHead
    found : bool
        Whether its weights are the checkpoint's. A checkpoint without such a head (an encoder alone, or ELECTRA's
        discriminator), or whose head has a table of its own, gives an untrained one.

    Raises
    ------
    ValueError
        The backbone is no language model, there is no such checkpoint, or its head is not for this backbone.
    """
    embeddings, blocks, _ = language_layers(backbone)
    head = fresh_head(embeddings, embeddings.hidden_size, _activation(embeddings, blocks[0]))
    if checkpoint is None:
        return head, False
    folder = checkpoint_folder(checkpoint)
    content = read_checkpoint(folder)
    found = {name: content.find(_anywhere(name)) for name in head_weights(head, embeddings.family)}
    if any(array is None for array in found.values()) or _has_own_table(content, embeddings):
        return head, False
    with reading(folder, "a checkpoint"):
        for name, weight in head_weights(head, embeddings.family).items():
            array = to_keras(name, np.asarray(found[name]))
            if array.shape != tuple(weight.shape):
                raise ValueError(f"its head is not this model's: {name} is {array.shape}, not {tuple(weight.shape)}")
            weight.assign(array.astype(np.float32, copy=False))
    return head, True


def head_weights(head: MaskedHead, family: str) -> dict[str, tf.Variable]:
    """Give the head's weights by PyTorch's names (`to_keras` turns their layout)."""
    names = _NAMES[family]
    return {
        f"{names.dense}.weight": head.transform.kernel,
        f"{names.dense}.bias": head.transform.bias,
        f"{names.norm}.weight": head.norm.gamma,
        f"{names.norm}.bias": head.norm.beta,
        names.bias: head.bias,
    }


def _activation(embeddings: TextEmbeddings, block: TransformerBlock) -> str:
    # The heads of RoBERTa and of ELECTRA's generator know no other, whatever the config says.
    return block.hidden_act if embeddings.family in ("bert", "distilbert") else "gelu"


def _anywhere(name: str) -> str:
    """Leave out what TensorFlow calls otherwise (`mlm___cls`)."""
    return name.removeprefix("cls.")


def _has_own_table(content: Checkpoint, embeddings: TextEmbeddings) -> bool:
    own = content.find(_anywhere(_NAMES[embeddings.family].table))
    words = content.find("word_embeddings.weight")
    return own is not None and words is not None and not np.array_equal(own, words)
