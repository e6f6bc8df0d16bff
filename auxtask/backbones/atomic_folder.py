"""Writes a folder whole or not at all."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auxtask.data.untrusted_file import read_bounded, read_json

DESCRIPTION, FORMAT = "description.json", "auxtask"  # what marks a folder as one of ours: this file, of this format
OURS = (DESCRIPTION, "backbone", "tokenizer")  # what may lie in it, beside .safetensors
PARTIAL_SUFFIX = ".partial"


@contextmanager
def atomic_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty folder to write in, which takes the name `folder` when the block ends.

    If the block fails (a full disk, Ctrl-C), nothing is left, and what was there before stays. A
    folder that we wrote earlier, or an empty one, is replaced: where Linux allows it at one stroke, so that there is
    always a whole folder of that name, also for a process that is killed.

    Parameters
    ----------
    folder : path
        Where the result shall be; missing parents are made.

    Raises
    ------
    ValueError
        `folder` is a file, or holds something else than an earlier save.
    OSError
        The disk is full, or writing is not allowed.
    """
    # Symbolic links are followed here, so that replacing a folder keeps a link to it.
    target = Path(os.path.realpath(folder))
    replaces = _check_target(target, os.fspath(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{target.name}.{uuid.uuid4().hex[:12]}{PARTIAL_SUFFIX}"
    try:
        partial.mkdir()
        yield partial
        for path in [*partial.rglob("*"), partial]:
            _flush(path)
        if replaces:
            _swap(partial, target)
        else:
            partial.replace(target)
        _flush(target.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _check_target(target: Path, name: str) -> bool:
    """Tell whether there is a folder to replace; refuse what must not be."""
    if not target.exists():
        return False
    if not target.is_dir():
        raise ValueError(f"{name}: is a file; a folder is to be written there")
    entries = sorted(path.name for path in target.iterdir())
    if entries and not _is_ours(target / DESCRIPTION):
        raise ValueError(f"{name}: holds other files; choose an empty or a new folder")
    if others := [entry for entry in entries if entry not in OURS and not entry.endswith(".safetensors")]:
        raise ValueError(f"{name}: an earlier save, but {others[0]} in it is not; move that, or choose another folder")
    return True


def _is_ours(file: Path) -> bool:
    try:
        description = read_json(read_bounded(file))
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and description.get("format") == FORMAT


def _swap(partial: Path, target: Path) -> None:
    """Put the new folder in the old one's place, and remove the old one."""
    if _exchanged(partial, target):
        old = partial
    else:
        old = partial.with_suffix(".old")
        target.replace(old)
        try:
            partial.replace(target)
        except BaseException:
            old.replace(target)
            raise
    shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders take each other's names at one stroke; tell whether system and file system can."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)  # which Python's os does not offer
    working_folder, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
    names = os.fsencode(one), os.fsencode(other)
    return rename is not None and rename(working_folder, names[0], working_folder, names[1], exchange) == 0


def _flush(path: Path) -> None:
    """Have the disk hold what was written before the rename that relies on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
