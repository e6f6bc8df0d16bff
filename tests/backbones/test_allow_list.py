"""Files that attack: they must do nothing but raise, in every form in which a model comes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from auxtask.backbones.allow_list import HOUSE_LAYERS, LAYERS, check_architecture
from auxtask.backbones.building import build_model
from auxtask.data.untrusted_file import MAX_JSON_BYTES
from auxtask.framework import keras


def _replace_victim(whole: dict[str, Any], /, **entry: Any) -> None:
    """Put another layer where the honest model's `victim` stands, joined to the same tensors."""
    layers = whole["config"]["layers"]
    position = next(i for i, layer in enumerate(layers) if layer["config"]["name"] == "victim")
    kept = {key: layers[position][key] for key in ("name", "inbound_nodes")}
    layers[position] = {**kept, **entry}


def _plain_file_error(load: Any, path: Path, *words: str) -> str:
    with pytest.raises(ValueError) as caught:
        load()
    text = str(caught.value)
    assert "\n" not in text and str(path) in text, text
    for word in words:
        assert word in text, text
    return text


def test_an_op_layer_that_writes_a_file_writes_none(saved: Any, tmp_path: Path) -> None:
    witness = tmp_path / "written.txt"

    def attack(config: dict[str, Any]) -> None:
        node = ["_CONSTANT_VALUE", -1, str(witness), {"contents": "owned"}]
        _replace_victim(
            config,
            class_name="TFOpLambda",
            config={"name": "victim", "trainable": True, "function": "io.write_file"},
            inbound_nodes=[node],
            module="keras.src.layers.core.tf_op_layer",
            registered_name="TFOpLambda",
        )

    saved.edit(attack)
    if saved.form == "keras":  # the file is no dud: Keras itself writes, safe mode or not
        with pytest.raises(Exception):  # noqa: B017 - what follows the attack does not matter
            keras.models.load_model(saved.path, safe_mode=True)
        assert witness.read_text() == "owned"
        witness.unlink()
    _plain_file_error(saved.load, saved.path, "victim", "TFOpLambda", "custom_layers")
    assert not witness.exists()


def test_a_lambda_layer_is_not_run(saved: Any, tmp_path: Path) -> None:
    witness = tmp_path / "written.txt"
    code = keras.src.utils.generic_utils.func_dump(
        lambda x, path=str(witness): (open(path, "w").close(), x)[1]  # noqa: SIM115
    )
    function: Any = {"class_name": "__lambda__", "config": {"value": code}}
    inner = {"name": "victim", "trainable": True, "arguments": {}}
    if saved.form == "h5":  # the older way to write it
        inner.update(function_type="lambda", output_shape_type="raw", output_shape=None)
        inner.update(module="builtins", output_shape_module=None)
        function = code
    inner["function"] = function
    saved.edit(lambda config: _replace_victim(config, class_name="Lambda", config=inner))
    if saved.form == "h5":  # the file is no dud: Keras itself runs the code while it loads
        with pytest.raises(ValueError):  # the weights do not fit, but that is too late
            keras.models.load_model(saved.path, compile=False)
        assert witness.exists()
        witness.unlink()
    _plain_file_error(saved.load, saved.path, "victim", "Lambda", "holds code")
    assert not witness.exists()


@pytest.mark.parametrize("where", ["the model", "a layer", "an activation", "a known name"])
def test_a_foreign_module_is_not_imported(
    saved: Any, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = tmp_path / "written.txt"
    (tmp_path / "evil_module.py").write_text(f"open({str(witness)!r}, 'w').close()")
    monkeypatch.syspath_prepend(tmp_path)
    evil = {"module": "evil_module", "registered_name": "Evil", "class_name": "Evil"}

    def attack(config: dict[str, Any]) -> None:
        if where == "the model":
            config.update(evil)
        elif where == "a layer":
            _replace_victim(config, **evil, config={"name": "victim"})
        elif where == "a known name":
            inner = config["config"]["layers"][1]["config"]
            _replace_victim(config, class_name="Dense", module="evil_module", config=inner)
        else:
            inner = config["config"]["layers"][1]["config"]
            inner["activation"] = {**evil, "class_name": "function", "config": "Evil"}

    saved.edit(attack)
    if saved.form == "keras" and where == "the model":  # no dud: Keras itself imports it
        with pytest.raises(Exception):  # noqa: B017 - what follows the attack does not matter
            keras.models.load_model(saved.path, safe_mode=True)
        assert witness.exists()
        witness.unlink()
        del sys.modules["evil_module"]
    _plain_file_error(saved.load, saved.path, "custom_layers")
    assert not witness.exists()


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("activation", "system", "activation 'system'"),
        ("activation", "deserialize", "activation 'deserialize'"),
        ("activation", {"class_name": "__lambda__", "config": {"value": "x"}}, "__lambda__"),
        ("activation", {"class_name": "Lambda", "config": {"name": "code"}}, "holds code"),
        ("kernel_initializer", {"class_name": "Evil", "config": {}}, "initializer 'Evil'"),
        ("kernel_initializer", "evil", "initializer 'evil'"),
        ("kernel_regularizer", "evil", "regularizer 'evil'"),
        ("bias_constraint", "evil", "constraint 'evil'"),
        ("name", {"class_name": "__typespec__", "config": [], "module": "os"}, "__typespec__"),
        ("units", {"class_name": "__tensor__", "config": {"value": ["x"]}}, "not a number"),
        ("unheard_of", 3, "unheard_of"),
    ],
)
def test_every_part_of_a_layer_is_checked(saved: Any, field: str, value: Any, word: str) -> None:
    saved.edit(lambda config: config["config"]["layers"][1]["config"].update({field: value}))
    _plain_file_error(saved.load, saved.path, word)


