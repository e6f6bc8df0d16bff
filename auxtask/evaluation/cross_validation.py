"""Choosing by the labels at hand: which of several ways to get a classifier predicts held-out labels best."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from statistics import NormalDist
from typing import TypeVar

import numpy as np

Key = TypeVar("Key")
FitScore = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(indices to learn from, indices to judge) -> log-probabilities [num_judged, num_classes]."""


def choose_by_folds(
    candidates: Mapping[Key, FitScore],
    labels: np.ndarray,
    seed: int = 0,
    num_folds: int = 5,
    preferred: Collection[Key] = (),
) -> Key:
    """Give the candidate with the highest mean log-probability of held-out labels.

    The log-probability, and not the share that is right: of 20 labels each fold holds out 4, and ties would be many.
    The first of equally good candidates wins.

    Parameters
    ----------
    candidates : mapping of key to FitScore
        Each is fitted on the indices of the other folds and judged on the fold left out.
    labels : int [n]
        Every class at least twice, or its members are never held out together with others to learn from.
    seed : int
        Of the folds, which are the same for every candidate.
    num_folds : int
        At most; fewer if the rarest class has fewer members.
    preferred : collection of keys
        The best of these is given, unless another one is better by more than the standard error of their difference:
        what is known to be safe wins where the labels cannot tell. The best of many rivals looks good by luck, so
        `errors_to_beat` standard errors are asked. Source: the one-standard-error rule of Breiman et al.,
        "Classification and Regression Trees" (1984), with paired differences and Bonferroni's correction.

    Raises
    ------
    ValueError
        No candidate, or none with finite log-probabilities; a class with fewer than two examples (there is nothing to
        hold out).
    """
    if not candidates:
        raise ValueError("there is no candidate to choose from")
    keys = list(candidates)
    if len(keys) == 1:
        return keys[0]
    folds = stratified_folds(labels, num_folds, seed)
    return _best({key: _held_out_scores(candidates[key], labels, folds) for key in keys}, preferred)


def choose_by_quarter(
    candidates: Mapping[Key, FitScore], labels: np.ndarray, seed: int = 0, preferred: Collection[Key] = ()
) -> Key:
    """Give the candidate with the highest mean log-probability of one held-out quarter: for those costly to fit.

    Parameters
    ----------
    candidates, labels, seed, preferred
        As `choose_by_folds`; the first of equally good candidates wins.

    Raises
    ------
    ValueError
        As `choose_by_folds`.
    """
    if not candidates:
        raise ValueError("there is no candidate to choose from")
    folds = stratified_folds(labels, 4, seed)
    return _best({key: _fold_score(one, labels, folds, 0) for key, one in candidates.items()}, preferred)


def stratified_folds(labels: np.ndarray, num_folds: int, seed: int) -> np.ndarray:
    """Deal the examples of each class over folds as evenly as possible: int [n], the fold of each example.

    Raises
    ------
    ValueError
        A class has fewer than two examples.
    """
    counts = np.bincount(labels)
    if counts.min() < 2:
        rarest = int(counts.argmin())
        raise ValueError(f"cross-validation needs two examples of every class; class {rarest} has {counts[rarest]}")
    num_folds = int(min(num_folds, counts.min()))
    random = np.random.default_rng(seed)
    folds = np.empty(len(labels), np.int64)
    dealt = 0  # goes on from class to class, so that fold sizes differ by one at most
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        folds[members] = (dealt + np.arange(len(members))) % num_folds
        dealt += len(members)
    return folds


def errors_to_beat(num_rivals: int) -> float:
    """Give the standard errors by which the best of so many rivals must be better: 1 of one, 2.1 of ten, 2.7 of fifty.

    With as many, one choice in six falls on luck, as with a single rival by one standard error, if that error is known.
    It is estimated: by simulation, of 3 to 20 judged examples one choice in five to one in three falls on luck.
    """
    luck = NormalDist().cdf(-1.0)
    return NormalDist().inv_cdf(1 - luck / num_rivals)


def _best(scores: Mapping[Key, np.ndarray], preferred: Collection[Key]) -> Key:
    """Name the key whose scores, float [n] of the same examples, are best in the mean, as `choose_by_folds` has it.

    Scores that are not finite, as of a training that diverged, are never best.
    """
    scores = {key: each for key, each in scores.items() if np.isfinite(each).all()}
    if not scores:
        raise ValueError("no candidate gives finite log-probabilities of the labels held out")

    def mean(key: Key) -> float:
        return float(scores[key].mean())

    best, safe = max(scores, key=mean), [key for key in scores if key in preferred]
    if not safe or best in safe:
        return best
    safest = max(safe, key=mean)
    better = scores[best] - scores[safest]
    error = better.std(ddof=1) / np.sqrt(len(better))
    return best if better.mean() > errors_to_beat(len(scores) - len(safe)) * error else safest


def _held_out_scores(candidate: FitScore, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Log-probability of the true labels, fold by fold, each judged by a fit that has not seen it."""
    return np.concatenate([_fold_score(candidate, labels, folds, fold) for fold in range(folds.max() + 1)])


def _fold_score(candidate: FitScore, labels: np.ndarray, folds: np.ndarray, fold: int) -> np.ndarray:
    """Log-probability of the true labels of one fold, judged by a fit on the others."""
    learned, judged = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    return candidate(learned, judged)[np.arange(len(judged)), labels[judged]]
