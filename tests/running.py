"""Recipes called as from the command line, in this process, what they leave, and what they are made of."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from auxtask.runs.catalogue import find_program, load_program
from auxtask.runs.program import run_program, validate_program


def call(recipe: str, *words: object, validate: bool = False) -> int:
    """Do as `auxtask run RECIPE WORDS` (or `auxtask validate`) does; give its exit code."""
    load = partial(load_program, find_program(recipe))
    return (validate_program if validate else run_program)(load, [*map(str, words)], usage=f"auxtask run {recipe}")


def parts_of(program: str, kind: str = "recipes") -> dict[str, Any]:
    """Give the functions and classes of a recipe, or of one of the `benchmarks`, by name."""
    return load_program(find_program(program, kind)).main.__globals__


def result_of(folder: Path) -> dict[str, Any]:
    """Read the result of a run that must have finished."""
    result = json.loads((folder / "result.json").read_text())
    assert result["status"] == "finished"
    return result


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Read its rows."""
    return result_of(folder)["rows"]


def notes_of(folder: Path) -> list[str]:
    """Read its notes."""
    return result_of(folder)["notes"]
