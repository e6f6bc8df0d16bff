"""Decoders: the way back from what a backbone's layer groups make to what they were given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from auxtask.backbones.seeds import seed_stream
from auxtask.framework import keras
from auxtask.transfer.cutting import Cut, cuts
from auxtask.transfer.groups import layer_groups, layers_of

layers = keras.layers
Shape = tuple[int, ...]


def group_decoders(encoder: keras.Model, from_maps: bool = False, seed: int | None = None) -> dict[str, keras.Model]:
    """Make an untrained decoder for each layer group: from what the group gives to what it takes.

    One after the other, from the last group to the first, they mirror the encoder and end in pixels. They are light
    (a transposed convolution for every halving, a Dense layer between vectors), so that the encoder does the work (He
    et al., "Masked Autoencoders Are Scalable Vision Learners", 2022). Each ends with the activation that what it gives
    back came from; pixels have none.

    Parameters
    ----------
    encoder : keras.Model
        From pictures [n, height, width, channels] to feature maps or to features [n, d].
    from_maps : bool
        Let the last one begin at the encoder's last feature maps, see `last_maps`, not at its output.
    seed : int, optional
        Of the start weights.

    Returns
    -------
    dict of group name to keras.Model
        In the encoder's order.

    Raises
    ------
    ValueError
        The encoder is not one chain from pictures to one output, or (`from_maps`) has no feature maps to begin at.
    """
    if len(encoder.inputs) != 1 or len(encoder.outputs) != 1 or len(encoder.input_shape) != 4:
        raise ValueError(f"{encoder.name}: only from pictures [n, height, width, channels] to one output is a way back")
    if None in encoder.input_shape[1:]:
        raise ValueError(f"{encoder.name} takes {encoder.input_shape}: pictures of one size are needed to give back")
    seeds = seed_stream(seed)
    taken, activation = tuple(encoder.input_shape[1:]), "linear"
    made = {}
    groups = layer_groups(encoder)
    for group in groups:
        stations = [tuple(group.output_shape[1:]), taken]
        maps = _maps_of(encoder, group.name)
        if len(stations[0]) == 1 and maps and maps[-1].shape[1:] != taken:
            stations.insert(1, maps[-1].shape[1:])
        if from_maps and group is groups[-1] and len(stations[0]) == 1:
            stations = [last_maps(encoder).shape[1:], taken]
        made[group.name] = _way_back(stations, activation, f"{group.name}_decoder", seeds)
        taken, activation = tuple(group.output_shape[1:]), _activation_of(encoder, group.name)
    return made


def last_maps(encoder: keras.Model) -> Cut:
    """Give the cut at an encoder's last feature maps.

    Raises
    ------
    ValueError
        It has none in its last group, or has weights behind them, which a decoder from there would leave untrained.
    """
    name = layer_groups(encoder).names[-1]
    maps = _maps_of(encoder, name)
    if not maps:
        raise ValueError(f"{encoder.name} has no feature maps in its last group, {name!r}: decode its features")
    paths = layer_groups(encoder)[name].layers
    leaves = layers_of(encoder, name)
    behind = [path for path, leaf in zip(paths, leaves, strict=True) if leaf.weights][-1:]
    if behind and paths.index(behind[0]) > paths.index(maps[-1].layer):
        raise ValueError(f"{encoder.name} has weights behind its last feature maps ({behind[0]}): decode its features")
    return maps[-1]


def _maps_of(encoder: keras.Model, group: str) -> list[Cut]:
    return [cut for cut in cuts(encoder) if cut.group == group and len(cut.shape) == 4]


def _activation_of(encoder: keras.Model, group: str) -> Any:
    """Find the activation that a group ends with: that of its last layer that has one (dropout and pools have none)."""
    for layer in reversed(layers_of(encoder, group)):
        if isinstance(layer, layers.ReLU):
            return "relu"
        if hasattr(layer, "activation"):
            return layer.activation
    return "linear"


def _way_back(stations: Sequence[Shape], activation: Any, name: str, seeds: Iterator[int | None]) -> keras.Model:
    x = inputs = layers.Input(stations[0], name="code")
    for given, wanted in zip(stations[:-1], stations[1:], strict=True):
        between = wanted is not stations[-1]
        for layer in _step(given, wanted, "relu" if between else activation, next(seeds)):
            x = layer(x)
    return keras.Model(inputs, x, name=name)


def _step(given: Shape, wanted: Shape, activation: Any, seed: int | None) -> list[Any]:
    start = keras.initializers.HeNormal(seed=seed)
    if len(given) == 1:
        dense = layers.Dense(int(np.prod(wanted)), activation, kernel_initializer=start)
        return [dense, layers.Reshape(wanted)] if len(wanted) > 1 else [dense]
    if len(wanted) == 1:
        return [layers.Flatten(), layers.Dense(wanted[0], activation, kernel_initializer=start)]
    strides = [-(-after // before) for before, after in zip(given[:2], wanted[:2], strict=True)]
    # Kernels that are a multiple of the stride leave no checkerboard (Odena et al., "Deconvolution and Checkerboard
    # Artifacts", 2016).
    kernel = [2 * stride if stride > 1 else 3 for stride in strides]
    extra = [(0, before * s - after) for before, s, after in zip(given, strides, wanted[:2], strict=False)]
    steps: list[Any] = [
        layers.Conv2DTranspose(wanted[2], kernel, strides, "same", kernel_initializer=start),
        layers.Cropping2D(extra),
    ]
    if activation != "linear":
        steps += [layers.BatchNormalization(momentum=0.9), layers.Activation(activation)]
    return steps
