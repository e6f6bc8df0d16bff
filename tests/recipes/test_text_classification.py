"""recipes/text_classification.py as users run it: on drawn texts and small files, and with bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import auxtask as at
from tests.running import call, parts_of, rows_of

ALL_TEXT_ARMS = {
    "tfidf", "scratch", "random_frozen", "probe_last_layer", "probe", "self_training", "probe_then_tune", "same_label",
    "mixture", "chosen",
}  # fmt: skip


OWN_COLUMNS = ("text=text", "label=label")  # as if not given


def text_classification(*words: object, validate: bool = False) -> int:
    return call("text_classification", *words, validate=validate)


@pytest.mark.slow
def test_the_quick_run_on_drawn_texts_has_every_arm_and_a_model_that_labels_texts(tmp_path: Path) -> None:
    assert text_classification("quick=true", "--out", tmp_path / "run") == 0
    rows = rows_of(tmp_path / "run")
    assert {row["arm"] for row in rows if row["metric"] == "accuracy"} == ALL_TEXT_ARMS
    budgets = {row["budget"] for row in rows if row["arm"] == "same_label"}
    assert budgets == {20} and {row["budget"] for row in rows if row["arm"] == "tfidf"} == {20, 100, 200, 400}
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
    assert at.load(tmp_path / "run" / "model").predict(["bad grey cold", "bright and rich"]) == ["sad", "happy"]
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
        (40, ("happy", "sad"), ["label=feeling"], "mood"),
        (40, ("happy",), [], "the labels are all the same (happy)"),
        (0, ("happy", "sad"), [], "mine.csv"),
        (40, ("happy", "sad"), ["source=reuse", "model=./no-such-folder"], "no-such-folder"),
        (40, ("happy", "sad", "odd"), ["labels=20,31"], "labels=20: at most 15 can be drawn in equal numbers"),
        (40, ("happy", "sad"), ["per_class=11", "labels="], "per_class=11: at most 10 can be drawn"),
        (40, ("happy", "sad"), ["dataset=imdb", "path=", *OWN_COLUMNS], "--data-root"),
        (40, ("happy", "sad"), ["dataset=someone/reviews", "path=", *OWN_COLUMNS], "dataset=hub path=OWNER/NAME"),
        (40, ("happy", "sad"), ["task=sentences"], "Valid values: "),
        (60, ("happy", "sad", "odd"), ["test_size=2"], "test_size=2: fewer than the 3 classes"),
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
    said = r"(\d+) texts to learn from \(happy (\d+), odd (\d+), sad (\d+)\), labels of 20 of them in all"
    counted = re.search(said, text)
    assert counted is not None
    total, *each = map(int, counted.groups())
    assert total == sum(each)


def test_classes_of_nearly_one_name_are_said_to_be_two(tmp_path: Path, capsys) -> None:
    path = write_csv(tmp_path / "mine.csv", 120, ("happy", "odd", "sad"))
    path.write_text(path.read_text().replace("\nodd,", "\nHappy,"))
    assert text_classification(*CSV, f"path={path}", validate=True) == 0
    assert "Happy and happy are different classes" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("num_texts", [100, 180, 204, 400])
def test_labels_can_be_drawn_from_what_is_left_of_a_small_file(num_texts: int, tmp_path: Path) -> None:
    own = parts_of("text_classification")
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
def test_a_reused_model_is_adapted_to_a_small_file_with_three_classes(tmp_path: Path, capsys) -> None:
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
    capsys.readouterr()
    assert text_classification(*again) == 2
    assert "not the texts that this run began with" in capsys.readouterr().err
    assert set(at.load(tmp_path / "run" / "model").predict(["bad grey cold"])) <= {"happy", "sad", "odd"}


@pytest.mark.slow
def test_replaced_words_are_judged_on_held_out_text_and_other_unlabelled_text_is_another_run(
    tmp_path: Path, capsys
) -> None:
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
    capsys.readouterr()
    assert text_classification(*words, "--resume") == 2
    assert "that this run began with" in capsys.readouterr().err
