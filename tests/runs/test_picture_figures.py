"""Grids of pictures, read back from what was drawn."""

import numpy as np
import pytest

from auxtask.runs.picture_figures import plot_samples

IMAGES = np.random.default_rng(0).integers(0, 255, (5, 4, 3, 1), np.uint8)


def test_pictures_stand_line_by_line_under_their_name() -> None:
    above, below = plot_samples({"pictures": IMAGES, "given back": IMAGES[:2]}, columns=3).axes
    assert above.get_title(loc="left") == "pictures"
    sheet = above.images[0].get_array()
    assert sheet.shape == (2 * 4 + 1, 3 * 3 + 2)
    np.testing.assert_array_equal(sheet[5:9, 4:7], IMAGES[4, ..., 0])  # the fifth: second line, second column
    assert (sheet[5:, 8:] == 255).all()
    assert below.images[0].get_array().shape == (4, 11)


def test_colours_stay_colours() -> None:
    assert plot_samples({"": IMAGES.repeat(3, axis=-1)}).axes[0].images[0].get_array().shape[-1] == 3


@pytest.mark.parametrize(
    "pictures", [{}, {"none": IMAGES[:0]}, {"floats": IMAGES / 255}, {"two channels": IMAGES.repeat(2, -1)}]
)
def test_what_is_no_picture_is_refused(pictures) -> None:
    with pytest.raises(ValueError, match="plot_samples"):
        plot_samples(pictures)
