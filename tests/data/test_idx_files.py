"""idx files as LeCun wrote them, and damaged in the ways that files are damaged."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from auxtask.data.idx_files import read_idx, read_idx_pair

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)


def idx_bytes(array: np.ndarray, kind: int = 8) -> bytes:
    """Write the format by its definition."""
    sizes = b"".join(struct.pack(">i", side) for side in array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def written(folder: Path, array: np.ndarray, name: str = "images.gz") -> Path:
    path = folder / name
    path.write_bytes(compressed(idx_bytes(array)) if name.endswith(".gz") else idx_bytes(array))
    return path


def compressed(content: bytes) -> bytes:
    """Compress without the time of day: pytest's workers must all collect a test under one name."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize("name", ["images.gz", "images"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    np.testing.assert_array_equal(read_idx(written(tmp_path, IMAGES, name), 3), IMAGES)


def test_images_and_labels_belong_together(tmp_path: Path) -> None:
    paths = written(tmp_path, IMAGES), written(tmp_path, np.arange(5), "labels.gz")
    images, labels = read_idx_pair(*paths)
    assert images.shape == (5, 4, 3, 1) and labels.tolist() == [0, 1, 2, 3, 4]
    written(tmp_path, np.arange(4), "labels.gz")
    with pytest.raises(ValueError, match=r"images\.gz holds 5 images, but .*labels\.gz 4 labels"):
        read_idx_pair(*paths)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "starts with nothing"),
        (b"\x89PNG\r\n", "magic number of images"),
        (idx_bytes(IMAGES, kind=0x0D), "00 00 0d 03"),
        (idx_bytes(np.arange(5)), "00 00 08 01"),
        (idx_bytes(IMAGES)[:9], "within its header"),
        (idx_bytes(IMAGES)[:-7], "only 53 follow"),
        (idx_bytes(IMAGES) + b"x", "more follow"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "cannot be right"),
        (compressed(idx_bytes(IMAGES))[:-20], "gzip"),
        (compressed(idx_bytes(IMAGES))[:-8] + b"\0" * 8, "gzip"),
        (b"\x1f\x8b" + b"\x07" * 30, "gzip"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as raised:
        read_idx(path, 3)
    assert str(raised.value).startswith(str(path)) and "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere.gz", 1)
