"""The zoo: one small model of every kind that the transfer package must handle, each built anew per
call.

`ZOO` maps a kind to its maker; `example(model, seed)` gives a batch that fits the model's inputs.
Weights are away from their initial values (`shaken`), so that a copy of a fresh layer never equals
by accident.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from auxtask.backbones.language import language_backbone
from auxtask.backbones.language_config import FAMILIES, LanguageConfig
from auxtask.backbones.pooling import pooled
from auxtask.framework import keras, tf
from auxtask.transfer.heads import add_head

L = keras.layers


def shaken(model: Any, seed: int = 0) -> Any:
    """Give every weight (biases and BatchNorm statistics too) a value that no initialiser gives."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = rng.normal(0.0, 0.3, weight.shape)
        if "variance" in weight.name:
            value = 0.5 + np.abs(value)
        if weight.dtype.is_floating:
            weight.assign(value)
    for layer in model._flatten_layers():
        if isinstance(layer, L.Normalization):
            layer.finalize_state()  # what it derives from its weights, as after loading a file
    return model


def arrays(outputs: Any) -> list[np.ndarray]:
    """A model's outputs, one or several, as a flat list."""
    return [np.asarray(output) for output in tf.nest.flatten(outputs)]


def same_bits(a: Any, b: Any) -> bool:
    """Whether outputs are equal in type and in every bit."""
    return all(x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(arrays(a), arrays(b), strict=True))


def example(model: Any, seed: int = 0, batch: int = 3) -> Any:
    """A batch for `model`, an array or a list of arrays: floats in 0..1, whole numbers in 1..4 (0 pads), 0/1 masks."""
    rng = np.random.default_rng(seed)
    arrays = []
    for tensor in model.inputs:
        shape = (batch, *(8 if size is None else size for size in tensor.shape[1:]))
        if tensor.name == "attention_mask":
            arrays.append(np.arange(shape[1]) < rng.integers(1, shape[1] + 1, (batch, 1)))
            arrays[-1] = arrays[-1].astype(tensor.dtype.name)
        elif tensor.dtype.is_integer:
            arrays.append(rng.integers(1, 5, shape).astype(tensor.dtype.name))
        else:
            arrays.append(rng.random(shape).astype(tensor.dtype.name))
    return arrays if len(arrays) > 1 else arrays[0]


