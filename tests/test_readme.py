"""README is executed: its Python runs, its commands exist, and its tables are what the kept results say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from auxtask.runs.catalogue import find_program, load_program
from auxtask.runs.config import parse_overrides
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
