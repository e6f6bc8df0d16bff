"""Changing photos in ways that leave the person recognisable: a batch at a time, and cheaply."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auxtask.framework import tf

# Weights of red, green and blue in perceived brightness (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Augmentation:
    """Random crop, mirror image, colour and erasing, drawn anew for each photo.

    Parameters
    ----------
    crop_scale
        side of the cropped square as a share of the photo's, uniform in this range; its
        place is uniform too
    size
        side of the result, in pixels
    flip
        whether half of the photos are mirrored
    brightness
        up to this share of 255 is added or taken away
    contrast, saturation
        contrast and colour are multiplied by 1 -+ up to this
    grey
        share of photos that lose their colour
    erase
        share of photos of which a rectangle is overwritten with one random colour (random
        erasing, Zhong et al. 2020)
    erase_side
        sides of that rectangle as shares of the photo's, uniform in this range
    """

    crop_scale: tuple[float, float] = (0.82, 0.96)
    size: int = 72
    flip: bool = True
    brightness: float = 0.15
    contrast: float = 0.25
    saturation: float = 0.3
    grey: float = 0.1
    erase: float = 0.5
    erase_side: tuple[float, float] = (0.1, 0.4)

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        for name in ("crop_scale", "erase_side"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name}={(low, high)}: must be 0 < low <= high <= 1")
        for name in ("brightness", "contrast", "saturation", "grey", "erase"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: must lie between 0 and 1")
        if self.size < 8:
            raise ValueError(f"size={self.size}: must be at least 8 pixels")

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Augment a batch.

        Parameters
        ----------
        images
            uint8 or float32 [n, S, S, 3], 0..255
        seed
            int32 [2]; the same seed gives the same result

        Returns
        -------
        float32 [n, size, size, 3], 0..255
        """
        # One draw for everything random; each setting has its own column, so that switching one
        # off does not change what the others draw.
        uniform = tf.random.stateless_uniform((tf.shape(images)[0], 16), seed)
        photos = self._crop(images, uniform[:, 0:4])
        photos = self._colour(photos, uniform[:, 4:8])
        return self._erase(photos, uniform[:, 8:16]) if self.erase else photos

    def _crop(self, images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        low, high = self.crop_scale
        side = low + (high - low) * uniform[:, 0]
        top, left = (1 - side) * uniform[:, 1], (1 - side) * uniform[:, 2]
        right = left + side
        if self.flip:
            # A box whose left edge is right of its right edge is read backwards: a free mirror.
            mirrored = uniform[:, 3] < 0.5
            left, right = tf.where(mirrored, right, left), tf.where(mirrored, left, right)
        return _crop_and_resize(images, tf.stack([top, left, top + side, right], 1), self.size)

    def _colour(self, photos: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        signed = 2 * uniform - 1
        gain = 1 + self.contrast * signed[:, 0]
        shift = 255 * self.brightness * signed[:, 1]
        colour = 1 + self.saturation * signed[:, 2]
        colour = tf.where(uniform[:, 3] < self.grey, 0.0, colour)
        # Brightness, contrast (about mid-grey) and saturation together are one 3 x 3 matrix and
        # one offset per photo: a single pass over the pixels.
        own = (gain * colour)[:, None, None] * tf.eye(3)
        mixed = (gain * (1 - colour))[:, None, None] * _LUMA[None, :, None]
        offset = (127.5 * (1 - gain) + shift)[:, None, None]
        flat = tf.reshape(photos, (-1, self.size * self.size, 3))
        flat = tf.clip_by_value(tf.matmul(flat, own + mixed) + offset, 0.0, 255.0)
        return tf.reshape(flat, (-1, self.size, self.size, 3))

    def _erase(self, photos: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        low, high = self.erase_side
        sides = (low + (high - low) * uniform[:, 0:2]) * self.size
        starts = (self.size - sides) * uniform[:, 2:4]
        sides = tf.where(uniform[:, 7:8] < self.erase, sides, 0.0)
        place = tf.range(self.size, dtype=tf.float32) + 0.5
        inside = (place >= starts[..., None]) & (place < (starts + sides)[..., None])
        # Columns and channels as one axis: TensorFlow's broadcasts over the last axis are fast only
        # where that axis is long (0.02 instead of 0.08 ms a photo).
        columns = tf.repeat(inside[:, 1], 3, axis=1)
        erased = inside[:, 0, :, None] & columns[:, None, :]
        colour = tf.tile(255 * uniform[:, None, 4:7], (1, 1, self.size))
        flat = tf.reshape(photos, (-1, self.size, self.size * 3))
        return tf.reshape(tf.where(erased, colour, flat), (-1, self.size, self.size, 3))


def centre_crop(images: tf.Tensor, scale: float, size: int) -> tf.Tensor:
    """Cut the middle square and resize it (bilinear).

    Parameters
    ----------
    images
        uint8 or float32 [n, S, S, 3]
    scale
        side of the square as a share of the photo's
    size
        side of the result, in pixels

    Returns
    -------
    float32 [n, size, size, 3], in the range of the input
    """
    if not 0 < scale <= 1:
        raise ValueError(f"scale={scale}: must be 0 < scale <= 1")
    box = tf.constant([[0.5 - scale / 2, 0.5 - scale / 2, 0.5 + scale / 2, 0.5 + scale / 2]])
    return _crop_and_resize(images, tf.repeat(box, tf.shape(images)[0], axis=0), size)


def _crop_and_resize(images: tf.Tensor, boxes: tf.Tensor, size: int) -> tf.Tensor:
    each = tf.range(tf.shape(images)[0])
    # The kernel is faster on float32 than on uint8, the cast included.
    return tf.image.crop_and_resize(tf.cast(images, tf.float32), boxes, each, (size, size))
