"""The figure of a result table, by what matplotlib was told to draw."""

from __future__ import annotations

import numpy as np
import pytest

from auxtask.runs.results_figure import plot_results


def row(arm: str, budget: int, mean: float, half: float = 0.1) -> dict:
    ends = {"low": mean - half, "high": mean + half}
    return {"arm": arm, "budget": budget, "budget_unit": "photos", "metric": "rank1", "mean": mean} | ends


def test_results_are_drawn_in_percent_with_their_intervals() -> None:
    rows = [row(arm, n, mean) for arm, mean in (("scratch", 0.3), ("chosen", 0.6)) for n in (3, 1)]
    rows += [{"arm": "x", "budget": None, "budget_unit": None, "metric": "auc", "mean": 0.9, "low": None, "high": None}]
    axes = plot_results(rows).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["scratch", "chosen"]
    line, _, (bars,) = axes.containers[1].lines
    np.testing.assert_allclose(line.get_ydata(orig=False), [60, 60])
    assert [bar[:, 1].round(6).tolist() for bar in bars.get_segments()] == [[50, 70], [50, 70]]
    assert line.get_color() == "black"
    with pytest.raises(ValueError, match="rank5"):
        plot_results(rows, metric="rank5")


def test_no_interval_is_drawn_beyond_what_a_quality_can_be() -> None:
    _, _, (bars,) = plot_results([row("scratch", 1, 0.95)]).axes[0].containers[0].lines
    assert bars.get_segments()[0][:, 1].round(6).tolist() == [85, 100]


def test_twelve_arms_are_told_apart() -> None:
    axes = plot_results([row(f"arm {i}", 1, 0.5) for i in range(12)]).axes[0]
    lines = [container.lines[0] for container in axes.containers]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 12


def test_more_arms_are_rows_of_dots_with_a_panel_for_each_budget() -> None:
    rows = [row(f"arm {i}", 1, i / 20) for i in range(13)] + [row("chosen", n, 0.75) for n in (1, 3)]
    panels = plot_results(rows).axes
    assert [axes.get_title() for axes in panels] == ["1 photos", "3 photos"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == [*(f"arm {i}" for i in range(13)), "chosen"]
    places = [[(float(x), float(y)) for x, y in zip(*c.lines[0].get_data(), strict=True)] for c in panels[1].containers]
    assert [found for found in places if found] == [[(75.0, 13.0)]]  # of the larger budget there is one arm
