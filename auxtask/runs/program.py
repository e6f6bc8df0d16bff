"""Run a recipe from the command line: the same for `auxtask run NAME …` and `python recipes/NAME.py …`."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from auxtask.runs.catalogue import Program, list_programs, program_of, programs_folder
from auxtask.runs.config import closest, describe, parse_overrides

if TYPE_CHECKING:
    from rich.console import Console

    from auxtask.runs.folder import Run

USER_ERRORS = (ValueError, OSError, MemoryError)
"""Errors that say what the user can mend: one line, exit status 2. Anything else is a bug: traceback, status 1."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: "):
            word = message.removeprefix("unrecognized arguments: ").split()[0]
            options = [text for action in self._actions for text in action.option_strings]
            message = f"unknown option {word}.{closest(word, options)} Options: {', '.join(options)}"
        raise ValueError(message)


def make_parser() -> argparse.ArgumentParser:
    """Make the one parser of `key=value … --out DIR --data-root DIR --seed N …`."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run folder (default: runs/<recipe>/<time>-<id>)")
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="where real data lie (default: $AUXTASK_DATA)")
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="for everything random (default: 0)")
    parser.add_argument("--resume", action="store_true", help="go on in --out; finished cells are kept")
    parser.add_argument("--overwrite", action="store_true", help="empty --out first")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--help", "-h", action="store_true", help="show this")
    return parser


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line, checked."""

    program: Program
    config: Any
    arguments: argparse.Namespace
    data_root: Path | None


def run(main: Callable[..., Any], config_class: type) -> None:
    """Run a recipe as the program that it is: the last line of its file, under `if __name__ == "__main__":`.

    Parameters
    ----------
    main : callable
        `main(config, run)`.
    config_class : frozen dataclass
        The recipe's `Config`; `key=value` words of the command line override its defaults.

    Raises
    ------
    SystemExit
        Always: 0 finished, 2 something the user can mend, 1 a bug, 130 interrupted.
    """
    module = sys.modules[main.__module__]
    path = Path(main.__code__.co_filename)

    def load() -> Program:
        if getattr(module, "Config", None) is not config_class or getattr(module, "main", None) is not main:
            raise ValueError(f"{path}: at.run takes this file's own main and Config")
        return program_of(module, path)

    sys.exit(run_program(load, sys.argv[1:]))


def run_program(load: Callable[[], Program], words: Sequence[str], usage: str | None = None) -> int:
    """Load a program and run it as the words ask; returns the exit status and never raises for a user's error."""
    with one_line_errors("--debug" in words) as status:
        program = load()
        arguments = make_parser().parse_intermixed_args(list(words))
        if arguments.help:
            show_help(program, usage or f"python {program.path}")
        else:
            execute(read_request(program, arguments))
    return status[0]


def validate_program(load: Callable[[], Program], words: Sequence[str], usage: str) -> int:
    """Check a program's config and, through its optional `check(config, run)`, its data; nothing is trained or kept."""
    with one_line_errors("--debug" in words) as status:
        program = load()
        arguments = make_parser().parse_intermixed_args(list(words))
        if arguments.help:
            show_help(program, usage)
            return 0
        request = read_request(program, arguments)
        check_data(request)
        checked = "config and data are" if program.check else "config is"
        print(f"{program.name}: {checked} valid")
    return status[0]


