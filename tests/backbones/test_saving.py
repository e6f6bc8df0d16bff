"""Saved folders: equal to the bit, whole or not at all."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auxtask.backbones.conv import residual_backbone
from auxtask.backbones.saving import load_backbone, read_description, save_backbone
from auxtask.backbones.weight_paths import weight_paths
from auxtask.framework import keras, tf
from auxtask.transfer.freezing import freeze, unfreeze
from auxtask.transfer.groups import layer_groups, set_groups

layers = keras.layers


class Scale(layers.Layer):
    """A user's layer: one weight in an attribute, one in none, and layers in a list."""

    def __init__(self, start: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start = start
        self.inner = [layers.Dense(4, name="same"), layers.Dense(4, name="same")]

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(name="w", shape=(), initializer="ones")
        self.offsets = {1: self.add_weight(name="w", shape=(4,))}  # a key that Keras cannot track
        super().build(shape)

    def call(self, x: Any) -> Any:
        for layer in self.inner:
            x = layer(x)
        return x * self.factor * self.start + self.offsets[1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start}


def _sequential() -> keras.Model:
    return keras.Sequential([layers.Dense(5, input_shape=(4,)), layers.LeakyReLU(0.2), layers.Dense(2, "softmax")])


def _sequential_built_late() -> keras.Model:
    model = keras.Sequential([layers.Dense(3), layers.BatchNormalization()])
    model.build((None, 4))
    return model


def _colliding_names() -> keras.Model:
    inner = keras.Sequential([layers.Dense(4, name="d", input_shape=(4,))], name="inner")
    return keras.Sequential([layers.Dense(4, name="d", input_shape=(4,)), inner, layers.Dense(1)])


def _slash_in_a_name() -> keras.Model:
    x = keras.Input((4,))
    inner = keras.Sequential([layers.Dense(4, name="b", input_shape=(4,))], name="a")
    return keras.Model(x, inner(layers.Dense(4, name="a/b")(x)))


def _shared_across_models() -> keras.Model:
    shared, inside, x = layers.Dense(4, name="shared"), keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(inside, shared(inside), name="inner")
    return keras.Model(x, shared(layers.ReLU()(inner(shared(x)))))


def _two_towers() -> keras.Model:
    tower = keras.Sequential([layers.Dense(3, input_shape=(4,))], name="tower")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    return keras.Model([left, right], layers.Dot(1, normalize=True)([tower(left), tower(right)]))


def _branches() -> keras.Model:
    x = keras.Input((6, 4))
    y, state, _ = layers.LSTM(4, return_sequences=True, return_state=True, name="lstm")(x)
    y = layers.MultiHeadAttention(2, 3)(y, y)
    y = layers.Bidirectional(layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)]))(y)
    each = layers.TimeDistributed(keras.Sequential([layers.Dense(2)]))(x)
    return keras.Model(x, {"a": layers.Concatenate()([y, state]), "b": each})


def _normalised() -> keras.Model:
    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(0).normal(3, 2, (50, 4)))
    return keras.Sequential([keras.Input((4,)), normalization, layers.Dense(2, dtype="bfloat16")])


MODELS = [
    _sequential, _sequential_built_late, _colliding_names, _slash_in_a_name,
    _shared_across_models, _two_towers, _branches, _normalised,
]  # fmt: skip


def _inputs(model: keras.Model) -> Any:
    random = np.random.default_rng(1)
    shapes = [(3, *tensor.shape[1:]) for tensor in model.inputs]
    arrays = [random.normal(size=shape).astype("float32") for shape in shapes]
    return arrays[0] if len(arrays) == 1 else arrays


