"""Folders that appear whole or not at all: filled beside their place under a temporary name, then moved there."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; if the block succeeds, its files move to `path`, each in one step.

    Files of other names that stand there already stay. Where `path` is new, the whole folder appears in one step.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".unfinished-{uuid.uuid4().hex[:8]}-{path.name[:80]}")
    unfinished.mkdir()
    try:
        yield unfinished
        if path.is_dir():
            for file in sorted(unfinished.iterdir()):
                os.replace(file, path / file.name)
        else:
            os.replace(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
