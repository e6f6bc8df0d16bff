"""Reading files that somebody else may have made: bounded JSON, one-line errors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from auxtask.data.one_line import first_line

MAX_JSON_BYTES = 16 * 2**20  # EfficientNetB7's architecture, the longest of Keras' own, has 1 MB
MAX_DEPTH = 80  # a plain Functional model has 9 levels, and each model nested in it adds 3


def read_json(content: bytes | str) -> Any:
    """Parse JSON whose size and depth are bounded.

    Parameters
    ----------
    content : bytes or str
        The text, UTF-8.

    Raises
    ------
    ValueError
        It is no JSON, longer than `MAX_JSON_BYTES` or deeper than `MAX_DEPTH`.
    """
    if len(content) > MAX_JSON_BYTES:
        raise ValueError(f"its JSON has over {MAX_JSON_BYTES:,} bytes, more than any real model's")
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError(_too_deep()) from None
    except ValueError as error:
        raise ValueError(f"its JSON is damaged ({error})") from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse dicts and lists nested deeper than `MAX_DEPTH`, so that later walks may recurse."""
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise ValueError(_too_deep())
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list | tuple):
                inner.extend(item)
        level, depth = inner, depth + 1


def _too_deep() -> str:
    return f"its JSON is nested deeper than {MAX_DEPTH} levels, more than any real model's"


def read_bounded(path: str | os.PathLike[str], limit: int = MAX_JSON_BYTES) -> bytes:
    """Read a file of at most `limit` bytes; one byte more is read, so that the caller notices."""
    with open(path, "rb") as file:
        return file.read(limit + 1)


@contextmanager
def reading(path: str | os.PathLike[str], expected: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into one `ValueError` of one line that names `path`.

    `expected` says what the file should have been. Missing files and missing rights keep their
    own exceptions, whose text names the file already.
    """
    name = os.fspath(path)
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except ValueError as error:
        text = first_line(error)
        raise ValueError(text if text.startswith(name) else f"{name}: {text}") from error
    except Exception as error:  # HDF5, zip and safetensors readers raise two dozen kinds
        raise ValueError(f"{name}: damaged, or not {expected} ({type(error).__name__}: {first_line(error)})") from error
