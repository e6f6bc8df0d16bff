"""Did it help? A verdict for each of many comparisons, with few false ones among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.stats import false_discovery_control

from auxtask.evaluation.argument_checks import check_share
from auxtask.evaluation.crossed import CrossedMean, crossed_mean

if TYPE_CHECKING:
    from rich.table import Table

    from auxtask.evaluation.results import Results

__all__ = ["CALLS", "Verdict", "count_calls", "paired_right", "verdict_table", "verdicts"]

Call = Literal["helped", "no evidence", "harmed"]
CALLS: tuple[Call, ...] = ("helped", "no evidence", "harmed")


@dataclass(frozen=True)
class Verdict:
    """What is said about one comparison.

    Attributes
    ----------
    name : str
    called : "helped", "no evidence" or "harmed"
    mean, low, high : float
        The paired difference and its interval of 1 - `level`, for this comparison alone. Without ends where no draw and
        no item differed.
    p_value, adjusted : float
        For this comparison alone, and after Benjamini and Hochberg's adjustment for all of them.
    detectable : float or None
        The true difference that would have been called, with probability 0.8, at the level that the adjustment
        left for this family of comparisons. None where no draw and no item differed.
    level : float
        The false discovery rate at which it was called.
    found : CrossedMean
        Where the numbers come from.
    """

    name: str
    called: Call
    mean: float
    low: float | None
    high: float | None
    p_value: float
    adjusted: float
    detectable: float | None
    level: float
    found: CrossedMean


def verdicts(differences: Mapping[str, np.ndarray], level: float = 0.05, pretrainings: int = 1) -> list[Verdict]:
    """Call each comparison helped, harmed, or neither.

    Of those called helped or harmed, at most a share `level` is expected to be called wrongly (Benjamini and Hochberg,
    "Controlling the False Discovery Rate", 1995). This holds for independent comparisons and for those whose errors
    pull the same way, as they do where two pairs of classes share one (Benjamini and Yekutieli, 2001).

    Parameters
    ----------
    differences : mapping of name to float [num_draws, num_items]
        Entries as `crossed_mean` takes them: right minus baseline right, item by item and draw by draw.
    level : float in (0, 1)
        The share above; the intervals are of 1 - level.
    pretrainings : int
        Over how many pretrained networks the draws of each comparison rotate, see `crossed_mean`.

    Raises
    ------
    ValueError
        No comparison, or a table that is too small (naming it).
    """
    if not differences:
        raise ValueError("there is no comparison to give a verdict on")
    check_share("level", level)
    found = {name: _named(name, table, pretrainings) for name, table in differences.items()}
    values = np.array([each.p_value() for each in found.values()])
    adjusted = false_discovery_control(values, method="bh")
    # The largest p-value that is still called lies at or below this: the level of each single test.
    level_left = level * max(1, int((adjusted <= level).sum())) / len(found)
    given = []
    for (name, each), p_value, after in zip(found.items(), values, adjusted, strict=True):
        called: Call = "no evidence" if after > level else "helped" if each.mean > 0 else "harmed"
        low, high = each.interval(1 - level)
        detectable = each.detectable(level_left)
        given.append(Verdict(name, called, each.mean, low, high, float(p_value), float(after), detectable, level, each))
    return given


def paired_right(results: Results, arm: str, budget: int, baseline: str = "scratch") -> np.ndarray:
    """Give, draw by draw and test item by test item, whether an arm was right minus whether the baseline was.

    Returns
    -------
    float [num_draws, num_test]
        Of the draws that both have; entries are 1, 0 or -1.

    Raises
    ------
    ValueError
        One of them was not run at that budget.
    """
    ours, theirs = (results.right(name, budget).astype(np.float64) for name in (arm, baseline))
    draws = min(len(ours), len(theirs))
    return ours[:draws] - theirs[:draws]


def count_calls(given: Sequence[Verdict]) -> str:
    """Say how many were called what."""
    counts = Counter(verdict.called for verdict in given)
    return f"of {len(given)}: " + ", ".join(f"{counts[call]} {call}" for call in CALLS)


def verdict_table(given: Sequence[Verdict], title: str, more: Mapping[str, Mapping[str, Any]] | None = None) -> Table:
    """Give a table, best first: differences in points.

    Parameters
    ----------
    given : sequence of Verdict
    title : str
    more : mapping of column to mapping of verdict name to text, optional
        Columns to stand beside the name.
    """
    from rich.table import Table

    more = more or {}
    table = Table(title=title, caption="points; intervals over draws and test items, each for itself; " + _rule(given))
    table.add_column("comparison", no_wrap=True)
    interval = f"{100 * (1 - _level(given)):g} % interval"
    for column in [*more, "difference", interval, "p adjusted", "detectable", "verdict"]:
        table.add_column(column, justify="right", no_wrap=True)
    for verdict in sorted(given, key=lambda each: -each.mean):
        table.add_row(
            verdict.name,
            *(str(texts.get(verdict.name, "")) for texts in more.values()),
            f"{100 * verdict.mean:+.2f}",
            "" if verdict.low is None else f"{100 * verdict.low:+.2f} to {100 * (verdict.high or 0.0):+.2f}",
            f"{verdict.adjusted:.3f}",
            "" if verdict.detectable is None else f"{100 * verdict.detectable:.2f}",
            verdict.called,
        )
    return table


def _rule(given: Sequence[Verdict]) -> str:
    rate = f"{100 * _level(given):g} %"
    return f"verdicts: false discovery rate over {len(given)} at most {rate}; detectable with probability 80 %"


def _level(given: Sequence[Verdict]) -> float:
    return given[0].level if given else 0.05


def _named(name: str, table: np.ndarray, pretrainings: int) -> CrossedMean:
    try:
        return crossed_mean(table, pretrainings)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
