"""recipes/own_task.py as users run it, and as they copy it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import auxtask as at
from auxtask.runs.catalogue import find_program
from tests.running import call, rows_of

OWN_ARMS = {"pixels", "scratch", "random_frozen", "probe", "probe_then_tune", "chosen"}


def own_task(*words: object, program: str = "own_task", validate: bool = False) -> int:
    return call(program, *words, validate=validate)


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
    assert record["task"] == "Halves"
    assert record["data"]["num_images"] == 12 and record["validation"] is None  # of 24: the others are tested
    assert own_task(*words, "--resume", program=str(copy)) == 0
    again = json.loads((tmp_path / "run" / "backbone" / "description.json").read_text())["provenance"]
    assert again == record  # it was not pretrained again


def test_the_task_of_ones_own_is_short() -> None:
    source = find_program("own_task").read_text()
    task = source[source.index("class Halves") : source.index("def main")]
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
