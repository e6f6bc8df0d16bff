"""Shifts move whole pictures by whole pixels, as NumPy's padding and slicing do."""

import numpy as np
import pytest

from auxtask.data.shifts import Shifts
from auxtask.framework import tf

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 2), np.uint8)
SEED = tf.constant([1, 2])


def moved(image: np.ndarray, pixels: int) -> list[np.ndarray]:
    """Every picture that a shift can give, mirrored ones last."""
    padded = np.pad(image, ((pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
    height, width = image.shape[:2]
    places = range(2 * pixels + 1)
    shifted = [padded[top : top + height, left : left + width] for top in places for left in places]
    return shifted + [each[:, ::-1] for each in shifted]


def test_each_picture_is_one_of_its_possible_shifts_and_about_half_are_mirrored() -> None:
    mirrored = 0
    for image, result in zip(IMAGES, Shifts(1)(IMAGES, SEED).numpy(), strict=True):
        matches = [i for i, one in enumerate(moved(image, 1)) if (one == result).all()]
        assert matches
        mirrored += matches[0] >= 9
    assert 10 < mirrored < 30


def test_without_flips_no_picture_is_mirrored_and_without_pixels_nothing_moves() -> None:
    for image, result in zip(IMAGES, Shifts(1, flip=False)(IMAGES, SEED).numpy(), strict=True):
        assert any((one == result).all() for one in moved(image, 1)[:9])
    np.testing.assert_array_equal(Shifts(0, flip=False)(IMAGES, SEED), IMAGES)


def test_a_seed_gives_the_same_shifts_and_another_seed_others() -> None:
    first, again, other = (Shifts()(IMAGES, tf.constant(seed)).numpy() for seed in ([1, 2], [1, 2], [3, 4]))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("pixels", [-1, 1.5, True])
def test_what_is_no_number_of_pixels_is_refused(pixels) -> None:
    with pytest.raises(ValueError, match="pixels"):
        Shifts(pixels)
