"""Labelled examples, and the check that what is tested was not learned from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from auxtask.data.labelled_images import LabelledImages

__all__ = ["Examples", "content_hashes", "fingerprint", "laid_out", "refuse_shared"]


@dataclass(frozen=True, eq=False)
class Examples:
    """Items with their classes.

    Attributes
    ----------
    items : array [n, …]
        uint8 images, float embeddings, strings, indices into something larger: the first axis
        counts items. An array of objects may hold str, bytes, paths or arrays.
    labels : int64 [n]
        Indices into `names`.
    names : tuple of str
        The classes; one that has no item is allowed.
    index : int64 [n], optional
        Where each item lies in the data set it was taken from, for the check of overlap.

    Raises
    ------
    ValueError
        No item; lengths differ; a label outside of `names`; fewer than two or repeated names.
    """

    items: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    index: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Turn sequences into arrays and check them."""
        items, labels = np.asarray(self.items), np.asarray(self.labels)
        names = tuple(str(name) for name in self.names)
        if items.ndim < 1 or not len(items):
            raise ValueError("examples must have at least one item")
        if labels.shape != (len(items),):
            raise ValueError(f"there are {len(items)} items but labels of shape {labels.shape}")
        if not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"labels must be indices into names, not {labels.dtype}")
        if len(names) < 2:
            raise ValueError(f"classification needs at least two classes, not {len(names)}")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"class name {twice!r} occurs more than once")
        if labels.min() < 0 or labels.max() >= len(names):
            worst = int(labels.min() if labels.min() < 0 else labels.max())
            raise ValueError(f"label {worst} is none of the {len(names)} classes")
        index = None if self.index is None else np.asarray(self.index, np.int64)
        if index is not None and index.shape != labels.shape:
            raise ValueError(f"there are {len(items)} items but index of shape {index.shape}")
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "labels", labels.astype(np.int64))
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "index", index)

    def __len__(self) -> int:
        """Count the items."""
        return len(self.items)

    def counts(self) -> np.ndarray:
        """Count the items of each class: int [num_classes]."""
        return np.bincount(self.labels, minlength=len(self.names))

    def take(self, indices: np.ndarray | Sequence[int]) -> Examples:
        """Give a copy of the items at these positions, in this order."""
        where = np.asarray(indices, np.int64)
        index = None if self.index is None else self.index[where]
        return Examples(self.items[where], self.labels[where], self.names, index)


def laid_out(*parts: LabelledImages) -> tuple[np.ndarray, tuple[Examples, ...]]:
    """Lay the pictures of several parts out one after the other, so that an item is a position among them all.

    Parameters
    ----------
    parts : LabelledImages
        With the same classes: those that labels are drawn from, say, and those that are tested.

    Returns
    -------
    images : uint8 [n, height, width, channels]
    examples : tuple of Examples
        One for each part; its items are positions in `images`.

    Raises
    ------
    ValueError
        The classes differ, or a part has no picture.
    """
    if any(part.names != parts[0].names for part in parts):
        raise ValueError("the parts must have the same classes in the same order")
    ends = np.cumsum([len(part) for part in parts])
    rows = np.split(np.arange(ends[-1]), ends[:-1])
    examples = tuple(Examples(i, part.labels, part.names, i) for i, part in zip(rows, parts, strict=True))
    return np.concatenate([part.images for part in parts]), examples


def content_hashes(items: np.ndarray) -> list[bytes]:
    """Hash the content of each item: equal items have equal hashes, whatever array of its kind (whole, float) holds it.

    Raises
    ------
    ValueError
        An item is an object whose content cannot be seen.
    """
    return [blake2b(_content(item), digest_size=16).digest() for item in items]


def fingerprint(*examples: Examples) -> str:
    """Give 16 hex digits that change with any item, label, name or their order."""
    digest = blake2b(digest_size=8)
    for part in examples:
        digest.update(b"".join(content_hashes(part.items)))
        digest.update(part.labels.tobytes())
        digest.update("\0".join(part.names).encode())
    return digest.hexdigest()


def refuse_shared(pool: Examples, test: Examples) -> None:
    """Raise if an item is in both: by its index where both have one, and by its content.

    Raises
    ------
    ValueError
        Counts the shared items and names the first.
    """
    if pool.index is not None and test.index is not None:
        shared = np.isin(test.index, pool.index)
        if shared.any():
            first = int(test.index[np.argmax(shared)])
            raise ValueError(f"{int(shared.sum())} test items are also in the pool, first index {first}")
    where = {content: i for i, content in enumerate(content_hashes(pool.items))}
    both = [(i, where[c]) for i, c in enumerate(content_hashes(test.items)) if c in where]
    if both:
        i, j = both[0]
        raise ValueError(
            f"{len(both)} test items are also in the pool: test item {i} "
            f"({test.names[test.labels[i]]}) has the same content as pool item {j} "
            f"({pool.names[pool.labels[j]]})"
        )


def _content(item: Any) -> bytes:
    if isinstance(item, str | os.PathLike):
        return b"text" + os.fspath(item).encode("utf-8", "surrogatepass")
    if isinstance(item, bytes):
        return b"bytes" + item
    array = np.asarray(item)
    if array.dtype.hasobject:
        raise ValueError(f"items must be arrays, strings, bytes or paths, not {type(item).__name__}")
    if array.dtype.kind in "biu":  # however many bytes a number takes
        array = array.astype(np.int64)
    elif array.dtype.kind == "f":
        array = array.astype(np.float64)
    return f"{array.dtype.kind}{array.shape}".encode() + array.tobytes()
