"""recipes/fashion_transfer.py as users run it: on digits end to end, and with bad input."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import auxtask as at
from tests.running import call, result_of

ARMS = {"scratch", "random_frozen", "probe", "probe_then_tune", "full", "gradual", "chosen"}


def fashion_transfer(*words: object, validate: bool = False) -> int:
    return call("fashion_transfer", *words, validate=validate)


@pytest.fixture
def no_data(monkeypatch) -> None:
    monkeypatch.delenv("AUXTASK_DATA", raising=False)


def test_without_data_the_recipe_takes_digits_and_says_so(no_data, capsys) -> None:
    assert fashion_transfer(validate=True) == 0
    assert "scikit-learn's digits" in capsys.readouterr().out


def test_digits_that_stand_in_have_the_labels_that_they_have(no_data, capsys) -> None:
    assert fashion_transfer("labels=20,50,200,1000", validate=True) == 0
    assert "labels=1000 left out: digits have too few images" in " ".join(capsys.readouterr().out.split())
    assert fashion_transfer("labels=20,1000", "dataset=digits", validate=True) == 2
    assert "labels=1000: at most" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pair=8,x"], "no class 'x' among 0, 1, 2"),
        (["pair=8"], "name two of 0, 1"),
        (["pair=8,8"], "8 stands there twice"),
        (["pair=sandal,shirt", "dataset=digits"], "no class 'sandal'"),
        (["labels=4000"], "labels=4000: at most 210 can be drawn"),
        (["labels=2"], "at least 4"),
        (["seeds=0"], "seeds=0"),
        (["a_seeds=-1"], "a_seeds=-1"),
        (["a_seeds=3", "seeds=2"], "a_seeds=3: each Model A needs a draw"),
        (["pair=all", "arms=probe"], "must name scratch and another"),
        (["pair=all", "arms=scratch"], "must name scratch and another"),
        (["network=transformer"], "Valid values: conv, dense"),
        (["beside=nowhere"], "beside= is for pair=all"),
        (["pair=all", "beside=nowhere"], "nowhere"),
        (["take_a=nowhere"], "no Models A there"),
        (["pair=all", "beside=nowhere", "arms=scratch,probe"], "gains of probe_then_tune over scratch"),
    ],
)
def test_bad_settings_are_refused_in_one_line(no_data, words: list[str], said: str, capsys) -> None:
    assert fashion_transfer(*words, validate=True) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and said in text


def test_a_damaged_file_is_named(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "images" / "fashion_mnist"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(b"\x1f\x8b\x08 damaged")
    assert fashion_transfer("--data-root", tmp_path, validate=True) == 2
    text = capsys.readouterr().err
    assert "train-images-idx3-ubyte.gz" in text and text.count("\n") == 1


@pytest.mark.slow
def test_the_quick_run_on_digits_shows_arms_trap_verdicts_and_reasons(no_data, tmp_path: Path, capsys) -> None:
    assert fashion_transfer("quick=true", "--out", tmp_path / "run") == 0
    result, rows = result_of(tmp_path / "run"), {}
    for row in result["rows"]:
        rows.setdefault((row["arm"], row["metric"]), row)
    assert {arm for arm, metric in rows if metric == "accuracy"} == ARMS
    assert rows["chosen", "accuracy"]["values"] == rows["probe", "accuracy"]["values"]
    # The trap: training B on A's own layers changes A, training it on copies does not.
    before, shared, copied = (rows[f"A, {how}", "accuracy_on_a"]["mean"] for how in ("before", "shared", "copied"))
    assert copied == before != shared
    assert any("over 2 seeds" in text and "and 2 pretrainings" in text for text in result["findings"])
    for said in ("shallow-copy trap", "settings for digits are guesses", "until as good as scratch", "by depth"):
        assert any(said in note for note in result["notes"]), said
    for said in ("over scratch", "verdicts on", "on this data"):
        assert any(said in finding.lower() for finding in result["findings"]), said
    figures = {path.stem for path in (tmp_path / "run" / "figures").iterdir()}
    wanted = {"results", "spread", "verdicts", "first layers", "depth", "time saved", "steps", "thaw", "freeze map"}
    assert wanted <= figures
    files = sorted((tmp_path / "run" / "model_a").glob("conv-8+9-1epochs-seed*.h5"))
    assert len(files) == 2 and at.load(files[0]).output_shape == (None, 8)
    model = at.load(tmp_path / "run" / "model")
    assert model.predict(np.zeros((1, 8, 8, 1), np.uint8), verbose=0).shape == (1, 1)
    assert at.load(tmp_path / "run").output_shape == (None, 64)
    digits = at.ImageData.digits()
    for pictures, seen in ((digits.without(("8", "9")).train.images, 1.0), (digits.test.images, 0.0)):
        known = at.pictures_seen(tmp_path / "run", pictures)
        assert known is not None and known.mean() == seen  # those who reuse it may not test on what it knows
    # Another run of the same pair takes its Models A instead of training them once more.
    words = ("quick=true", "labels=40", "arms=probe", f"take_a={tmp_path / 'run'}")
    assert fashion_transfer(*words, "--out", tmp_path / "again") == 0
    assert sum("is taken from" in note for note in result_of(tmp_path / "again")["notes"]) == 4
    assert (tmp_path / "again" / "model_a" / files[0].name).read_bytes() == files[0].read_bytes()
    assert fashion_transfer(*words, "--seed", 1, validate=True) == 2
    assert "digits are split by --seed, there 0, here 1" in capsys.readouterr().err


def test_other_images_are_no_resumed_run(no_data, tmp_path: Path, monkeypatch, capsys) -> None:
    def killed(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(at, "learn_classes", killed, raising=False)
    words = ("quick=true", "--out", tmp_path / "run")
    assert fashion_transfer(*words) == 130
    digits = at.ImageData.digits()
    images = digits.train.images.copy()
    images[0, 0, 0] += 1  # one pixel of one image
    others = replace(digits, train=replace(digits.train, images=images))
    monkeypatch.setattr(at.ImageData, "small", lambda *given: others)
    assert fashion_transfer(*words, "--resume") == 2
    assert "these are not the pictures that this run began with" in capsys.readouterr().err


@pytest.mark.slow
def test_all_pairs_have_a_verdict_each_and_stand_beside_the_other_network(no_data, tmp_path: Path, capsys) -> None:
    words = ("quick=true", "pair=all")
    assert fashion_transfer(*words, "network=conv", "--out", tmp_path / "conv") == 0
    copy = Path(shutil.copytree(tmp_path / "conv", tmp_path / "copy"))
    capsys.readouterr()
    assert fashion_transfer(*words, "network=conv", f"beside={copy}", validate=True) == 2
    assert "must be a run of the other network" in capsys.readouterr().err
    assert fashion_transfer(*words, "network=dense", "seeds=7", f"beside={copy}", validate=True) == 2
    assert "has seeds=20, here it is 7" in capsys.readouterr().err
    words = (*words, "network=dense", f"beside={tmp_path / 'conv'}", "--out", tmp_path / "dense")
    assert fashion_transfer(*words) == 0
    result = result_of(tmp_path / "dense")
    pairs = {row["variant"] for row in result["rows"] if row["metric"] == "accuracy_minus_scratch"}
    assert len(pairs) == 3
    kept = {(row["metric"], row["arm"]): row["mean"] for row in result["rows"]}
    assert sum(kept["verdicts", call] for call in ("helped", "no evidence", "harmed")) == 3
    assert {arm for metric, arm in kept if metric == "adjusted_p"} == pairs
    with np.load(tmp_path / "dense" / "predictions.npz") as kept_predictions:
        assert {f"{pair}-probe_then_tune-20-draw1" for pair in pairs} <= {*kept_predictions}
    notes = result["notes"]
    assert any("of 3:" in finding for finding in result["findings"])
    assert any("false discovery rate" in note for note in notes)
    assert any("settings for digits are guesses" in note for note in notes)
    assert any(
        note.startswith("On this data") and "of 3 pairs" in note and "nothing follows" in note
        for note in result["findings"]
    )


@pytest.mark.slow
@pytest.mark.data
def test_fashion_mnist_gives_sandal_against_shirt(tmp_path: Path) -> None:
    words = ("quick=true", "network=dense", "arms=scratch,chosen", "--out", tmp_path / "run")
    assert fashion_transfer(*words) == 0
    found = {row["arm"]: row for row in result_of(tmp_path / "run")["rows"] if row["metric"] == "accuracy"}
    assert found["chosen"]["budget"] == 200 and found["chosen"]["mean"] > 0.9
