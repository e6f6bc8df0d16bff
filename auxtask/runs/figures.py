"""The figures of a run: learning curves, freeze map, ROC, mistakes.

Every function returns a matplotlib `Figure` that `run.figure(name, fig)` writes. They are drawn without pyplot, so
that no window system, backend or global figure list is involved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from auxtask.runs.report import is_fraction

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FROZEN, TRAINED, BROKEN = "#c9d7e8", "#f2b56b", "#d64545"
COLOURS = ("#1f5fa8", "#d1731f", "#2e7d4f", "#8a4fa3", "#8c6d46", "#5b6470", "#b3372f", "#2a9aa8")
NOT_CURVES = {
    *("phase", "epoch", "step", "steps", "tokens", "seconds", "time", "label"),
    *("learning_rate", "lr", "tokens_per_second", "matmul_share"),
}
"""What a row of a history says of the training itself."""
QUALITIES = ("accuracy", "auc", "precision", "recall")


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of that size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes) -> None:
    """Take the frame away, and draw a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def plot_curves(history: Sequence[Mapping[str, Any]], title: str = "") -> Figure:
    """Draw learning curves with the moments at which layers were thawed.

    Parameters
    ----------
    history : sequence of mapping
        One row per epoch as `fine_tune` and a task's `pretrain` give them: `phase`, `epoch` and numbers. Losses, their
        parts and what else has no bound share one panel, qualities between 0 and 1 the other; counters (`step`,
        `seconds`, …) are not drawn. `val_x` is dashed beside `x`.
    title : str
        Above the figure.

    Raises
    ------
    ValueError
        If there is no epoch, or nothing but counters.
    """
    if not history:
        raise ValueError("plot_curves: the history has no epoch")
    numbers = [k for row in history for k, v in row.items() if k not in NOT_CURVES and isinstance(v, int | float)]
    names = list(dict.fromkeys(name.removeprefix("val_") for name in numbers))
    panels = [[n for n in names if not _is_quality(n)], [n for n in names if _is_quality(n)]]
    panels = [panel for panel in panels if panel]
    if not panels:
        raise ValueError("plot_curves: the history holds nothing but counters")
    figure = new_figure(5.2 * len(panels), 3.6)
    steps = range(1, len(history) + 1)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name, colour in zip(panel, COLOURS * len(panel), strict=False):
            for key, style in ((name, "-"), (f"val_{name}", "--")):
                if any(key in row for row in history):
                    values = [row.get(key, float("nan")) for row in history]
                    axes.plot(steps, values, style, color=colour, label=key, marker="." if len(history) < 30 else "")
        _mark_phases(axes, [str(row.get("phase", "")) for row in history])
        axes.set_xlabel("epoch")
        axes.legend(frameon=False, fontsize="small")
        tidy(axes)
    figure.suptitle(title)
    return figure


def _is_quality(name: str) -> bool:
    """Say whether a name in a training's logs is a quality between 0 and 1, Keras' own metrics included."""
    return "loss" not in name and (is_fraction(name) or any(word in name for word in QUALITIES))


def _mark_phases(axes: Axes, phases: Sequence[str]) -> None:
    starts = [i for i, phase in enumerate(phases) if i == 0 or phase != phases[i - 1]]
    if len(starts) < 2:
        return
    for start in starts:
        if start:
            axes.axvline(start + 0.5, color="#5b6470", linestyle=":", linewidth=1.2)
        place = (start + 0.5 if start else 1, 1.01)
        axes.annotate(phases[start], place, xycoords=("data", "axes fraction"), fontsize="small", color="#5b6470")


