"""`LabelledTexts`: texts with their classes, and how class names come out of whatever a label column holds."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from auxtask.data.labelled import Labelled, refuse_unknown_labels
from auxtask.data.photo_sources import some

# From this ratio between the largest and the smallest class on, accuracy alone misleads: worth a word.
_UNBALANCED = 3


@dataclass(frozen=True, eq=False)
class LabelledTexts(Labelled):
    """Texts with their classes.

    Attributes
    ----------
    texts : object [n]
        str. (A NumPy array of fixed-width strings would take as much for each text as for the longest.)
    labels : int64 [n]
        Indices into `names`.
    names : tuple of str
        The classes; one without a text is allowed.
    """

    texts: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    unit: ClassVar[str] = "texts"

    def __post_init__(self) -> None:
        """Turn sequences into arrays and check them."""
        texts = np.empty(len(self.texts), object)
        texts[:] = list(self.texts)
        labels = np.asarray(self.labels, np.int64)
        if labels.shape != texts.shape:
            raise ValueError(f"{len(texts)} texts, but labels of shape {labels.shape}")
        refuse_unknown_labels(labels, self.names)
        texts.flags.writeable = labels.flags.writeable = False
        object.__setattr__(self, "texts", texts)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "names", tuple(self.names))

    def take(self, indices: np.ndarray | Sequence[int]) -> LabelledTexts:
        """Give the texts at these positions, in this order."""
        where = np.asarray(indices, np.int64)
        return LabelledTexts(self.texts[where], self.labels[where], self.names)

    def fingerprint(self, in_order: bool = False) -> str:
        """Give 32 hex digits that change with any text, label or name, and `in_order` with their order too."""
        names = [name.encode(errors="surrogatepass") for name in self.names]
        entries = [
            hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16, key=names[label][:64]).digest()
            for text, label in zip(self.texts, self.labels, strict=True)
        ]
        if not in_order:
            entries.sort()
        return hashlib.blake2b(b"\0".join([*names, *entries]), digest_size=16).hexdigest()


def class_names(values: Iterable[Hashable]) -> tuple[str, ...]:
    """Sort the different values of a label column and write them as names: numbers by size, all else by letters."""
    different = {label_name(value) for value in values}
    if all(name.isascii() and name.removeprefix("-").isdigit() for name in different):
        return tuple(sorted(different, key=lambda name: (int(name), name)))  # 1 and 01 are two names
    return tuple(sorted(different))


def label_name(value: Any) -> str:
    """Write one value of a label column as a name: no space around it, 1.0 as 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def is_unlabelled(value: Any) -> bool:
    """Tell whether a label cell is empty: null, NaN or nothing but space."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def class_notes(train: LabelledTexts, test: LabelledTexts) -> list[str]:
    """Say which classes are missing on one side, have nearly the same name, or are of very different sizes."""
    notes = []
    alike: dict[str, list[str]] = {}
    for name in train.names:
        alike.setdefault(name.casefold().removesuffix(".0"), []).append(name)
    notes += [f"{' and '.join(names)} are different classes" for names in alike.values() if len(names) > 1]
    for side, part, other in (("training", train, "test"), ("test", test, "training")):
        missing = [name for name, count in zip(part.names, part.counts, strict=True) if not count]
        if missing:
            notes.append(f"no {side} text of {some(missing)}: only the {other} texts have it")
        there = part.counts[part.counts > 0]
        if len(there) and there.max() >= _UNBALANCED * there.min():
            largest, smallest = part.counts.argmax(), np.where(part.counts, part.counts, len(part) + 1).argmin()
            notes.append(
                f"the {side} texts are unbalanced: {part.counts[largest]} of {part.names[largest]}, "
                f"{part.counts[smallest]} of {part.names[smallest]}"
            )
    return notes