@pytest.mark.parametrize("wrapper", ["TimeDistributed", "Bidirectional", "a nested model"])
def test_code_is_found_inside_other_layers(saved: Any, wrapper: str) -> None:
    code = {"class_name": "Lambda", "config": {"name": "hidden", "function": "x"}, "name": "hidden"}

    def attack(config: dict[str, Any]) -> None:
        if wrapper == "a nested model":
            inner = {"name": "victim", "layers": [code]}
            _replace_victim(config, class_name="Sequential", config=inner)
        else:
            _replace_victim(config, class_name=wrapper, config={"name": "victim", "layer": code})

    saved.edit(attack)
    _plain_file_error(saved.load, saved.path, "hidden", "holds code")


def test_json_that_is_too_deep_is_refused(saved: Any) -> None:
    # Two depths: one that our bound stops, and one at which Python's own parser gives up.
    for depth in (500, 100_000):
        saved.edit(lambda config, depth=depth: "[" * depth + "]" * depth)
        _plain_file_error(saved.load, saved.path, "deeper than")
        if saved.form == "folder":
            (saved.path / "description.json").write_text('{"architecture": {}, "kind": "backbone"}')


def test_json_that_is_too_long_is_refused(save_as: Any) -> None:
    saved = save_as("folder")
    saved.edit(lambda config: config.update(padding="x" * MAX_JSON_BYTES))
    _plain_file_error(saved.load, saved.path, "over 16,777,216 bytes")


def test_a_zip_entry_that_swells_is_not_unpacked(tmp_path: Path, save_as: Any) -> None:
    import zipfile

    saved = save_as("keras")
    entries = {name: saved.entry(name) for name in ("metadata.json", "model.weights.h5")}
    with zipfile.ZipFile(saved.path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b"[" + b" " * (4 * MAX_JSON_BYTES) + b"]")
        for name, content in entries.items():
            archive.writestr(name, content)
    assert saved.path.stat().st_size < 1_000_000
    _plain_file_error(saved.load, saved.path, "over 16,777,216 bytes")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (["out", 0, 0, {}], "waits for an output"),
        (["ghost", 0, 0, {}], "layer 'ghost', and there is none"),
        (["inputs", 0, 7, {}], "has no output 7"),
        (["inputs", 0, 0, {"mask": ["victim", 5, 0]}], "waits for an output"),
    ],
    ids=["itself", "nobody", "an output too many", "a later call"],
)
def test_a_graph_that_cannot_be_made_ends_with_an_error(saved: Any, source: list[Any], said: str) -> None:
    # Keras' own rebuilding turns for ever on the first and the last of these.
    saved.edit(lambda config: config["config"]["layers"][1].update(inbound_nodes=[[source]]))
    _plain_file_error(saved.load, saved.path, said)


def test_a_loop_inside_a_wrapped_model_ends_with_an_error() -> None:
    inner = keras.Sequential([keras.layers.Dense(2, input_shape=(3,), name="inner")])
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, keras.layers.TimeDistributed(inner, name="each")(inputs))
    entry = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    wrapped = entry["config"]["layers"][1]["config"]["layer"]
    functional = json.loads(json.dumps(keras.saving.serialize_keras_object(keras.Model(inner.inputs, inner.outputs))))
    wrapped.clear()
    wrapped.update(functional)
    assert build_model(check_architecture(entry)).output_shape == (None, 5, 2)
    wrapped["config"]["layers"][1]["inbound_nodes"] = [[["inner", 0, 0, {}]]]
    with pytest.raises(ValueError, match="'inner' waits for an output"):
        build_model(check_architecture(entry))


def test_what_comes_out_names_only_our_modules() -> None:
    inputs = keras.Input((4,))
    dense = keras.layers.Dense(3, kernel_regularizer="l2", activation=keras.layers.LeakyReLU(0.1))
    model = keras.Model(inputs, dense(inputs))
    entry = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    text = json.dumps(entry).replace('"keras.layers"', '"keras.src.somewhere.else"')
    checked = check_architecture(json.loads(text))

    def modules(value: Any) -> set[Any]:
        if isinstance(value, dict):
            own = {value["module"]} if "module" in value else set()
            return own | {m for item in value.values() for m in modules(item)}
        return {m for item in value for m in modules(item)} if isinstance(value, list) else set()

    assert modules(checked) == {
        "keras",
        "keras.layers",
        "keras.initializers",
        "keras.regularizers",
    }
    assert "compile_config" not in json.dumps(checked) and "build_config" not in json.dumps(checked)


def test_the_lists_name_classes_that_exist_and_hold_no_code() -> None:
    for name in LAYERS:
        assert issubclass(getattr(keras.layers, name), keras.layers.Layer), name
    assert not LAYERS & {"Lambda", "TextVectorization", "StringLookup", "IntegerLookup", "Layer"}
    assert not LAYERS & HOUSE_LAYERS.keys()


def test_a_misspelt_layer_names_the_closest() -> None:
    with pytest.raises(ValueError, match="closest: Dense"):
        check_architecture({"class_name": "Dens", "config": {"name": "d"}})


@pytest.mark.parametrize("bad", [None, [], "x", {}, {"class_name": "Functional"}, {"class_name": 3}])
def test_what_is_no_architecture_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError):
        build_model(check_architecture(bad))


@pytest.mark.parametrize("bad", [{"Name": 3}, {4: keras.layers.Dense}])
def test_custom_layers_must_be_names_and_classes(bad: Any) -> None:
    with pytest.raises(ValueError, match="custom_layers"):
        check_architecture({"class_name": "Dense", "config": {}}, bad)
