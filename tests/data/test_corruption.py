"""What is taken from a picture is what was asked for, and the same under the same seed."""

import numpy as np
import pytest

from auxtask.data.corruption import Corruption
from auxtask.framework import tf

IMAGES = tf.constant(np.random.default_rng(0).uniform(0, 255, (50, 10, 8, 2)), tf.float32)
SEED = tf.constant([3, 4])


def test_nothing_asked_for_changes_nothing() -> None:
    given, hidden = Corruption()(IMAGES, SEED)
    np.testing.assert_array_equal(given, IMAGES)
    assert not hidden.numpy().any()


def test_the_same_number_of_whole_patches_is_hidden_in_each_picture() -> None:
    given, hidden = (part.numpy() for part in Corruption(masked=0.5, patch=4)(IMAGES, SEED))
    corners = hidden[:, ::4, ::4, 0]  # 3 x 2 patches; those of the last row are 2 pixels high
    assert (corners.sum((1, 2)) == 3).all()
    np.testing.assert_array_equal(hidden[..., 0], np.repeat(np.repeat(corners, 4, 1), 4, 2)[:, :10])
    np.testing.assert_array_equal(given, np.where(hidden == 1, np.float32(127.5), IMAGES))
    assert corners.mean(0).min() > 0.3 and corners.mean(0).max() < 0.7  # no place is preferred


def test_noise_has_the_standard_deviation_asked_for() -> None:
    given, _ = Corruption(noise=0.5)(IMAGES, SEED)
    added = (given - IMAGES).numpy() / 127.5
    assert abs(added.std() - 0.5) < 0.02 and abs(added.mean()) < 0.02


def test_a_seed_gives_the_same_corruption_and_another_seed_another() -> None:
    corrupt = Corruption(noise=0.1, masked=0.3)
    (first, _), (again, _), (other, _) = (corrupt(IMAGES, s) for s in (SEED, SEED, SEED + 1))
    np.testing.assert_array_equal(first, again)
    assert (first.numpy() != other.numpy()).any()


@pytest.mark.parametrize(
    ("setting", "said"), [({"noise": -1.0}, "noise"), ({"masked": 1.0}, "masked"), ({"patch": 0}, "patch=0")]
)
def test_numbers_out_of_range_are_named(setting: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Corruption(**setting)
