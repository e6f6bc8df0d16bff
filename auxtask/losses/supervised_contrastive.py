"""Supervised contrastive loss: pick your own other photos out of the whole batch."""

from __future__ import annotations

from typing import Any

from auxtask.framework import keras, tf
from auxtask.losses.pairs import checked_batch, pair_masks, similarities

# Far below any cosine divided by a temperature, and still finite in float32.
_NEVER = -1e9


@keras.saving.register_keras_serializable(package="auxtask")
class SupervisedContrastive(keras.layers.Layer):
    """Cross-entropy of every genuine partner against all other items of the batch.

    For item i with partners P(i) (other items of its identity), the loss is the mean over
    P(i) of `-log softmax_j(cos(i, j) / temperature)`, j over all items but i; items without a
    partner only serve as negatives. The mean is over the items that have one. Source: Khosla et
    al., "Supervised Contrastive Learning" (2020), the variant L_out.

    Parameters
    ----------
    temperature : float
        Above 0. Smaller looks at the hardest negatives only.

    Notes
    -----
    `loss(embeddings float [n, d], labels int [n]) -> float32 scalar`. A batch without a genuine
    pair has loss 0 and no gradient.
    """

    def __init__(self, temperature: float = 0.08, name: str | None = "supervised_contrastive") -> None:
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, not {temperature}")
        super().__init__(name=name, dtype="float32")
        self.temperature = float(temperature)

    def call(self, embeddings: Any, labels: Any) -> tf.Tensor:
        """Give the loss of a batch."""
        unit, labels = checked_batch(embeddings, labels)
        same, _ = pair_masks(labels)
        logits = similarities(unit) / self.temperature
        logits = tf.linalg.set_diag(logits, tf.fill(tf.shape(labels), _NEVER))
        log_share = tf.nn.log_softmax(logits, axis=1)
        partners = tf.reduce_sum(same, axis=1)
        # `where`, not a product with the mask alone: the diagonal's -1e9 must not enter the sum.
        genuine = tf.reduce_sum(tf.where(same > 0, -log_share, 0.0), axis=1)
        losses = tf.math.divide_no_nan(genuine, partners)
        anchors = tf.reduce_sum(tf.cast(partners > 0, tf.float32))
        return tf.math.divide_no_nan(tf.reduce_sum(losses), anchors)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make this loss again."""
        return {"temperature": self.temperature, "name": self.name}
