"""Recipes as users run them: on small folders, end to end, and with bad input."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import auxtask as at
from auxtask.data.drawn_faces import draw_photos
from auxtask.runs.catalogue import find_program, load_program
from auxtask.runs.program import run_program, validate_program

REUSED = ("budgets=1", "draws=2", "arms=nearest_mean,probe")
TINY = ("pretraining=3steps", *REUSED)


def write_people(folder: Path, prefix: str, num_people: int, num_photos: int, seed: int) -> Path:
    photos = draw_photos(num_people, num_photos, seed=seed, size=64)
    for i, photo in enumerate(photos):
        person = folder / f"{prefix} {i // num_photos}"
        person.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(person / f"{i % num_photos}.jpg", quality=95)
    return folder


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("people")
    return write_people(folder / "mine", "Mine", 4, 6, seed=1), write_people(folder / "others", "Other", 40, 2, seed=2)


@pytest.fixture
def mine(people, tmp_path: Path) -> Path:
    """The targets, to be damaged."""
    return Path(shutil.copytree(people[0], tmp_path / "mine"))


def face_recognition(*words: object, validate: bool = False) -> int:
    load = partial(load_program, find_program("face_recognition"))
    call = validate_program if validate else run_program
    given = [str(word) for word in words]
    kind = [] if any(word.startswith("dataset=") for word in given) else ["dataset=folder"]
    return call(load, [*kind, *given], usage="auxtask run face_recognition")


@pytest.fixture(scope="module")
def finished(people, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert face_recognition(f"targets={people[0]}", f"strangers={people[1]}", *TINY, "--out", out) == 0
    return out


def rows_of(folder: Path) -> list[dict]:
    result = json.loads((folder / "result.json").read_text())
    assert result["status"] == "finished"
    return result["rows"]


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


def notes_of(folder: Path) -> list[str]:
    return json.loads((folder / "result.json").read_text())["notes"]


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
        (shutil.rmtree, [], "mine"),
        (empty, [], "mine"),
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
    load = partial(load_program, find_program("face_recognition"))
    assert run_program(load, ["quick=true", "--out", str(tmp_path / "run")]) == 0
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
    load = partial(load_program, find_program("face_recognition"))
    words = ["dataset=lfw", "protocol=view1", "pretraining=30steps", "--out", str(tmp_path / "run")]
    assert run_program(load, words) == 0
    (row,) = [row for row in rows_of(tmp_path / "run") if row["metric"] == "accuracy"]
    assert row["mean"] > 0.55


ALL_TEXT_ARMS = {
    "tfidf", "scratch", "random_frozen", "probe_last_layer", "probe", "self_training", "probe_then_tune", "same_label",
    "mixture", "chosen",
}  # fmt: skip


OWN_COLUMNS = ("text=text", "label=label")  # as if not given


def text_classification(*words: object, validate: bool = False) -> int:
    load = partial(load_program, find_program("text_classification"))
    call = validate_program if validate else run_program
    return call(load, [*map(str, words)], usage="auxtask run text_classification")


@pytest.mark.slow
def test_the_quick_run_on_drawn_texts_has_every_arm_and_a_model_that_labels_texts(tmp_path: Path) -> None:
    assert text_classification("quick=true", "--out", tmp_path / "run") == 0
    rows = rows_of(tmp_path / "run")
    assert {row["arm"] for row in rows if row["metric"] == "accuracy"} == ALL_TEXT_ARMS
    budgets = {row["budget"] for row in rows if row["arm"] == "same_label"}
    assert budgets == {20} and {row["budget"] for row in rows if row["arm"] == "tfidf"} == {20, 100, 200}
    tested = {row["arm"] for row in rows if row["metric"] == "accuracy_full_test"}
    assert {"tfidf", "probe"} <= tested and not tested & {"scratch", "same_label"}
    shares = {row["budget"] for row in rows if (row["arm"], row["metric"]) == ("masked_words", "held_out_perplexity")}
    assert shares == {25, 50, 75, 100}
    assert any((row["arm"], row["metric"]) == ("by_frequency", "held_out_masked_accuracy") for row in rows)
    notes = json.loads((tmp_path / "run" / "result.json").read_text())["notes"]
    assert any("no one wrote them" in note for note in notes)
    assert not any(note.startswith("chosen") and "mixture" in note for note in notes)  # no candidate on drawn texts
    texts = at.TextData.drawn(400, 400, 1000, seed=0).test
    labels = at.load(tmp_path / "run" / "model").predict(list(texts.texts[:100]))
    right = np.mean([label == texts.names[i] for label, i in zip(labels, texts.labels, strict=False)])
    assert set(labels) <= {"negative", "positive"} and right > 0.6


def write_csv(path: Path, num_texts: int, names=("happy", "sad"), seed: int = 0) -> Path:
    """Write texts with string labels; the first class is as frequent as all others together."""
    words = {"happy": "good bright warm rich", "sad": "bad grey cold poor", "odd": "strange queer rum new"}
    random = np.random.default_rng(seed)
    lines = ["mood,text"]
    for i in range(num_texts):
        name = names[0] if i % 2 == 0 else names[1 + i // 2 % (len(names) - 1)] if len(names) > 1 else names[0]
        chosen = random.choice(words[name].split(), 3)
        lines.append(f"{name},number {i} was {' and '.join(chosen)} on day {random.integers(999)}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


CSV = ("dataset=csv", "text=text", "label=mood", "quick=true")


def test_without_pretraining_only_the_arms_that_need_none_are_left_and_labels_are_words(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "mine.csv", 120)
    words = (*CSV, f"path={path}", "source=scratch", "labels=8,16", "trained_budgets=16", "draws=2")
    assert text_classification(*words, "arms=tfidf,random_frozen,chosen", "--out", tmp_path / "run") == 0
    rows = rows_of(tmp_path / "run")
    assert {row["arm"] for row in rows if row["metric"] == "accuracy"} >= {"tfidf", "random_frozen", "chosen"}
    assert not {row["arm"] for row in rows} & {"probe", "probe_last_layer", "probe_then_tune", "same_label", "mixture"}
    assert not (tmp_path / "run" / "backbone").exists()
    assert set(at.load(tmp_path / "run" / "model").predict(["bad grey cold", "bright and rich"])) <= {"happy", "sad"}
    read = at.TextData.from_file(path, "text", "mood")
    labels = np.concatenate([read.train.labels, read.test.labels])
    with np.load(tmp_path / "run" / "predictions.npz") as kept:
        items, true = kept["tfidf-8-draw0"]["item"], kept["tfidf-8-draw0"]["label"]
    assert len(items) and (labels[items] == true).all() and items.min() >= len(read.train)


@pytest.mark.parametrize(
    ("num_texts", "names", "words", "said"),
    [
        (40, ("happy", "sad"), ["dataset=csv", "path="], "dataset=csv needs path="),
        (40, ("happy", "sad"), ["path=nowhere.csv"], "nowhere.csv"),
        (40, ("happy", "sad"), ["label=feeling"], "feeling"),
        (40, ("happy",), [], "the labels are all the same (happy)"),
        (0, ("happy", "sad"), [], "mine.csv"),
        (40, ("happy", "sad"), ["source=reuse", "model=./no-such-folder"], "no-such-folder"),
        (40, ("happy", "sad", "odd"), ["labels=20,31"], "labels=20: at most 15 can be drawn in equal numbers"),
        (40, ("happy", "sad"), ["per_class=11", "labels="], "per_class=11: at most 10 can be drawn"),
        (40, ("happy", "sad"), ["dataset=imdb", "path=", *OWN_COLUMNS], "--data-root"),
        (40, ("happy", "sad"), ["dataset=someone/reviews", "path=", *OWN_COLUMNS], "dataset=hub path=OWNER/NAME"),
        (40, ("happy", "sad"), ["task=sentences"], "Valid values: "),
        (
            40,
            ("happy", "sad", "odd"),
            ["labels=8"],
            "labels=8: too few for 3 classes, of which at least 3 of each are needed: 9 or more",
        ),
        (40, ("happy", "sad"), ["per_class=2", "labels="], "per_class=2: too few for 2 classes"),
        (40, ("happy", "sad"), ["per_class=4"], "give one of them"),
        (40, ("happy", "sad"), ["labels=20,20"], "stands there twice"),
        (40, ("happy", "sad"), ["trained_budgets=30"], "trained_budgets=30 is none of the numbers of labels: 20"),
        (40, ("happy", "sad"), ["arms=prob"], "probe"),
        (40, ("happy", "sad"), ["arms=scratch", "labels=8"], "networks are trained at none of 8 labels"),
        (40, ("happy", "sad"), ["arms=random_frozen,chosen"], "chosen needs one of tfidf, scratch"),
        (40, ("happy", "sad"), ["arms=random_frozen,scratch,chosen"], "name one of tfidf too"),
        (
            14,
            ("happy", "sad", "odd"),
            ["labels="],
            "at least 3 of each class must be labelled, but of the rarest class",
        ),
        (40, ("happy", "sad"), ["arms=probe", "source=scratch"], "with source=scratch there are tfidf"),
        (40, ("happy", "sad"), ["draws=0"], "draws=0"),
        (40, ("happy", "sad"), ["pretraining=soon", "source=pretrain"], "budget is 'soon'"),
        (40, ("happy", "sad"), ["model=bert"], "model= is what source=reuse or adapt starts from"),
        (40, ("happy", "sad"), ["dataset=drawn", *OWN_COLUMNS], "path= is for dataset=csv"),
        (
            40,
            ("happy", "sad"),
            ["dataset=drawn", "path=", "text=text", "label=label", "unlabelled=x.txt"],
            "does not fit",
        ),
        (
            40,
            ("happy", "sad"),
            ["dataset=drawn", "path="],
            "text= and label= name columns of your own data, not of drawn",
        ),
        (
            40,
            ("happy", "sad"),
            ["dataset=imdb", "path=", "label=label", "unlabelled=x.csv"],  # text= names its column
            "--data-root",
        ),
        (40, ("happy", "sad"), ["subset=sst2"], "subset= is for dataset=hub"),
        (40, ("happy", "sad"), ["task=masked"], "task= is for source=pretrain or adapt"),
        (40, ("happy", "sad"), ["source=reuse", "pretraining=5min"], "pretraining= is for source=pretrain or adapt"),
        (40, ("happy", "sad"), ["unlabelled=MINE"], "MINE: neither a file or folder here"),
    ],
)
def test_bad_texts_are_refused_in_one_line(
    num_texts: int, names: tuple[str, ...], words: list[str], said: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("AUXTASK_DATA", raising=False)
    path = write_csv(tmp_path / "mine.csv", num_texts, names)
    given = {"dataset": "csv", "path": path, "text": "text", "label": "mood", "source": "scratch", "labels": "20"}
    given |= dict(word.split("=") for word in words)
    assert text_classification(*(f"{k}={v}" for k, v in given.items()), "--out", tmp_path / "run") == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and said in text and "Traceback" not in text


def test_a_file_that_is_no_utf_8_is_named_with_its_line(tmp_path: Path, capsys) -> None:
    path = write_csv(tmp_path / "mine.csv", 40)
    lines = path.read_bytes().split(b"\n")
    lines[7] = b"sad,caf\xe9"
    path.write_bytes(b"\n".join(lines))
    assert text_classification(*CSV, f"path={path}", validate=True) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "mine.csv" in text and "line 8" in text


def test_empty_texts_are_counted_and_imbalance_is_said(tmp_path: Path, capsys) -> None:
    path = write_csv(tmp_path / "mine.csv", 60, ("happy", "sad", "odd"))
    more = "".join(f"happy,a fine day {i}\n" for i in range(90))
    path.write_text(path.read_text() + "sad,\nhappy,\n" + more)
    assert text_classification(*CSV, f"path={path}", validate=True) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "2 empty texts left out" in text and "the training texts are unbalanced: 60 of happy" in text


@pytest.mark.parametrize("num_texts", [100, 180, 204, 400])
def test_labels_can_be_drawn_from_what_is_left_of_a_small_file(num_texts: int, tmp_path: Path) -> None:
    own = load_program(find_program("text_classification")).main.__globals__
    config = own["Config"](dataset="csv", path=str(write_csv(tmp_path / "a.csv", num_texts, ("happy", "sad", "odd"))),
                           text="text", label="mood")  # fmt: skip
    data = at.TextData.from_file(config.path, "text", "mood")
    budgets, largest = own["budgets_of"](config, data)
    size = own["pool_size"](config, data, largest)
    pool = data.train.take(data.train.balanced(size, 0))
    assert largest <= size <= data.train.most_balanced and max(budgets) == largest
    for seed in range(10):
        assert len(pool.balanced(largest, seed)) == largest


@pytest.mark.slow
def test_texts_that_share_no_words_are_classified_all_the_same(tmp_path: Path) -> None:
    random, rows = np.random.default_rng(0), ["mood,text"]
    for i in range(200):
        rows.append(f"{('happy', 'sad')[i % 2]}," + "".join(chr(0x4E00 + c) for c in random.integers(0, 5000, 12)))
    (tmp_path / "mine.csv").write_text("\n".join(rows), "utf-8")
    words = (*CSV, f"path={tmp_path / 'mine.csv'}", "labels=20", "arms=tfidf,self_training,chosen", "draws=1")
    assert text_classification(*words, "--out", tmp_path / "run") == 0
    assert len(at.load(tmp_path / "run" / "model").predict(["甲乙丙", "丁"])) == 2


@pytest.mark.slow
def test_a_reused_model_is_adapted_to_a_small_file_with_three_classes(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "mine.csv", 240, ("happy", "sad", "odd"))
    words = (*CSV, f"path={path}", "source=adapt", "task=masked", "pretraining=2steps", "labels=12", "draws=2",
             "trained_budgets=12")  # fmt: skip
    arms = "arms=chosen"
    assert text_classification(*words, arms, "--out", tmp_path / "run") == 0
    rows = rows_of(tmp_path / "run")
    assert {row["arm"] for row in rows if row["metric"] == "accuracy"} == ALL_TEXT_ARMS  # what may be chosen is run
    again = (*words, arms, "--out", tmp_path / "run", "--resume")
    assert text_classification(*again) == 0  # nothing is pretrained or computed again
    assert [r for r in rows_of(tmp_path / "run") if r["metric"] == "accuracy"] == [
        r for r in rows if r["metric"] == "accuracy"
    ]
    path.write_text(path.read_text().replace("number 7 was", "number seven was"))
    assert text_classification(*again) == 2
    assert set(at.load(tmp_path / "run" / "model").predict(["bad grey cold"])) <= {"happy", "sad", "odd"}


@pytest.mark.slow
def test_replaced_words_are_judged_on_held_out_text_and_other_unlabelled_text_is_another_run(tmp_path: Path) -> None:
    path, spare = write_csv(tmp_path / "mine.csv", 60), tmp_path / "spare.txt"
    spare.write_text("\n".join(f"a {word} day number {i}" for i in range(200) for word in ("good", "bad")))
    words = (*CSV, f"path={path}", f"unlabelled={spare}", "source=pretrain", "task=replaced", "pretraining=4steps",
             "labels=8", "draws=1", "arms=tfidf,probe", "--out", tmp_path / "run")  # fmt: skip
    assert text_classification(*words) == 0
    judged = {(row["arm"], row["metric"], row["budget"]) for row in rows_of(tmp_path / "run")}
    assert {("replaced_words", "held_out_detection_auc", share) for share in (25, 50, 75, 100)} <= judged
    assert ("by_frequency", "held_out_detection_accuracy", None) in judged
    assert text_classification(*words, "--resume") == 0
    spare.write_text(spare.read_text() + "\na day more")
    assert text_classification(*words, "--resume") == 2


OWN_ARMS = {"pixels", "scratch", "random_frozen", "probe", "probe_then_tune", "chosen"}


def own_task(*words: object, program: str = "own_task", validate: bool = False) -> int:
    load = partial(load_program, find_program(program))
    call = validate_program if validate else run_program
    return call(load, [*map(str, words)], usage="auxtask run own_task")


@pytest.mark.slow
def test_the_quick_run_of_a_task_of_ones_own_has_every_arm_and_a_backbone(tmp_path: Path) -> None:
    assert own_task("quick=true", "--out", tmp_path / "run") == 0
    rows = rows_of(tmp_path / "run")
    assert {row["arm"] for row in rows if row["metric"] == "accuracy"} == OWN_ARMS
    assert {row["budget"] for row in rows if row["arm"] == "chosen"} == {2, 8}
    assert {"pretraining", "results", "thaw"} <= {path.stem for path in (tmp_path / "run" / "figures").iterdir()}
    assert at.layer_groups(at.load(tmp_path / "run" / "backbone")).names == ("block1", "block2", "block3")


@pytest.mark.slow
def test_a_copy_of_it_runs_on_a_folder_and_pretrains_on_what_is_not_tested(people, tmp_path: Path) -> None:
    copy = Path(shutil.copy(find_program("own_task"), tmp_path / "my_task.py"))
    words = (f"path={people[0]}", "budgets=1", "quick=true", "pretraining=3steps", "--out", tmp_path / "run")
    assert own_task(*words, program=str(copy)) == 0
    record = json.loads((tmp_path / "run" / "backbone" / "description.json").read_text())["provenance"]
    assert record["task"] == "Colours"
    assert record["data"]["num_images"] == 12 and record["validation"] is None  # of 24: the others are tested
    assert own_task(*words, "--resume", program=str(copy)) == 0
    again = json.loads((tmp_path / "run" / "backbone" / "description.json").read_text())["provenance"]
    assert again == record  # it was not pretrained again


def test_the_task_of_ones_own_is_short() -> None:
    source = find_program("own_task").read_text()
    task = source[source.index("class Colours") : source.index("def main")]
    assert task.rstrip().count("\n") < 40


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["draws=0"], "draws=0"),
        (["budgets=2,2"], "2 stands there twice"),
        (["budgets=0"], "must be at least 1"),
        (["pretraining=often"], "'often'"),
        (["pretraining=2Mtokens"], "photos are no tokens"),
        (["path={people}", "budgets=100"], "budgets=100: at most 3 can be drawn"),
    ],
)
def test_the_task_of_ones_own_is_refused_before_it_is_trained(words, said: str, people, capsys) -> None:
    assert own_task(*(word.format(people=people[0]) for word in words), validate=True) == 2
    assert said in (line := capsys.readouterr().err) and line.count("\n") == 1


def test_the_task_of_ones_own_names_a_folder_that_is_missing(tmp_path: Path, capsys) -> None:
    assert own_task(f"path={tmp_path / 'nowhere'}", validate=True) == 2
    assert "nowhere" in (said := capsys.readouterr().err) and said.count("\n") == 1
