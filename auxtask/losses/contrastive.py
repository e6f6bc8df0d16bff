"""Contrastive loss over all pairs, through TensorFlow Addons."""

from __future__ import annotations

from typing import Any

from auxtask.framework import keras, tf
from auxtask.losses.pairs import balanced_mean, checked_batch, pair_masks, similarities


@keras.saving.register_keras_serializable(package="auxtask")
class Contrastive(keras.layers.Layer):
    """Pull genuine pairs together, push impostor pairs apart until `margin`.

    A genuine pair at distance D costs D^2, an impostor pair max(margin - D, 0)^2; genuine and
    impostor pairs weigh the same. D is the Euclidean distance between unit vectors, from one
    matrix product. Source: Hadsell et al., "Dimensionality Reduction by Learning an Invariant
    Mapping" (2006); computed by `tfa.losses.ContrastiveLoss`.

    Parameters
    ----------
    margin : float
        In (0, 2]; orthogonal unit vectors are 1.41 apart.

    Notes
    -----
    `loss(embeddings float [n, d], labels int [n]) -> float32 scalar`. If the batch has pairs of
    one kind only, the other kind adds nothing.
    """

    def __init__(self, margin: float = 1.0, name: str | None = "contrastive") -> None:
        if not 0 < margin <= 2:
            raise ValueError(f"margin must be in (0, 2], not {margin}")
        super().__init__(name=name, dtype="float32")
        self.margin = float(margin)

    def call(self, embeddings: Any, labels: Any) -> tf.Tensor:
        """Give the loss of a batch."""
        from auxtask.framework import tfa  # slow to import, and needed by few

        unit, labels = checked_batch(embeddings, labels)
        same, different = pair_masks(labels)
        # The floor keeps the root's slope finite for two equal items (and on the diagonal).
        distances = tf.sqrt(tf.maximum(2.0 - 2.0 * similarities(unit), 1e-7))
        loss = tfa.losses.ContrastiveLoss(margin=self.margin, reduction=keras.losses.Reduction.NONE)
        return balanced_mean(loss(same, distances), same, different)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make this loss again."""
        return {"margin": self.margin, "name": self.name}
