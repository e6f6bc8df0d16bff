"""Cross-correlation loss: every feature agrees with itself between views, and with no other."""

from __future__ import annotations

from typing import Any

from auxtask.framework import keras, tf
from auxtask.losses.pairs import checked_batch, pair_masks

# Added to variances, so that a feature that is the same for all items divides by something.
_LEAST_VARIANCE = 1e-5


@keras.saving.register_keras_serializable(package="auxtask")
class CrossCorrelation(keras.layers.Layer):
    """Bring the correlation of features between items of the same identity to the identity matrix.

    With features standardised over the batch, C[a, b] is the mean of `z_i[a] * z_j[b]` over all pairs of different
    items i, j of the same identity, and the loss is `sum_a (1 - C[a, a])^2 + redundancy * sum_(a != b) C[a, b]^2`,
    divided by the number of features. Source: Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy
    Reduction" (2021). Theirs is for two views, each standardised by itself; here a pair counts in both directions
    and views are standardised together, so that identities may have any number of items in any order.

    Parameters
    ----------
    redundancy : float
        At least 0; theirs is 0.005 at 8,192 features. At few features the second sum has few terms and takes more.

    Notes
    -----
    `loss(embeddings float [n, d], labels int [n]) -> float32 scalar`. Unlike the losses on pairs it looks at features
    as they are, not at unit length. There are no negatives, so small batches do.
    """

    def __init__(self, redundancy: float = 0.02, name: str | None = "cross_correlation") -> None:
        if not redundancy >= 0:
            raise ValueError(f"redundancy must be at least 0, not {redundancy}")
        super().__init__(name=name, dtype="float32")
        self.redundancy = float(redundancy)

    def call(self, embeddings: Any, labels: Any) -> tf.Tensor:
        """Give the loss of a batch."""
        _, labels = checked_batch(embeddings, labels)
        rows = tf.cast(embeddings, tf.float32)
        mean, variance = tf.nn.moments(rows, axes=[0])
        rows = (rows - mean) / tf.sqrt(variance + _LEAST_VARIANCE)
        same, _ = pair_masks(labels)
        partners = tf.matmul(same, rows)
        correlation = tf.math.divide_no_nan(tf.matmul(rows, partners, transpose_a=True), tf.reduce_sum(same))
        own = tf.linalg.diag_part(correlation)
        others = tf.reduce_sum(tf.square(correlation)) - tf.reduce_sum(tf.square(own))
        total = tf.reduce_sum(tf.square(1 - own)) + self.redundancy * others
        return total / tf.cast(tf.shape(rows)[1], tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make this loss again."""
        return {"redundancy": self.redundancy, "name": self.name}
