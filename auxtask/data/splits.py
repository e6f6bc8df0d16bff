"""Which photos may be learned from and which are kept for testing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def nested_draw(labels: np.ndarray, k: int, seed: int, names: Sequence[str] | None = None) -> np.ndarray:
    """Draw k examples of every label that occurs.

    One random order per label is made from the seed alone and its first k are taken, so the draw
    for 3 contains the draw for 1 under the same seed.

    Parameters
    ----------
    labels
        int [n]
    k
        examples per label
    seed
        other seeds give other draws
    names
        what each label is called, for the message

    Returns
    -------
    int64 [num_labels * k], indices into `labels`, label by label

    Raises
    ------
    ValueError
        if a label has fewer than k examples; the message names those and what they have
    """
    if k < 1:
        raise ValueError(f"k={k}: draw at least one photo per person")
    order, starts, counts = _shuffled_by_label(labels, seed)
    if (counts < k).any():
        short = np.flatnonzero(counts < k)
        listed = _listing(np.unique(labels)[short], counts[short], names)
        raise ValueError(f"{k} photos per person asked for, but {listed}")
    return order[(starts[:, None] + np.arange(k)[None, :]).ravel()]


def fixed_test_half(
    labels: np.ndarray,
    seed: int,
    fraction: float = 0.5,
    max_pool: int | None = None,
    min_test: int = 3,
    names: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Set test examples aside, per label and before anything is drawn from the rest.

    Parameters
    ----------
    labels
        int [n]
    seed
        other seeds give other halves
    fraction
        share of each label's examples that is tested (rounded down, at least one)
    max_pool
        if given, `fraction` is not used: each label's pool is at most this large and leaves
        at least `min_test` for the test; everything else is test
    min_test
        see `max_pool`
    names
        what each label is called, for the message

    Returns
    -------
    pool, test : sorted int64 indices into `labels`, disjoint, together all of them

    Raises
    ------
    ValueError
        if a label would be left without a pool or without a test example
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction={fraction}: must lie between 0 and 1")
    order, starts, counts = _shuffled_by_label(labels, seed)
    if max_pool is None:
        num_test = np.maximum(np.floor(counts * fraction).astype(np.int64), 1)
    else:
        num_test = counts - np.minimum(max_pool, counts - min_test)
    if (num_test >= counts).any():
        short = np.flatnonzero(num_test >= counts)
        listed = _listing(np.unique(labels)[short], counts[short], names)
        needed = 2 if max_pool is None else min_test + 1
        raise ValueError(f"each person needs {needed} photos to learn from and to test, but {listed}")
    position = np.arange(len(order)) - np.repeat(starts, counts)
    tested = position < np.repeat(num_test, counts)
    return np.sort(order[~tested]), np.sort(order[tested])


def _shuffled_by_label(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give all indices, label by label and in random order within, and where each label starts."""
    labels = np.asarray(labels)
    keys = np.random.default_rng(seed).random(len(labels))
    order = np.lexsort((keys, labels))
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    return order, starts, counts


def _listing(labels: np.ndarray, counts: np.ndarray, names: Sequence[str] | None) -> str:
    shown = 5
    called = [str(names[i]) if names is not None else f"label {i}" for i in labels[:shown]]
    listed = ", ".join(f"{name} has {count}" for name, count in zip(called, counts, strict=False))
    return listed + (f" and {len(labels) - shown} more have too few" if len(labels) > shown else "")
