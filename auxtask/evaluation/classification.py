"""Closed-set recognition: every test item belongs to one of the known classes."""

from __future__ import annotations

import numpy as np

__all__ = ["predictions_from", "rank1", "rank1_per_person"]


def predictions_from(scores: np.ndarray, num_items: int | None = None) -> np.ndarray:
    """Give the class of the highest score of each item (the first of equal ones).

    Parameters
    ----------
    scores : float [n, num_classes], or int [n]
        Scores by class, or the predicted classes themselves, which are returned unchanged.
    num_items : int, optional
        Checked against n.

    Raises
    ------
    ValueError
        Another shape, no item, or a score that is not finite.
    """
    scores = np.asarray(scores)
    if scores.ndim not in (1, 2) or 0 in scores.shape:
        raise ValueError(f"scores must be [n, num_classes] or [n], not {list(scores.shape)}")
    if num_items is not None and len(scores) != num_items:
        raise ValueError(f"there are {len(scores)} scores for {num_items} labels")
    if scores.ndim == 1:
        if not np.issubdtype(scores.dtype, np.integer):
            raise ValueError(f"a vector of predictions must hold integers, not {scores.dtype}")
        return scores.astype(np.int64)
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        raise ValueError(f"the scores of item {int(np.argmin(finite))} are not all finite")
    return scores.argmax(axis=1).astype(np.int64)


def rank1(scores: np.ndarray, labels: np.ndarray) -> float:
    """Give the share of items whose highest-scoring class is the right one: the mean over photos.

    Parameters
    ----------
    scores : float [n, num_classes], or int [n]
        Scores by class, or predicted classes.
    labels : int [n]
        The right classes.

    Raises
    ------
    ValueError
        As `predictions_from`.
    """
    labels = np.asarray(labels)
    return float((predictions_from(scores, len(labels)) == labels).mean())


def rank1_per_person(scores: np.ndarray, labels: np.ndarray) -> float:
    """Give the mean over people of their own rank-1, so that many photos do not outweigh few.

    For classes that are not people this is the balanced accuracy. Classes without a test item do
    not count.

    Parameters
    ----------
    scores : float [n, num_classes], or int [n]
        Scores by class, or predicted classes.
    labels : int [n]
        The right classes.

    Raises
    ------
    ValueError
        As `predictions_from`.
    """
    labels = np.asarray(labels)
    correct = (predictions_from(scores, len(labels)) == labels).astype(np.float64)
    _, people = np.unique(labels, return_inverse=True)
    return float((np.bincount(people, correct) / np.bincount(people)).mean())
