"""Figures of pictures hold the pictures that they were given."""

import numpy as np
import pytest

from auxtask.runs.image_figures import plot_reconstructions

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 1), np.uint8)


def test_each_row_has_its_label_and_its_first_pictures() -> None:
    figure = plot_reconstructions({"original": IMAGES, "given back": IMAGES[::-1]}, most=3)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    np.testing.assert_array_equal(shown, [*IMAGES[:3, :, :, 0], *IMAGES[::-1][:3, :, :, 0]])
    assert [axes.get_title(loc="left") for axes in figure.axes[::3]] == ["original", "given back"]


def test_coloured_pictures_stay_coloured() -> None:
    coloured = np.repeat(IMAGES, 3, axis=-1)
    figure = plot_reconstructions({"original": coloured})
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), coloured[0])


@pytest.mark.parametrize("rows", [{}, {"a": IMAGES[:0]}, {"a": IMAGES, "b": IMAGES[:2]}])
def test_rows_that_do_not_match_are_refused(rows) -> None:
    with pytest.raises(ValueError, match="no row none"):
        plot_reconstructions(rows)
