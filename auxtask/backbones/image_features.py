"""One vector per picture from every layer group of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from auxtask.framework import keras, tf
from auxtask.transfer.cutting import cut_at
from auxtask.transfer.extraction import with_same_inputs
from auxtask.transfer.graph import read_graph
from auxtask.transfer.groups import layer_groups


def image_features(
    backbone: keras.Model,
    images: np.ndarray,
    groups: Sequence[str] | None = None,
    mirror: bool = True,
    grid: int = 1,
    batch_size: int = 500,
) -> dict[str, np.ndarray]:
    """Give what each layer group makes of the pictures, feature maps averaged over their positions.

    Parameters
    ----------
    backbone : keras.Model
        One input [n, height, width, channels].
    images : uint8 or float [n, height, width, channels]
    groups : sequence of str, optional
        Names of groups; None: all but a head.
    mirror : bool
        Average over each picture and its mirror image.
    grid : int
        Average feature maps over the cells of a grid of that side instead; maps that are smaller stay as they are.
    batch_size : int

    Returns
    -------
    dict of group name to float32 [n, d], in the order asked for

    Raises
    ------
    ValueError
        An unknown group, with those that exist, or a grid below 1.
    """
    if grid < 1:
        raise ValueError(f"grid must be at least 1, not {grid}")
    if groups is None:
        groups = [name for name in layer_groups(backbone).names if name != "head"]
    outputs = [cut_at(backbone, name).tensor for name in groups]
    model = _several_outputs(backbone, outputs)

    @tf.function(reduce_retracing=True)
    def judge(batch: Any) -> list[Any]:
        batch = tf.cast(batch, tf.float32)
        views = [batch, tf.reverse(batch, axis=[2])] if mirror else [batch]
        made = [[_pooled(maps, grid) for maps in tf.nest.flatten(model(view, training=False))] for view in views]
        return [tf.add_n(list(each)) / len(views) for each in zip(*made, strict=True)]

    parts = [judge(images[start : start + batch_size]) for start in range(0, len(images), batch_size)]
    return {name: np.concatenate([part[i].numpy() for part in parts]) for i, name in enumerate(groups)}


def _pooled(maps: Any, grid: int) -> Any:
    if len(maps.shape) == 4:
        side = [min(grid, size) for size in maps.shape[1:3]]
        maps = tf.image.resize(maps, side, method="area")
    return tf.reshape(maps, (tf.shape(maps)[0], -1))


def _several_outputs(backbone: keras.Model, tensors: Sequence[Any]) -> keras.Model:
    """Give a model that stands on the backbone's own layers, with one output for each tensor."""

    return with_same_inputs(read_graph(backbone), list(tensors), _itself, list)


def _itself(layer: Any) -> Any:
    return layer
