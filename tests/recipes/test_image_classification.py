"""recipes/image_classification.py as users run it: on folders, from every kind of source, with bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import auxtask as at
from tests.running import call, result_of

L = at.keras.layers
ARMS = {"pixels", "scratch", "random_frozen", "probe", "probe_then_tune", "full", "gradual", "chosen"}


def image_classification(*words: object, validate: bool = False) -> int:
    return call("image_classification", *words, validate=validate)


def write_folder(folder: Path, images: at.ImageData, count: int, first: int = 0) -> Path:
    """Write `count` training pictures of each class as PNG files."""
    part = images.train
    for label, name in enumerate(images.names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in np.flatnonzero(part.labels == label)[first : first + count]:
            image = part.images[i, ..., 0] if part.images.shape[3] == 1 else part.images[i]
            Image.fromarray(image).save(folder / name / f"{i}.png")
    return folder


def small_file(path: Path, shape: tuple[int, ...] = (8, 8)) -> Path:
    """A file such as tutorials make: flat pixels from 0 to 1, a softmax over ten classes."""
    at.keras.Sequential([
        at.keras.Input(shape), L.Flatten(), L.Dense(20, "relu"), L.Dense(10, "softmax")
    ]).save(path)  # fmt: skip
    return path


def accuracy_of(folder: Path) -> dict[str, float]:
    return {row["arm"]: row["mean"] for row in result_of(folder)["rows"] if row["metric"] == "accuracy"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp("data") / "mine", at.ImageData.digits().only(("3", "5", "8")), 12)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return small_file(tmp_path_factory.mktemp("source") / "my_model_A.h5")


@pytest.fixture
def mine(digits: Path, tmp_path: Path) -> Path:
    """The folder, to be damaged."""
    return Path(shutil.copytree(digits, tmp_path / "mine"))


def test_a_folder_and_a_tutorials_file_leave_a_model_that_names_files(digits: Path, source: Path, tmp_path) -> None:
    (out := tmp_path / "run").mkdir()
    words = ("dataset=folder", f"path={digits}", f"source={source}", "mirror=false", "draws=2")
    assert image_classification(*words, "arms=pixels,random_frozen,probe,chosen", "--out", out) == 0
    assert set(accuracy_of(out)) == {"pixels", "random_frozen", "probe", "chosen"}
    notes = " ".join(result_of(out)["notes"])
    assert "the head of" in notes and "pixels from 0 to 1" in notes and "model/:" in notes
    new = sorted(digits.rglob("*.png"))
    model = at.load(out / "model")
    names = model.predict([str(path) for path in new])
    assert np.mean([name == path.parent.name for name, path in zip(names, new, strict=True)]) > 0.7
    arrays = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in new])
    assert model.predict(arrays) == names
    with np.load(out / "predictions.npz") as kept:  # every mistake can be found again
        judged, files = kept["probe-5-draw0"], kept["files"]
        assert len(judged)
        assert [Path(files[i]).parent.name for i in judged["item"]] == kept["names"][judged["label"]].tolist()
    backbone = at.load(out)  # the source without its head, which takes pixels as they are
    assert backbone.input_shape == (None, 8, 8, 1) and backbone.output_shape == (None, 20)


@pytest.mark.slow
def test_without_data_a_quick_run_has_every_arm_and_says_what_the_source_learned(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("AUXTASK_DATA", raising=False)
    assert image_classification("quick=true", "--out", tmp_path / "run") == 0
    assert set(accuracy_of(tmp_path / "run")) == ARMS
    assert any("learned 0 to 4" in note for note in result_of(tmp_path / "run")["notes"])
    figures = {path.stem for path in (tmp_path / "run" / "figures").iterdir()}
    assert {"results", "thaw", "freeze map", "mistakes"} <= figures


def test_colour_files_for_a_grey_network_are_converted_and_that_is_said(mine: Path, source: Path, capsys) -> None:
    for path in (mine / "3").iterdir():
        Image.open(path).convert("RGB").point(lambda v: v // 2 + 40).save(path)
        red = np.asarray(Image.open(path)).copy()
        red[..., 1:] = 0
        Image.fromarray(red).save(path)
    assert image_classification("dataset=folder", f"path={mine}", f"source={source}", validate=True) == 0
    assert "colour is dropped" in " ".join(capsys.readouterr().out.split())


def test_grey_files_for_a_colour_network_are_converted_and_that_is_said(digits, tmp_path: Path, capsys) -> None:
    source = small_file(tmp_path / "colour.keras", (16, 16, 3))
    assert image_classification("dataset=folder", f"path={digits}", f"source={source}", validate=True) == 0
    assert "grey is repeated" in " ".join(capsys.readouterr().out.split())


def test_unlabelled_pictures_are_counted_and_the_way_to_use_them_is_said(mine: Path, source: Path, capsys) -> None:
    other = at.ImageData.digits().only(("0",))
    write_folder(mine / "unlabelled", other, 4)
    assert image_classification("dataset=folder", f"path={mine}", f"source={source}", validate=True) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "4 pictures in unlabelled/ are free to pretrain on" in said and "unsupervised_pretraining" in said


def test_a_source_that_was_pretrained_on_test_pictures_is_refused_or_counted(digits: Path, tmp_path, capsys) -> None:
    data = at.ImageData.from_folder(digits, 64)
    for name, images in (
        ("honest", data.train.images),
        ("leaky", np.concatenate([data.train.images, data.test.images[:5]])),
    ):
        task = at.Rotation(at.conv_backbone((64, 64, 3), (4,), seed=0), batch_size=4)
        at.save_backbone(task.pretrain(images, budget="1steps"), tmp_path / name, task.pretraining.provenance)
    words = ("dataset=folder", f"path={digits}")
    assert image_classification(*words, f"source={tmp_path / 'leaky'}", validate=True) == 2
    said = capsys.readouterr().err
    assert f"pretrained on 5 of the {len(data.test)} test pictures" in said and said.count("\n") == 1
    assert image_classification(*words, f"source={tmp_path / 'leaky'}", "allow_overlap=true", validate=True) == 0
    assert "allowed by allow_overlap" in " ".join(capsys.readouterr().out.split())
    assert image_classification(*words, f"source={tmp_path / 'honest'}", validate=True) == 0
    assert "overlap" not in capsys.readouterr().out


def test_what_a_grey_network_has_seen_of_colour_pictures_is_known(tmp_path: Path, capsys) -> None:
    random, folder = np.random.default_rng(0), tmp_path / "colours"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / name / f"{i}.png")

    class Brightness(at.ImageTask):
        def batch_loss(self, batch, training):
            return {
                "loss": at.tf.reduce_mean(self.encoder(at.tf.image.rgb_to_grayscale(batch), training=training) ** 2)
            }

    task = Brightness(at.conv_backbone((16, 16, 1), (4,), seed=0), batch_size=4)
    backbone = task.pretrain(at.ImageData.from_folder(folder, 16).test.images[:3], budget="1steps")
    at.save_backbone(backbone, tmp_path / "grey", task.pretraining.provenance)
    words = ("dataset=folder", f"path={folder}", f"source={tmp_path / 'grey'}")
    assert image_classification(*words, validate=True) == 2
    assert "pretrained on 3 of the 8 test pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["path=MINE"], "path= is for dataset=folder, not for digits"),
        (["on_bad=skip"], "on_bad= is for dataset=folder"),
        (["size=32"], "give source= too"),
        (["source=MobileNetV2", "pixel_range=0,1"], "MobileNetV2 brings its own preprocessing"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(words: list[str], said: str, capsys) -> None:
    assert image_classification(*words, validate=True) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_pictures(mine: Path, source: Path, tmp_path: Path, capsys) -> None:
    words = ("dataset=folder", f"path={mine}", f"source={source}", "labels=3", "draws=1", "arms=pixels,chosen")
    assert image_classification(*words, "--out", tmp_path / "run") == 0
    first = sorted((mine / "5").iterdir())[0]
    Image.fromarray(np.full((8, 8), 7, np.uint8)).save(first)
    assert image_classification(*words, "--out", tmp_path / "run", "--resume") == 2
    assert "pictures" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_reads_from_its_own_folder_is_not_emptied(mine: Path, source: Path, tmp_path: Path, capsys) -> None:
    words = ("dataset=folder", f"path={mine}", "labels=3", "draws=1", "arms=pixels,chosen", "--out", tmp_path / "run")
    assert image_classification(*words, f"source={source}") == 0
    assert image_classification(*words, f"source={tmp_path / 'run'}", "--overwrite") == 2
    assert "--overwrite would empty" in capsys.readouterr().err
    assert (tmp_path / "run" / "backbone").is_dir()


def empty(mine: Path) -> None:
    shutil.rmtree(mine)
    mine.mkdir()


def one_class(mine: Path) -> None:
    for folder in sorted(mine.iterdir())[1:]:
        shutil.rmtree(folder)


def keep(mine: Path, count: int) -> None:
    for path in sorted((mine / "5").iterdir())[count:]:
        path.unlink()


def corrupt(mine: Path) -> None:
    path = sorted((mine / "5").iterdir())[0]
    path.rename(mine / "5" / "broken.png")
    (mine / "5" / "broken.png").write_bytes(b"\x89PNG and no more")


def keras_3(mine: Path) -> None:
    import zipfile

    with zipfile.ZipFile(mine / "three.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.10.0"}))
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": []}}))


def pickled(mine: Path) -> None:
    import pickle

    (mine / "model.pkl").write_bytes(pickle.dumps({"weights": [1, 2]}))
    (mine / "model.h5").write_bytes(pickle.dumps({"weights": [1, 2]}))


@pytest.mark.parametrize(
    ("damage", "words", "said"),
    [
        (shutil.rmtree, [], "no such folder"),
        (empty, [], "holds no photos"),
        (one_class, [], "one class only (3)"),
        (partial(keep, count=1), [], "each class needs 2 photos to learn from and to test, but 5 has 1"),
        (
            partial(keep, count=2),
            [],
            "at least 2 of each class must be labelled, but of the rarest class, 5, there are 1",
        ),
        (corrupt, [], "broken.png"),
        (None, ["path="], "path=DIR"),
        (None, ["source="], "source=, a .keras or .h5 file"),
        (None, ["source=nowhere.h5"], "nowhere.h5: no such file or folder"),
        (None, ["source=MobilNetV2"], "did you mean 'MobileNetV2'"),
        (keras_3, ["source={mine}/three.keras"], "is a Keras 3 file"),
        (pickled, ["source={mine}/model.pkl"], "is none of what can be loaded"),
        (pickled, ["source={mine}/model.h5"], "model.h5"),
        (None, ["labels=50"], "labels=50: at most"),
        (None, ["labels=1"], "labels=1: must be at least 2"),
        (None, ["labels=2,2"], "labels=2,2: 2 stands there twice"),
        (None, ["size=64"], "size=64"),
        (None, ["pixel_range=1"], "two numbers, low,high"),
        (None, ["arms=prob"], "pixels, scratch, random_frozen, probe, probe_then_tune, full, gradual, chosen"),
        (None, ["arms=chosen"], "chosen needs one of pixels, probe, probe_then_tune"),
        (None, ["arms=scratch,full,chosen"], "arms=scratch,full,chosen: chosen needs one of"),
        (None, ["test_fraction=0.7"], "at most 0.5"),
    ],
)
def test_bad_input_is_refused_in_one_line(damage: Callable | None, words, said, mine, source: Path, capsys) -> None:
    if damage is not None:
        damage(mine)
    given = {"dataset": "folder", "path": str(mine), "source": str(source)}
    given |= dict(word.format(mine=mine).split("=") for word in words)
    assert image_classification(*(f"{k}={v}" for k, v in given.items()), validate=True) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and said in text and "Traceback" not in text


@pytest.mark.parametrize(
    ("shape", "said"), [((8, 8, 2), "2 channels"), ((64,), "no pictures"), ((8, 12, 1), "no squares")]
)
def test_networks_that_take_something_else_are_refused(shape, said: str, digits: Path, tmp_path, capsys) -> None:
    source = small_file(tmp_path / "odd.h5", shape)
    assert image_classification("dataset=folder", f"path={digits}", f"source={source}", validate=True) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and said in text


def test_files_that_cannot_be_read_are_skipped_only_when_asked_for(mine: Path, source: Path, capsys) -> None:
    corrupt(mine)
    words = ("dataset=folder", f"path={mine}", f"source={source}", "on_bad=skip")
    assert image_classification(*words, validate=True) == 0
    assert "1 photos skipped" in " ".join(capsys.readouterr().out.split())


TARGET = ("dress", "sandal", "shirt", "bag", "ankle-boot")


def fashion_source(kind: str, data: at.ImageData, folder: Path) -> tuple[at.ImageData, Path]:
    """The target's images, and a source that saw none of their labels."""
    if kind == "rotation":
        unseen = data.train.images[30_000:36_000]  # none of the files below
        backbone = at.Rotation(at.conv_backbone(seed=0), at.Shifts(2)).pretrain(unseen, budget="300steps")
        at.save_backbone(backbone, folder / "rotation")
        return data, folder / "rotation"
    other = data.without(TARGET).train
    model = at.learn_classes(
        at.conv_backbone(seed=0), other.take(other.balanced(5000, seed=1)), 4, augment=at.Shifts(2)
    )
    if kind == "file":
        model.save(folder / "model_a.keras")
        return data.only(TARGET), folder / "model_a.keras"
    at.save_backbone(at.reuse(model, drop_head=True), folder / "run" / "backbone")
    (folder / "run" / "result.json").write_text("{}")
    return data.only(TARGET), folder / "run"


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "file", "rotation"])
def test_fashion_folders_with_20_images_per_class_beat_scratch(kind: str, data_root: Path, tmp_path: Path) -> None:
    data, source = fashion_source(kind, at.ImageData.fashion_mnist(data_root), tmp_path)
    folder = write_folder(tmp_path / "fashion", data, 80)
    words = ("dataset=folder", f"path={folder}", f"source={source}", "labels=20", "draws=3")
    arms = "arms=pixels,scratch,probe,chosen"
    assert image_classification(*words, arms, "--out", tmp_path / "out") == 0
    accuracy = accuracy_of(tmp_path / "out")
    print(kind, accuracy)
    assert accuracy["chosen"] > accuracy["scratch"]
    new = sorted(write_folder(tmp_path / "new", data, 2, first=1000).rglob("*.png"))
    names = at.load(tmp_path / "out" / "model").predict(new)
    right = [name == path.parent.name for name, path in zip(names, new, strict=True)]
    print(kind, "new files right:", sum(right), "of", len(right))
    assert len(right) >= 10 and np.mean(right) > 0.5


@pytest.mark.data
@pytest.mark.slow
def test_photos_of_people_are_classified_at_the_size_of_an_application(data_root: Path, tmp_path: Path) -> None:
    people = [p for p in sorted((data_root / "faces" / "lfw").iterdir()) if p.is_dir() and len(list(p.iterdir())) >= 60]
    for person in people[:3]:
        shutil.copytree(person, tmp_path / "people" / person.name)
    source = small_file(tmp_path / "colour.keras", (32, 32, 3))
    words = ("dataset=folder", f"path={tmp_path / 'people'}", f"source={source}", "labels=10", "draws=2")
    assert image_classification(*words, "arms=pixels,probe,chosen", "--out", tmp_path / "out") == 0
    assert accuracy_of(tmp_path / "out")["chosen"] > 1 / 3
