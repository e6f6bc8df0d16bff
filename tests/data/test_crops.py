"""Crops cut parts out of pictures of any size and number of channels, and change their light."""

import numpy as np
import pytest

from auxtask.data.crops import Crops
from auxtask.framework import tf

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 6, 2), np.uint8)
SEED = tf.constant([1, 2])
NOTHING = {"area": (1.0, 1.0), "ratio": (1.0, 1.0), "flip": False, "brightness": 0.0, "contrast": 0.0}


def test_with_everything_off_pictures_stay_as_they_are() -> None:
    np.testing.assert_allclose(Crops(**NOTHING)(IMAGES, SEED), IMAGES, atol=1e-3)


def test_about_half_are_mirrored_if_asked() -> None:
    made = Crops(**NOTHING | {"flip": True})(IMAGES, SEED).numpy()
    same = [np.abs(one - other).max() < 1e-2 for one, other in zip(made, IMAGES, strict=True)]
    mirrored = [np.abs(one - other[:, ::-1]).max() < 1e-2 for one, other in zip(made, IMAGES, strict=True)]
    assert all(a or b for a, b in zip(same, mirrored, strict=True))
    assert 10 < sum(mirrored) < 30


def test_the_share_cut_out_and_its_shape_stay_in_their_ranges() -> None:
    # A picture whose values are its columns' (or rows') places says what was cut out of it.
    places = np.stack(np.meshgrid(np.arange(101.0), np.arange(101.0)), axis=-1)[None].repeat(300, 0).astype("float32")
    made = Crops((0.25, 0.5), (0.8, 1.25), flip=False, brightness=0, contrast=0)(places, SEED).numpy()
    width = (made[:, 0, -1, 0] - made[:, 0, 0, 0]) / 100
    height = (made[:, -1, 0, 1] - made[:, 0, 0, 1]) / 100
    assert made.min() >= 0 and made.max() <= 100
    assert 0.25 <= (width * height).min() < 0.27 and 0.48 < (width * height).max() <= 0.5001
    assert 0.799 <= (width / height).min() < 0.85 and 1.2 < (width / height).max() <= 1.251


def test_light_changes_as_a_whole_and_values_stay_in_range() -> None:
    grey = np.full((200, 4, 4, 1), 100, np.uint8)
    made = Crops(**NOTHING | {"brightness": 0.2, "contrast": 0.5})(grey, SEED).numpy()
    assert made.std(axis=(1, 2, 3)).max() < 1e-3  # contrast about the mean leaves an even picture alone
    assert made.min() >= 49 - 1e-3 and made.max() <= 151 + 1e-3 and made.std() > 20
    loud = Crops(brightness=1.0, contrast=1.0)(IMAGES, SEED).numpy()
    assert loud.min() >= 0 and loud.max() <= 255


def test_a_seed_gives_the_same_views_and_another_seed_others() -> None:
    first, again, other = (Crops()(IMAGES, tf.constant(seed)).numpy() for seed in ([1, 2], [1, 2], [3, 4]))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.dtype == np.float32 and first.shape == IMAGES.shape


def test_gradients_reach_the_pictures() -> None:
    images = tf.Variable(tf.cast(IMAGES, tf.float32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(Crops()(images, SEED))
    assert np.abs(tape.gradient(total, images)).sum() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"area": (0.0, 1.0)}, "area"),
        ({"area": (0.9, 0.5)}, "area"),
        ({"ratio": (2.0, 1.0)}, "ratio"),
        ({"brightness": 1.5}, "brightness"),
        ({"contrast": -0.1}, "contrast"),
    ],
)
def test_what_cannot_be_done_is_refused(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        Crops(**settings)
