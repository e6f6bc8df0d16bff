"""The user's own .keras and .h5 files, against Keras' own loading as the reference."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from auxtask.backbones.keras_files import load_keras_file
from auxtask.framework import keras, tf

layers = keras.layers
FORMS = ("keras", "h5")


class Doubling(layers.Layer):
    """A user's layer with weights inside a layer of its own."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.dense = units, layers.Dense(units)

    def call(self, x: Any) -> Any:
        return 2 * self.dense(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def _lecture_model() -> keras.Model:
    """The lecture's Model A, narrower."""
    model = keras.Sequential([layers.Flatten(input_shape=(5, 5))])
    for units in (30, 20, 10):
        model.add(layers.Dense(units, activation="selu", kernel_initializer="lecun_normal"))
    model.add(layers.Dense(8, activation="softmax"))
    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    model.fit(np.ones((4, 5, 5)), np.arange(4), verbose=0)
    return model


def _nested_and_frozen() -> keras.Model:
    base = keras.Sequential(
        [keras.Input((5, 5)), layers.Flatten(), layers.Dense(4, name="d"),
         layers.BatchNormalization(), layers.Dense(4, name="e")], name="base",
    )  # fmt: skip
    base.layers[1].trainable = False  # reorders the weights of `base`
    x = keras.Input((5, 5))
    model = keras.Model(x, layers.Dense(2, name="d2")(layers.Dropout(0.5)(base(x))))
    for number, weight in enumerate(model.weights):
        weight.assign(tf.random.stateless_normal(weight.shape, (1, number)) ** 2)
    return model


def _shared_with_options() -> keras.Model:
    x = keras.Input((5, 5))
    shared = layers.Dense(5, kernel_regularizer="l2", kernel_constraint="max_norm", name="shared")
    y = layers.Add()([shared(shared(x)), x])
    y = layers.MultiHeadAttention(2, 3)(y, x)
    y, state = layers.GRU(3, return_state=True)(y)
    return keras.Model({"x": x}, [y, layers.LeakyReLU(0.1)(state)])


MODELS = [_lecture_model, _nested_and_frozen, _shared_with_options]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_a_file_loads_as_keras_itself_would_load_it(make: Any, form: str, tmp_path: Path) -> None:
    model = make()
    path = tmp_path / f"my_model_A.{form}"
    model.save(path)
    loaded, reference = load_keras_file(path), keras.models.load_model(path, compile=False)
    x = np.random.default_rng(0).normal(size=(3, 5, 5)).astype("float32")
    x = {"x": x} if isinstance(model.input, dict) else x
    for one, two, three in zip(*(tf.nest.flatten(m(x)) for m in (loaded, model, reference)), strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    for one, two in zip(loaded.weights, reference.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    assert [w.name for w in loaded.trainable_weights] == [w.name for w in reference.trainable_weights]
    assert not loaded._is_compiled


@pytest.mark.parametrize("form", FORMS)
def test_own_layers_come_only_through_custom_layers(form: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), Doubling(3, name="mine"), layers.Dense(1)])
    path = tmp_path / f"model.{form}"
    model.save(path)
    with pytest.raises(ValueError, match=r"layer mine \(Doubling\).*{'Doubling': Doubling}"):
        load_keras_file(path)
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(load_keras_file(path, {"Doubling": Doubling})(x), model(x))


@pytest.mark.parametrize("form", FORMS)
def test_own_functions_come_only_through_custom_layers(form: str, tmp_path: Path) -> None:
    def halve(x: Any) -> Any:
        return x / 2

    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, activation=halve)])
    path = tmp_path / f"model.{form}"
    model.save(path)
    with pytest.raises(ValueError, match="activation 'halve'"):
        load_keras_file(path)
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(load_keras_file(path, {"halve": halve})(x), model(x))


