"""Scores of all pairs of a set of embeddings, from one matrix product, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# 4 M float32 scores are 16 MB: enough for an efficient matrix product, little on any machine.
PAIRS_PER_BLOCK = 4_000_000


def pair_scores(embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the cosine of every pair of items, from one matrix product.

    Returns
    -------
    scores : float32 [n (n - 1) / 2]
        Pairs (i, j), i < j, in the order of `numpy.triu_indices(n, 1)`.
    same : bool [n (n - 1) / 2]

    Raises
    ------
    ValueError
        As `verification`, but pairs of one kind only are allowed.
    """
    unit, codes = checked_embeddings(embeddings, labels)
    parts = list(pair_blocks(unit, codes, PAIRS_PER_BLOCK))
    return np.concatenate([s for s, _ in parts]), np.concatenate([s for _, s in parts])


def checked_embeddings(embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows at unit length (float32) and the labels as integer codes."""
    embeddings, labels = np.asarray(embeddings), np.asarray(labels)
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"embeddings must be [n, d] and labels [n], not {list(embeddings.shape)} and {list(labels.shape)}"
        )
    if len(labels) < 2:
        raise ValueError(f"verification needs at least two items, not {len(labels)}")
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        raise ValueError(f"embedding {int(np.argmin(finite))} holds a value that is not finite")
    norms = np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True)
    unit = (embeddings / np.where(norms > 0, norms, 1)).astype(np.float32)
    return unit, np.unique(labels, return_inverse=True)[1].reshape(-1)


def pair_blocks(unit: np.ndarray, codes: np.ndarray, pairs_per_block: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (scores, same) of the pairs i < j, some rows i at a time, as `numpy.triu_indices`."""
    num_items = len(unit)
    step = max(1, pairs_per_block // num_items)
    for start in range(0, num_items - 1, step):
        rows = np.arange(start, min(start + step, num_items - 1))
        columns = np.arange(start + 1, num_items)
        upper = columns[None, :] > rows[:, None]
        scores = unit[rows] @ unit[start + 1 :].T
        yield scores[upper], (codes[rows][:, None] == codes[None, start + 1 :])[upper]