def check_data(request: Request, quiet: bool = False) -> None:
    """Call the program's `check(config, run)`, if it has one, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        run = _open(request, Path(folder))
        run.console.quiet = quiet
        if request.program.check is not None:
            request.program.check(request.config, run)


def read_request(program: Program, arguments: argparse.Namespace) -> Request:
    """Check the overrides and the data root.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line each.
    """
    config: Any = parse_overrides(program.config_class, arguments.overrides)
    if arguments.seed < 0:
        raise ValueError(f"--seed {arguments.seed} is negative")
    if arguments.resume and arguments.out is None:
        raise ValueError("--resume goes on in the folder given by --out DIR")
    root = arguments.data_root or (Path(os.environ["AUXTASK_DATA"]) if os.environ.get("AUXTASK_DATA") else None)
    if root is not None and not root.is_dir():
        origin = "--data-root" if arguments.data_root else "AUXTASK_DATA"
        raise FileNotFoundError(f"{origin}: there is no folder {root}")
    return Request(program, config, arguments, root)


def execute(request: Request) -> Run:
    """Open the run folder, run `main(config, run)` and finish the folder, whatever happens."""
    if request.arguments.overwrite:
        # An earlier run is not thrown away for one whose data cannot be read, or lie in it.
        _refuse_emptying_own_sources(request)
        check_data(request, quiet=True)
    run = _open(request, None)
    random.seed(run.seed)
    run.console.print(f"run folder: {run.folder}", markup=False, highlight=False)
    try:
        with _termination_as_interrupt():
            request.program.main(request.config, run)
    except KeyboardInterrupt:
        run.finish("interrupted")
        again = f" Go on with --out {run.folder} --resume."
        raise KeyboardInterrupt(f"interrupted; {run.folder} holds what was finished.{again}") from None
    except BaseException as error:
        # The disk may be what failed: then the folder says as much as it can, and the first error is the one told.
        with suppress(OSError):
            run.finish("failed", error)
        raise
    run.finish("finished")
    run.console.print(f"finished: {run.folder / 'report.html'}", markup=False, highlight=False)
    return run


def _refuse_emptying_own_sources(request: Request) -> None:
    out, sources = request.arguments.out, {str(request.program.path): request.program.path}
    if request.data_root is not None:
        sources[f"the data root {request.data_root}"] = request.data_root
    for field in fields(request.config):
        value = getattr(request.config, field.name)
        if isinstance(value, str) and value:
            sources[f"{field.name}={value}"] = Path(value)
    for name, path in sources.items():
        if out is not None and path.exists() and path.resolve().is_relative_to(out.resolve()):
            raise ValueError(f"--overwrite would empty {out}, from which {name} is read: give another --out")


def _open(request: Request, folder: Path | None) -> Run:
    from auxtask.runs.opening import default_folder, open_run

    program, arguments = request.program, request.arguments
    return open_run(
        folder or arguments.out or default_folder(program.name),
        request.config,
        recipe=program.name,
        source=program.path,
        seed=arguments.seed,
        data_root=request.data_root,
        resume=arguments.resume and folder is None,
        overwrite=arguments.overwrite and folder is None,
        console=_console(),
    )


def _console() -> Console:
    from rich.console import Console

    # Without a terminal Rich folds tables at 80 columns; a log file has room for the whole table.
    return Console(width=None if sys.stdout.isatty() else 140)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let a polite kill (SIGTERM) end the run as Ctrl-C does, with a valid folder."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def one_line_errors(debug: bool = False) -> Iterator[list[int]]:
    """Turn what the user can mend into one line on standard error; gives the exit status as a list of one."""
    status = [0]
    try:
        yield status
    except KeyboardInterrupt as interrupt:
        status[0] = 130
        _say(str(interrupt) or "interrupted")
    except BrokenPipeError:
        # `… | head` closed our output: there is nobody left to tell. Python must not try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status[0] = 1
    except USER_ERRORS as error:
        status[0] = 2
        if debug:
            traceback.print_exc()
        _say(f"error: {_one_line(error)}{'' if debug or _is_ours(error) else ' (--debug shows where)'}")
    except Exception:
        status[0] = 1
        traceback.print_exc()
        _say("error: this is a bug in the recipe or in auxtask, not in how it was called")


def _is_ours(error: BaseException) -> bool:
    """Tell whether an error comes from here, so that its text says what to do, not from a recipe of the user's own."""
    if isinstance(error, OSError | MemoryError) or error.__traceback__ is None:
        return True
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    file = Path(innermost.f_code.co_filename).resolve()
    ours = (Path(__file__).parents[1], programs_folder("recipes"), programs_folder("benchmarks"))
    return any(file.is_relative_to(folder.resolve()) for folder in ours)


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return f"out of memory {error}".strip()
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def show_usage(usage: str, kind: str, words: Sequence[str]) -> int:
    """Say how a verb is used and what it can be used on; an exit status of 2 unless that was asked for."""
    print(f"usage: {usage} [key=value …] [options]\n\nsettings: the same words with --help\n\n{kind}")
    for name, text in list_programs(kind).items():
        print(f"  {name}  {text}")
    return 0 if set(words) & {"--help", "-h"} else 2


def show_help(program: Program, usage: str) -> None:
    """Print a recipe's docstring, its settings with type, default and meaning, and the options of every run."""
    from rich.table import Table
    from rich.text import Text

    console = _console()
    say: dict[str, Any] = {"markup": False, "highlight": False}
    console.print(program.doc.strip() + "\n", **say)
    console.print(f"usage: {usage} [key=value …] [options]\n", **say)
    table = Table("setting", "type", "default", "meaning", box=None, title="Settings", title_justify="left")
    options = describe(program.config_class)
    for each in options:
        choices = f" (one of: {', '.join(map(str, each.choices))})" if each.choices else ""
        table.add_row(*(Text(text) for text in (each.name, each.type, each.default, each.help + choices)))
    console.print(table)
    table = Table("option", "meaning", box=None, title="\nOptions", title_justify="left")
    for action in make_parser()._actions:
        if action.option_strings:
            name = ", ".join(action.option_strings) + (f" {action.metavar}" if action.metavar else "")
            table.add_row(Text(name), Text(action.help or ""))
    console.print(table)
    # A default always goes with the other defaults; another choice may need more settings.
    example = f"{options[0].name}={options[0].default}" if options else ""
    quick = "quick=true" if any(o.name == "quick" for o in options[1:]) else ""
    words = " ".join(word for word in (example, quick) if word)
    console.print(f"\nExamples\n  {usage} {words}\n  {usage} {words} --seed 1 --out my-run", **say)