def test_the_compiled_loss_is_never_looked_at(save_as: Any) -> None:
    saved = save_as("h5")
    with h5py.File(saved.path, "r+") as file:
        file.attrs["training_config"] = json.dumps({"loss": {"class_name": "Lambda"}})
    assert saved.load().output_shape == (None, 2)
    saved = save_as("keras")
    saved.edit(lambda config: config.update(compile_config={"loss": {"class_name": "Lambda"}}))
    assert saved.load().output_shape == (None, 2)


def test_a_sequential_file_of_an_old_keras_2_loads(tmp_path: Path) -> None:
    """Its config is a bare list, without names, modules or an input layer."""
    model = keras.Sequential([layers.Dense(3, input_shape=(4,)), layers.Dense(2)])
    model.save(tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"] = config["config"]["layers"][1:]
        config["config"][0]["config"]["batch_input_shape"] = [None, 4]
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = b"2.1.6"
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(load_keras_file(tmp_path / "old.h5")(x), model(x))


@pytest.mark.parametrize("mark", ["version", "content"])
@pytest.mark.parametrize("form", FORMS)
def test_a_keras_3_file_is_refused_with_the_way_to_convert(form: str, mark: str, save_as: Any) -> None:
    saved = save_as(form)
    if mark == "content":
        policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
        saved.edit(lambda c: c["config"]["layers"][1]["config"].update(dtype=policy))
    elif saved.form == "keras":
        saved.edit_archive({"metadata.json": json.dumps({"keras_version": "3.15.1"})})
    else:
        with h5py.File(saved.path, "r+") as file:
            file.attrs["keras_version"] = "3.15.1"
    with pytest.raises(ValueError) as caught:
        saved.load()
    text = str(caught.value)
    assert str(saved.path) in text and "\n" not in text
    assert "Keras 3" in text and "TF_USE_LEGACY_KERAS=1" in text and "get_weights" in text


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "zip of another kind"])
@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_file_is_named_in_one_line(form: str, damage: str, save_as: Any, tmp_path: Path) -> None:
    import zipfile

    path = save_as(form).path
    content = path.read_bytes()
    if damage == "zip of another kind":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("word/document.xml", "<hello/>")
    else:
        half = content[: len(content) // 2]
        path.write_bytes({"truncated": half, "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(ValueError) as caught:
        load_keras_file(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_missing_files_and_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere.h5"):
        load_keras_file(tmp_path / "nowhere.h5")
    with pytest.raises(ValueError, match="expected a file that ends in .keras, .h5"):
        load_keras_file(tmp_path / "model.pt")


def test_weights_without_architecture_say_so(tmp_path: Path) -> None:
    _nested_and_frozen().save_weights(tmp_path / "model.h5")
    with pytest.raises(ValueError, match="model.h5: holds no architecture"):
        load_keras_file(tmp_path / "model.h5")


@pytest.mark.parametrize("form", FORMS)
def test_weights_that_do_not_fit_name_the_layer(form: str, save_as: Any) -> None:
    saved = save_as(form)
    saved.edit(lambda config: config["config"]["layers"][2]["config"].update(units=7))
    with pytest.raises(ValueError) as caught:
        saved.load()
    said = str(caught.value)
    assert str(saved.path) in said and "\n" not in said and re.search(r"\bout\b", said.replace(str(saved.path), ""))


def test_an_archive_that_climbs_out_of_its_folder_writes_nothing(save_as: Any, tmp_path: Path) -> None:
    saved = save_as("keras")
    saved.edit_archive({"../../climbed.txt": "owned", "assets/x.txt": "harmless"})
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(ValueError, match="outside its own folder"):
        saved.load()
    assert sorted(tmp_path.parent.rglob("*")) == before


@pytest.mark.parametrize("kind", ["external link", "soft link", "raw file", "virtual"])
def test_weights_that_point_at_other_files_are_refused(kind: str, save_as: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["kernel"] = np.ones((4, 3), "float32")
    saved = save_as("h5")
    with h5py.File(saved.path, "r+") as file:
        group = file["model_weights/victim/victim"]
        del group["kernel:0"]
        if kind == "external link":
            group["kernel:0"] = h5py.ExternalLink(str(secret), "kernel")
        elif kind == "soft link":
            group["kernel:0"] = h5py.SoftLink("/model_weights/out/out/kernel:0")
        elif kind == "raw file":
            group.create_dataset("kernel:0", (4, 3), "f4", external=[(str(secret), 0, 48)])
        else:
            layout = h5py.VirtualLayout((4, 3), "f4")
            layout[:] = h5py.VirtualSource(str(secret), "kernel", (4, 3))
            group.create_virtual_dataset("kernel:0", layout)
    with pytest.raises(ValueError, match="outside"):
        saved.load()


@pytest.mark.parametrize("form", FORMS)
def test_a_small_file_that_claims_to_be_a_terabyte_is_refused_before_it_is_read(form: str, save_as: Any) -> None:
    saved = save_as(form)

    def claim(file: h5py.File) -> None:
        places: list[str] = []
        file.visititems(lambda name, item: places.append(name) if isinstance(item, h5py.Dataset) else None)
        place = next(name for name in places if file[name].ndim == 2)
        del file[place]
        file.create_dataset(place, (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")

    if form == "h5":
        with h5py.File(saved.path, "r+") as file:
            claim(file)
    else:
        with zipfile.ZipFile(saved.path) as archive:
            content = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(content, "r+") as file:
            claim(file)
        saved.edit_archive({"model.weights.h5": content.getvalue()})
    with pytest.raises(ValueError, match="shape|numbers, the largest weight"):
        saved.load()


class Pair(layers.Layer):
    """Two layers of one shape, of which one may be frozen."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.a, self.b = layers.Dense(4), layers.Dense(4)

    def call(self, x: Any) -> Any:
        return self.a(x) - 2 * self.b(x)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_layers_of_an_own_layer_are_not_swapped_by_what_was_frozen_when_it_was_saved(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), Pair(name="pair")])
    model.get_layer("pair").a.trainable = False
    model.save(tmp_path / "model.h5")
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(load_keras_file(tmp_path / "model.h5", {"Pair": Pair})(x), model(x))


class Lists(layers.Layer):
    """Layers in a list of lists, which Keras' walk does not enter."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blocks = [[layers.Dense(4), layers.Dense(4)], [layers.Dense(4)]]

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            for layer in block:
                x = layer(x)
        return x


def test_weights_that_keras_left_out_are_missed(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), Lists(), layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="model.keras: holds 2 of the model's 8 weights"):
        load_keras_file(tmp_path / "model.keras", {"Lists": Lists})


class Plain(layers.Layer):
    """As tutorials write them: without a get_config, so that Keras' own is empty."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = layers.Dense(4)

    def call(self, x: Any) -> Any:
        return self.dense(x)

    def get_config(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_a_layer_whose_config_forgets_its_name_keeps_it(form: str, tmp_path: Path) -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Dense(2)(Plain(name="block")(inputs)))
    model.save(tmp_path / f"model.{form}")
    loaded, x = load_keras_file(tmp_path / f"model.{form}", {"Plain": Plain}), np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert loaded.layers[1].name == "block"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_bins_that_numbers_were_adapted_to_are_loaded(form: str, tmp_path: Path) -> None:
    bins = layers.Discretization(num_bins=4, epsilon=0.01)
    bins.adapt(np.random.default_rng(0).normal(size=(1000, 1)).astype("float32"))
    model = keras.Sequential([keras.Input((1,)), bins, layers.Embedding(5, 3), layers.Flatten(), layers.Dense(2)])
    model.save(tmp_path / f"model.{form}")
    x = np.linspace(-2, 2, 9)[:, None].astype("float32")
    np.testing.assert_array_equal(load_keras_file(tmp_path / f"model.{form}")(x), model(x))
