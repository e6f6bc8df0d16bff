"""One call that loads whatever was saved."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from auxtask.backbones.allow_list import CustomLayers
from auxtask.backbones.atomic_folder import DESCRIPTION
from auxtask.backbones.description import read_description
from auxtask.backbones.keras_files import KERAS_SUFFIXES, load_keras_file
from auxtask.backbones.saving import MODEL_KINDS, load_backbone
from auxtask.data.seen_pictures import were_seen
from auxtask.deployment.photo_classifier import PHOTO_CLASSIFIER, PhotoClassifier
from auxtask.deployment.text_classifier import TEXT_CLASSIFIER, TextClassifier

_ACCEPTED = "a run folder, a folder that auxtask saved, or a .keras or .h5 file of tf_keras"
_RUN_FILES = ("config.json", "result.json")

# What a folder's description calls its kind -> who loads it; a new kind of model adds one entry.
LOADERS: dict[str, Callable[[Path, CustomLayers | None], Any]] = {
    **dict.fromkeys(MODEL_KINDS, load_backbone),
    PHOTO_CLASSIFIER: PhotoClassifier.load,
    TEXT_CLASSIFIER: TextClassifier.load,
}


def load(path: str | os.PathLike[str], custom_layers: CustomLayers | None = None) -> Any:
    """Load a model from wherever it was saved.

    Parameters
    ----------
    path : path
        A run folder (its `backbone/` is loaded; ask for its `model/` by `run / "model"`), a saved
        backbone, model or classifier, or your own `.keras` or `.h5` file, written by tf_keras. All
        are checked first: none runs code that it brings along.
    custom_layers : mapping of name to class, optional
        Layer classes of your own that the model uses, `{"Name": Class}`.

    Returns
    -------
    keras.Model, PhotoClassifier or TextClassifier
        A model is not compiled.

    Raises
    ------
    FileNotFoundError
        There is no such file or folder.
    ValueError
        It is none of these, is damaged, or names something that is not allowed.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected {_ACCEPTED}")
    if path.is_file():
        if path.suffix not in KERAS_SUFFIXES:
            raise ValueError(f"{path}: is none of what can be loaded: {_ACCEPTED}")
        return load_keras_file(path, custom_layers)
    if (path / DESCRIPTION).is_file():
        kind = read_description(path)["kind"]
        if kind not in LOADERS:
            raise ValueError(f"{path}: is a {kind!r}; this auxtask loads {', '.join(LOADERS)}")
        return LOADERS[kind](path, custom_layers)
    if any((path / name).is_file() for name in _RUN_FILES):
        if not (path / "backbone" / DESCRIPTION).is_file():
            model = path / "model"
            hint = f"its classifier is {model}" if (model / DESCRIPTION).is_file() else "was it interrupted?"
            raise ValueError(f"{path}: this run saved no backbone ({hint})")
        return load_backbone(path / "backbone", custom_layers)
    raise ValueError(f"{path}: is none of what can be loaded: {_ACCEPTED}")


def provenance_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Give what a saved model says of where its weights come from, without building it.

    Parameters
    ----------
    path : path
        As `load` takes it.

    Returns
    -------
    dict
        As it was given to `save_backbone` or a classifier's `save`; empty if the file does not say.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such file or folder, or its description is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected {_ACCEPTED}")
    folder = path if (path / DESCRIPTION).is_file() else path / "backbone"
    if not (folder / DESCRIPTION).is_file():
        return {}
    found = read_description(folder).get("provenance")
    return found if isinstance(found, dict) else {}


def people_seen(path: str | os.PathLike[str]) -> list[str] | None:
    """Give the names of everyone whom a saved model was pretrained on or watched on.

    Parameters
    ----------
    path : path
        As `load` takes it.

    Returns
    -------
    list of str, or None if the file does not say

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such file or folder, or its description is damaged.
    """
    provenance = provenance_of(path)
    data, validation = (_people_of(provenance.get(side)) for side in ("data", "validation"))
    return sorted({*data, *validation}) if data else None


def pictures_seen(path: str | os.PathLike[str], images: np.ndarray) -> np.ndarray | None:
    """Tell which of these pictures a saved model was pretrained on, byte by byte.

    Parameters
    ----------
    path : path
        As `load` takes it.
    images : uint8 [n, height, width, channels]
        As the model takes them.

    Returns
    -------
    bool [n], or None if the file does not say

    Raises
    ------
    FileNotFoundError, ValueError
        As `people_seen`.
    """
    data = provenance_of(path).get("data")
    record = data.get("pictures") if isinstance(data, dict) else None
    return were_seen(record, images) if isinstance(record, str) else None


def _people_of(side: Any) -> list[str]:
    """Give the names that one side of a provenance holds; other tasks call their data otherwise, or by a word."""
    return list(side.get("people") or ()) if isinstance(side, dict) else []
