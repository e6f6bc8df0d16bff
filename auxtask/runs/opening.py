"""Open a run folder before any work is done: fresh, resumed or overwritten, and known to be writable."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from auxtask.runs.config import differences, to_json
from auxtask.runs.environment import describe_environment
from auxtask.runs.folder import LOCK, Run
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
        If the folder is not empty and neither flag is given, or does not fit the flag; or if another process is running
        in it.
    OSError
        If it cannot be written to (PermissionError, NotADirectoryError, a read-only or full disk).
    """
    earlier = earlier_environment = None
    _refuse_to_enter(folder, resume, overwrite)
    # A run that was killed as it began has no settings yet, and nothing to go on with.
    if resume and (folder / "environment.json").exists():
        earlier, earlier_environment = _check_same(folder, config, recipe, seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder)
        if overwrite:
            _empty(folder)
        remove_unfinished(folder)
        run = Run(
            folder,
            config,
            recipe=recipe,
            seed=seed,
            data_root=data_root,
            console=console,
            earlier=earlier,
            lock=lock,
        )
        run.write_result()
        environment = describe_environment(seed, source)
        if earlier_environment is not None:
            environment["resumed_from"] = earlier_environment
        write_json(folder / "config.json", to_json(config))
        write_json(folder / "environment.json", environment)
    except OSError as error:
        raise type(error)(f"cannot write to --out {folder}: {error.strerror or error}") from error
    if resume and earlier is None:
        run.note(f"--resume: there was no run in {folder}, so this one starts anew")
    if earlier_environment and (changed := _changed_code(earlier_environment, environment)):
        run.note(f"resumed under other code ({', '.join(changed)}): kept cells come from the earlier one")
    return run


def _refuse_to_enter(folder: Path, resume: bool, overwrite: bool) -> None:
    """Raise where a run may not go: a file, a used folder without a flag that says what to do, something else's."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--out {folder} is a file, not a folder")
    if not folder.is_dir() or all(entry.name == LOCK for entry in folder.iterdir()):
        return
    if resume and overwrite:
        raise ValueError("--resume keeps the folder and --overwrite empties it: give one of them")
    if not (resume or overwrite):
        raise ValueError(
            f"--out {folder} is not empty: add --resume to go on with that run, or --overwrite to start anew"
        )
    if not _is_run_folder(folder):
        raise ValueError(f"--out {folder} is not a run folder (it has no result.json of a run): give another")


def _is_run_folder(folder: Path) -> bool:
    """Tell whether a run made it: others may have a file of that name, too."""
    try:
        result = json.loads((folder / "result.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(result, dict) and result.keys() >= {"recipe", "status", "rows"}


def _locked(folder: Path) -> IO[str]:
    """Keep other processes out of a folder until the file given is closed, or this process ends."""
    lock = (folder / LOCK).open("w")
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            lock.close()
            raise ValueError(f"--out {folder}: another process is running there; give another") from None
        # Some file systems know no locks: then nobody is kept out.
    return lock


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()


def _changed_code(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what differs of the code that two environments ran."""
    changed = ["the recipe's file"] if before.get("recipe_sha256") != now["recipe_sha256"] else []
    old, new = (str(each.get("commit"))[:12] for each in (before, now))
    changed += [f"commit {old} became {new}"] if old != new else []
    if before.get("changed_since_commit") or now.get("changed_since_commit"):
        changed.append("files changed since their commit")
    packages = before.get("packages", {})
    changed += [
        f"{name} {packages.get(name)} became {version}"
        for name, version in now["packages"].items()
        if packages.get(name) != version
    ]
    return changed


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
