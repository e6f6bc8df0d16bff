"""A throw-away recipe, and the command line run in a process of its own, as a user does."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

RECIPE = '''"""Adds numbers; a recipe for tests.

More words.
"""

from dataclasses import dataclass

import auxtask as at


@dataclass(frozen=True)
class Config:
    dataset: str = at.option("drawn", "where the numbers come from", choices=("drawn", "lfw"))
    budgets: tuple[int, ...] = at.option((1, 3), "numbers to add")
    stop: str = at.option("", "how to end", choices=("", "user", "disk", "bug", "ctrl-c", "kill"))
    quick: bool = at.option(False, "about a minute")


def check(config, run):
    if config.dataset == "lfw" and run.data_root is None:
        raise ValueError("dataset=lfw needs --data-root DIR")
    run.note("the data are fine")


def main(config, run):
    import signal
    with run.stage("adding"):
        for budget in config.budgets:
            run.cell(f"sum/{budget}", lambda: run.print(f"computing {budget}") or {"x": budget})
            run.add_rows([{"arm": "sum", "budget": budget, "metric": "rank1", "mean": budget / 10}])
        if config.stop == "user":
            raise ValueError("your photos\\nare upside down")
        if config.stop == "disk":
            raise OSError(28, "No space left on device")
        if config.stop == "bug":
            raise KeyError("bug")
        if config.stop in ("ctrl-c", "kill"):
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start without it
            signal.raise_signal(signal.SIGINT if config.stop == "ctrl-c" else signal.SIGTERM)


if __name__ == "__main__":
    at.run(main, Config)
'''

# Whoever imports what takes seconds is told on at exit.
SPY = """import atexit, sys
SLOW = ("tensorflow", "sklearn", "matplotlib", "pandas")
atexit.register(lambda: [print("IMPORTED", name) for name in SLOW if name in sys.modules])
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "toy.py"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def auxtask(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Run `auxtask …` (or `python FILE …`) in a working folder of its own."""
    working = tmp_path / "cwd"
    working.mkdir()
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(SPY)

    def call(*words: object, script: Path | None = None, env: dict | None = None):
        python = [sys.executable, str(script)] if script else [sys.executable, "-m", "auxtask.cli.main"]
        environment = {k: v for k, v in os.environ.items() if k != "AUXTASK_DATA"} | (env or {})
        environment["PYTHONPATH"] = f"{ROOT}:{tmp_path / 'spy'}"
        return subprocess.run(
            [*python, *map(str, words)], capture_output=True, text=True, cwd=working, env=environment, timeout=120
        )

    return call
