"""`auxtask validate`: check before hours of training."""

from __future__ import annotations

import typer

from auxtask.runs.catalogue import find_program, load_program
from auxtask.runs.program import show_usage, validate_program


def validate(context: typer.Context) -> None:
    """Check a recipe's settings and data only."""
    words = context.args
    if not words or words[0].startswith("-"):
        raise typer.Exit(show_usage("auxtask validate RECIPE|FILE", "recipes", words))
    name, *rest = words
    load = lambda: load_program(find_program(name))  # noqa: E731
    raise typer.Exit(validate_program(load, rest, usage=f"auxtask validate {name}"))
