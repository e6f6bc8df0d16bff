"""The contrastive task on pictures: which of all these views is another one of the same picture?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from auxtask.framework import keras, tf
from auxtask.losses.supervised_contrastive import SupervisedContrastive
from auxtask.tasks.two_views import TwoViews


class SimClr(TwoViews):
    """Find a picture's other view among those of the whole batch (Chen et al., "A Simple Framework for Contrastive
    Learning of Visual Representations", 2020).

    The loss is `SupervisedContrastive` with the picture's number as identity: with two items of each it is NT-Xent.

    Parameters
    ----------
    encoder : keras.Model
        From pictures to features [n, d].
    augment : callable (images, seed int32 [2]) -> float32 images, optional
        Makes one view; None: `Crops()`, which mirrors (not for digits or letters).
    temperature : float
        See `SupervisedContrastive`.
    widths : sequence of int
        Of the projection head, which is thrown away.
    batch_size : int
        Pictures, each with two views. More are harder to tell apart, and better up to thousands.
    seed : int
        Of the head.

    Raises
    ------
    ValueError
        The encoder does not give features [n, d]; a number is out of range.

    Notes
    -----
    Logged: `loss`, and `accuracy`: the share of views whose most similar other view is the right one; chance is
    `1 / (2 * batch_size - 1)`.

    Examples
    --------
    >>> backbone = SimClr(at.conv_backbone(seed=0)).pretrain(images, budget="10min")
    """

    def __init__(
        self,
        encoder: keras.Model,
        augment: Callable[[Any, Any], Any] | None = None,
        temperature: float = 0.2,
        widths: Sequence[int] = (256, 64),
        batch_size: int = 256,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        loss = SupervisedContrastive(temperature)
        super().__init__(encoder, loss, widths, augment, batch_size, seed, ("accuracy",), name)

    def batch_loss(self, batch: Any, training: bool) -> dict[str, tf.Tensor]:
        """Give the loss, and the share of views that are matched."""
        views, numbers = batch
        embeddings = self(views, training=training)
        return self.objective_values(embeddings, numbers) | {"accuracy": _matched(embeddings, numbers)}


def _matched(embeddings: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    unit = tf.math.l2_normalize(embeddings, axis=1)
    cosines = tf.linalg.set_diag(tf.matmul(unit, unit, transpose_b=True), tf.fill(tf.shape(numbers), -2.0))
    nearest = tf.gather(numbers, tf.argmax(cosines, axis=1))
    return tf.reduce_mean(tf.cast(nearest == numbers, tf.float32))
