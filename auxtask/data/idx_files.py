"""The idx files in which MNIST and Fashion-MNIST are handed out, gzipped or not."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

_UNSIGNED_BYTES = 0x08
_KINDS = {1: "a vector of labels", 3: "images"}
_MAX_BYTES = 2**31  # what a header may promise: a damaged one must not fill the memory


def read_idx(path: str | os.PathLike[str], num_axes: int) -> np.ndarray:
    """Read a file of unsigned bytes.

    The format is LeCun's (1998): two zero bytes, the kind of number, how many axes, each axis' length as a big-endian
    32-bit integer, then the bytes.

    Parameters
    ----------
    path
        gzipped or not, whatever its name says
    num_axes
        1 for labels [n], 3 for images [n, height, width]

    Returns
    -------
    uint8, of that many axes

    Raises
    ------
    FileNotFoundError
        if there is no such file
    ValueError
        if it is no idx file of bytes, has other axes, or is shorter or longer than its header says; names the file
    """
    try:
        with _open(Path(path)) as file:
            shape = _read_header(file, num_axes)
            size = math.prod(shape)
            content = file.read(size + 1)
    except FileNotFoundError:
        raise FileNotFoundError(f"{os.fspath(path)}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{os.fspath(path)}: damaged, or cut off in its gzip part ({error})") from None
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None
    if len(content) != size:
        what = f"only {len(content):,}" if len(content) < size else "more"
        raise ValueError(
            f"{os.fspath(path)}: its header says {' x '.join(map(str, shape))} = {size:,} bytes, "
            f"but {what} follow (truncated download?)"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_idx_pair(images: str | os.PathLike[str], labels: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read images and their labels.

    Returns
    -------
    images : uint8 [n, height, width, 1]
    labels : int64 [n]

    Raises
    ------
    FileNotFoundError, ValueError
        as `read_idx`; if there are not as many labels as images
    """
    pictures, numbers = read_idx(images, 3), read_idx(labels, 1)
    if len(pictures) != len(numbers):
        raise ValueError(
            f"{os.fspath(images)} holds {len(pictures):,} images, but {os.fspath(labels)} {len(numbers):,} labels: "
            "they do not belong together"
        )
    return pictures[..., None], numbers.astype(np.int64)


def _open(path: Path) -> IO[bytes]:
    file = path.open("rb")
    zipped = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if not zipped:
        return file
    return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]


def _read_header(file: IO[bytes], num_axes: int) -> tuple[int, ...]:
    head = file.read(4)
    wanted = struct.pack(">HBB", 0, _UNSIGNED_BYTES, num_axes)
    if head != wanted:
        raise ValueError(
            f"starts with {head.hex(' ') or 'nothing'}, not with {wanted.hex(' ')}, the magic number of "
            f"{_KINDS.get(num_axes, f'{num_axes} axes')} in the idx format"
        )
    lengths = file.read(4 * num_axes)
    if len(lengths) < 4 * num_axes:
        raise ValueError("ends within its header")
    shape = struct.unpack(f">{num_axes}I", lengths)
    if not 0 < math.prod(shape) < _MAX_BYTES:
        raise ValueError(f"its header promises {' x '.join(map(str, shape))} bytes, which cannot be right")
    return shape
