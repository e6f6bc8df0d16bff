"""What labelled texts and labelled images share: items with one class each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from auxtask.data.splits import draw_labels


class Labelled:
    """Items with `labels`, int64 [n], indices into `names`. `unit` says what they are called in errors."""

    labels: np.ndarray
    names: tuple[str, ...]
    unit: ClassVar[str]

    def __len__(self) -> int:
        """Count the items."""
        return len(self.labels)

    @property
    def counts(self) -> np.ndarray:
        """Items per class, int64 [num_classes]."""
        return np.bincount(self.labels, minlength=len(self.names))

    @property
    def most_balanced(self) -> int:
        """The largest number of items that can be drawn with all classes in equal numbers."""
        return len(self.names) * int(self.counts.min())

    def balanced(self, size: int, seed: int) -> np.ndarray:
        """Draw items of all classes in equal numbers (one more of some, where `size` does not divide).

        Returns
        -------
        int64 [size], indices; with one seed a smaller draw is the beginning of a larger one

        Raises
        ------
        ValueError
            if a class has too few, naming it
        """
        return draw_labels(self.labels, self.names, size, seed, per_class=False, unit=self.unit)


def refuse_unknown_labels(labels: np.ndarray, names: Sequence[str]) -> None:
    """Raise ValueError if a label is no index into `names`."""
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
        raise ValueError(f"labels from {labels.min()} to {labels.max()}, but {len(names)} classes")
