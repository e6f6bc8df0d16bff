"""The figure of a result table: arms by budgets, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from auxtask.runs.figures import COLOURS, new_figure, tidy
from auxtask.runs.report import arm_title, is_fraction, metric_title, shown_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LINES = 12  # arms that colours and markers tell apart
MARKERS = "os^"  # one for each round of the colours

Arms = Mapping[str, Sequence[Mapping[str, Any]]]
"""The rows of each arm, smaller budgets first."""


def plot_results(rows: Sequence[Mapping[str, Any]], metric: str = "rank1", title: str = "") -> Figure:
    """Draw a result table with its intervals, `chosen` in black.

    Of few arms each is a line over the budgets; of more than 12 each is a row of dots, with a panel per budget.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of `result.json`; those of `metric` with a budget are drawn.

    Raises
    ------
    ValueError
        If no row has that metric and a budget.
    """
    arms: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["metric"] == metric and row["budget"] is not None and row["mean"] is not None:
            arms.setdefault(arm_title(row), []).append(row)
    if not arms:
        raise ValueError(f"plot_results: no row has the metric {metric!r} and a budget")
    for own in arms.values():
        own.sort(key=lambda row: row["budget"])
    unit = next((row["budget_unit"] for own in arms.values() for row in own if row["budget_unit"]), "budget")
    figure = (_lines if len(arms) <= MOST_LINES else _dots)(arms, metric, unit)
    figure.suptitle(title)
    return figure


def _lines(arms: Arms, metric: str, unit: str) -> Figure:
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    budgets = _budgets(arms)
    for place, (name, rows) in enumerate(arms.items()):
        # Arms stand side by side at each budget, so that their intervals can be told apart.
        x = [budgets.index(row["budget"]) + 0.03 * (place - (len(arms) - 1) / 2) for row in rows]
        means, errors = _means_and_errors(rows)
        chosen = rows[0]["arm"] == "chosen"
        axes.errorbar(
            x, means, yerr=errors, label=name, color="black" if chosen else COLOURS[place % len(COLOURS)],
            linestyle="--" if chosen else "-", zorder=3 if chosen else 2,
            marker=MARKERS[place // len(COLOURS)], markersize=3.5, capsize=2,
        )  # fmt: skip
    axes.set_xticks(range(len(budgets)), [f"{budget:,}" for budget in budgets])
    axes.set_xlabel(unit)
    axes.set_ylabel(metric_title(metric))
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    tidy(axes)
    return figure


def _dots(arms: Arms, metric: str, unit: str) -> Figure:
    budgets = _budgets(arms)
    figure = new_figure(1.8 + 2.6 * len(budgets), 0.9 + 0.2 * len(arms))
    for axes, budget in zip(figure.subplots(1, len(budgets), sharey=True, squeeze=False)[0], budgets, strict=True):
        for place, rows in enumerate(arms.values()):
            means, errors = _means_and_errors([row for row in rows if row["budget"] == budget])
            colour = "black" if rows[0]["arm"] == "chosen" else COLOURS[0]
            axes.errorbar(means, [place] * len(means), xerr=errors, fmt="o", color=colour, markersize=3.5, capsize=2)
        axes.set_title(f"{budget:,} {unit}", fontsize="medium")
        axes.set_xlabel(metric_title(metric))
        tidy(axes)
    axes.set_yticks(range(len(arms)), list(arms), fontsize="small")
    axes.set_ylim(len(arms) - 0.5, -0.5)
    return figure


def _means_and_errors(rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[list[float]]]:
    """Give means, and how far their intervals reach below and above them."""
    means, below, above = [], [], []
    for row in rows:
        scale = 100 if is_fraction(row["metric"]) else 1
        low, high = shown_interval(row) or (row["mean"], row["mean"])
        means.append(scale * row["mean"])
        below.append(scale * max(row["mean"] - low, 0))
        above.append(scale * max(high - row["mean"], 0))
    return means, [below, above]


def _budgets(arms: Arms) -> list[int]:
    return sorted({row["budget"] for rows in arms.values() for row in rows})
