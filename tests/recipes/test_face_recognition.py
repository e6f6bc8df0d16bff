"""recipes/face_recognition.py as users run it: on small folders, end to end, and with bad input."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import auxtask as at
from tests.running import call, notes_of, rows_of

REUSED = ("budgets=1", "draws=2", "arms=nearest_mean,probe")
TINY = ("pretraining=3steps", *REUSED)


@pytest.fixture
def mine(people, tmp_path: Path) -> Path:
    """The targets, to be damaged."""
    return Path(shutil.copytree(people[0], tmp_path / "mine"))


def face_recognition(*words: object, validate: bool = False) -> int:
    kind = [] if any(str(word).startswith("dataset=") for word in words) else ["dataset=folder"]
    return call("face_recognition", *kind, *words, validate=validate)


@pytest.fixture(scope="module")
def finished(people, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert face_recognition(f"targets={people[0]}", f"strangers={people[1]}", *TINY, "--out", out) == 0
    return out


def test_a_run_on_folders_leaves_rows_figures_and_a_model_that_names_people(finished: Path, people) -> None:
    rows = {(row["arm"], row["budget"], row["metric"]): row for row in rows_of(finished)}
    assert len(rows[("chosen", 1, "rank1")]["values"]) == 2
    assert rows[("chosen", 1, "rank1")] | {"arm": ""} == rows[("nearest_mean", 1, "rank1")] | {"arm": ""}
    assert rows[("same_face", None, "auc")]["mean"] > 0.5
    figures = {path.stem for path in (finished / "figures").iterdir()}
    assert {"pretraining", "results", "roc", "mistakes"} <= figures
    paths = sorted(people[0].rglob("*.jpg"))[:10]
    names = at.load(finished / "model").predict(paths)
    assert len(names) == 10 and set(names) <= {folder.name for folder in people[0].iterdir()}
    right = np.mean([name == path.parent.name for name, path in zip(names, paths, strict=True)])
    assert right > 0.5  # chance is 0.25, and these photos were learned from


def people_of(folder: Path) -> set[str]:
    return {person.name for person in folder.iterdir()}


def test_an_earlier_run_serves_as_source_and_is_not_pretrained_again(finished: Path, people, tmp_path: Path) -> None:
    out = tmp_path / "again"
    given = f"targets={people[0]}", f"strangers={people[1]}", f"source={finished}"
    assert face_recognition(*given, *REUSED, "--out", out) == 0
    first, again = ([row for row in rows_of(run) if row["metric"] == "rank1"] for run in (finished, out))
    assert first == again
    first, again = (at.load(run).get_weights() for run in (finished, out))  # so this run can be a source again
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


def test_whom_a_run_pretrained_on_is_known_wherever_its_network_goes(finished: Path, people, tmp_path: Path) -> None:
    out = tmp_path / "again"
    assert face_recognition(f"targets={people[0]}", f"source={finished}", *REUSED, "--out", out) == 0
    for path in (finished, finished / "model", finished / "model" / "backbone", out, out / "model"):
        assert set(at.people_seen(path) or ()) == people_of(people[1])


def test_without_strangers_an_earlier_run_still_serves_and_what_is_missing_is_said(
    finished: Path, people, tmp_path: Path
) -> None:
    out = tmp_path / "alone"
    assert face_recognition(f"targets={people[0]}", f"source={finished}", *REUSED, "--out", out) == 0
    assert any("no strangers" in note for note in notes_of(out))
    metrics = {(row["arm"], row["metric"]) for row in rows_of(out)}
    assert ("same_face", "auc") in metrics and ("same_face", "accuracy") not in metrics  # strangers set the threshold


def test_two_photos_of_each_target_are_enough_for_a_model(finished: Path, mine: Path, tmp_path: Path) -> None:
    for photo in mine.glob("*/[2-5].jpg"):
        photo.unlink()
    out = tmp_path / "run"
    assert face_recognition(f"targets={mine}", f"source={finished}", *REUSED, "--out", out) == 0
    assert any("verification of the targets is left out" in note for note in notes_of(out))
    assert not [row for row in rows_of(out) if row["arm"] == "same_face"] and not (out / "figures/roc.png").exists()
    assert len(at.load(out / "model").predict(sorted(mine.rglob("*.jpg")))) == 8


def test_the_fewest_strangers_are_pretrained_on_unwatched_and_that_is_said(people, tmp_path: Path) -> None:
    few = tmp_path / "few"
    for name in ("Other 0", "Other 1"):
        shutil.copytree(people[1] / name, few / name)
    (few / "Other 1" / "1.jpg").unlink()
    out = tmp_path / "run"
    assert face_recognition(f"targets={people[0]}", f"strangers={few}", *TINY, "--out", out) == 0
    assert any("too few strangers with two photos" in note for note in notes_of(out))
    assert at.people_seen(out / "model") == ["Other 0", "Other 1"]


def test_targets_among_the_strangers_beside_a_source_are_refused(finished: Path, people, mine: Path, capsys) -> None:
    words = (f"targets={mine}", f"source={finished}", f"strangers={mine.parent / 'others'}")
    shutil.copytree(people[1], mine.parent / "others")
    shutil.copytree(mine / "Mine 2", mine.parent / "others" / "Somebody")
    assert face_recognition(*words, validate=True) == 2
    assert "Mine 2 (the same photo is there as Somebody)" in capsys.readouterr().err
    assert face_recognition(*words, "allow_overlap=true", validate=True) == 0
    assert "strangers= holds 1 targets: Mine 2" in capsys.readouterr().out


def test_a_source_that_was_pretrained_on_a_target_is_refused_by_name(finished: Path, mine: Path, capsys) -> None:
    (mine / "Mine 0").rename(mine / "Other 3")
    words = (f"targets={mine}", f"source={finished}")
    assert face_recognition(*words, validate=True) == 2
    assert "Other 3" in (said := capsys.readouterr().err) and said.count("\n") == 1
    assert face_recognition(*words, "allow_overlap=true", validate=True) == 0
    assert "pretraining saw 1 targets: Other 3" in capsys.readouterr().out


def test_overwrite_keeps_the_earlier_run_if_the_new_one_has_no_data(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "kept"))
    words = (f"targets={tmp_path / 'nowhere'}", f"source={finished}", "--out", out, "--overwrite")
    assert face_recognition(*words) == 2
    assert rows_of(out) == rows_of(finished)


def empty(mine: Path) -> None:
    shutil.rmtree(mine)
    mine.mkdir()


def one_person(mine: Path) -> None:
    for folder in sorted(mine.iterdir())[1:]:
        shutil.rmtree(folder)


def text_named_jpg(mine: Path) -> None:
    (mine / "Mine 1" / "2.jpg").write_text("not a photo")


def one_photo_each(mine: Path) -> None:
    for photo in mine.glob("*/[1-5].jpg"):
        photo.unlink()


def truncated(mine: Path) -> None:
    photo = mine / "Mine 2" / "0.jpg"
    photo.write_bytes(photo.read_bytes()[:200])


def two_names(mine: Path) -> None:
    shutil.copy(mine / "Mine 0" / "0.jpg", mine / "Mine 1" / "copy.jpg")


def intact(mine: Path) -> None:
    """Leave the folder as it is."""


@pytest.fixture(scope="module")
def grey(tmp_path_factory) -> Path:
    """A backbone that takes no colour."""
    folder = tmp_path_factory.mktemp("grey") / "backbone"
    at.save_backbone(at.conv_backbone((8, 8, 1), (4,), seed=0), folder)
    return folder


@pytest.mark.parametrize(
    ("damage", "words", "said"),
    [
        (shutil.rmtree, [], "no such folder"),
        (empty, [], "holds no photos"),
        (one_person, [], "one person only (Mine 0)"),
        (text_named_jpg, [], "2.jpg"),
        (truncated, [], "0.jpg"),
        (two_names, [], "copy.jpg"),
        (one_photo_each, [], "each target needs 2 photos to learn from and to test, but Mine 0 has 1"),
        (intact, ["strangers=", "source="], "strangers=DIR"),
        (intact, ["strangers=", "source=nowhere"], "source: nowhere"),
        (intact, ["strangers=", "source={mine}"], "a run folder"),
        (intact, ["strangers=", "source={grey}"], "[n, size, size, 3]"),
        (intact, ["protocol=view1"], "dataset=lfw"),
        (intact, ["dataset=lfw", "targets=", "strangers=", "protocol=view1", "draws=7"], "verifies fixed pairs"),
        (intact, ["dataset=lfw", "targets=", "strangers=", "on_bad=skip"], "on_bad= is for dataset=folder"),
        (
            intact,
            ["budgets=50"],
            "budgets=50: at most 3 can be drawn in equal numbers, since of the rarest class, Mine 0",
        ),
        (intact, ["budgets=0"], "budgets=0: "),
        (intact, ["budgets=-1"], "at least 1"),
        (intact, ["budgets=1,1"], "1 stands there twice"),
        (intact, ["draws=-3"], "draws=-3: must be at least 0"),
        (intact, ["arms=bogus"], "Valid values: pixels, scratch"),
        (intact, ["pretraining=abc"], "pretraining=abc: budget is 'abc'; valid: '20min'"),
        (intact, ["pretraining=2Mtokens"], "pretraining=2Mtokens: "),
        (intact, ["pretraining=3steps", "source=nowhere"], "pretraining="),
        (intact, ["dataset=drawn", "targets="], "strangers= is for dataset=folder, not for drawn"),
        (intact, ["dataset=lfw", "strangers="], "targets= is for dataset=folder, not for lfw"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    damage: Callable, words, said: str, mine: Path, people, grey: Path, capsys
) -> None:
    damage(mine)
    given = {"dataset": "folder", "targets": mine, "strangers": people[1]}
    given |= dict(word.format(mine=mine, grey=grey).split("=") for word in words)
    assert face_recognition(*(f"{key}={value}" for key, value in given.items()), validate=True) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and said in text and "Traceback" not in text


def test_unreadable_photos_are_skipped_only_when_asked_for_and_counted(mine: Path, people, capsys) -> None:
    truncated(mine)
    text_named_jpg(mine)
    assert face_recognition(f"targets={mine}", f"strangers={people[1]}", "on_bad=skip", validate=True) == 0
    assert "2 photos" in capsys.readouterr().out


def test_photos_of_mixed_sizes_are_resized_and_that_is_said_once(mine: Path, people, capsys) -> None:
    with Image.open(mine / "Mine 0" / "0.jpg") as photo:
        photo.resize((90, 120)).save(mine / "Mine 0" / "0.jpg")
    assert face_recognition(f"targets={mine}", f"strangers={people[1]}", validate=True) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.count(str(mine)) == 1 and "resized" in text


def test_strangers_with_one_photo_each_hold_no_positive_pair(mine: Path, people, tmp_path: Path, capsys) -> None:
    others = Path(shutil.copytree(people[1], tmp_path / "others"))
    for photo in others.rglob("1.jpg"):
        photo.unlink()
    assert face_recognition(f"targets={mine}", f"strangers={others}", *TINY, validate=True) == 2
    assert "no positive pair" in (said := capsys.readouterr().err) and said.count("\n") == 1


def test_more_labelled_photos_than_there_are_is_an_error_that_counts_them(finished, people, capsys) -> None:
    assert face_recognition(f"targets={people[0]}", f"source={finished}", "budgets=9", validate=True) == 2
    assert "budgets=9: at most 3 can be drawn in equal numbers" in capsys.readouterr().err


def test_going_on_with_other_photos_is_refused(finished, people, tmp_path: Path, capsys) -> None:
    run, photo = Path(shutil.copytree(finished, tmp_path / "run")), people[0] / "Mine 0" / "0.jpg"
    before = photo.read_bytes()
    Image.fromarray(np.full((64, 64, 3), 7, np.uint8)).save(photo)
    try:
        words = (f"targets={people[0]}", f"strangers={people[1]}", *TINY, "--out", run, "--resume")
        assert face_recognition(*words) == 2
    finally:
        photo.write_bytes(before)
    assert "not the photos that this run began with" in capsys.readouterr().err


def test_a_csv_names_the_row_that_is_wrong(mine: Path, finished: Path, capsys) -> None:
    table = mine / "people.csv"
    for text, said in (("path\nMine 0/0.jpg\n", "person"), ("path,person\nMine 0/77.jpg,Ann\n", "row 2")):
        table.write_text(text)
        assert face_recognition(f"targets={table}", f"source={finished}", validate=True) == 2
        assert said in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_out_is_named_before_anything_is_read(people, tmp_path: Path, capsys) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    out = tmp_path / "locked" / "run"
    assert face_recognition(f"targets={people[0]}", f"strangers={people[1]}", "--out", out) == 2
    assert str(out) in capsys.readouterr().err


@pytest.mark.slow
def test_the_quick_run_on_drawn_faces_has_every_arm(tmp_path: Path) -> None:
    assert call("face_recognition", "quick=true", "--out", tmp_path / "run") == 0
    arms = {row["arm"] for row in rows_of(tmp_path / "run") if row["metric"] == "rank1"}
    assert arms == {"pixels", "scratch", "random_frozen", "nearest_mean", "probe", "probe_then_tune", "chosen"}
    figures = {path.stem for path in (tmp_path / "run" / "figures").iterdir()}
    assert {"pretraining", "results", "roc", "thaw", "freeze map"} <= figures
    ledger = json.loads((tmp_path / "run" / "ledger.json").read_text())
    probed = [row for row in ledger if row["phase"] == "probe" and row["group"] != "head"]
    assert probed and not any(row["changed"] for row in probed)
    assert {row["phase"] for row in ledger} == {"probe", "tune"}
    assert any(row["metric"] == "accuracy" for row in rows_of(tmp_path / "run"))  # at the strangers' threshold


@pytest.mark.data
@pytest.mark.slow
def test_view1_on_a_short_pretraining_is_better_than_chance(tmp_path: Path) -> None:
    assert face_recognition("dataset=lfw", "protocol=view1", "pretraining=30steps", "--out", tmp_path / "run") == 0
    (row,) = [row for row in rows_of(tmp_path / "run") if row["metric"] == "accuracy"]
    assert row["mean"] > 0.55
