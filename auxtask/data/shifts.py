"""Small shifts and mirror images: what changes a small picture without changing what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from auxtask.framework import tf


@dataclass(frozen=True)
class Shifts:
    """Move each picture by whole pixels, and mirror half of them, drawn by a seed.

    What is uncovered is filled with what lies at the border. Unlike `Augmentation` it takes any number of channels,
    and touches no value.

    Parameters
    ----------
    pixels
        each picture moves by up to this, up or down and left or right
    flip
        whether half of the pictures are mirrored; not for digits or letters
    """

    pixels: int = 2
    flip: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if isinstance(self.pixels, bool) or not isinstance(self.pixels, int) or self.pixels < 0:
            raise ValueError(f"pixels={self.pixels!r}: must be a whole number of at least 0")

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Shift a batch.

        Parameters
        ----------
        images
            uint8 or float32 [n, height, width, channels]
        seed
            int32 [2]; the same seed gives the same result

        Returns
        -------
        float32 [n, height, width, channels]
        """
        count, height, width = (tf.shape(images)[axis] for axis in range(3))
        moves = tf.random.stateless_uniform((count, 3), seed, -self.pixels, self.pixels + 1, dtype=tf.int32)
        rows = tf.clip_by_value(tf.range(height) + moves[:, 0:1], 0, height - 1)
        columns = tf.clip_by_value(tf.range(width) + moves[:, 1:2], 0, width - 1)
        if self.flip:
            mirrored = tf.random.stateless_uniform((count, 1), seed + 1) < 0.5
            columns = tf.where(mirrored, columns[:, ::-1], columns)
        moved = tf.gather(images, rows, axis=1, batch_dims=1)
        moved = tf.gather(moved, columns, axis=2, batch_dims=1)
        return tf.cast(tf.ensure_shape(moved, images.shape), tf.float32)
