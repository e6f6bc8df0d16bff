"""The ROC curve and what follows from it, counted exactly from scored pairs.

Everything needs only the sorted genuine scores and, for each of them, how many impostor scores lie
below it. Impostor pairs grow with the square of the items, so they are counted block by block and
never all kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class ROCCurve(NamedTuple):
    """A receiver operating characteristic, from (0, 0) to (1, 1), as polyline.

    Attributes
    ----------
    far, tar : float64 [m]
        False and true accept rates, both non-decreasing.
    threshold : float64 [m]
        A pair is accepted at a point if its score is >= this; at the first, nothing is.
    """

    far: np.ndarray
    tar: np.ndarray
    threshold: np.ndarray


@dataclass(frozen=True)
class PairCounts:
    """What the impostors look like from the genuine scores.

    genuine [g] is sorted and may hold equal scores; below [g] and not_above [g] count impostors
    with a score < and <= it; floor [g] is the highest impostor score < it (-inf if none).
    accepted_* count the pairs with a score >= the given threshold.
    """

    genuine: np.ndarray
    below: np.ndarray
    not_above: np.ndarray
    floor: np.ndarray
    highest: float
    num_impostor: int
    accepted_genuine: int
    accepted_impostor: int


def count_pairs(blocks: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]], threshold: float | None) -> PairCounts:
    """Pass twice over blocks of (scores, same): collect genuine scores, then count impostors."""
    genuine = np.sort(np.concatenate([scores[same] for scores, same in blocks()]))
    if not len(genuine):
        raise ValueError("there is no genuine pair: no two items share an identity")
    below = np.zeros(len(genuine), np.int64)
    not_above = np.zeros(len(genuine), np.int64)
    floor = np.full(len(genuine), -np.inf, genuine.dtype)
    highest, num_impostor, accepted = -np.inf, 0, 0
    for scores, same in blocks():
        impostor = np.sort(scores[~same])
        if not len(impostor):
            continue
        left = np.searchsorted(impostor, genuine, side="left")
        below += left
        not_above += np.searchsorted(impostor, genuine, side="right")
        np.maximum(floor, np.where(left > 0, impostor[left - 1], -np.inf), out=floor)
        highest = max(highest, float(impostor[-1]))
        num_impostor += len(impostor)
        if threshold is not None:
            accepted += int(np.count_nonzero(impostor >= threshold))
    if not num_impostor:
        raise ValueError("there is no impostor pair: all items share one identity")
    accepted_genuine = 0 if threshold is None else int(np.count_nonzero(genuine >= threshold))
    return PairCounts(genuine, below, not_above, floor, highest, num_impostor, accepted_genuine, accepted)


def _accepted(counts: PairCounts) -> tuple[np.ndarray, np.ndarray]:
    """Genuine and impostor pairs accepted when each genuine score in turn is the threshold."""
    first = np.searchsorted(counts.genuine, counts.genuine, side="left")
    return len(counts.genuine) - first, counts.num_impostor - counts.below


def true_accept_rate(counts: PairCounts, far: float) -> float:
    """Give the highest true accept rate of all thresholds that keep to this false accept rate."""
    if not 0 < far <= 1:
        raise ValueError(f"a false accept rate must lie in (0, 1], not {far}")
    genuine, impostor = _accepted(counts)
    allowed = impostor <= np.floor(far * counts.num_impostor + 1e-9)
    return float(genuine[allowed].max(initial=0) / len(counts.genuine))


def polyline(counts: PairCounts) -> ROCCurve:
    """Give the corners of the ROC, before and at each genuine score, from the highest down."""
    values, first = np.unique(counts.genuine, return_index=True)
    values, first = values[::-1].astype(np.float64), first[::-1]
    accepted = len(counts.genuine) - first
    far, tar = np.empty(2 * len(values) + 2), np.empty(2 * len(values) + 2)
    far[0], far[-1] = 0, 1
    far[1:-1:2] = 1 - counts.not_above[first] / counts.num_impostor
    far[2:-1:2] = 1 - counts.below[first] / counts.num_impostor
    tar[0], tar[-1] = 0, 1
    tar[1:-1:2] = np.concatenate([[0], accepted[:-1]]) / len(counts.genuine)
    tar[2:-1:2] = accepted / len(counts.genuine)
    threshold = np.empty_like(far)
    threshold[0], threshold[-1] = np.inf, -np.inf
    threshold[1:-1:2], threshold[2:-1:2] = np.nextafter(values, np.inf), values
    return ROCCurve(far, tar, threshold)


def equal_error_rate(curve: ROCCurve) -> float:
    """Find where far + tar = 1 on the polyline; far + tar never falls, so the crossing is one."""
    total = curve.far + curve.tar
    above = int(np.argmax(total >= 1))
    rise = total[above] - total[above - 1]
    share = (1 - total[above - 1]) / rise
    return float(curve.far[above - 1] + share * (curve.far[above] - curve.far[above - 1]))


def _correct(accepted_genuine: Any, accepted_impostor: Any, counts: PairCounts, balanced: bool) -> Any:
    num_genuine, num_impostor = len(counts.genuine), counts.num_impostor
    rejected = num_impostor - accepted_impostor
    if balanced:
        return (accepted_genuine / num_genuine + rejected / num_impostor) / 2
    return (accepted_genuine + rejected) / (num_genuine + num_impostor)


def accuracy_of(counts: PairCounts, balanced: bool) -> float:
    """Give the accuracy at the threshold that was given when the pairs were counted."""
    return float(_correct(counts.accepted_genuine, counts.accepted_impostor, counts, balanced))


def best_of(counts: PairCounts, balanced: bool) -> tuple[float, float]:
    """Give threshold and accuracy.

    Only genuine scores need trying: to accept one more pair helps only if it is genuine.
    """
    correct = _correct(*_accepted(counts), counts, balanced)
    reject_all = float(_correct(0, 0, counts, balanced))
    if reject_all > correct.max():
        highest = max(float(counts.genuine[-1]), counts.highest)
        return float(np.nextafter(highest, np.inf)), reject_all
    ties = np.flatnonzero(correct == correct.max())
    index = int(ties[len(ties) // 2])
    score = counts.genuine[index]
    smaller = counts.genuine[: np.searchsorted(counts.genuine, score, side="left")]
    lower = max(counts.floor[index], smaller[-1]) if len(smaller) else counts.floor[index]
    middle = lower + (score - lower) / 2 if np.isfinite(lower) else score
    return float(middle if middle > lower else score), float(correct[index])
