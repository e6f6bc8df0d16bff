"""The task on upright pictures: how far was it turned?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from auxtask.framework import keras, tf
from auxtask.tasks.image_task import ImageTask, refuse_maps


class Rotation(ImageTask):
    """Tell by how many quarter turns a picture was turned (Gidaris et al., "Unsupervised Representation Learning by
    Predicting Image Rotations", 2018). Each batch is shown in all four positions.

    Parameters
    ----------
    encoder : keras.Model
        From square pictures to features [n, d].
    augment, batch_size
        See `ImageTask`; the network sees four times `batch_size` pictures per step.
    seed : int
        Of the head that is thrown away afterwards.

    Raises
    ------
    ValueError
        The encoder takes pictures that are not square, or does not give features [n, d].

    Examples
    --------
    >>> backbone = Rotation(at.conv_backbone(seed=0)).pretrain(images, budget="5min")
    """

    def __init__(
        self,
        encoder: keras.Model,
        augment: Callable[[Any, Any], Any] | None = None,
        batch_size: int = 64,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        refuse_maps(encoder)
        super().__init__(encoder, augment, batch_size, logs=("loss", "accuracy"), name=name)
        height, width = encoder.input_shape[1:3]
        if height != width:
            raise ValueError(f"pictures of {height} x {width} cannot be turned by a quarter: they must be square")
        start = keras.initializers.GlorotUniform(seed=seed)
        self.head = keras.layers.Dense(4, kernel_initializer=start, name="turns")
        self.head.build(encoder.output_shape)
        self.built = True

    def batches(self, data: np.ndarray, seed: int) -> tf.data.Dataset:
        """Make endless batches of pictures in all four positions, float32 [4 n, ...], and their turns, int64 [4 n]."""
        return super().batches(data, seed).map(_in_four_positions, tf.data.AUTOTUNE, deterministic=True)

    def batch_loss(self, batch: tuple[tf.Tensor, tf.Tensor], training: bool) -> dict[str, tf.Tensor]:
        """Give cross-entropy and accuracy over the four positions; chance is 0.25."""
        turned, turns = batch
        odds = self.head(self.encoder(turned, training=training))
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(turns, odds))
        return {"loss": loss, "accuracy": tf.reduce_mean(tf.cast(tf.argmax(odds, axis=1) == turns, tf.float32))}


def _in_four_positions(pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    turned = tf.concat([tf.image.rot90(pictures, k) for k in range(4)], axis=0)
    return turned, tf.repeat(np.arange(4), tf.shape(pictures)[0])
