"""`load` gives the right thing for each kind of path, and one line for every other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auxtask.backbones.saving import save_backbone
from auxtask.deployment.loading import load, people_seen, provenance_of
from auxtask.deployment.photo_classifier import PhotoClassifier
from auxtask.framework import keras


class Twice(keras.layers.Layer):
    """A user's layer."""

    def call(self, x: Any) -> Any:
        return 2 * x


def _model(*extra: Any) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), *extra])


def _classifier() -> PhotoClassifier:
    photo = keras.Input((8, 8, 3))
    backbone = keras.Model(photo, keras.layers.GlobalAveragePooling2D()(photo))
    views = {"size": 8, "crops": (1.0,), "mirror": False}
    return PhotoClassifier(backbone, np.eye(3), np.zeros(3), "abc", views)


def _assert_same(loaded: Any, model: keras.Model) -> None:
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize("kind", ["backbone", "model"])
def test_a_saved_model(kind: str, tmp_path: Path) -> None:
    model = _model()
    save_backbone(model, tmp_path / "saved", kind=kind)
    _assert_same(load(str(tmp_path / "saved")), model)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_file_of_keras(ending: str, tmp_path: Path) -> None:
    model = _model()
    model.save(tmp_path / f"my_model_A.{ending}")
    _assert_same(load(tmp_path / f"my_model_A.{ending}"), model)


@pytest.mark.parametrize("file", ["config.json", "result.json"])
def test_a_run_folder_gives_its_backbone(file: str, tmp_path: Path) -> None:
    model = _model()
    save_backbone(model, tmp_path / "run" / "backbone")
    _classifier().save(tmp_path / "run" / "model")
    (tmp_path / "run" / file).write_text("{}")
    _assert_same(load(tmp_path / "run"), model)
    assert isinstance(load(tmp_path / "run" / "model"), PhotoClassifier)


def test_provenance_and_people_are_found_in_a_run_and_in_each_of_its_parts(tmp_path: Path) -> None:
    provenance = {"task": "SameFace", "data": {"people": ["Bo", "Ann"]}, "validation": {"people": ["Cy"]}}
    save_backbone(_model(), tmp_path / "run" / "backbone", provenance)
    _classifier().save(tmp_path / "run" / "model", provenance)
    for part in ("", "backbone", "model", "model/backbone"):
        assert provenance_of(tmp_path / "run" / part)["task"] == "SameFace"
        assert people_seen(tmp_path / "run" / part) == ["Ann", "Bo", "Cy"]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        provenance_of(tmp_path / "nowhere")


def test_what_does_not_say_whom_it_saw_is_not_taken_for_nobody(tmp_path: Path) -> None:
    _model().save(tmp_path / "file.keras")
    _classifier().save(tmp_path / "model", {"arm": "probe", "data": "digits"})
    save_backbone(_model(), tmp_path / "backbone")
    assert [people_seen(tmp_path / name) for name in ("file.keras", "model", "backbone")] == [None] * 3
    assert provenance_of(tmp_path / "file.keras") == {}


def test_own_layers_are_handed_on(tmp_path: Path) -> None:
    model = _model(Twice())
    save_backbone(model, tmp_path / "saved")
    model.save(tmp_path / "file.keras")
    for path in (tmp_path / "saved", tmp_path / "file.keras"):
        with pytest.raises(ValueError, match="custom_layers={'Twice': Twice}"):
            load(path)
        _assert_same(load(path, custom_layers={"Twice": Twice}), model)


def test_anything_else_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").write_text("{}")
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "description.json").write_text(
        json.dumps({"format": "auxtask", "format_version": 1, "kind": "music_classifier"})
    )
    words = {
        "notes.txt": ".keras or .h5",
        "empty": "a run folder",
        "run": "saved no backbone",
        "later": "music_classifier",
    }
    for name, word in words.items():
        with pytest.raises(ValueError) as caught:
            load(tmp_path / name)
        text = str(caught.value)
        assert name in text and word in text and "\n" not in text
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")
    (tmp_path / "run" / "model").mkdir()
    (tmp_path / "run" / "model" / "description.json").write_text("{}")
    with pytest.raises(ValueError, match=r"saved no backbone \(its classifier is .*run/model\)"):
        load(tmp_path / "run")
