"""A small honest model, saved in each form, and a way to edit what the file says about it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from auxtask.backbones.keras_files import load_keras_file
from auxtask.backbones.saving import load_backbone, save_backbone
from auxtask.framework import keras

FORMS = ("keras", "h5", "folder")


def honest_model() -> keras.Model:
    inputs = keras.Input((4,), name="inputs")
    x = keras.layers.Dense(3, activation="relu", name="victim")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, name="out")(x), name="honest")


class SavedModel:
    """An honest model on disk in one form; `edit` changes its architecture there."""

    def __init__(self, form: str, folder: Path) -> None:
        self.form = form
        self.path = folder / ("saved" if form == "folder" else f"saved.{form}")
        model = honest_model()
        if form == "folder":
            save_backbone(model, self.path)
        else:
            model.save(self.path)

    def load(self, custom_layers: dict[str, Any] | None = None) -> keras.Model:
        load: Any = load_backbone if self.form == "folder" else load_keras_file
        return load(self.path, custom_layers)

    def edit(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Replace the architecture by what `change` returns (or by itself, changed in place)."""

        def edited(text: bytes | str) -> str:
            config = json.loads(text)
            result = change(config)
            return result if isinstance(result, str) else json.dumps(result or config)

        if self.form == "folder":
            path = self.path / "description.json"
            whole = json.loads(path.read_text())
            text = edited(json.dumps(whole["architecture"]))
            whole["architecture"] = "HERE"
            path.write_text(json.dumps(whole).replace('"HERE"', text))
        elif self.form == "h5":
            with h5py.File(self.path, "r+") as file:
                text = edited(file.attrs["model_config"])
                del file.attrs["model_config"]
                # Longer attributes need the format that HDF5 keeps for them.
                with h5py.File(self.path.with_suffix(".new"), "w", libver="latest") as new:
                    for name in file:
                        file.copy(name, new)
                    for name, value in file.attrs.items():
                        new.attrs[name] = value
                    new.attrs["model_config"] = text
            self.path.with_suffix(".new").replace(self.path)
        else:
            self.edit_archive({"config.json": edited(self.entry("config.json"))})

    def entry(self, name: str) -> bytes:
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(name)

    def edit_archive(self, changed: dict[str, bytes | str]) -> None:
        """Write a `.keras` file anew with some entries changed or added."""
        with zipfile.ZipFile(self.path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(self.path, "w") as archive:
            for name, content in {**entries, **changed}.items():
                archive.writestr(name, content)


@pytest.fixture(params=FORMS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> SavedModel:
    """The honest model in each of the three forms."""
    return SavedModel(request.param, tmp_path)


@pytest.fixture
def save_as(tmp_path: Path) -> Callable[[str], SavedModel]:
    """The honest model in the form that the test names."""
    return lambda form: SavedModel(form, tmp_path)
