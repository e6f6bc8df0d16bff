"""The mean of a table of draws by test items, with an interval that counts both as random.

A model tested on 2,000 images is not known to the last digit, however many seeds it was trained with: the images are
a sample too. Every draw is tested on the same images, so the two samples are crossed, and neither an interval over
draws nor one over items has the right width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from auxtask.evaluation.argument_checks import check_share
from auxtask.evaluation.statistics import Interval, t_interval

__all__ = ["CrossedMean", "crossed_mean", "draws_mean"]

Part = tuple[int, float]  # of a variance: its degrees of freedom, and how much it is
LEAST_POWER = -100.0  # of ten: smaller p-values are given as that


@dataclass(frozen=True)
class CrossedMean:
    """What a table of draws by items says about the mean.

    Attributes
    ----------
    mean : float
    draw_variance, item_variance, rest_variance : float
        Components of one entry's variance: between draws, between items, and what is left.
    of_draws : tuple of (degrees of freedom, variance)
        What the draws' means tell of the mean's variance: parts that add up. Empty where all entries are alike: then
        nothing is known of it.
    of_items, of_rest : (degrees of freedom, variance)
        What items add to that, and what it cannot be less than.
    num_draws, num_items : int
    """

    mean: float
    draw_variance: float
    item_variance: float
    rest_variance: float
    of_draws: tuple[Part, ...]
    of_items: Part
    of_rest: Part
    num_draws: int
    num_items: int

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return self._root(lambda degrees: 1.0)

    def interval(self, level: float = 0.95) -> tuple[float, float] | tuple[None, None]:
        """Give an interval that holds the true mean so often; None twice where nothing is known of it."""
        check_share("level", level)
        if self.error == 0:
            return None, None
        half = self._half((1 + level) / 2)
        return self.mean - half, self.mean + half

    def p_value(self) -> float:
        """Give the probability of a mean at least as far from 0, on either side, if the true one were 0.

        It is the level at which the interval's end meets 0. 1 where all entries are alike.
        """
        if self.error == 0 or self.mean == 0:
            return 1.0

        def beyond(power_of_ten: float) -> float:
            return self._half(10.0**power_of_ten / 2) - abs(self.mean)

        if beyond(LEAST_POWER) < 0:
            return 10.0**LEAST_POWER
        return float(10.0 ** brentq(beyond, LEAST_POWER, 0.0))

    def detectable(self, level: float = 0.05, power: float = 0.8) -> float | None:
        """Give the smallest true mean that a test at `level` would have found with probability `power`.

        None where all entries are alike. By the usual sum of two quantiles (Bloom, "Minimum Detectable Effects", 1995),
        at the variances found here.
        """
        check_share("level", level)
        check_share("power", power)
        return None if self.error == 0 else self._half(1 - level / 2, power)

    def _half(self, *shares: float) -> float:
        """Add the parts, each by the sum of its own quantiles."""
        return self._root(lambda degrees: float(sum(stdtrit(degrees, share) for share in shares)))

    def _root(self, factor: Callable[[int], float]) -> float:
        draws = sum(factor(degrees) ** 2 * part for degrees, part in self.of_draws)
        items, rest = (factor(degrees) ** 2 * part for degrees, part in (self.of_items, self.of_rest))
        return float(max(draws, rest) + items) ** 0.5


def crossed_mean(table: np.ndarray, pretrainings: int = 1) -> CrossedMean:
    """Estimate the mean of draws by items, and its error over other draws and other items.

    The model is that of generalizability theory: entry = mean + draw + item + rest, all random (Brennan,
    *Generalizability Theory*, 2001, ch. 3), and the mean squares are those of the two-way analysis of variance. The
    mean's variance is a sum: what the draws' means tell of it, and what items add beyond the rest,

        error^2 = max(MS_draws, MS_rest) / (R I) + max(0, MS_items - MS_rest) / (R I).

    The pigeonhole bootstrap (Owen, 2007), which draws rows and columns anew, estimates the same up to three times the
    smallest term. In an interval each part counts with Student's quantile of its own degrees of freedom, R - 1 and
    I - 1 (a modified large sample interval: Burdick and Graybill, *Confidence Intervals on Variance Components*, 1992).
    One quantile for the sum, as Satterthwaite's, would take few draws that happen to lie close for many: simulated with
    two draws, 6 in 100 true nulls then had p < 0.001. With these parts, and from two draws to twenty, some 5 in 100
    have p < 0.05, or fewer where draws hardly differ, and at most 2 in 1,000 have p < 0.001.

    Draws that share a pretrained network are not independent: a part between pretrainings, estimated from the draws'
    means (one-way analysis of variance), then comes in with as few degrees of freedom as there are networks. Of few
    networks little can be known. Simulated with 20 draws, where networks differ as much as draws do or three times as
    much, 95 % intervals of three networks hold the truth in 94 % of cases, and of two in 92 %; but true nulls have
    p < 0.001 in 5 to 8 of 1,000 cases with three networks, and in 20 to 50 with two.
    With one network for all draws nothing is known of others, and the interval is for that one.

    Parameters
    ----------
    table : float [num_draws, num_items]
        Say 1, 0 or -1: whether an item was right minus whether the baseline had it right, in the same draw.
    pretrainings : int
        Draw d used the pretrained network d % pretrainings, as `rotated_arm` does.

    Raises
    ------
    ValueError
        Fewer than two draws or items, a value that is not finite, or fewer than one pretraining.
    """
    table = np.asarray(table, np.float64)
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(f"a crossed interval needs at least 2 draws and 2 items, not a table of {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("a crossed interval needs finite values")
    if pretrainings < 1:
        raise ValueError(f"pretrainings must be at least 1, not {pretrainings}")
    num_draws, num_items = table.shape
    mean = float(table.mean())
    if (table == table[0, 0]).all():
        return CrossedMean(mean, 0.0, 0.0, 0.0, (), (1, 0.0), (1, 0.0), num_draws, num_items)
    by_draw, by_item = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_draw[:, None] - by_item + mean
    free = (num_draws - 1) * (num_items - 1)
    rest_variance = float((rest**2).sum()) / free
    draw_variance = max(0.0, float(by_draw.var(ddof=1)) - rest_variance / num_items)
    item_variance = max(0.0, float(by_item.var(ddof=1)) - rest_variance / num_draws)
    of_draws, of_items = _parts_of_draws(by_draw, pretrainings), (num_items - 1, item_variance / num_items)
    of_rest = (free, rest_variance / table.size)
    return CrossedMean(
        mean, draw_variance, item_variance, rest_variance, of_draws, of_items, of_rest, num_draws, num_items
    )


def draws_mean(values: Sequence[float], pretrainings: int = 1) -> Interval:
    """Give the mean over draws with a 95 % interval over other draws and, where they share some, other pretrainings.

    That of `crossed_mean` for items that are all alike; with one pretraining `t_interval`.
    """
    if pretrainings == 1 or len(values) < 2:
        return t_interval(values)
    table = np.repeat(np.asarray(values, np.float64)[:, None], 2, axis=1)
    return Interval(t_interval(values).mean, *crossed_mean(table, pretrainings).interval())


def _parts_of_draws(by_draw: np.ndarray, pretrainings: int) -> tuple[Part, ...]:
    """Split the variance of the draws' mean: within pretrained networks, and between them where draws share some."""
    num_draws = len(by_draw)
    if pretrainings == 1 or num_draws <= pretrainings:
        return ((num_draws - 1, float(by_draw.var(ddof=1)) / num_draws),)
    groups = [by_draw[first::pretrainings] for first in range(pretrainings)]
    counts = np.array([len(group) for group in groups])
    means = np.array([group.mean() for group in groups])
    of_networks = float((counts * (means - by_draw.mean()) ** 2).sum()) / (pretrainings - 1)
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / (num_draws - pretrainings)
    size = (num_draws - (counts**2).sum() / num_draws) / (pretrainings - 1)
    # What the component counts with in the overall mean: 1 / networks if they are shared out evenly.
    weight = float(((counts / num_draws) ** 2).sum())
    between = max(0.0, (of_networks - within) / size)
    return (num_draws - pretrainings, within / num_draws), (pretrainings - 1, between * weight)