def sequential() -> Any:
    """The lecture's dense Model A, with BatchNorm and Dropout."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            L.Dense(8, activation="relu", name="dense_a"),
            L.BatchNormalization(name="norm"),
            L.Dropout(0.5, name="drop"),
            L.Dense(5, name="dense_b"),
            L.Activation("relu", name="act"),
            L.Dense(3, activation="softmax", name="classifier"),
        ],
        name="sequential_zoo",
    )
    return shaken(model)


def built_late() -> Any:
    """A Sequential that got its shape from its first batch."""
    model = keras.Sequential([L.Dense(5, activation="relu"), L.Dense(4, activation="relu"), L.Dense(1)])
    model(np.zeros((2, 6), "float32"))
    return shaken(model)


def conv() -> Any:
    """A conv net of three sizes with residual blocks, BatchNorm, Dropout, global pooling and a classifier."""
    inputs = keras.Input((16, 16, 3))
    h = L.Rescaling(2.0, name="rescale")(inputs)
    h = L.Conv2D(4, 3, strides=2, padding="same", name="stem_conv")(h)
    h = L.ReLU(name="stem_act")(h)
    for block, strides in (("one", 1), ("two", 2)):
        skip = L.Conv2D(4, 1, strides=strides, name=f"{block}_skip")(h)
        h = L.Conv2D(4, 3, strides=strides, padding="same", name=f"{block}_conv")(h)
        h = L.BatchNormalization(name=f"{block}_norm")(h)
        h = L.Add(name=f"{block}_add")([h, skip])
        h = L.ReLU(name=f"{block}_act")(h)
    h = L.GlobalAveragePooling2D(name="pool")(h)
    h = L.Dropout(0.3, name="drop")(h)
    return shaken(keras.Model(inputs, L.Dense(3, activation="softmax", name="classifier")(h), name="conv_zoo"))


def branches() -> Any:
    """Two parallel branches that meet, a skip of the input past them all, and an operator instead of a layer."""
    inputs = keras.Input((6,))
    h = L.Dense(6, activation="relu", name="first")(inputs)
    left = L.Dense(4, activation="tanh", name="left")(h)
    right = L.Dense(4, activation="relu", name="right")(h)
    h = L.Concatenate(name="meet")([left, right * 2.0])
    h = L.Dense(6, name="after")(h) + inputs
    return shaken(keras.Model(inputs, L.Dense(2, activation="softmax", name="classifier")(h), name="branches_zoo"))


def nested() -> Any:
    """A model inside a model inside a model, each called once."""
    inner = keras.Sequential([L.Dense(5, activation="relu", name="dense"), L.Dense(4, name="last")], name="inner")
    x = keras.Input((6,))
    h = L.Dense(6, activation="relu", name="dense")(x)
    middle = keras.Model(x, L.LayerNormalization(name="norm")(inner(h)), name="middle")
    inputs = keras.Input((6,))
    h = L.Dense(6, activation="relu", name="dense")(inputs)
    h = middle(h)
    return shaken(keras.Model(inputs, L.Dense(2, activation="softmax", name="classifier")(h), name="nested_zoo"))


def colliding() -> Any:
    """Two nested models whose layers and variables bear the same names, with equal shapes."""
    parts = [
        keras.Sequential([keras.Input((4,)), L.Dense(4, name="d"), L.Dense(4, name="e")], name=name)
        for name in ("first", "second")
    ]
    inputs = keras.Input((4,))
    h = parts[1](parts[0](inputs))
    return shaken(keras.Model(inputs, L.Dense(1, activation="sigmoid", name="d")(h), name="colliding_zoo"))


class Mixer(L.Layer):
    """A subclassed layer with layers of its own: one made in a list, one used twice; nowhere registered."""

    def __init__(self, units: int, rate: float = 0.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.rate = units, rate
        self.denses = [L.Dense(units, activation="relu"), L.Dense(units)]
        self.norm = L.LayerNormalization()
        self.drop = L.Dropout(rate)

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(name="scale", shape=(self.units,), initializer="ones")
        super().build(input_shape)

    def call(self, x: Any, training: bool | None = None) -> Any:
        for dense in self.denses:
            x = self.norm(x + self.drop(dense(x), training=training) * self.scale)
        return x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "rate": self.rate}


def subclassed_layers() -> Any:
    """A chain of subclassed layers, as a language model is."""
    inputs = keras.Input((5,))
    h = L.Dense(4, name="enter")(inputs)
    for i in range(3):
        h = Mixer(4, name=f"mixer{i}")(h)
    return shaken(keras.Model(inputs, L.Dense(2, activation="softmax", name="classifier")(h), name="mixers_zoo"))


class AttentionMask(L.Layer):
    """0/1 mask [n, t] to an additive one [n, 1, t]; weight-free, so a side input."""

    def call(self, mask: Any) -> Any:
        return (1.0 - tf.cast(mask, tf.float32))[:, None, :] * -1e4


class Attend(L.Layer):
    """Self-attention over [n, t, d] with an additive mask [n, 1, t]."""

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        self.kernel = self.add_weight(name="kernel", shape=(size, size), initializer="glorot_uniform")
        super().build(input_shape)

    def call(self, h: Any, attention_mask: Any, training: bool | None = None) -> Any:
        scores = tf.matmul(tf.matmul(h, self.kernel), h, transpose_b=True) + attention_mask
        return h + tf.matmul(tf.nn.softmax(scores), h)


def two_inputs() -> Any:
    """A masked chain as a language model: `input_ids` and `attention_mask`, the mask used by every layer."""
    ids = keras.Input((7,), dtype="int32", name="input_ids")
    mask = keras.Input((7,), dtype="int32", name="attention_mask")
    additive = AttentionMask(name="additive")(mask)
    h = L.Embedding(9, 4, name="embeddings")(ids)
    for i in range(3):
        h = Attend(name=f"layer{i}")(h, attention_mask=additive)
    h = L.GlobalAveragePooling1D(name="pool")(h)
    return shaken(
        keras.Model(
            [ids, mask],
            L.Dense(2, activation="softmax", name="classifier")(h),
            name="two_inputs_zoo",
        )
    )


def implicit_mask() -> Any:
    """Word ids with Keras' implicit mask (id 0 pads), through two recurrent layers."""
    ids = keras.Input((7,), dtype="int32")
    h = L.Embedding(9, 4, mask_zero=True, name="embeddings")(ids)
    h = L.SimpleRNN(4, return_sequences=True, name="rnn1")(h)
    h = L.SimpleRNN(3, return_sequences=True, name="rnn2")(h)
    h = L.GlobalAveragePooling1D(name="pool")(h)
    return shaken(keras.Model(ids, L.Dense(2, activation="softmax", name="classifier")(h), name="implicit_mask_zoo"))


