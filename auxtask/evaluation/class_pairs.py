"""The mean over all pairs of classes, with an interval that knows that pairs share classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import stdtrit

from auxtask.evaluation.argument_checks import check_share
from auxtask.evaluation.statistics import Interval

__all__ = ["pairs_mean"]


def pairs_mean(values: Mapping[tuple[str, ...], float], level: float = 0.95) -> Interval:
    """Give the mean over pairs of classes and Student's t interval of it, over other classes.

    Of ten classes each is in nine of the 45 pairs, so that a class which is odd makes nine pairs odd: an interval over
    independent pairs is too narrow. The model is that of a diallel cross: value = mean + class + other class + rest,
    all random; the components come from mean squares (Griffing, "Concept of General and Specific Combining Ability in
    Relation to Diallel Crossing Systems", 1956, method 4), those below 0 set to 0, and

        error^2 = 4 class_variance / K + 2 rest_variance / (K (K - 1)),

    with Satterthwaite's degrees of freedom (1946).

    Parameters
    ----------
    values : mapping of (class, other class) to float
    level : float in (0, 1)
        How often such an interval holds the true mean.

    Returns
    -------
    Interval
        `low` and `high` are None unless there are all pairs of four classes or more, and not all are alike.

    Raises
    ------
    ValueError
        No value, one that is not finite, a key that is no pair, a pair twice, or `level` out of range.
    """
    check_share("level", level)
    found = np.array(list(values.values()), np.float64)
    if not len(found) or not np.isfinite(found).all():
        raise ValueError(f"an interval needs finite values, not {found.tolist()}")
    if any(len(set(pair)) != 2 for pair in values) or len({frozenset(pair) for pair in values}) < len(values):
        raise ValueError(f"values must be of different pairs of classes, not of {', '.join(map('+'.join, values))}")
    mean, names = float(found.mean()), sorted({name for pair in values for name in pair})
    num = len(names)
    if num < 4 or len(values) < num * (num - 1) // 2 or (found == found[0]).all():
        return Interval(mean, None, None)
    of_class = np.array([sum(x for pair, x in values.items() if name in pair) for name in names])
    between = float(((of_class - of_class.mean()) ** 2).sum()) / (num - 2)
    rest = max(0.0, float(((found - mean) ** 2).sum()) - between)
    # Mean squares of classes and of the rest, what each counts with in the mean's variance, and degrees of freedom.
    squares, freedom = np.array([between / (num - 1), rest / (num * (num - 3) / 2)]), [num - 1, num * (num - 3) / 2]
    weights = np.array([0.0, 2 / (num * (num - 1))])
    if squares[0] > squares[1]:
        weights += np.array([1.0, -1.0]) * 4 / (num * (num - 2))
    terms = weights * squares
    spread = float((terms**2 / freedom).sum())
    degrees = max(1.0, float(terms.sum()) ** 2 / spread)
    half = float(stdtrit(degrees, (1 + level) / 2)) * float(terms.sum()) ** 0.5
    return Interval(mean, mean - half, mean + half)
