"""Saved backbones: a folder with weights (safetensors) and a description (JSON), no code."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from auxtask.backbones.allow_list import (
    LAYERS,
    MODELS,
    CustomLayers,
    check_architecture,
    check_custom_layers,
)
from auxtask.backbones.atomic_folder import DESCRIPTION, atomic_folder
from auxtask.backbones.building import build_model
from auxtask.backbones.description import (
    FORMAT,
    plain,
    read_description,
    read_tensors,
    write_description,
)
from auxtask.backbones.weight_paths import layer_paths, weight_paths
from auxtask.data.one_line import first_line
from auxtask.data.untrusted_file import reading
from auxtask.framework import keras, tf
from auxtask.transfer.freezing import in_inference_mode, set_inference_mode
from auxtask.transfer.groups import layer_groups, set_groups

WEIGHTS = "weights.safetensors"
MODEL_KINDS = ("backbone", "model")


def save_backbone(
    model: keras.Model,
    folder: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    kind: str = "backbone",
    custom_layers: CustomLayers | None = None,
) -> None:
    """Save a model's architecture, groups and weights; the folder appears whole or not at all.

    The architecture is checked and rebuilt before anything is written, so what cannot be loaded
    cannot be saved. The optimizer and the compiled loss are not kept.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential (or a subclass made from inputs and outputs), built. Its own layer
        classes need a `get_config`; loading asks for them as `custom_layers`.
    folder : path
        A new or empty folder, or an earlier save, which is replaced.
    provenance : dict, optional
        Where the weights come from (data fingerprint, people seen, loss, seeds); plain JSON.
        Versions are added.
    preprocessing : dict, optional
        What the input must have gone through; plain JSON.
    kind : {"backbone", "model"}
        "model" for one with its head.
    custom_layers : mapping of name to function, optional
        Functions of your own (activations, initialisers) that the layers use.

    Raises
    ------
    ValueError
        The model cannot be saved; the text names the layer.
    OSError
        The disk is full, or writing is not allowed; nothing is left.
    """
    if kind not in MODEL_KINDS:
        raise ValueError(f"kind={kind!r}: expected one of {', '.join(MODEL_KINDS)}")
    try:
        architecture, rebuilt = _architecture(model, check_custom_layers(custom_layers))
        weights = _arrays(model)
    except ValueError as error:
        name = getattr(model, "name", model)
        raise ValueError(f"model {name!r} cannot be saved: {error}") from error
    content = safetensors.numpy.save(weights, metadata={"format": FORMAT})
    description = {
        "kind": kind,
        "architecture": architecture,
        "groups": _grouping(model, rebuilt),
        "frozen": [path for path, layer in layer_paths(model).items() if not layer.trainable],
        # Those that `freeze` froze; a layer that Keras' own `trainable = False` froze still drops out.
        "in_inference": [path for path, layer in layer_paths(model).items() if _is_still(layer)],
        "preprocessing": preprocessing,
        "provenance": {**(provenance or {}), "versions": _versions()},
        "weights_sha256": hashlib.sha256(content).hexdigest(),
    }
    with atomic_folder(folder) as partial:
        (partial / WEIGHTS).write_bytes(content)
        write_description(partial, description)


def load_backbone(folder: str | os.PathLike[str], custom_layers: CustomLayers | None = None) -> keras.Model:
    """Load what `save_backbone` saved: weights equal to the bit, groups and frozen layers restored.

    The folder may come from anyone: its architecture is checked against a list of layers before
    Keras sees it, and it holds no code.

    Parameters
    ----------
    folder : path
    custom_layers : mapping of name to class, optional
        The model's own layer classes, `{"Name": Class}`; the only ones used beside Keras'.

    Raises
    ------
    FileNotFoundError
        There is no such folder, or a file in it is missing.
    ValueError
        A file is damaged, foreign, or names something that is not allowed.
    """
    description = read_description(folder)
    with reading(Path(folder) / DESCRIPTION, "a model's description"):
        if description["kind"] not in MODEL_KINDS:
            raise ValueError(f"describes a {description['kind']}, not a model")
        architecture: Any = description.get("architecture")
        model = build_model(check_architecture(architecture, custom_layers), custom_layers)
    with reading(Path(folder) / WEIGHTS, "a safetensors file"):
        _load_weights(model, Path(folder) / WEIGHTS, description.get("weights_sha256"))
    with reading(Path(folder) / DESCRIPTION, "a model's description"):
        frozen, still = (set(description.get(key) or ()) for key in ("frozen", "in_inference"))
        for path, layer in layer_paths(model).items():
            layer._trainable = path not in frozen  # the setter would also reach the layers inside
            if path in still:
                set_inference_mode(layer, True)
        if description.get("groups"):
            set_groups(model, description["groups"])
    return model


def _is_still(layer: Any) -> bool:
    return not layer.trainable and in_inference_mode(layer)


def _architecture(model: keras.Model, custom: dict[str, Any]) -> tuple[dict[str, Any], keras.Model]:
    """Describe the model, and prove by a rebuilt one that the description suffices."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"it is a {type(model).__name__}, not a Keras model")
    if not isinstance(model, keras.Sequential) and not model._is_graph_network:
        raise ValueError(
            "it is a subclass of Model without a graph of layers; make it a Functional model, "
            "keras.Model(inputs, model(inputs)), with its layers as classes of yours"
        )
    if not model.built:
        raise ValueError("it has no input shape yet; call it once on data first")
    custom = {**_own_classes(model), **custom}
    for layer in _graph_layers(model):
        if _is_stock(type(layer)):  # before get_config, which fails on some that are not allowed
            check_architecture({"class_name": type(layer).__name__, "config": {"name": layer.name}})
    try:
        config = keras.saving.serialize_keras_object(model.get_config())
    except (NotImplementedError, TypeError) as error:
        raise ValueError(f"a layer's get_config fails ({first_line(error)})") from error
    entry = {"class_name": type(model).__name__, "config": config}
    # Through JSON, as it will come back: no tuples, no keys that are numbers.
    architecture = check_architecture(json.loads(json.dumps(entry, default=plain)), custom)
    _mark_shared(architecture, model)
    rebuilt = build_model(architecture, custom)
    shapes, others = _shapes(model), _shapes(rebuilt)
    if shapes != others:
        raise ValueError(
            "rebuilt from its configs it has other weights: "
            f"{_difference(shapes, others)}; check get_config of your own layers"
        )
    return architecture, rebuilt


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {path: tuple(weight.shape) for path, weight in weight_paths(model).items()}


