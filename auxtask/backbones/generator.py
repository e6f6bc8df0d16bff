"""What ELECTRA needs beside its discriminator: a small generator, and a head that detects replaced words."""

from __future__ import annotations

from typing import Any

from auxtask.backbones.language_layers import TransformerBlock, activate
from auxtask.framework import keras, tf

# Heads are no wider than in the models that `language_backbone` makes.
_HEAD_WIDTH = 64


class Generator(keras.layers.Layer):
    """As many transformer layers as the discriminator has, narrower, on the discriminator's embeddings.

    Parameters
    ----------
    blocks : list of TransformerBlock
        The discriminator's: only their settings are read.
    share : float
        Of their width.
    """

    def __init__(self, blocks: list[TransformerBlock], share: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        like = blocks[0]
        head = min(_HEAD_WIDTH, like.hidden_size // like.num_heads)
        self.width = max(1, round(share * like.hidden_size / head)) * head
        self.project = keras.layers.Dense(self.width, kernel_initializer=_initializer(), name="project")
        self.blocks = [
            TransformerBlock(
                self.width,
                self.width // head,
                max(1, round(like.intermediate_size * self.width / like.hidden_size)),
                like.hidden_act,
                epsilon=like.epsilon,
                name=f"layer{number}",
            )
            for number in range(len(blocks))
        ]

    def build(self, shape: Any) -> None:
        """Make the weights, by a call."""
        super().build(shape)
        self(tf.zeros((1, 1, shape[-1])), tf.zeros((1, 1, 1, 1)))

    def call(self, embedded: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """Give vectors [n, t, width] from embeddings [n, t, d] and attention's bias [n, 1, 1, t]."""
        h = self.project(embedded)
        for block in self.blocks:
            h = block(h, attention_bias=bias, training=False)
        return h


class DetectionHead(keras.layers.Layer):
    """From hidden states to the log-odds of "replaced": dense, activation, dense (as ELECTRA's)."""

    def __init__(self, width: int, hidden_act: str = "gelu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(width, kernel_initializer=_initializer(), name="dense")
        self.odds = keras.layers.Dense(1, kernel_initializer=_initializer(), name="odds")
        self.width, self.hidden_act = width, hidden_act

    def build(self, shape: Any) -> None:
        """Make the weights."""
        self.dense.build(shape)
        self.odds.build((None, self.width))
        super().build(shape)

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        """Give float32 [n, t] from [n, t, d]."""
        return tf.cast(self.odds(activate(self.dense(hidden), self.hidden_act))[..., 0], tf.float32)


def _initializer() -> Any:
    return keras.initializers.TruncatedNormal(stddev=0.02)
