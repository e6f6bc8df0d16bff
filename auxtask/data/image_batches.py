"""Endless batches of pictures, or of other rows, without labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from auxtask.data.splits import draw_seed
from auxtask.framework import tf


def image_batches(
    images: np.ndarray,
    batch_size: int = 128,
    seed: int = 0,
    augment: Callable[[Any, Any], Any] | None = None,
    views: int = 1,
) -> tf.data.Dataset:
    """Make endless, shuffled batches of pictures.

    Parameters
    ----------
    images : uint8 [n, height, width, channels]
        0 to 255.
    batch_size : int
        Every batch has as many (all pictures, if there are fewer).
    seed : int
        The same gives the same batches.
    augment : callable (images, seed int32 [2]) -> float32 images, optional
        `Augmentation` or `Shifts`, drawn anew for each batch.
    views : int
        So many augmented versions of each picture; a batch is a tuple of them then, picture i at place i of each.

    Returns
    -------
    tf.data.Dataset
        Of float32 [batch_size, height, width, channels], 0 to 255; a tuple of `views` of them if `views` is above 1.

    Raises
    ------
    ValueError
        No picture, another type or shape, or a number out of range.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
        raise ValueError(f"images must be uint8 [n, height, width, channels], n > 0, not {images.dtype} {images.shape}")
    if batch_size < 1 or views < 1:
        raise ValueError(f"batch_size={batch_size}, views={views}: both must be at least 1")
    tensor = tf.convert_to_tensor(images)  # captured, not embedded: a graph holds no more than 2 GB
    rows = _row_numbers(len(images), batch_size, seed)
    seeds = tf.data.Dataset.random(seed=seed).batch(2 * views, drop_remainder=True)

    def make(picked: tf.Tensor, numbers: tf.Tensor) -> Any:
        batch = tf.gather(tensor, picked)
        draws = tf.reshape(_as_seed(numbers), (views, 2))
        made = tuple(tf.cast(batch if augment is None else augment(batch, draws[i]), tf.float32) for i in range(views))
        return made if views > 1 else made[0]

    return tf.data.Dataset.zip((rows, seeds)).map(make, tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def row_batches(rows: np.ndarray, batch_size: int = 128, seed: int = 0) -> tf.data.Dataset:
    """Make endless, shuffled batches of the rows of an array: pictures, or what layers made of them.

    Parameters
    ----------
    rows : number [n, ...]
    batch_size, seed : int
        See `image_batches`.

    Returns
    -------
    tf.data.Dataset
        Of float32 [batch_size, ...].

    Raises
    ------
    ValueError
        No row, or a batch of none.
    """
    rows = np.asarray(rows)
    if not len(rows) or batch_size < 1:
        raise ValueError(f"{len(rows)} rows in batches of {batch_size}: both must be at least 1")
    tensor = tf.convert_to_tensor(rows)

    def make(picked: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(tensor, picked), tf.float32)

    return _row_numbers(len(rows), batch_size, seed).map(make, tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def with_seeds(batches: tf.data.Dataset, seed: int) -> tf.data.Dataset:
    """Give each batch a seed of its own, int32 [2], for random numbers that are the same whoever draws them."""
    # Not the numbers that `image_batches` augments with: what is hidden would go along with how a picture is shifted.
    numbers = tf.data.Dataset.random(seed=draw_seed(seed, 1)).batch(2, drop_remainder=True).map(_as_seed)
    return tf.data.Dataset.zip((batches, numbers))


def _row_numbers(num_rows: int, batch_size: int, seed: int) -> tf.data.Dataset:
    order = tf.data.Dataset.range(num_rows).shuffle(num_rows, seed=seed, reshuffle_each_iteration=True)
    return order.repeat().batch(min(batch_size, num_rows), drop_remainder=True)


def _as_seed(numbers: tf.Tensor) -> tf.Tensor:
    return tf.cast(numbers % (2**31 - 1), tf.int32)
