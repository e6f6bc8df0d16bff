"""What frozen layers make of rows: held in memory where it fits, else made anew for each batch."""

from __future__ import annotations

import math

import numpy as np

from auxtask.data.image_batches import row_batches
from auxtask.framework import keras, tf

_BATCH = 500
# A stack of three convolutions on Fashion-MNIST took 7.7 GB while its codes were held. Where they are made batch by
# batch it takes 1.0 GB, and a step no longer.
_MOST_BYTES = 256 * 2**20


class FrozenCodes:
    """Codes that are too many to hold; of these rows, or of a few, they are made when they are asked for.

    Parameters
    ----------
    rows : number [n, ...]
    below : keras.Model
        What makes the codes; frozen.
    """

    def __init__(self, rows: np.ndarray, below: keras.Model) -> None:
        self.rows, self.below = rows, below

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        """Give the codes of some rows: float32 [n, ...]."""
        return np.asarray(self.below.predict(self.rows[which], batch_size=_BATCH, verbose=0))

    @property
    def num_bytes(self) -> int:
        """What they would take in memory."""
        return 4 * len(self) * math.prod(self.below.output_shape[1:])


Codes = np.ndarray | FrozenCodes


def frozen_codes(rows: np.ndarray, below: keras.Model) -> Codes:
    """Give what frozen layers make of rows: computed once where it takes no more than 256 MB."""
    codes = FrozenCodes(rows, below)
    return codes if codes.num_bytes > _MOST_BYTES else codes[:]


def code_batches(codes: Codes, batch_size: int, seed: int) -> tf.data.Dataset:
    """Make endless, shuffled batches, the same rows in the same order whether codes are held or not.

    See `row_batches`.
    """
    if not isinstance(codes, FrozenCodes):
        return row_batches(codes, batch_size, seed)

    def make(rows: tf.Tensor) -> tf.Tensor:
        return codes.below(rows, training=False)

    return row_batches(codes.rows, batch_size, seed).map(make, tf.data.AUTOTUNE, deterministic=True).prefetch(2)