def _assert_equal(loaded: keras.Model, model: keras.Model) -> None:
    mine, theirs = weight_paths(loaded), weight_paths(model)
    assert mine.keys() == theirs.keys()
    for path in mine:
        assert mine[path].numpy().tobytes() == theirs[path].numpy().tobytes(), path
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    x = _inputs(model)
    for one, other in zip(tf.nest.flatten(loaded(x)), tf.nest.flatten(model(x)), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_a_model_loads_back_equal_to_the_bit(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make()
    save_backbone(model, tmp_path / "saved")
    loaded = load_backbone(tmp_path / "saved")
    _assert_equal(loaded, model)
    assert len(loaded.weights) == len(model.weights)  # what was shared is still shared
    before = [weight.numpy() for weight in model.weights]
    for weight in loaded.weights:  # and the two are not one
        weight.assign(tf.zeros_like(weight) if weight.dtype == tf.bool else weight + tf.ones_like(weight))
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_groups_preprocessing_and_provenance_come_back(tmp_path: Path) -> None:
    model = residual_backbone(size=16, stages=(4, 8), embedding=6)
    loss = {"margin": np.float32(0.5)}
    provenance = {"people": ["Ann", "Bob"], "seed": np.int64(3), "loss": loss}
    save_backbone(model, tmp_path / "saved", provenance, {"size": 16, "range": [0, 255]})
    loaded = load_backbone(tmp_path / "saved")
    _assert_equal(loaded, model)
    assert str(layer_groups(loaded)) == str(layer_groups(model))
    assert layer_groups(loaded).names == ("stem", "block1", "block2", "embedding")
    description = read_description(tmp_path / "saved")
    assert description["kind"] == "backbone"
    assert description["preprocessing"] == {"size": 16, "range": [0, 255]}
    assert description["provenance"]["people"] == ["Ann", "Bob"]
    assert description["provenance"]["seed"] == 3
    assert "tensorflow" in description["provenance"]["versions"]


def test_groups_that_the_caller_named_come_back(tmp_path: Path) -> None:
    model = _colliding_names()
    set_groups(model, {"low": ["d", "inner/d"], "top": [model.layers[-1].name]})
    save_backbone(model, tmp_path / "saved")
    assert layer_groups(load_backbone(tmp_path / "saved")).names == ("low", "top")


def test_a_frozen_model_is_as_still_after_loading_as_before(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    model = keras.Sequential([layers.Dense(8, input_shape=(4,)), layers.Dropout(0.5), layers.Dense(2)])
    save_backbone(freeze(model), tmp_path / "frozen")
    loaded = load_backbone(tmp_path / "frozen")
    np.testing.assert_array_equal(loaded(x, training=True), loaded(x, training=False))
    unfreeze(loaded)
    assert (loaded(x, training=True).numpy() != loaded(x, training=False).numpy()).any()
    by_keras = keras.Sequential([layers.Dense(8, input_shape=(4,)), layers.Dropout(0.5), layers.Dense(2)])
    by_keras.trainable = False
    save_backbone(by_keras, tmp_path / "by_keras")
    loaded = load_backbone(tmp_path / "by_keras")
    assert (loaded(x, training=True).numpy() != loaded(x, training=False).numpy()).any()


def test_what_is_frozen_stays_frozen_and_nothing_else(tmp_path: Path) -> None:
    model = _colliding_names()
    model.layers[1].trainable = False
    model.layers[1].layers[0].trainable = True  # thawed again inside a frozen model
    model.layers[2].trainable = False
    save_backbone(model, tmp_path / "saved")
    loaded = load_backbone(tmp_path / "saved")
    _assert_equal(loaded, model)
    assert [w.name for w in loaded.trainable_weights] == [w.name for w in model.trainable_weights]
    loaded.layers[1].trainable = model.layers[1].trainable = True
    assert len(loaded.trainable_weights) == len(model.trainable_weights) == 4


def test_own_layers_come_only_through_custom_layers(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), Scale(2.0, name="scale"), layers.Dense(1)])
    save_backbone(model, tmp_path / "saved")
    with pytest.raises(ValueError, match=r"layer scale \(Scale\).*custom_layers={'Scale': Scale}"):
        load_backbone(tmp_path / "saved")
    _assert_equal(load_backbone(tmp_path / "saved", {"Scale": Scale}), model)
    assert {"scale/factor", "scale/inner/0/kernel", "scale/inner/1/kernel"} <= weight_paths(model).keys()


def test_a_trained_and_compiled_model_can_be_saved(tmp_path: Path) -> None:
    model = _sequential()
    model.compile("adam", lambda y, p: tf.reduce_mean((y - p) ** 2), metrics=["mae"])
    model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0)
    save_backbone(model, tmp_path / "saved")
    _assert_equal(load_backbone(tmp_path / "saved"), model)


class _Subclass(keras.Model):
    def call(self, x: Any) -> Any:
        return x


def _lambda() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), layers.Lambda(tf.abs, name="code")])


def _operation() -> keras.Model:
    x = keras.Input((4,))
    return keras.Model(x, tf.abs(x))


