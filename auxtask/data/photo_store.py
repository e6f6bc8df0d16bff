"""Where a data set's pixels are: decoded in memory, or still in their files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from auxtask.data.images import OnBad, Photos, num_cores, photo_digest, read_photo, read_photos
from auxtask.framework import tf

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_memory(limit: str | int) -> int:
    """Turn "2GB", "500 MB" or a number of bytes into bytes; ValueError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*", str(limit), re.IGNORECASE)
    unit = match[2].upper() if match else ""
    if not match or unit not in _UNITS:
        raise ValueError(f"memory_limit={limit!r}: valid are a number of bytes, '500MB', '2GB'")
    return int(float(match[1]) * _UNITS[unit])


class PhotoStore:
    """Photos by row number, the same pixels whether they are cached or read from disk.

    Parameters
    ----------
    names
        one path (or, for drawn photos, name) per row
    size
        side of the square photos, in pixels
    digests
        one digest of the pixels per row
    images
        uint8 [n, size, size, 3]; None leaves the photos in their files
    """

    def __init__(
        self,
        names: Sequence[str],
        size: int,
        digests: Sequence[bytes],
        images: np.ndarray | None,
    ) -> None:
        self.names = tuple(names)
        self.size = size
        self.digests = tuple(digests)
        self._images = images
        if images is not None:
            images.flags.writeable = False

    @classmethod
    def from_files(
        cls, paths: Sequence[str | Path], size: int, on_bad: OnBad, memory_limit: str | int
    ) -> tuple[PhotoStore, Photos]:
        """Read every file once: to check it, and to keep it decoded if all fit `memory_limit`."""
        cached = len(paths) * size * size * 3 <= parse_memory(memory_limit)
        photos = read_photos(paths, size, on_bad, keep_images=cached)
        names = [str(paths[i]) for i in photos.kept]
        return cls(names, size, photos.pixel_digests, photos.images), photos

    @classmethod
    def from_images(cls, names: Sequence[str], images: np.ndarray) -> PhotoStore:
        """Keep images that no file holds."""
        digests = [photo_digest(image.data) for image in np.ascontiguousarray(images)]
        return cls(names, images.shape[1], digests, images)

    @property
    def cached(self) -> bool:
        """Whether the photos are decoded in memory."""
        return self._images is not None

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Give the photos of these rows, uint8 [n, size, size, 3]."""
        if self._images is not None:
            return self._images[rows]
        images = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        for position, image in enumerate(self._readers.map(self._read_row, rows)):
            images[position] = image
        return images

    def load(self, rows: tf.Tensor) -> tf.Tensor:
        """Give the photos of these rows, from inside a `tf.data` pipeline."""
        if self._images is not None:
            # An eager tensor is captured by reference: the graph holds no copy of the photos.
            return tf.gather(self._tensor, rows)
        images = tf.numpy_function(self.read, [rows], tf.uint8, stateful=False)
        return tf.ensure_shape(images, [rows.shape[0], self.size, self.size, 3])

    def _read_row(self, row: int) -> np.ndarray:
        return read_photo(self.names[row], self.size)

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(num_cores())

    @cached_property
    def _tensor(self) -> tf.Tensor:
        with tf.init_scope(), tf.device("/CPU:0"):
            tensor = tf.convert_to_tensor(self._images)
        # TensorFlow copies; from here on both look at its copy, so that the photos are kept once.
        self._images = np.asarray(memoryview(tensor))
        return tensor
