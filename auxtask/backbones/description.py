"""The description (JSON) and the tensors (safetensors) of a folder that auxtask saves."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from auxtask.backbones.atomic_folder import DESCRIPTION, FORMAT
from auxtask.data.untrusted_file import MAX_JSON_BYTES, read_bounded, read_json, reading

FORMAT_VERSION = 1
MAX_HEADER_BYTES = 16 * 2**20


def read_description(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a saved folder's description without building anything.

    Returns
    -------
    dict
        `kind`, `provenance`, `preprocessing`, `groups`, … as written.

    Raises
    ------
    FileNotFoundError
        There is no description.
    ValueError
        It is damaged, too long, too deep, or of another format.
    """
    path = Path(folder) / DESCRIPTION
    with reading(path, "a description of ours"):
        description = read_json(read_bounded(path))
        if not isinstance(description, dict) or description.get("format") != FORMAT:
            raise ValueError("is not a description written by auxtask")
        version = description.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(f"has format version {version}; this auxtask reads {FORMAT_VERSION}")
        if not isinstance(description.get("kind"), str):
            raise ValueError("does not say of what kind it is")
    return description


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write a folder's description; `description` must be plain JSON (NumPy numbers are turned)."""
    full = {"format": FORMAT, "format_version": FORMAT_VERSION, **description}
    try:
        text = json.dumps(full, indent=1, default=plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder}: the description is not plain JSON ({error})") from None
    if len(text) > MAX_JSON_BYTES:
        raise ValueError(f"{folder}: the description would exceed {MAX_JSON_BYTES:,} bytes")
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")


def read_tensors(path: Path, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Read a safetensors file, its header bounded, and its content checked against `sha256`."""
    with open(path, "rb") as file:
        header = int.from_bytes(file.read(8), "little")
        if header > MAX_HEADER_BYTES:
            raise ValueError(f"its header has over {MAX_HEADER_BYTES:,} bytes, or it is damaged")
        file.seek(0)
        if sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise ValueError("is damaged, or belongs to another save (its checksum differs)")
    with safetensors.safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)


def plain(value: Any) -> Any:
    """Turn what JSON does not know (NumPy numbers, paths, sets) into what it does, for `json`."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a number, text, list or dict")
