"""Figures of transfer say what the numbers say: read back from the drawn objects."""

import numpy as np
import pytest

from auxtask.evaluation.learning_curves import Curve
from auxtask.evaluation.verdicts import verdicts
from auxtask.runs import transfer_figures as figures
from auxtask.runs.verdict_report import report_verdicts

RANDOM = np.random.default_rng(0)


def row(arm: str, values: list[float], variant: str | None = None) -> dict:
    more = {"variant": variant} if variant else {}
    mean = float(np.mean(values))
    return {
        "arm": arm,
        "budget": 20,
        "budget_unit": "labels",
        "metric": "accuracy",
        "mean": mean,
        "values": values,
    } | more


def points(axes) -> list[list[float]]:
    return [sorted(line.get_ydata().tolist()) for line in axes.lines if line.get_marker() == "o"]


def test_every_draw_is_a_point_and_of_several_pairs_every_pair() -> None:
    axes = figures.plot_spread([row("scratch", [0.5, 0.7]), row("probe", [0.9, 0.8])]).axes[0]
    np.testing.assert_allclose(points(axes), [[50, 70], [80, 90]])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["scratch", "probe"]
    axes = figures.plot_spread([row("probe", [0.5, 0.7], "a+b"), row("probe", [0.9, 0.7], "a+c")]).axes[0]
    np.testing.assert_allclose(points(axes), [[60, 80]])


def tables() -> dict[str, np.ndarray]:
    return {
        name: mean + RANDOM.normal(size=(5, 1)) * 0.01 + RANDOM.normal(size=(5, 50)) * 0.1
        for name, mean in (("up", 0.5), ("down", -0.5), ("level", 0.0))
    }


def test_verdicts_are_ordered_and_counted_by_colour() -> None:
    axes = figures.plot_verdicts(verdicts(tables())).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["down", "level", "up"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "helped (1)", "no evidence (1)", "harmed (1)"
    ]  # fmt: skip


def test_the_strongest_units_are_drawn_and_scaled_to_themselves() -> None:
    units = RANDOM.normal(size=(3, 3, 5)) * np.array([1, 9, 1, 5, 1])
    shown = [axes.images[0] for axes in figures.plot_weights({"conv": units}, most=2).axes if axes.images]
    for image, unit in zip(shown, (1, 3), strict=True):
        np.testing.assert_allclose(image.get_array(), units[..., unit])
        assert image.get_clim() == pytest.approx((-abs(units[..., unit]).max(), abs(units[..., unit]).max()))


def test_depth_is_drawn_from_the_input_to_the_output() -> None:
    axes = figures.plot_depth({"conv": {"block1": 0.5, "block2": 0.75}, "dense": {"hidden1": 0.25}}).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[0.5, 50], [1, 75]])


def test_time_is_drawn_in_epochs_and_seconds_with_the_baselines_best() -> None:
    curves = {
        "scratch": [Curve(np.array([0.5, 0.7]), np.array([2.0, 4.0]))],
        "tuned": [Curve(np.array([0.8, 0.9]), np.array([1.0, 2.0]))],
        "probe": [Curve(np.array([0.6]), np.array([0.5]), first=0)],
    }
    epochs, seconds = figures.plot_time_saved(curves).axes
    np.testing.assert_allclose(epochs.lines[1].get_xydata(), [[1, 80], [2, 90]])
    np.testing.assert_allclose(seconds.lines[1].get_xydata(), [[1, 80], [2, 90]])
    np.testing.assert_allclose(epochs.lines[2].get_xydata(), [[0, 60]])
    assert epochs.lines[3].get_ydata()[0] == pytest.approx(70)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: figures.plot_spread([]), "no row has the metric"),
        (lambda: figures.plot_verdicts([]), "there is no verdict"),
        (lambda: figures.plot_weights({}), "there are no weights"),
        (lambda: figures.plot_depth({}), "there is no accuracy"),
        (lambda: figures.plot_time_saved({}), "no curve of 'scratch'"),
    ],
)
def test_nothing_to_draw_is_an_error(draw, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw()


class Told:
    """A run that remembers what it is told."""

    def __init__(self) -> None:
        self.findings: list[str] = []
        self.notes: list[str] = []
        self.figures: list[str] = []
        self.rows: list[dict] = []
        self.add_rows = self.rows.extend

    def finding(self, text: str) -> None:
        self.findings.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def figure(self, name: str, figure: object) -> None:
        self.figures.append(name)

    def print(self, renderable: object) -> None:
        pass


def test_verdicts_are_reported_and_their_absence_is_said() -> None:
    run = Told()
    assert len(report_verdicts(run, tables(), "gain")) == 3
    assert run.findings == [
        "Verdicts on gain, of 3: 1 helped, 1 no evidence, 1 harmed.", "Helped: up.", "Harmed: down.",
    ]  # fmt: skip
    assert "false discovery rate 5 %" in run.notes[0] and run.figures == ["verdicts"]
    kept = {(row["metric"], row["arm"]): row["mean"] for row in run.rows}
    assert [kept["verdicts", call] for call in ("helped", "no evidence", "harmed")] == [1, 1, 1]
    assert kept["adjusted_p", "up"] < 0.05 < kept["adjusted_p", "level"]
    assert all(0 < kept["detectable_points", name] < 20 for name in ("up", "down", "level"))
    assert report_verdicts(run, {"one": np.zeros((1, 9))}, "gain") == []
    assert "no verdict on gain" in run.notes[-1]
