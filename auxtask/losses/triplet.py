"""Triplet loss with semi-hard negatives, through TensorFlow Addons."""

from __future__ import annotations

from typing import Any

from auxtask.framework import keras, tf
from auxtask.losses.pairs import checked_batch, pair_masks


@keras.saving.register_keras_serializable(package="auxtask")
class Triplet(keras.layers.Layer):
    """An item must be nearer to its partner than to a stranger, by a margin.

    For every genuine pair the negative is the nearest one farther than the partner, or the
    farthest if none is. Distances are squared Euclidean ones between unit vectors. Source:
    Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering" (2015);
    computed by `tfa.losses.TripletSemiHardLoss`.

    Parameters
    ----------
    margin : float
        Above 0, in squared distance (at most 4 between unit vectors).

    Notes
    -----
    `loss(embeddings float [n, d], labels int [n]) -> float32 scalar`. A batch without a genuine
    pair has loss 0 and no gradient. Memory grows with n cubed.
    """

    def __init__(self, margin: float = 0.3, name: str | None = "triplet") -> None:
        if not margin > 0:
            raise ValueError(f"margin must be above 0, not {margin}")
        super().__init__(name=name, dtype="float32")
        self.margin = float(margin)

    def call(self, embeddings: Any, labels: Any) -> tf.Tensor:
        """Give the loss of a batch."""
        from auxtask.framework import tfa  # slow to import, and needed by few

        unit, labels = checked_batch(embeddings, labels)
        same, _ = pair_masks(labels)
        # Addons' loss is a scalar already; without reduction it also works under tf.distribute.
        loss = tfa.losses.TripletSemiHardLoss(
            margin=self.margin,
            distance_metric="squared-L2",
            reduction=keras.losses.Reduction.NONE,
        )
        # Without a genuine pair Addons divides 0 by 0, and a `where` would let its NaN gradient by.
        return tf.cond(
            tf.reduce_any(same > 0),
            # Addons transposes the labels, which oneDNN cannot for whole numbers; float64 holds each one exactly.
            lambda: loss(tf.cast(labels, tf.float64), unit),
            lambda: 0.0 * tf.reduce_sum(unit),
        )

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make this loss again."""
        return {"margin": self.margin, "name": self.name}
