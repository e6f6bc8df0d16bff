"""Files that appear whole or not at all: written beside their place under a temporary name, then renamed over it."""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from auxtask.backbones.atomic_folder import PARTIAL_SUFFIX

if TYPE_CHECKING:
    import numpy as np

TEMPORARY_PREFIX = ".unfinished-"


def _temporary(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex[:8]}-{path.name[:80]}")


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing; it takes the name `path` only when the block ends without an error."""
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed process left under temporary names, files and folders, wherever they lie."""
    for left in [*folder.rglob(TEMPORARY_PREFIX + "*"), *folder.rglob(".*" + PARTIAL_SUFFIX)]:
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def drop_cut_line(path: Path) -> None:
    """Remove a last line that a full disk or a killed process left without its end."""
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            with whole_file(path) as file:
                file.write(content[: content.rfind(b"\n") + 1])


def plain_json(value: Any) -> Any:
    """Turn a value into what strict JSON can hold: NumPy scalars and arrays into numbers, NaN and infinity into null.

    Raises
    ------
    TypeError
        For anything else (a model, a function): it names the type.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_json(item) for item in value]
    if isinstance(value, int | float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy arrays and scalars, without importing NumPy
        return plain_json(value.tolist())
    if hasattr(value, "numpy"):  # eager tensors
        return plain_json(value.numpy())
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, whole."""
    text = json.dumps(plain_json(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with whole_file(path) as file:
        file.write(text.encode())


def write_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name as NumPy's `.npz`, whole and without pickle (any name is fine, unlike `np.savez`).

    Raises
    ------
    ValueError
        For an array of Python objects, naming it.
    """
    import numpy as np

    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, value in arrays.items():
            array = np.asarray(value)
            if array.dtype.hasobject:
                raise ValueError(f"{path.name}: {name!r} holds Python objects; give numbers or strings")
            with archive.open(name + ".npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read what `write_npz` wrote; never unpickles."""
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
