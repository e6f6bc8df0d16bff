"""Batches of pictures: endless ones without labels, and those that are changed on their way to training."""

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
        `Augmentation`, `Shifts` or `Crops`, drawn anew for each batch.
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
    seeds = _seeds(draw_seed(seed, 1), (views, 2))

    def make(picked: tf.Tensor, draws: tf.Tensor) -> Any:
        batch = tf.gather(tensor, picked)
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
    return tf.data.Dataset.zip((batches, _seeds(draw_seed(seed, 2), (2,))))


def augmented(batches: tf.data.Dataset, augment: Callable[[Any, Any], Any], seed: int = 0) -> tf.data.Dataset:
    """Change the pictures of every batch (pictures, labels) on the way to training, in parallel.

    Parameters
    ----------
    batches : tf.data.Dataset
        Such as `as_dataset` gives.
    augment : callable (images, seed int32 [2]) -> float32 images
        `Shifts` or another, drawn anew for each batch and each time that the batches are gone through.
    seed : int
        The same gives the same pictures, on however many cores (under one global seed of TensorFlow, which
        `as_dataset` sets where it shuffles).
    """
    # Unlike `_seeds`, other ones in every iteration: `fit` iterates once per epoch.
    numbers = tf.data.Dataset.random(seed=draw_seed(seed, 3), rerandomize_each_iteration=True)

    def change(batch: tuple[Any, Any], drawn: tf.Tensor) -> tuple[Any, Any]:
        images, labels = batch
        return augment(images, tf.cast(drawn % (2**31 - 1), tf.int32)), labels

    return (
        tf.data.Dataset.zip((batches, numbers.batch(2, drop_remainder=True)))
        .map(change, tf.data.AUTOTUNE, deterministic=True)
        .prefetch(2)
    )


def _row_numbers(num_rows: int, batch_size: int, seed: int) -> tf.data.Dataset:
    """Give endless batches of row numbers, each once per pass.

    Orders are drawn from the pass's number: those of `Dataset.shuffle` depend on TensorFlow's global seed, and on how
    far an earlier iteration has read ahead.
    """

    def order(number: tf.Tensor) -> tf.data.Dataset:
        rows = tf.range(num_rows, dtype=tf.int64)
        return tf.data.Dataset.from_tensor_slices(tf.random.experimental.stateless_shuffle(rows, [first, number]))

    first = tf.constant(draw_seed(seed, 0), tf.int64)
    return tf.data.Dataset.counter().flat_map(order).batch(min(batch_size, num_rows), drop_remainder=True)


def _seeds(seed: int, shape: tuple[int, ...]) -> tf.data.Dataset:
    """Give seeds without end, int32 [..., 2] each time."""
    first = tf.constant(seed, tf.int64)

    def draw(number: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform(shape, [first, number], maxval=2**31 - 1, dtype=tf.int32)

    return tf.data.Dataset.counter().map(draw)
