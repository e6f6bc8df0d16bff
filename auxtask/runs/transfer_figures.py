"""Figures that show when reuse helps, when it does not, and why: each a matplotlib `Figure` for `run.figure`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from auxtask.runs.figures import COLOURS, new_figure, tidy
from auxtask.runs.report import is_fraction

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from auxtask.evaluation.learning_curves import Curve
    from auxtask.evaluation.verdicts import Verdict

_CALL_COLOURS = {"helped": "#2e7d4f", "no evidence": "#8b949e", "harmed": "#b3372f"}


def plot_spread(rows: Sequence[Mapping[str, Any]], metric: str = "accuracy", title: str = "") -> Figure:
    """Draw the distribution behind each mean: a point for every draw, or where there are several variants, for each.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of `result.json`; those of `metric` are drawn: arms side by side, one panel per budget.
    metric, title : str

    Raises
    ------
    ValueError
        If no row has that metric.
    """
    import numpy as np

    own = [row for row in rows if row["metric"] == metric]
    if not own:
        raise ValueError(f"plot_spread: no row has the metric {metric!r}")
    budgets = sorted({row["budget"] for row in own}, key=lambda b: (b is None, b or 0))
    arms = list(dict.fromkeys(row["arm"] for row in own))
    scale = 100 if is_fraction(metric) else 1
    figure = new_figure(1.6 + (0.5 + 0.75 * len(arms)) * len(budgets), 4.2)
    random = np.random.default_rng(0)  # of the sideways scatter, nothing else
    for axes, budget in zip(figure.subplots(1, len(budgets), squeeze=False, sharey=True)[0], budgets, strict=True):
        for place, arm in enumerate(arms):
            here = [row for row in own if (row["arm"], row["budget"]) == (arm, budget)]
            # Of many variants (pairs of classes), each is one point: its mean.
            values = here[0]["values"] if len(here) == 1 else [row["mean"] for row in here]
            if not values:
                continue
            y, colour = scale * np.array(values), "black" if arm == "chosen" else COLOURS[place % len(COLOURS)]
            axes.plot(place + random.uniform(-0.18, 0.18, len(y)), y, "o", color=colour, alpha=0.45, markersize=4)
            axes.hlines(y.mean(), place - 0.3, place + 0.3, color=colour, linewidth=2)
        axes.set_xticks(range(len(arms)), arms, rotation=40, ha="right")
        unit = next((row["budget_unit"] for row in own if row["budget_unit"]), "")
        axes.set_title(f"{budget:,} {unit}" if budget is not None else "", fontsize="medium")
        tidy(axes)
    figure.axes[0].set_ylabel(f"{metric}, %" if scale == 100 else metric)
    figure.suptitle(title)
    return figure


def plot_verdicts(given: Sequence[Verdict], title: str = "") -> Figure:
    """Draw each comparison's paired difference with its interval, coloured by what it is called; the best on top.

    Raises
    ------
    ValueError
        If there is none.
    """
    import numpy as np

    if not given:
        raise ValueError("plot_verdicts: there is no verdict")
    ordered = sorted(given, key=lambda each: each.mean)
    figure = new_figure(6.4, 1.4 + 0.2 * len(ordered))
    axes = figure.subplots()
    for call, colour in _CALL_COLOURS.items():
        places = [i for i, each in enumerate(ordered) if each.called == call]
        means = np.array([100 * ordered[i].mean for i in places])
        ends = np.array([_ends(ordered[i]) for i in places]).reshape(-1, 2)
        reach = abs(100 * ends.T - means)
        label = f"{call} ({len(places)})"
        axes.errorbar(means, places, xerr=reach, fmt="o", color=colour, markersize=4, capsize=2, label=label)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(ordered)), [each.name for each in ordered], fontsize="small", parse_math=False)
    axes.set_xlabel("gain, points")
    axes.set_title(title, fontsize="medium")
    axes.legend(frameon=False, fontsize="small")
    tidy(axes)
    return figure


def _ends(verdict: Verdict) -> tuple[float, float]:
    """Give the interval; where there is none, the mean twice."""
    low, high = verdict.low, verdict.high
    return (verdict.mean, verdict.mean) if low is None or high is None else (low, high)


def plot_weights(weights: Mapping[str, np.ndarray], most: int = 16, title: str = "first-layer weights") -> Figure:
    """Draw what the first units of each network look at: red adds, blue takes away.

    Parameters
    ----------
    weights : mapping of network to float [height, width, num_units]
        As `first_layer_weights` gives; the `most` with the largest norm are drawn.
    most : int
    title : str

    Raises
    ------
    ValueError
        If there is no network.
    """
    import numpy as np

    if not weights:
        raise ValueError("plot_weights: there are no weights")
    figure = new_figure(0.62 * most + 0.4, 0.9 * len(weights) + 0.5)
    grid = figure.subplots(len(weights), most, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for line, (name, units) in zip(grid, weights.items(), strict=True):
        largest = np.argsort(-np.linalg.norm(units, axis=(0, 1)), kind="stable")[:most]
        for axes, unit in zip(line, largest, strict=False):
            limit = float(np.abs(units[..., unit]).max()) or 1.0
            axes.imshow(units[..., unit], cmap="RdBu_r", vmin=-limit, vmax=limit)
        line[0].set_title(name, fontsize="small", loc="left")
    figure.suptitle(title, fontsize="medium")
    return figure


def plot_depth(accuracy: Mapping[str, Mapping[str, float]], title: str = "what each depth knows") -> Figure:
    """Draw a probe's accuracy by depth, one line for each network and task.

    Parameters
    ----------
    accuracy : mapping of label to mapping of layer group to accuracy
        In order from the input; networks may differ in their number of groups.
    title : str

    Raises
    ------
    ValueError
        If there is no line.
    """
    if not accuracy:
        raise ValueError("plot_depth: there is no accuracy to draw")
    figure = new_figure(6.0, 4.0)
    axes = figure.subplots()
    for (label, by_group), colour in zip(accuracy.items(), COLOURS * len(accuracy), strict=False):
        depth = [(i + 1) / len(by_group) for i in range(len(by_group))]
        axes.plot(depth, [100 * value for value in by_group.values()], "o-", color=colour, label=label, markersize=4)
    axes.set_xlabel("depth: share of the layer groups passed")
    axes.set_ylabel("accuracy of a linear probe, %")
    axes.set_title(title, fontsize="medium")
    axes.legend(frameon=False, fontsize="small")
    tidy(axes)
    return figure


def plot_time_saved(curves: Mapping[str, Sequence[Curve]], baseline: str = "scratch", title: str = "") -> Figure:
    """Draw accuracy over epochs and over seconds of training, the mean over draws; dashed: the baseline's best.

    Parameters
    ----------
    curves : mapping of arm to one Curve per draw
        All of the same length within an arm.
    baseline, title : str

    Raises
    ------
    ValueError
        If the baseline is not among them.
    """
    import numpy as np

    if baseline not in curves:
        raise ValueError(f"plot_time_saved: no curve of {baseline!r} among {', '.join(curves)}")
    best = 100 * float(np.mean([curve.accuracy.max() for curve in curves[baseline]]))
    figure = new_figure(9.6, 3.8)
    for axes, what in zip(figure.subplots(1, 2, sharey=True), ("epochs", "seconds of training"), strict=True):
        for (arm, own), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
            accuracy = 100 * np.mean([curve.accuracy for curve in own], axis=0)
            seconds = np.mean([curve.seconds for curve in own], axis=0)
            x = own[0].first + np.arange(len(accuracy)) if what == "epochs" else seconds
            axes.plot(x, accuracy, color=colour, label=arm, marker=".")
        axes.axhline(best, color="black", linestyle="--", linewidth=0.9)
        axes.set_xlabel(what)
        tidy(axes)
    figure.axes[0].set_ylabel("accuracy on the test images, %")
    figure.axes[0].legend(frameon=False, fontsize="small")
    figure.suptitle(title)
    return figure
