"""`auxtask run`: run a recipe."""

from __future__ import annotations

import typer

from auxtask.runs.catalogue import find_program, load_program
from auxtask.runs.program import run_program, show_usage


def run(context: typer.Context) -> None:
    """Run a recipe: RECIPE|FILE key=value …"""
    words = context.args
    if not words or words[0].startswith("-"):
        raise typer.Exit(show_usage("auxtask run RECIPE|FILE", "recipes", words))
    name, *rest = words
    status = run_program(lambda: load_program(find_program(name)), rest, usage=f"auxtask run {name}")
    raise typer.Exit(status)
