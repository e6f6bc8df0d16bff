"""A classifier for which the right answers are known by construction: it tells colours apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auxtask.deployment import photo_classifier
from auxtask.deployment.photo_classifier import PhotoClassifier
from auxtask.framework import keras

NAMES = ("red", "green", "blue")
VIEWS = {"size": 16, "crops": (0.9,), "mirror": True}


def _backbone() -> keras.Model:
    photo = keras.Input((8, 8, 3))
    return keras.Model(photo, keras.layers.GlobalAveragePooling2D()(photo), name="colours")


def _classifier() -> PhotoClassifier:
    return PhotoClassifier(_backbone(), np.eye(3), np.array([0.0, 0.5, 0.25]), NAMES, VIEWS)


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    """One photo of each colour, of different sizes, the red a bit blue."""
    colours = {"red": (200, 0, 50), "green": (0, 100, 0), "blue": (0, 0, 255)}
    paths = {}
    for side, (name, colour) in enumerate(colours.items(), 20):
        paths[name] = tmp_path / f"{name}.png"
        Image.new("RGB", (side, side + 5), colour).save(paths[name])
    return paths


def test_one_name_per_path_in_order(photos: dict[str, Path]) -> None:
    order = ["blue", "red", "red", "green", "blue"]
    answer = _classifier().predict([str(photos[name]) for name in order])
    assert answer == order and all(type(name) is str for name in answer)


def test_scores_follow_their_formula(photos: dict[str, Path]) -> None:
    scores = _classifier().scores(list(photos.values()))
    colours = np.array([(200, 0, 50), (0, 100, 0), (0, 0, 255)], float)
    unit = colours / np.linalg.norm(colours, axis=1, keepdims=True)
    np.testing.assert_allclose(scores, unit + [0.0, 0.5, 0.25], atol=1e-5)
    assert scores.dtype == np.float32 and scores.shape == (3, 3)


def test_many_photos_are_read_in_parts(photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _classifier().scores(list(photos.values()) * 3)
    read: list[int] = []
    own = photo_classifier.read_photos

    def counted(paths: Any, *more: Any) -> Any:
        read.append(len(paths))
        return own(paths, *more)

    monkeypatch.setattr(photo_classifier, "read_photos", counted)
    monkeypatch.setattr(photo_classifier, "_PHOTOS_AT_ONCE", 2)
    np.testing.assert_allclose(_classifier().scores(list(photos.values()) * 3), whole, atol=1e-6)
    assert read == [2, 2, 2, 2, 1]


def test_no_photos_give_no_names() -> None:
    assert _classifier().predict([]) == []
    assert _classifier().scores([]).shape == (0, 3)


def test_a_saved_classifier_scores_equal_to_the_bit(photos: dict[str, Path], tmp_path: Path) -> None:
    classifier = _classifier()
    classifier.save(tmp_path / "saved", {"run": "faces"})
    loaded = PhotoClassifier.load(tmp_path / "saved")
    paths = list(photos.values())
    np.testing.assert_array_equal(loaded.scores(paths), classifier.scores(paths))
    assert loaded.names == NAMES and loaded.views == classifier.views
    description = json.loads((tmp_path / "saved" / "description.json").read_text())
    assert description["kind"] == "photo_classifier"
    assert description["provenance"] == {"run": "faces"}


def test_a_missing_or_broken_photo_is_named(photos: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere.png"):
        _classifier().predict([photos["red"], tmp_path / "nowhere.png"])
    (tmp_path / "text.jpg").write_text("not a photo")
    with pytest.raises(ValueError, match="text.jpg"):
        _classifier().predict([tmp_path / "text.jpg"])


def test_a_list_of_pictures_instead_of_one_array_is_refused() -> None:
    for given in ([np.zeros((28, 28, 3), np.uint8)], ["a.png", None]):
        with pytest.raises(ValueError, match="expected a list of paths, or one uint8 array .* got a list with a"):
            _classifier().predict(given)


def test_one_path_instead_of_a_list_is_refused(photos: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="expected a list of paths"):
        _classifier().predict(str(photos["red"]))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kernel": np.eye(4)}, r"kernel \[4, 4\]"),
        ({"bias": np.zeros(2)}, r"bias \[2\]"),
        ({"names": ("a", "a", "b")}, "names"),
        ({"names": (1, 2, 3)}, "names"),
        ({"names": ()}, "names"),
        ({"views": {"size": 16}}, "expected size, crops and mirror"),
        ({"views": {**VIEWS, "crops": (1.5,)}}, "crops"),
        ({"views": {**VIEWS, "crops": ()}}, "crops"),
        ({"views": {**VIEWS, "size": "big"}}, "size"),
        ({"views": {**VIEWS, "flip": True}}, "flip"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, Any], word: str) -> None:
    parts: dict[str, Any] = {
        "backbone": _backbone(), "kernel": np.eye(3), "bias": np.zeros(3),
        "names": NAMES, "views": VIEWS,
    }  # fmt: skip
    with pytest.raises(ValueError, match=word):
        PhotoClassifier(**{**parts, **change})


@pytest.mark.parametrize("name", ["head.safetensors", "description.json"])
def test_a_damaged_save_is_named(name: str, tmp_path: Path) -> None:
    _classifier().save(tmp_path / "saved")
    path = tmp_path / "saved" / name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError) as caught:
        PhotoClassifier.load(tmp_path / "saved")
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_save_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not plain JSON"):
        _classifier().save(tmp_path / "saved", {"code": print})
    assert list(tmp_path.iterdir()) == []


def test_arrays_are_named_as_files_of_the_same_pictures_are(photos: dict[str, Path]) -> None:
    paths = [photos["red"], photos["red"]]
    arrays = np.stack([np.asarray(Image.open(path)) for path in paths])
    np.testing.assert_array_equal(_classifier().scores(arrays), _classifier().scores(paths))
    with pytest.raises(ValueError, match="uint8"):
        _classifier().predict(arrays / 255.0)


def test_a_grey_network_takes_colour_files_and_the_other_way_round(photos: dict[str, Path]) -> None:
    photo = keras.Input((8, 8, 1))
    backbone = keras.Model(photo, keras.layers.GlobalAveragePooling2D()(photo))
    dark_or_light = PhotoClassifier(
        backbone, np.array([[-1.0, 1.0]]), np.array([130.0, -130.0]), ("dark", "light"), {**VIEWS, "unit": False}
    )
    white = np.full((1, 30, 30, 3), 255, np.uint8)
    assert dark_or_light.predict(list(photos.values())) == ["dark"] * 3 and dark_or_light.predict(white) == ["light"]
    assert _classifier().predict(white[..., :1]) == ["green"]


def test_embeddings_keep_their_length_if_that_is_asked_for(photos: dict[str, Path]) -> None:
    classifier = PhotoClassifier(_backbone(), np.eye(3), np.zeros(3), NAMES, {**VIEWS, "unit": False})
    np.testing.assert_allclose(classifier.scores([photos["red"]]), [[200, 0, 50]], atol=1e-3)


def test_the_likeliest_names_come_with_probabilities_that_add_up_to_1(photos: dict[str, Path]) -> None:
    paths = list(photos.values())
    (first, second, third), *_ = _classifier().top(paths)
    assert first[0] == "red" and first[1] > second[1] > third[1]
    assert first[1] + second[1] + third[1] == pytest.approx(1)
    assert [len(names) for names in _classifier().top(paths, 2)] == [2, 2, 2]
    np.testing.assert_allclose(_classifier().probabilities(paths).sum(1), 1, rtol=1e-6)


def test_a_bad_file_is_passed_over_only_when_asked_for(photos: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not a photo")
    paths = [photos["red"], tmp_path / "text.jpg", photos["blue"]]
    assert _classifier().predict(paths, on_bad="skip") == ["red", None, "blue"]
    assert _classifier().top(paths, 1, on_bad="skip")[1] == []
    with pytest.raises(ValueError, match="on_bad"):
        _classifier().predict(paths, on_bad="ignore")  # type: ignore[arg-type]


def test_a_save_from_before_there_was_a_choice_of_lengths_loads(photos: dict[str, Path], tmp_path: Path) -> None:
    _classifier().save(tmp_path / "saved")
    path = tmp_path / "saved" / "description.json"
    description = json.loads(path.read_text())
    del description["views"]["unit"]
    path.write_text(json.dumps(description))
    paths = list(photos.values())
    np.testing.assert_array_equal(PhotoClassifier.load(tmp_path / "saved").scores(paths), _classifier().scores(paths))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "backbone"}, "describes a backbone, not a photo_classifier"),
        ({"names": None}, "lacks names or views"),
        ({"views": 3}, "lacks names or views"),
        ({"head_sha256": "0"}, "head.safetensors"),
    ],
)
def test_a_description_of_something_else_is_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    _classifier().save(tmp_path / "saved")
    path = tmp_path / "saved" / "description.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=said) as caught:
        PhotoClassifier.load(tmp_path / "saved")
    assert "\n" not in str(caught.value)