def shared() -> Any:
    """One Dense used three times in a row, and one Activation used everywhere."""
    inputs = keras.Input((4,))
    dense, act = L.Dense(4, name="tied"), L.ReLU(name="act")
    h = act(L.Dense(4, name="enter")(inputs))
    for _ in range(3):
        h = act(dense(h))
    h = act(L.Dense(3, name="leave")(h))
    return shaken(keras.Model(inputs, L.Dense(2, activation="softmax", name="classifier")(h), name="shared_zoo"))


def siamese() -> Any:
    """Two inputs through one encoder, called twice: opaque to the outer graph."""
    encoder = keras.Sequential(
        [keras.Input((4,)), L.Dense(4, activation="relu", name="dense"), L.Dense(3, name="code")],
        name="encoder",
    )
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    h = L.Concatenate(name="both")([encoder(a), encoder(b)])
    h = L.Dense(4, activation="relu", name="compare")(h)
    return shaken(keras.Model([a, b], L.Dense(1, activation="sigmoid", name="same")(h), name="siamese_zoo"))


def auxiliary_output() -> Any:
    """A second output half-way: no tensor behind it is crossed by every path."""
    inputs = keras.Input((5,))
    h = L.Dense(6, activation="relu", name="low")(inputs)
    early = L.Dense(2, activation="softmax", name="early")(h)
    h = L.Dense(4, activation="relu", name="high")(h)
    late = L.Dense(2, activation="softmax", name="late")(h)
    return shaken(keras.Model(inputs, [late, early], name="auxiliary_zoo"))


def language(family: str) -> Any:
    """A tiny language model, mean-pooled, with a classifier."""
    config = LanguageConfig(
        family,
        vocab_size=9,
        hidden_size=8,
        num_layers=3,
        num_heads=2,
        intermediate_size=6,
        embedding_size=4 if family == "electra" else None,
        max_positions=16,
        num_token_types=0 if family == "distilbert" else 1,
        pad_token_id=1 if family == "roberta" else 0,
    )
    return shaken(add_head(pooled(language_backbone(config), "mean"), 2))


ZOO: dict[str, Callable[[], Any]] = {
    "sequential": sequential,
    "built_late": built_late,
    "conv": conv,
    "branches": branches,
    "nested": nested,
    "colliding": colliding,
    "subclassed_layers": subclassed_layers,
    "two_inputs": two_inputs,
    "implicit_mask": implicit_mask,
    "shared": shared,
    "siamese": siamese,
    "auxiliary_output": auxiliary_output,
    **{family: partial(language, family) for family in FAMILIES},
}


class SubclassedModel(keras.Model):
    """A model without a graph: must be refused with advice."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = L.Dense(3)

    def call(self, x: Any) -> Any:
        return self.dense(x)


APPLICATIONS: dict[str, Callable[[], Any]] = {
    "MobileNetV2": lambda: keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), classes=5, alpha=0.35),
    "ResNet50": lambda: keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=5),
    "EfficientNetB0": lambda: keras.applications.EfficientNetB0(weights=None, input_shape=(32, 32, 3), classes=5),
    "DenseNet121": lambda: keras.applications.DenseNet121(weights=None, input_shape=(32, 32, 3), classes=5),
}
