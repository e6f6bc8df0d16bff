"""The recipe of unsupervised pretraining as users run it: on the digits that come along, and with bad input."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import auxtask as at
from auxtask.runs.catalogue import find_program, load_program
from auxtask.runs.program import run_program
from tests.running import call, parts_of, result_of


def recipe(*words: object, validate: bool = False) -> int:
    return call("unsupervised_pretraining", *words, validate=validate)


def test_a_quick_run_of_two_methods_leaves_one_table_a_pick_and_figures(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert recipe("dataset=digits", "method=gan,rotation", "quick=true", "length=3steps", "--out", out) == 0
    result = result_of(out)
    rows = {(row["arm"], row["budget"], row["metric"], row.get("variant")): row for row in result["rows"]}
    of_methods = {f"{method}.{arm}" for method in ("gan", "rotation") for arm in ("knn", "probe", "probe_then_tune")}
    arms = {arm for arm, budget, metric, variant in rows if (budget, metric, variant) == (100, "accuracy", None)}
    of_the_pick = arms - {"pixels", "pca", "scratch", "random_frozen", "chosen"} - of_methods
    (picked,) = {arm.split(".")[0] for arm in of_the_pick}
    assert of_the_pick == {f"{picked}.{arm}" for arm in ("beside_pixels", "self_training", "mixture")}
    assert picked in ("gan", "rotation") and of_methods < arms
    assert rows[("random_frozen", 100, "accuracy", None)]["mean"] > 0.3  # chance is 0.1
    for method in ("gan", "rotation"):
        assert rows[(method, None, "seconds_pretraining", None)]["mean"] > 0
        assert (method, 100, "accuracy", "held_out") in rows  # what the method was picked by
    assert rows[("pixels", 100, "accuracy", None)]["mean"] > 0.7
    assert any(note.startswith("picked: ") and "held out" in note for note in result["notes"])
    assert {"gan curves", "gan samples", "rotation curves", "results"} <= {p.stem for p in (out / "figures").iterdir()}
    features = at.load(out / "backbone").predict(at.ImageData.digits().test.images, verbose=0)
    assert np.isfinite(features).all()


class Bare:
    """A run that keeps nothing but what it is told."""

    seed = 0

    def __init__(self, folder: Path = Path()) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self.rows: list[dict] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def add_rows(self, rows: list[dict]) -> None:
        self.rows += rows

    def callbacks(self, **labels: object) -> list[object]:
        return []

    def cell(self, key: str, compute):
        return compute()

    def stage(self, name: str):
        return nullcontext()

    def figure(self, name: str, figure: object) -> None:
        pass


def test_the_search_of_a_rate_knows_held_out_labels_and_no_test_picture() -> None:
    own = parts_of("unsupervised_pretraining")
    config, data, run = own["Config"](labels=(100,), search=3), at.ImageData.digits(), Bare()
    kind = own["kind_of"](config, data)
    target = own["make_target"](config, run, data, kind)
    target = dataclasses.replace(target, images=target.images[: target.num_seen], test=())  # there is none to use
    best = own["searched_rate"](run, "rotation", kind, data, target, "120steps")
    middle = own["METHODS"]["rotation"][2]
    assert best in [middle * factor for factor in own["FACTORS"]]
    assert "by labels held out" in run.notes[0] and "after 30 steps each" in run.notes[0]
    (row,) = run.rows
    assert row["metric"] == "seconds_search" and row["mean"] > 0


def test_a_rate_at_which_training_diverges_loses_the_search_and_ends_nothing(monkeypatch) -> None:
    own = parts_of("unsupervised_pretraining")
    monkeypatch.setitem(own, "FACTORS", (1e38, 1.0))
    config, data, run = own["Config"](labels=(100,), search=3), at.ImageData.digits(), Bare()
    kind = own["kind_of"](config, data)
    target = own["make_target"](config, run, data, kind)
    assert own["searched_rate"](run, "rotation", kind, data, target, "20steps") == own["METHODS"]["rotation"][2]
    assert "rate 1e+35" in run.notes[0] and "at step" in run.notes[0]
    monkeypatch.setitem(own, "FACTORS", (1e38, 1e37))
    with pytest.raises(at.Diverged, match="at every rate that was tried"):
        own["searched_rate"](Bare(), "rotation", kind, data, target, "20steps")


@pytest.mark.slow
def test_a_method_that_diverges_is_left_out_and_the_others_are_compared(monkeypatch, tmp_path: Path) -> None:
    program = load_program(find_program("unsupervised_pretraining"))
    methods = program.main.__globals__["METHODS"]
    monkeypatch.setitem(methods, "rotation", (*methods["rotation"][:2], 1e35))
    words = ["dataset=digits", "method=rotation,autoencoder", "quick=true", "--out", str(tmp_path / "run")]
    assert run_program(lambda: program, words, usage="auxtask run unsupervised_pretraining") == 0
    result = result_of(tmp_path / "run")
    assert any(note.startswith("rotation is left out: ") for note in result["notes"])
    assert "probe" in {row["arm"] for row in result["rows"]}


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_pictures(tmp_path: Path, capsys) -> None:
    folder, random = tmp_path / "mine", np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for i in range(30):
            Image.fromarray(random.integers(0, 256, (16, 16), np.uint8)).save(folder / name / f"{i}.png")
    words = ("dataset=folder", f"path={folder}", "size=16", "method=rotation", "quick=true", "length=3steps",
             "labels=4", "--out", tmp_path / "run")  # fmt: skip
    assert recipe(*words) == 0
    Image.fromarray(random.integers(0, 256, (16, 16), np.uint8)).save(folder / "a" / "new.png")
    capsys.readouterr()
    assert recipe(*words, "--resume") == 2
    assert "not the pictures that this run began with" in capsys.readouterr().err


def test_of_pictures_read_class_by_class_every_class_is_seen_and_watched() -> None:
    own = parts_of("unsupervised_pretraining")
    labels = np.repeat(np.arange(4), 1500)
    images = np.broadcast_to(labels[:, None, None, None], (6000, 8, 8, 1)).astype(np.uint8)
    part = at.LabelledImages(images, labels, ("a", "b", "c", "d"))
    given: list[np.ndarray] = []

    class Task:
        def pretrain(self, seen, watched, **settings):
            given.extend((seen, watched))

    own["learn"](Bare(), Task(), at.ImageData("mine", part, part.take(np.arange(2)), images[:0]), "1steps", 1e-3, "")
    seen, watched = (np.bincount(each[:, 0, 0, 0], minlength=4) for each in given)
    assert watched.sum() == 300 and watched.min() > 45 and (seen + watched == 1500).all()


def test_pictures_without_labels_come_as_they_are_and_not_as_evenly_as_those_with() -> None:
    own = parts_of("unsupervised_pretraining")

    def part(*counts: int) -> at.LabelledImages:
        labels = np.repeat([0, 1], counts)
        return at.LabelledImages(
            np.full((len(labels), 8, 8, 1), labels[:, None, None, None], np.uint8), labels, ("a", "b")
        )

    config = own["Config"](dataset="folder", path="mine", labels=(4,))
    data = at.ImageData("mine", part(400, 40), part(20, 20), part(60, 0).images)
    target = own["make_target"](config, Bare(), data, own["kind_of"](config, data))
    assert np.bincount(target.images[target.without_labels, 0, 0, 0]).tolist() == [460, 40]
    assert np.bincount(target.pool.labels).tolist() == np.bincount(target.images[target.pool.items, 0, 0, 0]).tolist()
    assert not set(target.without_labels) & set(target.test.items) and target.num_seen == 500


def test_a_backbone_carries_which_pictures_it_has_seen(tmp_path: Path) -> None:
    own = parts_of("unsupervised_pretraining")
    config, data = own["Config"](method=("rotation",), labels=(100,), length="3steps"), at.ImageData.digits()
    kind, run = own["kind_of"](config, data), Bare(tmp_path)
    backbone, record = own["pretrained"](
        config, run, "rotation", kind, data, own["make_target"](config, run, data, kind)
    )
    at.save_backbone(backbone, tmp_path / "backbone", record)
    seen = at.pictures_seen(tmp_path / "backbone", data.train.images)
    assert (~seen).sum() == len(seen) // 20  # those that are watched only
    assert not at.pictures_seen(tmp_path / "backbone", data.test.images).any()
    assert (at.pictures_seen(tmp_path / "pretrained" / "rotation", data.train.images) == seen).all()


def test_rates_are_searched_where_methods_are_compared() -> None:
    own = parts_of("unsupervised_pretraining")
    searches, config = own["searches"], own["Config"]
    assert searches(config(), ("gan", "rotation")) and not searches(config(), ("gan",))
    assert searches(config(search=3, quick=True), ("gan",)) and not searches(config(quick=True), ("gan", "rotation"))
    assert not searches(config(search=1), ("gan", "rotation"))


def test_a_folder_is_no_digits_whatever_it_is_called() -> None:
    own = parts_of("unsupervised_pretraining")
    digits = at.ImageData.digits()
    assert own["kind_of"](own["Config"](), digits) is own["DIGITS"]
    letters = own["kind_of"](own["Config"](dataset="folder", path="letters", mirror=False), digits)
    assert not letters.crops.flip and not letters.shifts.flip
    assert own["kind_of"](own["Config"](dataset="folder", path="digits"), digits) == own["PHOTOS"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["method=gann"], "Did you mean 'gan'?"),
        (["dataset=folder"], "path=DIR"),
        (["path=here"], "dataset=folder"),
        (["dataset=lfw"], "--data-root"),
        (["method="], "method= is empty: give one or more of autoencoder"),
        (["dataset=digits", "labels=5000"], "labels=5000: at most"),
        (["draws=0"], "draws=0"),
        (["dataset=digits", "mirror=false"], "for dataset=folder, not for digits"),
        (["search=2"], "Valid values: 0, 1, 3"),
        (["method=gan,gan"], "method=gan,gan: gan stands there twice"),
        (["length=often"], "'often'"),
        (["length=2Mtokens"], "pictures are no tokens"),
        (["length=10min"], "length=10min with equal=epochs: write it as 20epochs"),
        (["equal=seconds", "length=20epochs"], "with equal=seconds: write it as 10min"),
        (["method=all", "length=2steps"], "needs 3 steps or more"),
    ],
)
def test_bad_input_is_refused_in_one_line(words, said, capsys, monkeypatch) -> None:
    monkeypatch.delenv("AUXTASK_DATA", raising=False)
    assert recipe(*words, validate=True) == 2
    assert said in (line := capsys.readouterr().err) and line.count("\n") == 1
