"""Models in the user's own `.keras` and `.h5` files, as tf_keras writes them.

Keras' `load_model` is never called: the architecture is read from the file, checked and rebuilt
here, then filled with the file's weights. How the model was compiled is ignored.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from auxtask.backbones.allow_list import CustomLayers, check_architecture
from auxtask.backbones.building import build_model
from auxtask.data.untrusted_file import MAX_JSON_BYTES, read_json, reading
from auxtask.framework import keras, tf
from auxtask.transfer.graph import variables_of

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")

_KERAS_3 = (
    "is a Keras 3 file: make and save the model again with TF_USE_LEGACY_KERAS=1 set (tf_keras), "
    "or build the same network in tf_keras and give it the weights of model.get_weights()"
)
_OPEN_SIZE = 1_000_000  # of an axis that only adapting fixes (Discretization), at most
_KERAS_3_MARKS = re.compile(r'"(__keras_tensor__|DTypePolicy|keras\.src\.models\.[a-z]+)"')


def load_keras_file(path: str | os.PathLike[str], custom_layers: CustomLayers | None = None) -> keras.Model:
    """Load a whole model that tf_keras (or an older Keras 2) saved as `.keras` or `.h5`.

    Parameters
    ----------
    path : path
        The file. It may come from anyone: its architecture is checked against a list of layers
        first, and nothing that it holds is run.
    custom_layers : mapping of name to class, optional
        The model's own layer classes, `{"Name": Class}`; the only ones used beside Keras'.

    Returns
    -------
    keras.Model
        Not compiled.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, was saved by Keras 3, holds weights only, or names something that is
        not allowed; one line that names the file and what to do.
    """
    path = Path(path)
    if path.suffix not in KERAS_SUFFIXES:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(KERAS_SUFFIXES)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with reading(path, f"a {path.suffix} file of Keras"):
        if zipfile.is_zipfile(path):
            return _load_archive(path, custom_layers)
        return _load_hdf5(path, custom_layers)


def _rebuild(text: bytes | str, version: str | None, custom: CustomLayers | None) -> keras.Model:
    config = read_json(text)
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if (version or "").startswith("3") or _KERAS_3_MARKS.search(text):
        raise ValueError(_KERAS_3)
    return build_model(check_architecture(config, custom), custom)


# --- .keras: a zip archive ------------------------------------------------------------------------


def _load_archive(path: Path, custom: CustomLayers | None) -> keras.Model:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():  # nothing is unpacked; such a file has no honest maker
            if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or ":" in name:
                raise ValueError(f"holds an entry outside its own folder ({name!r})")
        metadata = read_json(_entry(archive, "metadata.json"))
        version = str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""
        model = _rebuild(_entry(archive, "config.json"), version, custom)
        if "model.weights.h5" not in archive.namelist():
            raise ValueError("holds no model.weights.h5")
        with archive.open("model.weights.h5") as file, h5py.File(file, "r") as weights:
            _fill_by_object(model, weights)
    return model


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read one entry, at most one byte past the limit, whatever size it declares."""
    if name not in archive.namelist():
        raise ValueError(f"holds no {name}, so it is not a .keras file")
    with archive.open(name) as file:
        return file.read(MAX_JSON_BYTES + 1)


class _Store:
    """What Keras' own walk over a model reads a `.keras` file's weights from."""

    def __init__(self, file: h5py.File, largest: int) -> None:
        self.file, self.largest, self.num_read = file, largest, 0

    def get(self, path: str) -> dict[str, np.ndarray]:
        """Give the arrays of what stands at a path; Keras' walk asks for each part of a model in turn."""
        group = _child(self.file, f"{path}/vars" if path else "vars")
        if group is None:
            return {}
        stored = {name: _stored(group, name) for name in group}
        for name, data in stored.items():
            if data.size > self.largest:  # a few bytes may claim to be any amount of memory
                raise ValueError(f"{path}: {name!r} has {data.size} numbers, the largest weight {self.largest}")
        self.num_read += len(stored)
        return {name: np.asarray(data[()]) for name, data in stored.items()}


def _fill_by_object(model: keras.Model, file: h5py.File) -> None:
    weights = variables_of(model)
    store = _Store(file, max((math.prod(size or _OPEN_SIZE for size in weight.shape) for weight in weights), default=0))
    # The walk gives the weights' places in the file; it only assigns arrays to variables.
    keras.src.saving.saving_lib._load_state(
        model, weights_store=store, assets_store=None, inner_path="", visited_trackables=set()
    )
    if store.num_read < len(weights):  # Keras neither saves nor misses those of layers in lists of lists
        raise ValueError(
            f"holds {store.num_read} of the model's {len(weights)} weights: Keras leaves out layers that a layer keeps "
            "in nested lists; save the model with at.save_backbone"
        )
    _finish(model)


# --- .h5: one HDF5 file ---------------------------------------------------------------------------


