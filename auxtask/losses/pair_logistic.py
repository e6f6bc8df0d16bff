"""Same or not? The lecture's auxiliary task taken literally: logistic regression on a pair."""

from __future__ import annotations

import math
from typing import Any

from auxtask.framework import keras, tf
from auxtask.losses.pairs import balanced_mean, checked_batch, pair_masks, similarities


@keras.saving.register_keras_serializable(package="auxtask")
class PairLogistic(keras.layers.Layer):
    """Binary cross-entropy of "same identity" over all pairs of the batch.

    The log-odds of "same" are `scale * cos(i, j) + offset`, both learned; genuine and impostor
    pairs weigh the same. Source: the siamese networks of Bromley et al., "Signature Verification
    using a 'Siamese' Time Delay Neural Network" (1993), with the cross-entropy and the learned
    scale and offset of Zhai et al., "Sigmoid Loss for Language Image Pre-Training" (2023).

    Parameters
    ----------
    scale : float
        Start value, above 0; it stays above 0, being learned as its logarithm.
    offset : float
        Start value. With -scale / 2 a pair of cosine 1/2 starts undecided.

    Notes
    -----
    `loss(embeddings float [n, d], labels int [n]) -> float32 scalar`. If the batch has pairs of
    one kind only, the other kind adds nothing.
    """

    def __init__(self, scale: float = 10.0, offset: float = -5.0, name: str | None = "pair_logistic") -> None:
        if not scale > 0:
            raise ValueError(f"scale must be above 0, not {scale}")
        super().__init__(name=name, dtype="float32")
        self.scale, self.offset = float(scale), float(offset)
        constant = keras.initializers.Constant
        self.log_scale_weight = self.add_weight(name="log_scale", shape=(), initializer=constant(math.log(self.scale)))
        self.offset_weight = self.add_weight(name="offset", shape=(), initializer=constant(self.offset))

    def log_odds(self, cosine: tf.Tensor) -> tf.Tensor:
        """Give the log-odds of "same" for cosines of any shape."""
        return tf.exp(self.log_scale_weight) * cosine + self.offset_weight

    def call(self, embeddings: Any, labels: Any) -> tf.Tensor:
        """Give the loss of a batch."""
        unit, labels = checked_batch(embeddings, labels)
        same, different = pair_masks(labels)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=same, logits=self.log_odds(similarities(unit)))
        return balanced_mean(losses, same, different)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make this loss again (start values, not the learned ones)."""
        return {"scale": self.scale, "offset": self.offset, "name": self.name}
