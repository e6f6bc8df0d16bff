"""What SimCLR and Barlow Twins share: two views of each picture, and a head that is thrown away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from auxtask.backbones.seeds import seed_stream
from auxtask.data.crops import Crops
from auxtask.framework import keras, tf
from auxtask.tasks.encoded_once import EncodedOnce
from auxtask.tasks.image_task import ImageTask, refuse_maps

layers = keras.layers


class TwoViews(EncodedOnce, ImageTask):
    """Pictures are identities of their own, and two augmented views of one are its items.

    Parameters
    ----------
    encoder : keras.Model
        From pictures to features [n, d].
    loss : callable (embeddings, labels) -> scalar
        See `auxtask.losses`.
    widths : sequence of int
        Of the projection head's layers, see `projection_head`.
    augment : callable (images, seed int32 [2]) -> float32 images, optional
        Makes one view; None: `Crops()`.
    batch_size : int
        Pictures; the encoder sees twice as many views, in one call.
    seed : int
        Of the head.
    logs : tuple of str
        What `batch_loss` gives beside the loss and its parts.

    Raises
    ------
    ValueError
        The encoder does not give features [n, d]; a width or the batch is below its least.
    """

    def __init__(
        self,
        encoder: keras.Model,
        loss: Callable[[Any, Any], Any],
        widths: Sequence[int],
        augment: Callable[[Any, Any], Any] | None,
        batch_size: int,
        seed: int,
        logs: tuple[str, ...] = (),
        name: str | None = None,
    ) -> None:
        if batch_size < 2:
            raise ValueError(f"batch_size={batch_size}: views are told from those of other pictures: at least 2")
        refuse_maps(encoder)
        super().__init__(encoder, Crops() if augment is None else augment, batch_size, views=2, name=name)
        self.head = projection_head(encoder.output_shape[-1], widths, seed)
        self.set_objective(loss, also=logs)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Give the projections of views: float32 [n, widths[-1]]."""
        return tf.cast(self.head(self.encoder(inputs, training=training), training=training), tf.float32)

    def batches(self, data: np.ndarray, seed: int) -> tf.data.Dataset:
        """Make endless batches: views float32 [2 n, height, width, channels], and whose they are, int32 [2 n]."""
        return super().batches(data, seed).map(_side_by_side)

    def prepare(self, data: np.ndarray, validation: np.ndarray | None, seed: int) -> None:
        """Refuse a single picture: there would be nothing to tell it from."""
        for what, images in (("data", data), ("validation", validation)):
            if images is not None and len(images) < 2:
                raise ValueError(f"{what}: {len(images)} pictures; views are told from those of others: at least 2")


def projection_head(num_features: int, widths: Sequence[int], seed: int) -> keras.Model:
    """Make the layers between features and loss: Dense, between them BatchNorm and ReLU.

    Features before such a head transfer better than what the loss sees (Chen et al. 2020, section 4.2).

    Raises
    ------
    ValueError
        No width, or one below 1.
    """
    if not widths or min(widths) < 1:
        raise ValueError(f"the projection's widths must be at least 1, one or more, not {tuple(widths)}")
    seeds = seed_stream(seed)
    head = keras.Sequential([layers.Input((num_features,))], name="projection")
    for i, width in enumerate(widths):
        start = keras.initializers.HeNormal(seed=next(seeds))
        last = i == len(widths) - 1
        head.add(layers.Dense(width, use_bias=last, kernel_initializer=start))
        if not last:
            head.add(layers.BatchNormalization(momentum=0.9))
            head.add(layers.ReLU())
    return head


def _side_by_side(one: tf.Tensor, other: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    # The views of a picture are neighbours: where a batch is dealt out to several devices, they stay together.
    views = tf.reshape(tf.stack([one, other], axis=1), (-1, *one.shape[1:]))
    return views, tf.repeat(tf.range(tf.shape(one)[0]), 2)
