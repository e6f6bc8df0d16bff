"""A small residual network for photos, with named layer groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auxtask.backbones.seeds import seed_stream
from auxtask.framework import keras
from auxtask.transfer.groups import set_groups

layers = keras.layers


def residual_backbone(
    size: int = 72,
    channels: int = 3,
    stages: Sequence[int] = (32, 64, 128, 256),
    blocks: int | Sequence[int] = 1,
    embedding: int = 256,
    dropout: float = 0.4,
    strides: Sequence[int] | None = None,
    stem: int | None = None,
    stem_stride: int = 2,
    pooling: str = "flatten",
    squeeze: int = 0,
    seed: int | None = None,
    name: str = "residual_backbone",
) -> keras.Model:
    """Make an untrained residual network that turns photos into embeddings.

    A stem (3x3 convolution), one stage of residual blocks per entry of `stages`, then dropout, a
    linear layer and BatchNorm. Blocks are those of He et al., "Deep Residual Learning for Image
    Recognition" (2015), with the average-pooled shortcut of He et al., "Bag of Tricks for Image
    Classification" (2018), and a last BatchNorm that starts at 0, so that a block starts as its
    shortcut.

    Parameters
    ----------
    size, channels : int
        Of the input: float32 or uint8 [n, size, size, channels], 0 to 255.
    stages : sequence of int
        Filters of each stage.
    blocks : int or sequence of int
        Residual blocks in every, or in each, stage.
    embedding : int
        Columns of the output.
    dropout : float in [0, 1)
        Before the linear layer.
    strides : sequence of int, optional
        Of each stage's first block; default 1 for the first stage and 2 for the others.
    stem, stem_stride : int
        Filters (default those of the first stage) and stride of the first convolution.
    pooling : {"flatten", "average"}
        What precedes the linear layer. Flattening keeps where things are, which suits aligned
        faces; averaging has fewer weights.
    squeeze : int
        If above 0, each block is followed by a squeeze-and-excitation gate (Hu et al., 2017)
        with this reduction.
    seed : int, optional
        Of the start weights; the same seed gives the same network whatever ran before.

    Returns
    -------
    keras.Model
        Output float32 [n, embedding], not normalised. Groups `stem`, `block1` to one per stage,
        `embedding`.

    Raises
    ------
    ValueError
        An argument is out of range, or lengths of `stages`, `blocks` and `strides` differ.
    """
    counts = [blocks] * len(stages) if isinstance(blocks, int) else list(blocks)
    steps = [1] + [2] * (len(stages) - 1) if strides is None else list(strides)
    _check(size, channels, stages, counts, steps, embedding, dropout, stem_stride, pooling, squeeze)
    net = _Builder(seed)
    inputs = x = net.begin("stem", layers.Input((size, size, channels), name="photo"))
    x = net.add(layers.Rescaling(1 / 127.5, -1.0, name="rescale"), x)
    x = net.convolve(x, stem or stages[0], 3, stem_stride, "stem")
    x = net.add(layers.ReLU(name="stem_relu"), x)
    for stage, (filters, count, step) in enumerate(zip(stages, counts, steps, strict=True), 1):
        net.begin(f"block{stage}")
        for block in range(count):
            prefix = f"block{stage}_{chr(ord('a') + block)}"
            x = net.residual(x, filters, step if block == 0 else 1, squeeze, prefix)
    net.begin("embedding")
    pool = layers.Flatten if pooling == "flatten" else layers.GlobalAveragePooling2D
    x = net.add(pool(name="pool"), x)
    x = net.add(layers.Dropout(dropout, name="dropout"), x)
    dense = layers.Dense(embedding, use_bias=False, kernel_initializer=net.initializer(), name="embedding_dense")
    x = net.add(layers.BatchNormalization(name="embedding_norm"), net.add(dense, x))
    # Half precision may compute, but embeddings are compared in float32.
    x = net.add(layers.Activation("linear", dtype="float32", name="embedding"), x)
    model = keras.Model(inputs, x, name=name)
    set_groups(model, net.groups)
    return model


class _Builder:
    """Adds layers and remembers which group each belongs to; keeps one stream of seeds."""

    def __init__(self, seed: int | None) -> None:
        self.groups: dict[str, list[str]] = {}
        self._seeds = seed_stream(seed)

    def begin(self, group: str, tensor: Any = None) -> Any:
        """Open a group: what is added from now on belongs to it."""
        self.groups[group] = []
        return tensor

    def add(self, layer: Any, x: Any) -> Any:
        """Call a layer that belongs to the open group."""
        self.groups[list(self.groups)[-1]].append(layer.name)
        return layer(x)

    def initializer(self) -> Any:
        """Give start weights with the stream's next seed."""
        return keras.initializers.GlorotUniform(seed=next(self._seeds))

    def convolve(self, x: Any, filters: int, width: int, stride: int, name: str, gamma: str = "ones") -> Any:
        """Add a convolution and its BatchNorm."""
        convolution = layers.Conv2D(
            filters,
            width,
            stride,
            padding="same",
            use_bias=False,  # the BatchNorm that follows has one
            kernel_initializer=self.initializer(),
            name=f"{name}_conv",
        )
        norm = layers.BatchNormalization(gamma_initializer=gamma, name=f"{name}_norm")
        return self.add(norm, self.add(convolution, x))

    def residual(self, x: Any, filters: int, stride: int, squeeze: int, name: str) -> Any:
        """Add a block of two convolutions and its shortcut."""
        y = self.convolve(x, filters, 3, stride, f"{name}_1")
        y = self.add(layers.ReLU(name=f"{name}_1_relu"), y)
        y = self.convolve(y, filters, 3, 1, f"{name}_2", gamma="zeros")
        if squeeze:
            y = self._gate(y, filters, squeeze, name)
        if stride > 1:
            pool = layers.AveragePooling2D(stride, stride, padding="same", name=f"{name}_pool")
            x = self.add(pool, x)
        if x.shape[-1] != filters:
            x = self.convolve(x, filters, 1, 1, f"{name}_skip")
        x = self.add(layers.Add(name=f"{name}_add"), [y, x])
        return self.add(layers.ReLU(name=f"{name}_relu"), x)

    def _gate(self, y: Any, filters: int, reduction: int, name: str) -> Any:
        gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")
        z = self.add(gate, y)
        for part, units, activation in (
            ("reduce", max(8, filters // reduction), "relu"),
            ("excite", filters, "sigmoid"),
        ):
            dense = layers.Dense(
                units,
                activation,
                kernel_initializer=self.initializer(),
                name=f"{name}_{part}",
            )
            z = self.add(dense, z)
        return self.add(layers.Multiply(name=f"{name}_scale"), [y, z])


def _check(
    size: int,
    channels: int,
    stages: Sequence[int],
    counts: Sequence[int],
    steps: Sequence[int],
    embedding: int,
    dropout: float,
    stem_stride: int,
    pooling: str,
    squeeze: int,
) -> None:
    if not stages or not len(stages) == len(counts) == len(steps):
        raise ValueError(
            "stages, blocks and strides need the same length, at least 1, "
            f"not {len(stages)}, {len(counts)} and {len(steps)}"
        )
    wholes = [("size", size), ("channels", channels), ("embedding", embedding)]
    wholes += [("stem_stride", stem_stride)]
    wholes += [("stages", value) for value in stages] + [("blocks", value) for value in counts]
    wholes += [("strides", value) for value in steps]
    for argument, value in wholes:
        if value < 1:
            raise ValueError(f"{argument} must be at least 1, not {value}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), not {dropout}")
    if pooling not in ("flatten", "average"):
        raise ValueError(f"pooling {pooling!r} is none of flatten, average")
    if squeeze < 0:
        raise ValueError(f"squeeze must be at least 0, not {squeeze}")
