"""Intervals over repeated label draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from auxtask.evaluation.argument_checks import check_share

__all__ = ["Interval", "paired_differences", "t_interval"]


class Interval(NamedTuple):
    """A mean with its interval; `low` and `high` are None where the values allow none: one, or all alike."""

    mean: float
    low: float | None
    high: float | None


def t_interval(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Interval:
    """Give the mean and Student's t interval of it (Student, 1908).

    The values are taken as independent and roughly normal. Label draws share one pool and one
    test set, so the interval speaks of other draws from that pool, not of other people.

    Parameters
    ----------
    values : float [n]
        One per draw.
    level : float in (0, 1)
        How often such an interval holds the true mean.

    Raises
    ------
    ValueError
        There is no value, or one is not finite; `level` is out of range.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"an interval needs a vector of values, not shape {list(values.shape)}")
    if not np.isfinite(values).all():
        raise ValueError(f"an interval needs finite values, not {values.tolist()}")
    check_share("level", level)
    mean = float(values.mean())
    if (values == values[0]).all():  # also one alone: of how they scatter, nothing is known
        return Interval(mean, None, None)
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * error
    return Interval(mean, mean - half, mean + half)


def paired_differences(values: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Give value minus baseline of each draw that both have (the first of the longer list).

    Raises
    ------
    ValueError
        One of them is empty.
    """
    if not len(values) or not len(baseline):
        raise ValueError("there is no pair to take a difference of")
    return [float(a) - float(b) for a, b in zip(values, baseline, strict=False)]
