"""`auxtask cp`: a recipe to change is a recipe of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auxtask.runs.catalogue import find_program
from auxtask.runs.program import one_line_errors
from auxtask.runs.whole_files import whole_file


def cp(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, as `auxtask ls` shows it.")],
    file: Annotated[Path, typer.Argument(help="Where the copy goes: a .py file, or a folder.")],
) -> None:
    """Copy a recipe to a file of your own."""
    with one_line_errors() as status:
        source = find_program(recipe)
        target = file / source.name if file.is_dir() else file
        if target.suffix != ".py":
            raise ValueError(f"{target} does not end in .py")
        if target.exists():
            raise ValueError(f"{target} exists; cp does not overwrite")
        if not target.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {target.parent}")
        with whole_file(target) as copy:
            copy.write(source.read_bytes())
        typer.echo(f"copied; run it with: auxtask run {target}")
    raise typer.Exit(status[0])
