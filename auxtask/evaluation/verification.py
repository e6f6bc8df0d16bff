"""Verification (1:1): are two items the same identity, judged by one similarity score per pair.

Higher scores are more alike; a pair is called the same if its score reaches the threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from auxtask.evaluation.pair_scores import (
    PAIRS_PER_BLOCK,
    checked_embeddings,
    pair_blocks,
    pair_scores,
)
from auxtask.evaluation.roc import (
    PairCounts,
    ROCCurve,
    accuracy_of,
    best_of,
    count_pairs,
    equal_error_rate,
    polyline,
    true_accept_rate,
)

__all__ = [
    "ROCCurve",
    "Verification",
    "best_threshold",
    "pair_scores",
    "roc_curve",
    "verification",
    "verification_from_scores",
]


@dataclass(frozen=True)
class Verification:
    """What one-to-one comparison reaches on a set of pairs. All rates are fractions.

    Attributes
    ----------
    auc : float
        Area under the ROC curve: the chance that a genuine pair scores higher than an impostor
        pair (ties count 1/2).
    eer : float
        Equal error rate: where the ROC polyline has as many false accepts as false rejects.
    accuracy : float
        Share of pairs judged right at `threshold`; if `balanced`, the mean of the shares of
        genuine and of impostor pairs judged right.
    threshold : float
        Pairs that score >= threshold are called the same.
    tar : dict[float, float]
        By false accept rate: the highest true accept rate that does not exceed it.
    num_genuine, num_impostor : int
        Pairs of the same and of different identities.
    chance : float
        The accuracy of always giving the better of the two constant answers.
    balanced : bool
        See `accuracy`.
    threshold_given : bool
        False if the threshold was chosen on these very pairs, which makes `accuracy` optimistic.
    """

    auc: float
    eer: float
    accuracy: float
    threshold: float
    tar: dict[float, float]
    num_genuine: int
    num_impostor: int
    chance: float
    balanced: bool
    threshold_given: bool

    @property
    def unresolved(self) -> tuple[float, ...]:
        """The false accept rates at which these impostors allow less than one false accept.

        There `tar` holds the true accept rate at no false accept, which says little about the
        rate asked for.
        """
        return tuple(far for far in self.tar if far * self.num_impostor < 1 - 1e-9)

    def metrics(self) -> dict[str, float]:
        """Give `accuracy`, `auc`, `eer` and each resolved `tar@far=…`, for logs and rows."""
        rates = {f"tar@far={f:g}": t for f, t in self.tar.items() if f not in self.unresolved}
        return {"accuracy": self.accuracy, "auc": self.auc, "eer": self.eer, **rates}

    def rows(self, arm: str = "same_face", variant: str | None = None) -> list[dict[str, Any]]:
        """Give the rows of `result.json`: budget null, one value each, no interval."""
        extra = {} if variant is None else {"variant": variant}
        return [
            {"arm": arm, "budget": None, "budget_unit": None, "metric": metric, **extra}
            | {"mean": value, "low": None, "high": None, "values": [value]}
            for metric, value in self.metrics().items()
        ]

    def __str__(self) -> str:
        """Give one line, with the pairs behind the figures and what they cannot resolve."""
        where = "given" if self.threshold_given else "chosen on these pairs"
        kind = "balanced accuracy" if self.balanced else "accuracy"
        tars = ", ".join(
            f"TAR@FAR={far:g} unresolved (needs {1 / far:,.0f} impostor pairs)"
            if far in self.unresolved
            else f"TAR@FAR={far:g} {tar:.3f}"
            for far, tar in self.tar.items()
        )
        return (
            f"{kind} {self.accuracy:.3f} (chance {self.chance:.3f}; threshold "
            f"{self.threshold:.3f}, {where}), AUC {self.auc:.3f}, EER {self.eer:.3f}"
            f"{', ' + tars if tars else ''}; "
            f"{self.num_genuine:,} genuine and {self.num_impostor:,} impostor pairs"
        )


def verification(
    embeddings: np.ndarray,
    labels: np.ndarray,
    far: Sequence[float] = (1e-2, 1e-3),
    threshold: float | None = None,
    balanced: bool = True,
    pairs_per_block: int = PAIRS_PER_BLOCK,
) -> Verification:
    """Verify all pairs of items by the cosine of their embeddings.

    Parameters
    ----------
    embeddings : float [n, d]
        Need not be of unit length; a zero vector has cosine 0 with everything.
    labels : int or str [n]
        Identities.
    far : sequence of float in (0, 1]
        False accept rates at which the true accept rate is wanted.
    threshold : float, optional
        Chosen elsewhere (`best_threshold` on training pairs). None: the best one on these pairs.
    balanced : bool
        Give genuine and impostor pairs equal weight in the accuracy. Among all pairs of many
        people nearly all are impostors: "never the same" would be 99 % accurate.
    pairs_per_block : int
        Bounds the memory; has no influence on the result.

    Raises
    ------
    ValueError
        No two items share a label, or all do; lengths differ; values are not finite.
    """
    unit, codes = checked_embeddings(embeddings, labels)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return pair_blocks(unit, codes, pairs_per_block)

    return _verify(count_pairs(blocks, threshold), far, threshold, balanced)


def verification_from_scores(
    scores: np.ndarray,
    same: np.ndarray,
    far: Sequence[float] = (1e-2, 1e-3),
    threshold: float | None = None,
    balanced: bool = False,
) -> Verification:
    """Verify given pairs.

    Parameters
    ----------
    scores : float [m]
        Similarity of each pair, higher is more alike.
    same : bool [m]
        Whether the pair is genuine.
    far, threshold, balanced
        As in `verification`.

    Raises
    ------
    ValueError
        There is no genuine or no impostor pair; lengths differ; scores are not finite.
    """
    return _verify(_count_scores(scores, same, threshold), far, threshold, balanced)


def roc_curve(scores: np.ndarray, same: np.ndarray) -> ROCCurve:
    """Give the ROC polyline; points on a straight line between two corners are left out.

    Raises
    ------
    ValueError
        As `verification_from_scores`.
    """
    return polyline(_count_scores(scores, same, None))


def best_threshold(scores: np.ndarray, same: np.ndarray, balanced: bool = False) -> float:
    """Choose the threshold with the highest accuracy on given pairs.

    It lies half-way between the two neighbouring scores it separates; of several equally good
    ones it is the middle one.

    Raises
    ------
    ValueError
        As `verification_from_scores`.
    """
    return best_of(_count_scores(scores, same, None), balanced)[0]


def _count_scores(scores: np.ndarray, same: np.ndarray, threshold: float | None) -> PairCounts:
    scores, same = np.asarray(scores, np.float64), np.asarray(same)
    if scores.ndim != 1 or scores.shape != same.shape:
        raise ValueError(f"scores and same must be vectors of equal length, not {scores.shape} and {same.shape}")
    if not np.isin(same, (0, 1)).all():
        raise ValueError("same must hold only true and false (or 1 and 0)")
    if not np.isfinite(scores).all():
        raise ValueError(f"score {int(np.argmin(np.isfinite(scores)))} is not a finite number")
    same = same.astype(bool)
    return count_pairs(lambda: [(scores, same)], threshold)


def _verify(counts: PairCounts, far: Sequence[float], threshold: float | None, balanced: bool) -> Verification:
    num_genuine, num_impostor = len(counts.genuine), counts.num_impostor
    if threshold is None:
        chosen, accuracy = best_of(counts, balanced)
    else:
        chosen, accuracy = float(threshold), accuracy_of(counts, balanced)
    ties = counts.not_above - counts.below
    majority = max(num_genuine, num_impostor) / (num_genuine + num_impostor)
    return Verification(
        auc=float((counts.below + ties / 2).mean() / num_impostor),
        eer=equal_error_rate(polyline(counts)),
        accuracy=accuracy,
        threshold=chosen,
        tar={float(rate): true_accept_rate(counts, rate) for rate in far},
        num_genuine=num_genuine,
        num_impostor=num_impostor,
        chance=0.5 if balanced else majority,
        balanced=balanced,
        threshold_given=threshold is not None,
    )
