import numpy as np
import pytest

from auxtask.data.augmentation import Augmentation, centre_crop
from auxtask.framework import tf

OFF = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "grey": 0.0, "erase": 0.0}
SEED = tf.constant([3, 4])


@pytest.fixture
def photos() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (40, 20, 20, 3)).astype(np.uint8)


def test_with_everything_off_the_photo_is_unchanged(photos: np.ndarray) -> None:
    same = Augmentation(crop_scale=(1, 1), size=20, flip=False, **OFF)
    np.testing.assert_allclose(same(photos, SEED), photos, atol=1e-3)


def test_half_of_the_photos_are_mirrored(photos: np.ndarray) -> None:
    out = Augmentation(crop_scale=(1, 1), size=20, **OFF)(photos, SEED).numpy()
    kept = np.isclose(out, photos, atol=1e-3).all((1, 2, 3))
    mirrored = np.isclose(out, photos[:, :, ::-1], atol=1e-3).all((1, 2, 3))
    assert (kept ^ mirrored).all() and 10 < kept.sum() < 30


def test_crops_lie_inside_and_have_the_asked_scale() -> None:
    rows, columns = np.meshgrid(np.arange(101.0), np.arange(101.0), indexing="ij")
    ramp = np.stack([rows, columns, rows], -1)[None].repeat(60, 0).astype(np.float32)
    out = Augmentation(crop_scale=(0.5, 0.8), size=40, flip=False, **OFF)(ramp, SEED).numpy()
    heights = out[:, -1, 0, 0] - out[:, 0, 0, 0]
    assert 50 <= heights.min() < 56 and 74 < heights.max() <= 80
    np.testing.assert_allclose(out[:, 0, -1, 1] - out[:, 0, 0, 1], heights, atol=1e-3)
    assert out.min() >= 0 and out.max() <= 100 and out[:, 0, 0, 0].std() > 3


def test_colour_changes_match_the_formula_done_in_steps(photos: np.ndarray) -> None:
    settings = {**OFF, "brightness": 0.1, "contrast": 0.3, "saturation": 0.4}
    augment = Augmentation(crop_scale=(1, 1), size=20, flip=False, **settings)
    uniform = tf.random.stateless_uniform((40, 16), SEED).numpy()[:, 4:8] * 2 - 1
    gain, shift, colour = (uniform[:, i, None, None, None] for i in range(3))
    grey = (photos @ np.array([0.299, 0.587, 0.114]))[..., None]
    expected = grey + (1 + 0.4 * colour) * (photos - grey)
    expected = 127.5 + (1 + 0.3 * gain) * (expected - 127.5) + 25.5 * shift
    np.testing.assert_allclose(augment(photos, SEED), np.clip(expected, 0, 255), atol=0.02)


def test_grey_photos_have_equal_channels(photos: np.ndarray) -> None:
    out = Augmentation(size=16, **{**OFF, "grey": 1.0})(photos, SEED).numpy()
    assert np.ptp(out, axis=-1).max() < 0.01


def test_erasing_overwrites_one_rectangle_with_one_colour(photos: np.ndarray) -> None:
    augment = Augmentation(crop_scale=(1, 1), size=20, flip=False, **{**OFF, "erase": 0.5})
    out = augment(photos, SEED).numpy()
    changed = ~np.isclose(out, photos, atol=1e-3).all(-1)
    touched = changed.any((1, 2))
    assert 10 < touched.sum() < 30
    for image, mask in zip(out[touched], changed[touched], strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = np.ix_(range(rows[0], rows[-1] + 1), range(columns[0], columns[-1] + 1))
        assert len(rows) <= 9 and len(columns) <= 9
        assert np.ptp(image[box].reshape(-1, 3), axis=0).max() == 0


def test_the_seed_decides(photos: np.ndarray) -> None:
    augment = Augmentation(size=16)
    np.testing.assert_array_equal(augment(photos, SEED), augment(photos, SEED))
    assert np.abs(augment(photos, SEED) - augment(photos, tf.constant([3, 5]))).max() > 1


def test_the_centre_crop_is_centred() -> None:
    ramp = np.tile(np.arange(21.0, dtype=np.float32)[None, :, None, None], (2, 1, 21, 3))
    out = centre_crop(ramp, 0.5, 11).numpy()
    assert out.shape == (2, 11, 11, 3)
    np.testing.assert_allclose(out[:, :, 0, 0], [np.linspace(5, 15, 11)] * 2, atol=1e-4)
    for scale in (0, 1.5):
        with pytest.raises(ValueError, match=f"^scale={scale}: must be"):
            centre_crop(ramp, scale, 11)


@pytest.mark.parametrize(("setting", "value"), [("grey", 1.5), ("crop_scale", (0.9, 0.8)), ("size", 2), ("erase", -1)])
def test_senseless_settings_are_refused(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{setting}="):
        Augmentation(**{setting: value})
