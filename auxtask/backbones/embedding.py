"""Embeddings of photos, averaged over a few views."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from auxtask.data.augmentation import centre_crop
from auxtask.framework import keras, tf


def embed(
    backbone: keras.Model,
    images: np.ndarray,
    crops: Sequence[float] = (0.9,),
    mirror: bool = True,
    batch_size: int = 200,
    unit: bool = True,
) -> np.ndarray:
    """Embed photos: the mean of the unit embeddings over the views, at unit length again.

    Parameters
    ----------
    backbone : keras.Model
        Input [n, size, size, c], 0 to 255; output [n, d].
    images : uint8 or float [n, S, S, c], 0 to 255
    crops : sequence of float in (0, 1]
        Sides of the central crops as shares of the photo's; each is a view, resized (bilinear)
        to the backbone's input.
    mirror : bool
        Add each view's mirror image.
    batch_size : int
        Photos at a time; the last batch is filled up, so that one trace serves all.
    unit : bool
        False: the plain mean of what the backbone puts out, for features whose length says something.

    Returns
    -------
    float32 [n, d], unit length unless not wanted

    Raises
    ------
    ValueError
        Shapes do not fit, a crop is outside (0, 1], or a pixel is not finite. Pixels that seem to run from 0 to 1 are
        warned of.
    """

    def unit_views(batch: np.ndarray) -> np.ndarray:
        return _unit(backbone.predict_on_batch(batch))

    if not unit:
        return _mean_over_views(backbone, images, crops, mirror, batch_size, backbone.predict_on_batch)
    return _unit(_mean_over_views(backbone, images, crops, mirror, batch_size, unit_views))


def predict_views(model: keras.Model, images: np.ndarray, crop: float = 0.9, mirror: bool = True) -> np.ndarray:
    """Classify photos: a classifier's outputs, averaged over the central crop and (unless not wanted) its mirror image.

    Parameters
    ----------
    model : keras.Model
        Input [n, size, size, c], 0 to 255; output [n, num_classes].
    images : uint8 or float [n, S, S, c], 0 to 255
    crop : float in (0, 1]
        As in `embed`.
    mirror : bool
        Add the mirror image.

    Returns
    -------
    float32 [n, num_classes]
    """
    return _mean_over_views(model, images, (crop,), mirror, 200, model.predict_on_batch)


def _mean_over_views(
    model: keras.Model,
    images: np.ndarray,
    crops: Sequence[float],
    mirror: bool,
    batch_size: int,
    judge: Callable[[tf.Tensor], np.ndarray],
) -> np.ndarray:
    """Average what `judge` makes of each view of each photo: float32 [n, columns of the model's output]."""
    images = np.asarray(images)
    size = _check(model, images, crops, batch_size)
    parts = [np.zeros((0, model.output_shape[-1]), np.float32)]
    for batch, count in _full_batches(images, max(1, min(batch_size, len(images)))):
        views = [judge(view) for view in _views(batch, crops, mirror, size)]
        parts.append((sum(views[1:], views[0]) / len(views))[:count])
    return np.concatenate(parts)


def _full_batches(images: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield batches of one size, so that one trace serves all, and how many of each count."""
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        filled = np.concatenate([batch, np.repeat(batch[:1], batch_size - len(batch), axis=0)])
        yield filled, len(batch)


def _views(images: np.ndarray, crops: Sequence[float], mirror: bool, size: int) -> Iterator[tf.Tensor]:
    for crop in crops:
        view = centre_crop(tf.convert_to_tensor(images), crop, size)
        yield view
        if mirror:
            yield tf.reverse(view, axis=[2])


def _unit(embeddings: np.ndarray) -> np.ndarray:
    embeddings = np.asarray(embeddings, np.float32)
    return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)


def _check(backbone: keras.Model, images: np.ndarray, crops: Sequence[float], batch_size: int) -> int:
    wanted, given = backbone.input_shape, images.shape
    if not isinstance(wanted, tuple) or len(wanted) != 4 or wanted[1] != wanted[2]:
        raise ValueError(f"the backbone must take square photos [n, size, size, c], not {wanted}")
    if len(given) != 4 or given[3] != wanted[3]:
        raise ValueError(f"images must be [n, S, S, {wanted[3]}], not {given}")
    if not crops or not all(0 < crop <= 1 for crop in crops):
        raise ValueError(f"crops must be shares in (0, 1], at least one, not {tuple(crops)}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    _check_pixels(images)
    return int(wanted[1] or given[1])


def _check_pixels(images: np.ndarray) -> None:
    """Refuse floats that are not finite, and warn of those that were divided by 255."""
    if images.dtype.kind != "f" or not images.size:
        return
    low, high = float(images.min()), float(images.max())
    if not np.isfinite([low, high]).all():
        raise ValueError(f"images hold pixels that are not finite (from {low} to {high})")
    if high <= 1 and high > low:
        warnings.warn(f"pixels run from {low:g} to {high:g}; the network takes 0 to 255", stacklevel=5)
