"""`auxtask bench`: run one benchmark, or all of them one after the other."""

from __future__ import annotations

import subprocess
import sys

import typer

from auxtask.runs.catalogue import find_program, list_programs, load_program
from auxtask.runs.program import one_line_errors, run_program, show_usage


def bench(context: typer.Context) -> None:
    """Run one benchmark or all, quick=true or not."""
    words = context.args
    if words and words[0] in ("--help", "-h"):
        raise typer.Exit(show_usage("auxtask bench [NAME|FILE]", "benchmarks", words))
    if words and "=" not in words[0] and not words[0].startswith("-"):
        name, *rest = words
        load = lambda: load_program(find_program(name, "benchmarks"))  # noqa: E731
        raise typer.Exit(run_program(load, rest, usage=f"auxtask bench {name}"))
    with one_line_errors() as status:
        if any(word.split("=")[0] == "--out" for word in words):
            raise ValueError("--out holds one run: name the benchmark it is for")
        for name in list_programs("benchmarks"):
            typer.echo(f"== {name}")
            # A process each: what one benchmark compiled, cached or allocated must not be timed in the next.
            command = [sys.executable, "-m", "auxtask.cli.main", "bench", name, *words]
            status[0] = max(status[0], subprocess.run(command).returncode)
    raise typer.Exit(status[0])
