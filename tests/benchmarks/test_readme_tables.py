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


def test_only_a_finished_run_is_kept_and_without_this_machines_folders(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    environment = {
        "command": ["auxtask", "run", "x", "quick=true", "--data-root", "/somewhere/data"],
        "commit": "abc",
        "machine": {"processor": "P", "cores": 2},
    }
    (run / "environment.json").write_text(json.dumps(environment))
    (run / "result.json").write_text(json.dumps({"status": "finished", "rows": []}))
    kept = json.loads(readme_tables.keep(run, "x", tmp_path / "results").read_text())
    assert kept["command"] == "auxtask run x quick=true" and kept["processor"] == "P, 2 cores"
    (run / "result.json").write_text(json.dumps({"status": "interrupted", "rows": []}))
    with pytest.raises(ValueError, match="interrupted"):
        readme_tables.keep(run, "x", tmp_path / "results")
