"""README is executed: its Python runs, its commands exist, and its tables are what the kept results say."""

import io
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import auxtask as at
from auxtask.runs.catalogue import find_program, load_program
from auxtask.runs.config import parse_overrides
from auxtask.runs.folder import STATUSES, Run
from auxtask.runs.opening import open_run
from auxtask.runs.program import make_parser

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
# Those to type, those that made the tables, and those of results that stand in no table.
COMMANDS = re.findall(r"^ {4}auxtask (run|bench) (\w+)(.*)$", README, re.MULTILINE)
MADE_BY = re.findall(r"^Made by `auxtask (run|bench) (\w+)(.*?)`", README, re.MULTILINE)
RESULTS = {path.name: json.loads(path.read_text()) for path in (ROOT / "benchmarks" / "results").glob("*.json")}
KEPT = re.findall(r"^auxtask (run|bench) (\w+)(.*)$", "\n".join(r["command"] for r in RESULTS.values()), re.MULTILINE)


@pytest.mark.parametrize("code", [code for code in PYTHON if "RUN" not in code])
def test_python_blocks_run(code: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_there_is_something_to_run() -> None:
    assert PYTHON and COMMANDS
    assert len(MADE_BY) == README.count("Made by") == README.count("<!-- table: ")
    assert len(KEPT) == len(RESULTS)


@pytest.mark.parametrize(("verb", "name", "words"), sorted({*COMMANDS, *MADE_BY, *KEPT}))
def test_commands_name_programs_and_settings_that_exist(verb: str, name: str, words: str) -> None:
    program = load_program(find_program(name, "recipes" if verb == "run" else "benchmarks"))
    arguments = make_parser().parse_intermixed_args(words.partition(" # ")[0].split())
    parse_overrides(program.config_class, arguments.overrides)


def test_commands_that_made_a_table_start_a_run_afresh() -> None:
    for _, _, words in {*MADE_BY, *KEPT}:
        arguments = make_parser().parse_intermixed_args(words.split())
        assert not (arguments.resume or arguments.overwrite or arguments.out or arguments.data_root), words
        assert "/" not in words


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^ {4}make ([a-z-]+)", README, re.MULTILINE)) <= targets


def test_tables_are_what_the_kept_results_say() -> None:
    done = subprocess.run([sys.executable, "benchmarks/readme_tables.py", "--check"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_kept_results_are_finished_runs_with_their_command() -> None:
    for name, result in RESULTS.items():
        assert result["status"] == "finished" and result["command"] and result["rows"], name
        assert f" {result['recipe']}" in result["command"], name


def documented(head: str) -> list[str]:
    """Give the first column of README's table that begins with that head."""
    section = README.partition("## What a run leaves\n")[2].partition("\n## ")[0]
    table = section.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


@dataclass(frozen=True)
class Config:
    rate: float = 0.1


def small_run(folder: Path) -> Run:
    """Do everything that leaves something in a run folder, as small as can be."""
    run = open_run(folder, Config(), recipe="small", console=Console(file=io.StringIO()))
    names, labels = ("ann", "bob"), np.arange(20) % 2

    def guess(train: at.Examples, items: np.ndarray, seed: int) -> at.Outcome:
        return at.Outcome(np.random.default_rng([seed, len(train)]).normal(size=(len(items), 2)), train_metric)

    with run.stage("training"):
        model = at.keras.Sequential([at.keras.Input((1,)), at.keras.layers.Dense(2, name="dense")])
        model.compile(loss="mse")
        model.fit(np.zeros((4, 1)), np.zeros((4, 2)), verbose=0, callbacks=run.callbacks())
        at.save_backbone(model, folder / "backbone")
        at.save_backbone(model, folder / "model", kind="model")
    pool, test = (at.Examples(np.arange(20) + i, labels, names, np.arange(20) + i) for i in (0, 20))
    for metric, variant in (("rank1", None), ("accuracy", "digits")):
        train_metric = {f"train_{metric}": 0.5}
        comparison = at.Comparison(
            {"scratch": guess, "probe": guess}, [1, 2], 2, test, pool=pool, metric=metric, variant=variant,
            chosen={1: "probe", 2: "probe"}, run=run,
        )  # fmt: skip
        at.report_comparison(run, comparison.run())
    run.add_rows(at.verification_from_scores(np.linspace(0, 1, 300), np.arange(300) > 150).rows())
    run.add_rows([at.ratio_row("small", "pairs_ratio", np.ones(3))])
    run.note("a sentence")
    return run


def test_what_a_run_leaves_is_what_is_documented(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    result = json.loads((run.folder / "result.json").read_text())
    assert result["status"] == "running"
    run.finish("finished")
    result = json.loads((run.folder / "result.json").read_text())
    left = {path.name + "/" * path.is_dir() for path in run.folder.iterdir()}
    # The rest is left by failures and by trainings alone (the recipes' tests look for the latter).
    assert left == set(documented("file")) - {"error.txt", "ledger.json", "history.json"}
    run.finish("failed", RuntimeError("why"))
    assert (run.folder / "error.txt").is_file()
    assert list(result) == documented("key")
    assert {key for row in result["rows"] for key in row} == set(documented("row key"))
    for row in result["rows"]:
        assert set(documented("row key")) - {"variant"} <= set(row)
        assert row["budget"] is None or type(row["budget"]) is int
    with np.load(run.folder / "predictions.npz") as arrays:
        assert {"digits-names", "digits-probe-2-draw1"} <= set(arrays.files)
        assert all(f"`{field}`" in README for field in arrays["digits-probe-2-draw1"].dtype.names)


def test_the_metrics_a_run_writes_are_documented_and_the_documented_are_written(tmp_path: Path) -> None:
    written = {row["metric"] for row in small_run(tmp_path / "run").rows}
    meant = {name: {metric for metric in written if fnmatch(metric, name)} for name in documented("metric")}
    assert all(meant.values()), meant
    assert set().union(*meant.values()) == written


def test_every_status_is_documented() -> None:
    (line,) = [line for line in README.splitlines() if line.startswith("| `status` |")]
    assert tuple(re.findall(r"`(\w+)`", line)[1:]) == STATUSES
