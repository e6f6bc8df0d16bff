"""`auxtask`: one command, one file per verb. Nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import typer

from auxtask.cli.bench import bench
from auxtask.cli.cp import cp
from auxtask.cli.ls import ls
from auxtask.cli.run import run
from auxtask.cli.validate import validate

app = typer.Typer(
    help="Pretrain on a cheap auxiliary task, reuse the layers on the target task, prove whether it helped.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# Recipes bring their own settings: their words are read by the recipe's own parser, --help included.
_FORWARDED = {"allow_extra_args": True, "ignore_unknown_options": True}
app.command()(ls)
app.command()(cp)
app.command(context_settings=_FORWARDED, add_help_option=False)(run)
app.command(context_settings=_FORWARDED, add_help_option=False)(validate)
app.command(context_settings=_FORWARDED, add_help_option=False)(bench)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
