"""Figures say what the numbers say: read back from the drawn objects, not from pixels."""

import numpy as np
import pytest

from auxtask.runs import figures

HISTORY = [
    {"phase": "probe" if e < 2 else "tune", "epoch": e, "loss": 1 / (e + 1), "val_loss": 1.0, "rank1": 0.5}
    for e in range(4)
]


def ledger_row(phase: str, group: str, frozen: bool, changed: bool) -> dict:
    return {"phase": phase, "group": group, "frozen": frozen, "parameters": 1234, "changed": changed}


def test_curves_mark_the_moment_of_thaw() -> None:
    loss, metric = figures.plot_curves(HISTORY).axes
    lines = {line.get_label(): line for line in loss.lines}
    np.testing.assert_allclose(lines["loss"].get_ydata(), [1, 1 / 2, 1 / 3, 1 / 4])
    assert lines["val_loss"].get_linestyle() == "--"
    marks = [line.get_xdata()[0] for line in loss.lines if line.get_linestyle() == ":"]
    assert marks == [2.5]  # between the second and the third epoch
    assert {text.get_text() for text in metric.texts} == {"probe", "tune"}


def drawn_in(axes) -> set[str]:
    return {line.get_label() for line in axes.lines if not line.get_label().startswith("_")}


def test_curves_of_a_pretraining_show_parts_beside_the_loss_and_no_counter_beside_fractions() -> None:
    history = [
        {
            **{"epoch": e, "step": 1000 * e, "seconds": 60.0 * e, "tokens_per_second": 9e4, "matmul_share": 0.5},
            **{"loss": 17.0 / e, "supervised_contrastive": 4.9 / e, "margin_softmax": 12.1 / e},
            **{"val_accuracy": 0.7, "val_auc": 0.8, "val_eer": 0.2, "val_tar@far=0.01": 0.3},
        }
        for e in (1, 2, 3)
    ]
    loss, quality = figures.plot_curves(history).axes
    assert drawn_in(loss) == {"loss", "supervised_contrastive", "margin_softmax"}
    assert drawn_in(quality) == {"val_accuracy", "val_auc", "val_eer", "val_tar@far=0.01"}
    assert quality.get_ylim()[1] < 1.01
    with pytest.raises(ValueError, match="nothing but counters"):
        figures.plot_curves([{"epoch": 1, "step": 10}])


@pytest.mark.parametrize(
    ("name", "right"),
    [("sparse_categorical_accuracy", True), ("val_masked_accuracy", True), ("perplexity", False), ("aux_loss", False)],
)
def test_a_curve_stands_in_the_panel_of_its_kind(name: str, right: bool) -> None:
    axes = figures.plot_curves([{"loss": 1.0, "accuracy": 0.5, name: 0.9}]).axes
    assert (name in drawn_in(axes[0]), name in drawn_in(axes[1])) == (not right, right)


def test_the_freeze_map_shows_each_group_in_each_phase_and_a_broken_promise_in_red() -> None:
    rows = [
        ledger_row("probe", "stem", frozen=True, changed=False),
        ledger_row("probe", "head", frozen=False, changed=True),
        ledger_row("tune", "stem", frozen=True, changed=True),
        ledger_row("tune", "head", frozen=False, changed=True),
    ]
    axes = figures.plot_freeze_map(rows).axes[0]
    from matplotlib.colors import to_hex

    colours = [to_hex(patch.get_facecolor()) for patch in axes.patches]
    assert colours == [figures.FROZEN, figures.TRAINED, figures.BROKEN, figures.TRAINED]
    assert all("1,234" in text.get_text() for text in axes.texts)


def test_the_roc_is_drawn_over_a_logarithmic_axis() -> None:
    far = np.linspace(0, 1, 11)
    axes = figures.plot_roc({"same_face": (far, far**0.5)}).axes[0]
    assert axes.get_xscale() == "log"
    line = next(line for line in axes.lines if line.get_label() == "same_face")
    np.testing.assert_allclose(line.get_ydata(), far**0.5)


def test_mistakes_are_pairs_with_verdicts() -> None:
    photos = np.zeros((5, 32, 32, 3), np.uint8)
    figure = figures.plot_mistakes(photos, photos, [f"taken for {i}" for i in range(5)])
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == [f"taken for {i}" for i in range(5)]
    assert shown[0].images[0].get_array().shape == (32, 66, 3)
    figures.plot_mistakes(photos[:1], photos[:1], ["taken for Joey Bada$$\nis $1_$5"]).canvas.draw()  # no mathematics
    grey = figures.plot_mistakes(photos[:1, ..., :1], photos[:1, ..., :1], ["one"]).axes[0].images[0]
    assert grey.get_array().shape == (32, 66) and grey.get_clim() == (0, 255)  # grey levels as they are
    with pytest.raises(ValueError, match="5 left, 4 right"):
        figures.plot_mistakes(photos, photos[:4], ["x"] * 5)


@pytest.mark.parametrize(
    ("plot", "said"),
    [(figures.plot_curves, "the history has no epoch"), (figures.plot_freeze_map, "the ledger has no rows")],
)
def test_nothing_to_draw_is_an_error(plot, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plot([])
