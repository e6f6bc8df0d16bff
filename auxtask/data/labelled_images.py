"""`LabelledImages`: pictures with their classes, and what is left of them when only some classes are asked for."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from auxtask.data.images import photo_digest
from auxtask.data.labelled import Labelled, refuse_unknown_labels
from auxtask.data.splits import first_items


@dataclass(frozen=True, eq=False)
class LabelledImages(Labelled):
    """Pictures of one size with their classes.

    Attributes
    ----------
    images : uint8 [n, height, width, channels]
    labels : int64 [n]
        Indices into `names`.
    names : tuple of str
        The classes; one without a picture is allowed.
    files : tuple of str
        Where each picture was read from; empty: not from files of their own.

    Raises
    ------
    ValueError
        Another type or shape, lengths that differ, a label outside of `names`, a name twice.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    files: tuple[str, ...] = ()
    unit: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        """Turn sequences into arrays and check them."""
        images, labels = np.asarray(self.images), np.asarray(self.labels)
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(f"images must be uint8 [n, height, width, channels], not {images.dtype} {images.shape}")
        if labels.shape != images.shape[:1] or (len(labels) and not np.issubdtype(labels.dtype, np.integer)):
            raise ValueError(f"{len(images)} images need as many whole labels, not {labels.dtype} {labels.shape}")
        if self.files and len(self.files) != len(images):
            raise ValueError(f"{len(images)} images, but {len(self.files)} files that they come from")
        refuse_unknown_labels(labels, self.names)
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"a class name stands twice in {', '.join(self.names)}")
        labels = labels.astype(np.int64)
        images = images.view()  # the caller's own array stays writable
        images.flags.writeable = labels.flags.writeable = False
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "names", tuple(self.names))

    def take(self, indices: np.ndarray | Sequence[int]) -> LabelledImages:
        """Give the pictures at these positions, in this order."""
        where = np.asarray(indices, np.int64)
        return LabelledImages(self.images[where], self.labels[where], self.names, self._files_at(where))

    def only(self, names: Sequence[str]) -> LabelledImages:
        """Keep these classes: labels then count through `names` as given, pictures stay in their order.

        Raises
        ------
        ValueError
            No name, one twice, or one that is not there (with the closest).
        """
        names = self._known(names)
        if not names:
            raise ValueError(f"no class left of {', '.join(self.names)}")
        new = np.full(len(self.names), -1)
        for position, name in enumerate(names):
            new[self.names.index(name)] = position
        kept = np.flatnonzero(new[self.labels] >= 0)
        return LabelledImages(self.images[kept], new[self.labels[kept]], names, self._files_at(kept))

    def _files_at(self, where: np.ndarray) -> tuple[str, ...]:
        return tuple(self.files[i] for i in where) if self.files else ()

    def without(self, names: Sequence[str]) -> LabelledImages:
        """Drop these classes; the others keep their order. ValueError as for `only`."""
        dropped = self._known(names)
        return self.only([name for name in self.names if name not in dropped])

    def examples(self, names: Sequence[str]) -> np.ndarray:
        """Give the first picture of each of these classes: uint8 [n, height, width, channels]."""
        return self.images[first_items(self.labels, self.names, names)]

    def digests(self) -> list[bytes]:
        """Give 16 bytes for each picture that two share exactly when they are equal."""
        return [photo_digest(image.tobytes()) for image in self.images]

    def fingerprint(self, in_order: bool = False) -> str:
        """Give 32 hex digits that change with any picture, label or name, and `in_order` with their order too."""
        entries = [
            self.names[label].encode() + b"\0" + digest
            for label, digest in zip(self.labels, self.digests(), strict=True)
        ]
        if not in_order:
            entries.sort()
        shape = str(self.images.shape[1:]).encode()
        return hashlib.blake2b(b"\n".join([shape, *entries]), digest_size=16).hexdigest()

    def _known(self, names: Sequence[str]) -> tuple[str, ...]:
        if isinstance(names, str):
            raise ValueError(f"names must be a sequence of class names, not the text {names!r}")
        for position, name in enumerate(names):
            if name not in self.names:
                close = difflib.get_close_matches(str(name), self.names, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"there is no class {name!r} among {', '.join(self.names)}{hint}")
            if name in names[:position]:
                raise ValueError(f"class {name!r} is named twice")
        return tuple(names)
