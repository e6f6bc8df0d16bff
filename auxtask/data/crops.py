"""Random parts of pictures, resized to the whole: the views of contrastive learning, with any number of channels."""

from __future__ import annotations

from dataclasses import dataclass

from auxtask.framework import tf


@dataclass(frozen=True)
class Crops:
    """Cut a random part out of each picture, resize it to the picture's size, mirror it, change its light.

    The augmentation of Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (2020),
    without what needs colours. Unlike `Augmentation` it takes any number of channels and any size; gradients flow
    through it to the pictures.

    Parameters
    ----------
    area : (float, float)
        Share of the picture that is cut out, uniform in this range. Small parts of small pictures show nothing.
    ratio : (float, float)
        The part's width by its height relative to the picture's, log-uniform in this range.
    flip : bool
        Whether half of the pictures are mirrored; not for digits or letters.
    brightness : float in [0, 1]
        Up to this share of 255 is added or taken away.
    contrast : float in [0, 1]
        Distances from the picture's mean are multiplied by 1 -+ up to this.
    """

    area: tuple[float, float] = (0.3, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True
    brightness: float = 0.2
    contrast: float = 0.4

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        low, high = self.area
        if not 0 < low <= high <= 1:
            raise ValueError(f"area={self.area}: must be 0 < low <= high <= 1")
        low, high = self.ratio
        if not 0 < low <= high:
            raise ValueError(f"ratio={self.ratio}: must be 0 < low <= high")
        for name in ("brightness", "contrast"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: must lie between 0 and 1")

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Make one view of each picture of a batch.

        Parameters
        ----------
        images : uint8 or float32 [n, height, width, channels], 0 to 255
        seed : int32 [2]
            The same gives the same result.

        Returns
        -------
        float32 [n, height, width, channels], 0 to 255
        """
        # One draw for everything; each setting has its own column, so that switching one off changes no other.
        uniform = tf.random.stateless_uniform((tf.shape(images)[0], 7), seed)
        cut = self._cut(tf.cast(images, tf.float32), uniform[:, :5])
        if self.brightness or self.contrast:
            cut = self._relight(cut, 2 * uniform[:, 5:] - 1)
        return tf.ensure_shape(cut, images.shape)

    def _cut(self, images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        area = self.area[0] + (self.area[1] - self.area[0]) * uniform[:, 0]
        low, high = tf.math.log(self.ratio[0]), tf.math.log(self.ratio[1])
        root = tf.exp((low + (high - low) * uniform[:, 1]) / 2)
        height, width = (tf.minimum(tf.sqrt(area) * stretch, 1.0) for stretch in (1 / root, root))
        top, left = (1 - height) * uniform[:, 2], (1 - width) * uniform[:, 3]
        right = left + width
        if self.flip:
            # A box whose left edge is right of its right edge is read backwards: a free mirror.
            mirrored = uniform[:, 4] < 0.5
            left, right = tf.where(mirrored, right, left), tf.where(mirrored, left, right)
        boxes, each = tf.stack([top, left, top + height, right], axis=1), tf.range(tf.shape(images)[0])
        return tf.image.crop_and_resize(images, boxes, each, tf.shape(images)[1:3])

    def _relight(self, images: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
        shift, gain = (
            255 * self.brightness * signed[:, 0, None, None, None],
            1 + self.contrast * signed[:, 1, None, None, None],
        )
        return tf.clip_by_value((images - mean) * gain + mean + shift, 0.0, 255.0)