def _graph_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _graph_layers(layer)


def _is_stock(kind: type) -> bool:
    return kind.__module__.split(".")[0] == "tf_keras"


def _own_classes(model: keras.Model) -> dict[str, type]:
    classes = {type(layer) for layer in layer_paths(model).values()}
    own: dict[str, type] = {}
    for kind in classes:
        if _is_stock(kind):
            continue
        if kind.__name__ in LAYERS | MODELS:
            raise ValueError(f"your class {kind.__name__} has the name of one of Keras'; rename it")
        if kind.__name__ in own:
            raise ValueError(f"two classes are called {kind.__name__}; rename one")
        own[kind.__name__] = kind
    return own


def _mark_shared(architecture: dict[str, Any], model: keras.Model) -> None:
    """Number the layers that stand in several of the nested models, in place.

    Keras' own numbering leaves out the first of a layer's places where that is a nested model.
    """
    places: dict[int, list[dict[str, Any]]] = {}

    def visit(config: dict[str, Any], inside: keras.Model) -> None:
        """Note each layer's places, nested models included."""
        layers = {layer.name: layer for layer in inside.layers}
        for entry in config["layers"]:
            layer = layers.get(entry.get("name", entry["config"].get("name")))
            entry.pop("shared_object_id", None)
            if layer is None:  # a Sequential model does not list its InputLayer
                continue
            places.setdefault(id(layer), []).append(entry)
            if isinstance(layer, keras.Model) and entry["class_name"] in MODELS:
                visit(entry["config"], layer)

    if "layers" in architecture["config"]:
        visit(architecture["config"], model)
    for number, entries in enumerate(entries for entries in places.values() if len(entries) > 1):
        for entry in entries:
            entry["shared_object_id"] = number


def _grouping(model: keras.Model, rebuilt: keras.Model) -> dict[str, list[str]] | None:
    """Give the groups' layers; None where there are none, or loading will find the same alone."""
    try:
        grouping = {group.name: list(group.layers) for group in layer_groups(model)}
        set_groups(rebuilt, grouping)
    except ValueError:  # a model with no order of groups (say, two towers) is still a model
        return None
    return grouping


def _arrays(model: keras.Model) -> dict[str, np.ndarray]:
    return {path: _as_stored(weight) for path, weight in sorted(weight_paths(model).items())}


def _as_stored(weight: tf.Variable) -> np.ndarray:
    value = weight.numpy()
    array = np.ascontiguousarray(value).reshape(value.shape)
    # safetensors' NumPy side has no bfloat16: its bits are kept as integers.
    return array.view(np.uint16) if weight.dtype.base_dtype == tf.bfloat16 else array


def _load_weights(model: keras.Model, path: Path, sha256: str | None) -> None:
    stored, weights = read_tensors(path, sha256), weight_paths(model)
    if stored.keys() != weights.keys():
        raise ValueError(f"does not fit: {_difference(weights.keys(), stored.keys())}")
    for name, weight in weights.items():
        own = _as_stored(weight)
        if not weight.shape.is_compatible_with(stored[name].shape) or stored[name].dtype != own.dtype:
            raise ValueError(
                f"weight {name} is {stored[name].dtype}{list(stored[name].shape)}, "
                f"expected {own.dtype}{list(weight.shape)}"
            )
    for name, weight in weights.items():
        array = stored[name]
        weight.assign(array.view(tf.bfloat16.as_numpy_dtype) if weight.dtype.base_dtype == tf.bfloat16 else array)
    for layer in model._flatten_layers():
        layer.finalize_state()  # Normalization computes with numbers derived from its weights


def _difference(expected: Any, found: Any) -> str:
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    parts = [
        f"{len(names)} {word} (first: {names[0]})"
        for word, names in (("missing", missing), ("unexpected", extra))
        if names
    ]
    return ", ".join(parts) or "shapes differ"


def _versions() -> dict[str, str]:
    names = ("auxtask", "tensorflow", "tf-keras", "numpy", "safetensors")
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # run from a checkout, not installed
            versions[name] = "not installed"
    return versions