def _load_hdf5(path: Path, custom: CustomLayers | None) -> keras.Model:
    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise ValueError(
                "holds no architecture (weights alone?): build the network and call "
                "model.load_weights, or save the whole model with model.save"
            )
        if not isinstance(text, str | bytes):
            raise ValueError("its model_config is not text")
        weights = _child(file, "model_weights")
        if weights is None:
            raise ValueError("holds no weights")
        version = file.attrs.get("keras_version", "")
        version = version.decode() if isinstance(version, bytes) else str(version)
        model = _rebuild(text, version, custom)
        _fill_by_name(model, weights)
    return model


def _fill_by_name(model: keras.Model, group: h5py.Group) -> None:
    """Give each layer (or nested model) the arrays that the file keeps under its name."""
    stored = {}
    for name in _names(group, "layer_names"):
        layer_group = _child(group, name)
        if layer_group is None:
            raise ValueError(f"lists layer {name!r} but holds nothing for it")
        if names := _names(layer_group, "weight_names"):
            stored[name] = {weight: _stored(layer_group, weight) for weight in names}
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    if stored.keys() != layers.keys():
        odd = sorted(stored.keys() ^ layers.keys())
        raise ValueError(f"architecture and weights differ in layer {odd[0]!r}")
    for name, layer in layers.items():
        _fill_layer(name, layer, stored[name])
    _finish(model)


def _finish(model: keras.Model) -> None:
    for layer in model._flatten_layers():
        layer.finalize_state()  # Normalization computes with numbers derived from its weights


def _fill_layer(name: str, layer: keras.layers.Layer, arrays: dict[str, h5py.Dataset]) -> None:
    # The order in which Keras writes a layer's weights; within nested models it depends on what is
    # frozen, so names go first where they tell the weights apart.
    weights = layer.trainable_weights + layer.non_trainable_weights
    if len(weights) != len(arrays):
        raise ValueError(f"layer {name!r} has {len(weights)} weights, the file {len(arrays)}")
    for weight, value in zip(weights, _in_order_of(weights, arrays, name), strict=True):
        # Before it is read: a few bytes may claim to be any amount of memory.
        if not weight.shape.is_compatible_with(value.shape):
            raise ValueError(
                f"weight {weight.name} of layer {name!r} has shape {list(value.shape)} in the "
                f"file, {list(weight.shape)} in the architecture"
            )
        weight.assign(tf.cast(np.asarray(value[()]), weight.dtype.base_dtype))


def _in_order_of(weights: list[Any], arrays: dict[str, h5py.Dataset], layer: str) -> list[h5py.Dataset]:
    """Give each weight its array: by name, or where Keras has numbered layers on meanwhile, by the numbers' order."""
    ours, theirs = _places([weight.name for weight in weights]), _places(list(arrays))
    by_place = dict(zip(theirs, arrays.values(), strict=True))
    if len(by_place) == len(set(ours)) == len(ours) and by_place.keys() == set(ours):
        return [by_place[place] for place in ours]
    # Nothing but their order tells them apart; that of what lies inside a layer depends on what was frozen.
    names, stored = [base for base, _ in ours], [base for base, _ in theirs]
    if names != stored and sorted(names) == sorted(stored):
        raise ValueError(f"the weights of layer {layer!r} stand in another order in the file; save the model as .keras")
    return list(arrays.values())


def _places(names: list[str]) -> list[tuple[tuple[str, ...], int]]:
    """Give each name without numbers, and the rank of its numbers among those alike: dense_7/kernel may be the 2nd."""
    split = [[re.fullmatch(r"(.*?)(?:_(\d+))?", part) for part in name.split(":")[0].split("/")] for name in names]
    bases = [tuple(part[1] for part in parts if part) for parts in split]
    numbers = [[int(part[2] or 0) for part in parts if part] for parts in split]
    alike: dict[tuple[str, ...], list[list[int]]] = {}
    for base, number in zip(bases, numbers, strict=True):
        alike.setdefault(base, []).append(number)
    return [(base, sorted(alike[base]).index(number)) for base, number in zip(bases, numbers, strict=True)]


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """Read a list of names, which Keras splits over numbered attributes when it is long."""
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    names: list[str] = []
    chunk = 0
    while f"{attribute}{chunk}" in group.attrs:
        names.extend(_text(name) for name in group.attrs[f"{attribute}{chunk}"])
        chunk += 1
    return names


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


# --- HDF5 may point at other files; ours must not -------------------------------------------------


def _child(group: h5py.Group, path: str) -> Any:
    """Follow a path of plain links; None where it ends early."""
    for part in filter(None, path.split("/")):
        if not isinstance(group, h5py.Group) or part not in group:
            return None
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"links to something outside itself ({part!r})")
        group = group[part]
    return group


def _stored(group: h5py.Group, path: str) -> h5py.Dataset:
    """Give a weight's place in the file, from which nothing is read yet."""
    data = _child(group, path)
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
        raise ValueError(f"weight {path!r} is missing or kept outside the file")
    if data.dtype.kind not in "biuf" and data.dtype.name != "bfloat16":
        raise ValueError(f"weight {path!r} holds {data.dtype}, not numbers")
    return data
