"""What a task on identities asks of its data, and checks."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from auxtask.framework import tf


class IdentityData(Protocol):
    """Items with identities: `FaceData`, or anything that has these two.

    If it also has `people` (names, by label) and `fingerprint()`, they go into the provenance,
    and a person on both sides of the validation split is refused.
    """

    @property
    def labels(self) -> np.ndarray:
        """Identity of each item: int [n]."""

    def load(self, indices: tf.Tensor) -> tf.Tensor:
        """Give the items at `indices` (int64 [b]) inside `tf.data`: [b, …]."""


def checked_labels(data: IdentityData) -> np.ndarray:
    """Give the labels, int [n].

    Raises
    ------
    ValueError
        They are not whole numbers >= 0, or no identity has two items.
    """
    labels = np.asarray(data.labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or (labels < 0).any():
        raise ValueError("labels must be a vector of whole numbers >= 0, one identity per item")
    counts = np.bincount(labels)
    if not (counts > 1).any():
        raise ValueError(
            f"no positive pair: each of the {np.count_nonzero(counts)} identities has one item; "
            "at least one identity needs two"
        )
    return labels


def most_items_first(labels: np.ndarray) -> np.ndarray:
    """Number identities anew, those with most items first (ties in the old order): int32 [n]."""
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[labels].astype(np.int32)


def threshold_items(labels: np.ndarray, seed: int, people: int = 200, each: int = 4) -> np.ndarray:
    """Choose the training items whose pairs set the threshold: sorted indices."""
    random = np.random.default_rng(seed)
    several = np.flatnonzero(np.bincount(labels) > 1)
    several = random.permutation(several)[:people]
    chosen = [random.permutation(np.flatnonzero(labels == one))[:each] for one in several]
    if len(several) == 1:  # impostor pairs need a second identity
        others = np.flatnonzero(labels != several[0])
        chosen.append(others[:people])
    return np.sort(np.concatenate(chosen))


def refuse_shared_people(data: IdentityData, validation: IdentityData) -> None:
    """Raise if a name is in both; data without names pass."""
    seen, held_out = (getattr(side, "people", None) for side in (data, validation))
    if seen is None or held_out is None:
        return
    both = sorted(set(seen) & set(held_out))
    if both:
        more = f" and {len(both) - 3} more" if len(both) > 3 else ""
        raise ValueError(f"validation must be on people not pretrained on; in both: {', '.join(both[:3])}{more}")


def described(data: IdentityData) -> dict[str, Any]:
    """Give what a provenance says of data."""
    fingerprint = getattr(data, "fingerprint", None)
    people = getattr(data, "people", None)
    return {
        "fingerprint": fingerprint() if callable(fingerprint) else None,
        "people": None if people is None else list(people),
        "num_people": len(np.unique(data.labels)),
        "num_items": len(data.labels),
    }
