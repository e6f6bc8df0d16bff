"""Small networks for small pictures: plain convolutions, and the fully connected nets that are their foil."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from auxtask.backbones.seeds import seed_stream
from auxtask.framework import keras
from auxtask.transfer.groups import set_groups

layers = keras.layers


def conv_backbone(
    shape: tuple[int, int, int] = (28, 28, 1),
    stages: Sequence[int] = (32, 64, 128),
    dropout: float = 0.2,
    seed: int | None = None,
    name: str = "conv_backbone",
) -> keras.Model:
    """Make an untrained plain conv net that turns pictures into features.

    Each stage has two 3x3 convolutions with BatchNorm and ReLU, the second with stride 2, then dropout; the last
    feature maps are averaged. The plan is that of Springenberg et al., "Striving for Simplicity: The All Convolutional
    Net" (2014), with BatchNorm.

    Parameters
    ----------
    shape : (height, width, channels)
        Of the input: float32 or uint8, 0 to 255.
    stages : sequence of int
        Filters of each stage; the last is the number of features.
    dropout : float in [0, 1)
        After each stage.
    seed : int, optional
        Of the start weights; the same seed gives the same network whatever ran before.

    Returns
    -------
    keras.Model
        Output float32 [n, stages[-1]]. Groups `block1` to one per stage.

    Raises
    ------
    ValueError
        An argument is out of range.
    """
    _check(shape, "stages", stages, dropout)
    seeds = seed_stream(seed)
    groups: dict[str, list[str]] = {}
    inputs = layers.Input(shape, name="image")
    x = layers.Rescaling(1 / 127.5, -1.0, name="rescale")(inputs)
    for stage, filters in enumerate(stages, 1):
        names = groups[f"block{stage}"] = ["rescale"] if stage == 1 else []
        for part, stride in (("a", 1), ("b", 2)):
            for layer in _convolution(filters, stride, f"block{stage}{part}", next(seeds)):
                x = layer(x)
                names.append(layer.name)
        # Given a seed of its own, since dropout otherwise draws one from Python's global generator.
        x = layers.Dropout(dropout, seed=next(seeds), name=f"block{stage}_dropout")(x)
        names.append(f"block{stage}_dropout")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    groups[f"block{len(stages)}"].append("pool")
    model = keras.Model(inputs, x, name=name)
    set_groups(model, groups)
    return model


def dense_backbone(
    shape: tuple[int, int, int] = (28, 28, 1),
    units: Sequence[int] = (300, 100, 50, 50, 50),
    dropout: float = 0.0,
    seed: int | None = None,
    name: str = "dense_backbone",
) -> keras.Model:
    """Make an untrained fully connected network that turns pictures into features.

    The defaults are the net with which transfer learning is usually shown first: five hidden layers with SELU
    activation (Klambauer et al., "Self-Normalizing Neural Networks", 2017).

    Parameters
    ----------
    shape : (height, width, channels)
        Of the input: float32 or uint8, 0 to 255.
    units : sequence of int
        Of each hidden layer; the last is the number of features.
    dropout : float in [0, 1)
        After each layer, in SELU's own form (`AlphaDropout`).
    seed : int, optional
        Of the start weights.

    Returns
    -------
    keras.Model
        Output float32 [n, units[-1]]. Groups `hidden1` to one per layer.

    Raises
    ------
    ValueError
        An argument is out of range.
    """
    _check(shape, "units", units, dropout)
    seeds = seed_stream(seed)
    groups: dict[str, list[str]] = {}
    inputs = layers.Input(shape, name="image")
    x = layers.Flatten(name="flatten")(layers.Rescaling(1 / 127.5, -1.0, name="rescale")(inputs))
    for depth, width in enumerate(units, 1):
        name_here = f"hidden{depth}"
        start = keras.initializers.LecunNormal(seed=next(seeds))
        x = layers.Dense(width, "selu", kernel_initializer=start, name=name_here)(x)
        groups[name_here] = [*(["rescale", "flatten"] if depth == 1 else []), name_here]
        if dropout:
            x = layers.AlphaDropout(dropout, seed=next(seeds), name=f"{name_here}_dropout")(x)
            groups[name_here].append(f"{name_here}_dropout")
    model = keras.Model(inputs, x, name=name)
    set_groups(model, groups)
    return model


def rbm_backbone(
    shape: tuple[int, int, int] = (28, 28, 1),
    units: Sequence[int] = (256,),
    visible: Literal["bernoulli", "gaussian"] = "bernoulli",
    seed: int | None = None,
    name: str = "rbm_backbone",
) -> keras.Model:
    """Make an untrained fully connected network with sigmoid units, as a stack of restricted Boltzmann machines has.

    Start weights are small (Hinton, "A Practical Guide to Training Restricted Boltzmann Machines", 2010), but
    ten times his 0.01: short trainings with Adam then learn more.

    Parameters
    ----------
    shape : (height, width, channels)
        Of the input: float32 or uint8, 0 to 255.
    units : sequence of int
        Of each hidden layer; the last is the number of features.
    visible : {"bernoulli", "gaussian"}
        What pixels become: numbers from 0 to 1, or standardised by one mean and variance, which training sets (one
        for each pixel would blow up those that hardly vary).
    seed : int, optional
        Of the start weights.

    Returns
    -------
    keras.Model
        Output float32 [n, units[-1]], 0 to 1. Groups `hidden1` to one per layer.

    Raises
    ------
    ValueError
        An argument is out of range.
    """
    _check(shape, "units", units, 0)
    if visible not in ("bernoulli", "gaussian"):
        raise ValueError(f"visible={visible!r}: expected 'bernoulli' or 'gaussian'")
    seeds = seed_stream(seed)
    scale = layers.Normalization(axis=None, name="scale") if visible == "gaussian" else None
    inputs = layers.Input(shape, name="image")
    x = layers.Flatten(name="flatten")((scale or layers.Rescaling(1 / 255, name="scale"))(inputs))
    groups: dict[str, list[str]] = {}
    for depth, width in enumerate(units, 1):
        start = keras.initializers.RandomNormal(stddev=0.1, seed=next(seeds))
        x = layers.Dense(width, "sigmoid", kernel_initializer=start, name=f"hidden{depth}")(x)
        groups[f"hidden{depth}"] = [*(["scale", "flatten"] if depth == 1 else []), f"hidden{depth}"]
    model = keras.Model(inputs, x, name=name)
    set_groups(model, groups)
    return model


def _convolution(filters: int, stride: int, name: str, seed: int | None) -> list[Any]:
    start = keras.initializers.HeNormal(seed=seed)
    convolution = layers.Conv2D(
        filters, 3, stride, padding="same", use_bias=False, kernel_initializer=start, name=f"{name}_conv"
    )  # no bias: the BatchNorm that follows has one
    return [convolution, layers.BatchNormalization(momentum=0.9, name=f"{name}_norm"), layers.ReLU(name=f"{name}_relu")]


def _check(shape: Sequence[int], argument: str, widths: Sequence[int], dropout: float) -> None:
    if len(shape) != 3 or any(side < 1 for side in shape):
        raise ValueError(f"shape must be (height, width, channels), each at least 1, not {tuple(shape)}")
    if not widths or any(width < 1 for width in widths):
        raise ValueError(f"{argument} must be numbers of at least 1, one or more, not {tuple(widths)}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), not {dropout}")
