"""README's tables come from kept results, and only from there."""

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "readme_tables.py"
spec = importlib.util.spec_from_file_location("readme_tables", SCRIPT)
readme_tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(readme_tables)

RESULT = {
    "status": "finished",
    "command": "auxtask run x",
    "rows": [
        {"arm": a, "budget": b, "budget_unit": "photos", "metric": "rank1", "mean": m, "low": None, "high": None}
        for a, m in (("scratch", 0.25), ("chosen", 0.5))
        for b in (1, 3)
    ]
    + [{"arm": "s", "budget": None, "budget_unit": None, "metric": "auc", "mean": 0.9, "low": None, "high": None}],
}
README = "before\n<!-- table: x -->\nold\n<!-- /table -->\nafter\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "x.json").write_text(json.dumps(RESULT))
    return tmp_path


def test_a_marked_block_is_filled_and_the_rest_left_alone(results: Path) -> None:
    text = readme_tables.filled(README, results)
    assert text == (
        "before\n<!-- table: x -->\n"
        "| rank1, % | 1 photos | 3 photos |\n| --- | ---: | ---: |\n"
        "| scratch | 25.0 | 25.0 |\n| **chosen** | **50.0** | **50.0** |\n\n"
        "Made by `auxtask run x`.\n<!-- /table -->\nafter\n"
    )
    assert readme_tables.filled(text, results) == text


def test_metrics_can_be_picked(results: Path) -> None:
    text = readme_tables.filled(README.replace("table: x", "table: x auc"), results)
    assert "| arm | auc, % |" in text and "rank1" not in text


@pytest.mark.parametrize(
    ("readme", "said"),
    [
        (README.replace("table: x", "table: y"), "y.json"),
        (README.replace("table: x", "table: x nothing"), "nothing"),
        (README.replace("<!-- /table -->", ""), "no partner"),
    ],
)
def test_a_table_that_cannot_be_filled_is_an_error(results: Path, readme: str, said: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        readme_tables.filled(readme, results)


def run_folder(folder: Path, **changes) -> Path:
    environment = {
        "command": ["auxtask", "run", "x", "quick=true", "--data-root", "/somewhere/data"],
        "commit": "abc",
        "changed_since_commit": changes.get("changed", False),
        "machine": {"processor": "P", "cores": 2},
    }
    if "earlier" in changes:
        environment["resumed_from"] = {**environment, "commit": "earlier", "changed_since_commit": changes["earlier"]}
    (folder / "environment.json").write_text(json.dumps(environment))
    result = {"recipe": "x", "status": changes.get("status", "finished"), "rows": []}
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_a_finished_run_is_kept_with_its_command_and_machine(tmp_path: Path) -> None:
    kept = json.loads(readme_tables.keep(run_folder(tmp_path, earlier=False), "x", tmp_path / "results").read_text())
    assert (kept["command"], kept["processor"]) == ("auxtask run x quick=true", "P, 2 cores")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "interrupted"}, "interrupted"),
        ({"changed": True}, "changed since commit abc"),
        ({"earlier": True}, "changed since commit earlier"),
    ],
)
def test_a_run_that_shows_nothing_or_cannot_be_repeated_is_not_kept(tmp_path: Path, changes: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        readme_tables.keep(run_folder(tmp_path, **changes), "x", tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("auxtask run x a=1 --out name --seed 2", "auxtask run x a=1 --seed 2"),
        ("auxtask run x --out=/some/where --resume a=1,2", "auxtask run x a=1,2"),
        ("auxtask run x --overwrite --data-root data --out runs/y --debug", "auxtask run x"),
        ("auxtask run /some/where/x.py source=/runs/x path=~/y", "auxtask run x source=SOURCE path=PATH"),
        ("auxtask run x model=google/bert_uncased", "auxtask run x model=google/bert_uncased"),
        ("main.py bench same_face_speed pytorch=/env/bin/python3", "auxtask bench same_face_speed pytorch=PYTHON"),
        ("same_face_speed.py pytorch=../env/bin/python", "auxtask bench same_face_speed pytorch=PYTHON"),
        ("x.py a=1 --seed 3", "auxtask run x a=1 --seed 3"),
    ],
)
def test_the_kept_command_repeats_the_run_anywhere(typed: str, kept: str) -> None:
    assert readme_tables.kept_command(typed.split(), kept.split()[2]) == kept
