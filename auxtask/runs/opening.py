"""Open a run folder before any work is done: fresh, resumed or overwritten, and known to be writable."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auxtask.runs.config import differences, to_json
from auxtask.runs.environment import describe_environment
from auxtask.runs.folder import Run
from auxtask.runs.whole_files import remove_unfinished, write_json

if TYPE_CHECKING:
    from rich.console import Console


def default_folder(recipe: str) -> Path:
    """Return `runs/<recipe>/<time>-<short id>` under the working folder."""
    return Path("runs") / recipe / f"{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"


def open_run(
    folder: Path,
    config: Any,
    *,
    recipe: str,
    source: Path | None = None,
    seed: int = 0,
    data_root: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
) -> Run:
    """Make or take over `folder` and write `config.json`, `environment.json` and a first `result.json` there.

    Parameters
    ----------
    resume : bool
        Go on in a folder of the same recipe, config and seed; finished cells are kept.
    overwrite : bool
        Empty the folder first; only if it is a run folder.

    Raises
    ------
    ValueError
        If the folder is not empty and neither flag is given, or does not fit the flag.
    OSError
        If it cannot be written to (PermissionError, NotADirectoryError, a read-only or full disk).
    """
    earlier = earlier_environment = None
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--out {folder} is a file, not a folder")
    if folder.is_dir() and any(folder.iterdir()):
        if resume and overwrite:
            raise ValueError("--resume keeps the folder and --overwrite empties it: give one of them")
        if not (resume or overwrite):
            raise ValueError(
                f"--out {folder} is not empty: add --resume to go on with that run, or --overwrite to start anew"
            )
        if not (folder / "result.json").is_file():
            raise ValueError(f"--out {folder} is not a run folder (it has no result.json): give another")
        if resume:
            earlier, earlier_environment = _check_same(folder, config, recipe, seed)
    try:
        _prepare(folder, overwrite)
        run = Run(
            folder,
            config,
            recipe=recipe,
            seed=seed,
            data_root=data_root,
            console=console,
            earlier=earlier,
        )
        environment = describe_environment(seed, source)
        if earlier_environment is not None:
            environment["resumed_from"] = earlier_environment
        write_json(folder / "config.json", to_json(config))
        write_json(folder / "environment.json", environment)
        run.write_result()
    except OSError as error:
        raise type(error)(f"cannot write to --out {folder}: {error.strerror or error}") from error
    if resume and earlier is None:
        run.note(f"--resume: there was no run in {folder}, so this one starts anew")
    if earlier_environment and earlier_environment.get("recipe_sha256") != environment["recipe_sha256"]:
        run.note("resumed after the recipe's file was changed: kept cells come from the earlier version")
    return run


def _prepare(folder: Path, overwrite: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if overwrite:
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    remove_unfinished(folder)


def _check_same(folder: Path, config: Any, recipe: str, seed: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the folder's earlier result and environment, or raise saying what differs."""
    result, before, environment = (_read(folder / name) for name in ("result.json", "config.json", "environment.json"))
    if result.get("recipe") != recipe:
        raise ValueError(f"--resume: {folder} is a run of {result.get('recipe')}, not of {recipe}")
    changed = differences(before, to_json(config))
    if environment.get("seed") != seed:
        changed.append(f"--seed was {environment.get('seed')} and is now {seed}")
    if changed:
        raise ValueError(f"--resume needs the same config as the run in {folder}: {'; '.join(changed)}")
    return result, environment


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"--resume: {path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"--resume: {path} does not hold a JSON object")
    return value
