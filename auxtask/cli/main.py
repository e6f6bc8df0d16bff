"""`auxtask`: one command, one file per verb. Nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import sys

import typer

from auxtask.cli.bench import bench
from auxtask.cli.cp import cp
from auxtask.cli.ls import ls
from auxtask.cli.run import run
from auxtask.cli.validate import validate

app = typer.Typer(
    help="Pretrain on a cheap auxiliary task, reuse the layers on the target task, prove whether it helped.",
    add_completion=False,
    rich_markup_mode=None,  # Rich would draw frames round the help, for 0.15 s
    add_help_option=False,
    pretty_exceptions_enable=False,
)
# Recipes bring their own settings: their words are read by the recipe's own parser, --help included. And Typer reads
# each option of its own, be it only --help, through pydantic: 0.1 s that `ls` and `--help` do not have.
_FORWARDED = {"allow_extra_args": True, "ignore_unknown_options": True}
for _verb in (ls, run, validate, bench):
    app.command(context_settings=_FORWARDED, add_help_option=False)(_verb)
app.command()(cp)


@app.callback(invoke_without_command=True)
def show_help(context: typer.Context) -> None:
    """Show this help if no verb is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        typer.echo("auxtask VERB --help says more about a verb; auxtask run RECIPE --help about a recipe.")


def main() -> None:
    """Run the command line."""
    words = sys.argv[1:]
    app([] if words in (["--help"], ["-h"]) else words)


if __name__ == "__main__":
    main()
