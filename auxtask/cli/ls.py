"""`auxtask ls`: what there is. Everything is read with `ast`; nothing is imported."""

from __future__ import annotations

import ast
from pathlib import Path

import typer

from auxtask.runs.catalogue import list_programs, summary

_PACKAGE = Path(__file__).resolve().parents[1]


def ls(context: typer.Context) -> None:
    """List recipes, benchmarks, tasks, plans, data."""
    if context.args:
        typer.echo("usage: auxtask ls (it takes nothing; it lists what there is)")
        raise typer.Exit(0 if context.args in (["--help"], ["-h"]) else 2)
    listing = {
        "recipes (auxtask run NAME)": list_programs("recipes"),
        "benchmarks (auxtask bench NAME)": list_programs("benchmarks"),
        "tasks": _public_classes("tasks", derived=True),
        "plans": _plans(),
        "data": _public_classes("data"),
    }
    for title, entries in listing.items():
        typer.echo(typer.style(title, bold=True))
        width = max(map(len, entries), default=0)
        for name, text in entries.items():
            typer.echo(f"  {name:<{width}}  {text}".rstrip())
        if not entries:
            typer.echo("  none")


def _public_names() -> dict[str, str]:
    """Return the table of contents, `auxtask._HOME`: public name to module."""
    from auxtask import _HOME

    return _HOME


def _parse(module: str) -> ast.Module:
    path = _PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _public_classes(folder: str, derived: bool = False) -> dict[str, str]:
    """Describe the public classes that live in a folder of the package.

    With `derived`, only those with a base class: every task is a Keras model, what a task measures is a plain class.
    """
    found = {}
    for name, module in _public_names().items():
        if module.startswith(f"auxtask.{folder}."):
            for node in _parse(module).body:
                if isinstance(node, ast.ClassDef) and node.name == name and (node.bases or not derived):
                    found[f"at.{name}"] = summary(node)
    return found


def _plans() -> dict[str, str]:
    """Describe the ready-made plans: the static and class methods of `Plan` that return a plan from numbers."""
    found = {}
    for node in _parse(_public_names()["Plan"]).body:
        if isinstance(node, ast.ClassDef) and node.name == "Plan":
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and _is_constructor(method):
                    found[method.name] = summary(method)
    return found


def _is_constructor(method: ast.FunctionDef) -> bool:
    decorators = {d.id for d in method.decorator_list if isinstance(d, ast.Name)}
    public = not method.name.startswith("_") and method.name != "named"
    return public and bool(decorators & {"staticmethod", "classmethod"})
