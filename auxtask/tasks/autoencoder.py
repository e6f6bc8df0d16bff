"""The task on pictures that needs nothing but them: give them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from auxtask.backbones.decoder import group_decoders, last_maps
from auxtask.data.corruption import Corruption
from auxtask.data.image_batches import with_seeds
from auxtask.framework import keras, tf
from auxtask.tasks.image_task import ImageTask
from auxtask.transfer.cutting import prefix

_BATCH = 500


class Autoencoder(ImageTask):
    """Give pictures back from what the encoder makes of them; the decoder, its mirror image, is thrown away.

    The loss is the mean squared error of pixels, which go from -1 to 1. With `noise` it is a denoising autoencoder
    (Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders", 2008), with `masked` the
    loss counts hidden patches alone (He et al., "Masked Autoencoders Are Scalable Vision Learners", 2022).

    Parameters
    ----------
    encoder : keras.Model
        From pictures to features [n, d] or feature maps.
    noise, masked, patch
        See `Corruption`.
    code : {"features", "maps"}
        Whether the decoder begins at the encoder's output, or at its last feature maps, before they are pooled.
    augment, batch_size
        See `ImageTask`.
    seed : int
        Of the decoder.

    Attributes
    ----------
    decoders : dict of group name to keras.Model
        See `group_decoders`.

    Raises
    ------
    ValueError
        There is no way back through this encoder, a number is out of range, or so few patches are masked that none
        would be hidden.

    Examples
    --------
    >>> task = Autoencoder(at.conv_backbone(seed=0), noise=0.5)
    >>> backbone = task.pretrain(images, budget="5min")
    >>> given_back = task.reconstruct(task.shown(images[:10]))
    """

    def __init__(
        self,
        encoder: keras.Model,
        noise: float = 0.0,
        masked: float = 0.0,
        patch: int = 4,
        code: Literal["features", "maps"] = "features",
        augment: Callable[[Any, Any], Any] | None = None,
        batch_size: int = 128,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(encoder, augment, batch_size, name=name)
        if code not in ("features", "maps"):
            raise ValueError(f"code={code!r}: expected 'features' or 'maps'")
        self.corruption, self.code = Corruption(noise, masked, patch), code
        self.decoders = group_decoders(encoder, code == "maps", seed)
        height, width = encoder.input_shape[1:3]
        if masked and not self.corruption.num_hidden(height, width):
            raise ValueError(f"masked={masked}: of {height}x{width} pixels not one {patch}x{patch} patch is hidden")
        self._to_code = prefix(encoder, last_maps(encoder)) if code == "maps" else encoder
        self.built = True

    def batches(self, data: np.ndarray, seed: int) -> tf.data.Dataset:
        """Make endless batches: pictures, and a seed for what is taken from them."""
        return with_seeds(super().batches(data, seed), seed)

    def batch_loss(self, batch: tuple[tf.Tensor, tf.Tensor], training: bool) -> tf.Tensor:
        """Give the mean squared error of the pixels, or of those that were hidden."""
        images, seed = batch
        shown, hidden = self.corruption(images, seed)
        errors = tf.square(self._given_back(shown, training) - (images / 127.5 - 1))
        if not self.corruption.masked:
            return tf.reduce_mean(errors)
        return tf.reduce_sum(errors * hidden) / (tf.reduce_sum(hidden) * images.shape[-1])

    def shown(self, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """Give pictures as the encoder sees them in training: uint8, like `images`."""
        shown, _ = self.corruption(tf.cast(images, tf.float32), tf.constant([seed, 0]))
        return _as_pixels(shown)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Give pictures back: from uint8 [n, height, width, channels] to the same."""
        starts = range(0, len(images), _BATCH)
        made = [self._given_back(tf.cast(images[i : i + _BATCH], tf.float32), training=False) for i in starts]
        return _as_pixels((tf.concat(made, axis=0) + 1) * 127.5)

    def facts(self, data: np.ndarray, validation: np.ndarray | None) -> dict[str, Any]:
        """Give those of `ImageTask`, and what was taken from the pictures."""
        taken = {"noise": self.corruption.noise, "masked": self.corruption.masked, "patch": self.corruption.patch}
        return super().facts(data, validation) | taken | {"code": self.code}

    def _given_back(self, images: tf.Tensor, training: bool) -> tf.Tensor:
        x = self._to_code(images, training=training)
        for decoder in reversed(self.decoders.values()):
            x = decoder(x, training=training)
        return x


def _as_pixels(images: tf.Tensor) -> np.ndarray:
    return np.clip(np.round(images.numpy()), 0, 255).astype(np.uint8)
