"""What is taken from a picture before a network gives it back: noise, hidden patches."""

from __future__ import annotations

from dataclasses import dataclass

from auxtask.framework import tf

_GREY = 127.5  # where hidden patches lie: in the middle of 0 to 255


@dataclass(frozen=True)
class Corruption:
    """Add noise to pictures, and hide some of their patches.

    Noise: Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders" (2008). Patches: He
    et al., "Masked Autoencoders Are Scalable Vision Learners" (2022); here they are grey, since a convolution needs
    something at every place.

    Parameters
    ----------
    noise : float
        Standard deviation of Gaussian noise, where pixels go from -1 to 1.
    masked : float in [0, 1)
        Share of each picture's patches that are hidden, rounded to a whole number of them.
    patch : int
        Side of a patch in pixels; those at the right and lower border may be cut off.

    Raises
    ------
    ValueError
        A number is out of range.
    """

    noise: float = 0.0
    masked: float = 0.0
    patch: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if not self.noise >= 0:
            raise ValueError(f"noise must be at least 0, not {self.noise}")
        if not 0 <= self.masked < 1:
            raise ValueError(f"masked must be a share of the patches in [0, 1), not {self.masked}")
        if isinstance(self.patch, bool) or not isinstance(self.patch, int) or self.patch < 1:
            raise ValueError(f"patch={self.patch!r}: must be a whole number of pixels, at least 1")

    def num_hidden(self, height: int, width: int) -> int:
        """Count the patches that are hidden in each picture of that size."""
        return round(self.masked * len(range(0, height, self.patch)) * len(range(0, width, self.patch)))

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Corrupt a batch.

        Parameters
        ----------
        images : float32 [n, height, width, channels]
            0 to 255.
        seed : int32 [2]
            The same gives the same result.

        Returns
        -------
        corrupted : float32 [n, height, width, channels]
            With noise, some pixels lie outside 0 to 255.
        hidden : float32 [n, height, width, 1]
            1 where a patch is hidden, else 0.
        """
        hidden = self._hidden(tf.shape(images)[0], images.shape[1], images.shape[2], seed)
        if self.noise:
            images += self.noise * _GREY * tf.random.stateless_normal(tf.shape(images), seed + 1)
        return images * (1 - hidden) + _GREY * hidden, hidden

    def _hidden(self, count: tf.Tensor, height: int, width: int, seed: tf.Tensor) -> tf.Tensor:
        down, across = (len(range(0, side, self.patch)) for side in (height, width))
        draws = tf.random.stateless_uniform((count, down * across), seed)
        ranks = tf.argsort(tf.argsort(draws, axis=1), axis=1)
        patches = tf.cast(ranks < self.num_hidden(height, width), tf.float32)
        grid = tf.reshape(patches, (count, down, across, 1))
        return tf.repeat(tf.repeat(grid, self.patch, 1), self.patch, 2)[:, :height, :width]