def _forgetful() -> keras.Model:
    class Forgetful(layers.Layer):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units

        def get_config(self) -> dict[str, Any]:
            return {"name": self.name}

    return keras.Sequential([keras.Input((4,)), Forgetful(3, name="forgetful")])


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (_Subclass, "without a graph"),
        (lambda: keras.Sequential([layers.Dense(2)]), "no input shape"),
        (_lambda, "layer code .* holds code"),
        (_operation, "bare TensorFlow operation"),
        (_forgetful, r"layer forgetful \(Forgetful\) cannot be made.*units"),
        (lambda: layers.Dense(2), "not a Keras model"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(make: Any, word: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        save_backbone(make(), tmp_path / "saved")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [{"fn": print}, {"x": object()}])
def test_provenance_must_be_plain_json(bad: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not plain JSON"):
        save_backbone(_sequential(), tmp_path / "saved", bad)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", ["nothing", "an earlier save"])
def test_a_full_disk_leaves_nothing_half_written(before: str, tmp_path: Path) -> None:
    old, target = _sequential(), tmp_path / "saved"
    if before == "an earlier save":
        save_backbone(old, target)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))  # no file may grow past this
    try:
        with pytest.raises(OSError):
            save_backbone(_colliding_names(), target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    if before == "nothing":
        assert list(tmp_path.iterdir()) == []
    else:
        assert [path.name for path in tmp_path.iterdir()] == ["saved"]
        _assert_equal(load_backbone(target), old)


def test_an_earlier_save_is_replaced_and_other_folders_are_not(tmp_path: Path) -> None:
    model = _colliding_names()
    save_backbone(_sequential(), tmp_path / "saved")
    save_backbone(model, tmp_path / "saved")
    _assert_equal(load_backbone(tmp_path / "saved"), model)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="mine: holds other files"):
        save_backbone(model, tmp_path / "mine")
    with pytest.raises(ValueError, match="is a file"):
        save_backbone(model, tmp_path / "mine" / "thesis.txt")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "saved"]


@pytest.mark.parametrize("name", ["weights.safetensors", "description.json"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign", "one bit", "long header"])
def test_a_damaged_file_is_named_in_one_line(name: str, damage: str, tmp_path: Path) -> None:
    save_backbone(_sequential(), tmp_path / "saved")
    path = tmp_path / "saved" / name
    content = bytearray(path.read_bytes())
    flipped = content.copy()
    flipped[-20 if name.startswith("weights") else 2] ^= 0x80
    path.write_bytes(
        {
            "truncated": content[: len(content) // 2],
            "empty": b"",
            "foreign": b"PK\x03\x04 something else",
            "one bit": flipped,
            "long header": b"\xff" * 8 + content,
        }[damage]
    )
    with pytest.raises(ValueError) as caught:
        load_backbone(tmp_path / "saved")
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_backbone(tmp_path / "nowhere")
    save_backbone(_sequential(), tmp_path / "saved")
    (tmp_path / "saved" / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="weights.safetensors"):
        load_backbone(tmp_path / "saved")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"format_version": 99}, "version 99"),
        ({"format": "else"}, "not a description"),
        ({"kind": "toaster"}, "toaster"),
        ({"kind": None}, "kind"),
        ({"groups": {"low": ["no_such_layer"]}}, "no_such_layer"),
        ({"groups": 7}, "damaged, or not a model's description"),
        ({"frozen": 7}, "damaged, or not a model's description"),
        ({"architecture": None}, "architecture"),
    ],
)
def test_an_odd_description_is_refused(change: Any, word: str, tmp_path: Path) -> None:
    save_backbone(_sequential(), tmp_path / "saved")
    path = tmp_path / "saved" / "description.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=word) as caught:
        load_backbone(tmp_path / "saved")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path) -> None:
    for name, model in (("a", _sequential()), ("b", _colliding_names())):
        save_backbone(model, tmp_path / name)
    (tmp_path / "b" / "weights.safetensors").replace(tmp_path / "a" / "weights.safetensors")
    with pytest.raises(ValueError, match="belongs to another save"):
        load_backbone(tmp_path / "a")
    path = tmp_path / "a" / "description.json"
    description = json.loads(path.read_text())
    del description["weights_sha256"]
    path.write_text(json.dumps(description))
    with pytest.raises(ValueError, match="missing.*unexpected"):
        load_backbone(tmp_path / "a")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2", "EfficientNetB0", "DenseNet121"])
def test_networks_of_keras_applications_come_back(name: str, tmp_path: Path) -> None:
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(32, 32, 3), classes=3)
    save_backbone(model, tmp_path / "saved")
    _assert_equal(load_backbone(tmp_path / "saved"), model)