def plot_freeze_map(rows: Sequence[Mapping[str, Any]], title: str = "frozen and trained, by phase") -> Figure:
    """Draw which layer groups were frozen in which phase, as the ledger proves it.

    Parameters
    ----------
    rows : sequence of mapping
        `Ledger.rows`: `phase`, `group`, `frozen` (bool), `parameters` (int), `changed` (bool). Groups stand from the
        input (bottom) to the head (top). A frozen group that changed is red: it must not happen.

    Raises
    ------
    ValueError
        If there is no row.
    """
    if not rows:
        raise ValueError("plot_freeze_map: the ledger has no rows")
    phases = list(dict.fromkeys(row["phase"] for row in rows))
    groups = list(dict.fromkeys(row["group"] for row in rows))
    figure = new_figure(2.2 + 1.7 * len(phases), 1.3 + 0.42 * len(groups))
    axes = figure.subplots()
    for row in rows:
        x, y = phases.index(row["phase"]), groups.index(row["group"])
        colour = TRAINED if not row["frozen"] else BROKEN if row["changed"] else FROZEN
        axes.barh(y, 0.96, left=x + 0.02, height=0.9, color=colour)
        state = "frozen" if row["frozen"] else "trained"
        text = f"{state}{'' if row['changed'] else ', unchanged' if not row['frozen'] else ''}"
        axes.text(x + 0.5, y, f"{text}\n{row['parameters']:,}", ha="center", va="center", fontsize=7.5)
    axes.set_xticks([i + 0.5 for i in range(len(phases))], [str(p) for p in phases])
    axes.set_yticks(range(len(groups)), groups)
    axes.set_xlim(0, len(phases))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize="medium")
    return figure


def plot_roc(
    curves: Mapping[str, tuple[Any, Any]], title: str = "same person or not?", smallest_far: float = 1e-4
) -> Figure:
    """Draw ROC curves with a logarithmic axis of false accepts.

    Parameters
    ----------
    curves : mapping of str to (far, tar)
        Two float arrays [n] each, increasing: false-accept and true-accept rate.
    smallest_far : float
        Left end of the axis.
    """
    import numpy as np

    figure = new_figure(5.2, 4.2)
    axes = figure.subplots()
    chance = np.logspace(np.log10(smallest_far), 0, 100)
    axes.plot(chance, chance, ":", color="#5b6470", label="chance")
    for (name, (far, tar)), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
        far, tar = np.asarray(far, float), np.asarray(tar, float)
        axes.step(np.maximum(far, smallest_far), tar, where="post", label=name, color=colour)
    axes.set(xscale="log", xlim=(smallest_far, 1), ylim=(0, 1.01), title=title)
    axes.set_xlabel("false accepts (share of pairs of different people)")
    axes.set_ylabel("true accepts (share of pairs of one person)")
    axes.legend(frameon=False, loc="upper left")
    tidy(axes)
    return figure


def plot_mistakes(
    left: np.ndarray,
    right: np.ndarray,
    verdicts: Sequence[str],
    columns: int = 4,
    title: str = "the most confident mistakes",
) -> Figure:
    """Draw pairs of photos with a verdict under each.

    Parameters
    ----------
    left, right : uint8 [n, height, width, 1 or 3]
        The photo that was judged, and one of the person it was taken for.
    verdicts : sequence of str
        One per pair; may have two lines, such as `"taken for Ann (0.97)\\nis Bea"`.

    Raises
    ------
    ValueError
        If the three do not have the same length, or there is none.
    """
    import numpy as np

    if not len(left) == len(right) == len(verdicts) or not len(verdicts):
        raise ValueError(f"plot_mistakes: {len(left)} left, {len(right)} right photos, {len(verdicts)} verdicts")
    columns = min(columns, len(verdicts))
    num_rows = -(-len(verdicts) // columns)
    figure = new_figure(2.9 * columns, 0.3 + 1.95 * num_rows)
    grid = figure.subplots(num_rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, one, other, verdict in zip(grid, left, right, verdicts, strict=False):
        gap = np.full((one.shape[0], max(1, one.shape[1] // 16), one.shape[2]), 255, np.uint8)
        axes.imshow(np.concatenate([one, gap, other], axis=1), cmap="gray", vmin=0, vmax=255)
        axes.set_title(verdict, fontsize=8, y=-0.08, va="top", parse_math=False)  # a name may have dollar signs
    figure.suptitle(title)
    return figure
