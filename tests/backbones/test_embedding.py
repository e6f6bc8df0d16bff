"""Embeddings averaged over views, against the same written out one photo at a time."""

from __future__ import annotations

import numpy as np
import pytest

from auxtask.backbones.conv import residual_backbone
from auxtask.backbones.embedding import embed, predict_views
from auxtask.framework import tf


@pytest.fixture(scope="module")
def backbone():
    return residual_backbone(size=16, stages=(4, 8), embedding=6, seed=0)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 20, 20, 3), np.uint8)


def by_hand(backbone, image, crops, mirror):
    total = 0
    for crop in crops:
        edge = (1 - crop) / 2
        box = [[edge, edge, 1 - edge, 1 - edge]]
        view = tf.image.crop_and_resize(image[None].astype(np.float32), box, [0], (16, 16)).numpy()
        for photo in [view, view[:, :, ::-1]] if mirror else [view]:
            one = backbone(photo, training=False).numpy()[0]
            total = total + one / np.linalg.norm(one)
    return total / np.linalg.norm(total)


@pytest.mark.parametrize(("crops", "mirror"), [((0.9,), True), ((0.8, 1.0), True), ((1.0,), False)])
def test_it_is_the_mean_of_unit_embeddings_at_unit_length(backbone, images, crops, mirror):
    expected = [by_hand(backbone, image, crops, mirror) for image in images]
    got = embed(backbone, images, crops, mirror, batch_size=3)  # the last batch is filled up
    assert got.dtype == np.float32 and got.shape == (7, 6)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_mirrored_photo_has_the_same_embedding(backbone, images):
    np.testing.assert_allclose(embed(backbone, images[:, :, ::-1]), embed(backbone, images), atol=1e-5)


def test_the_batch_size_does_not_matter_and_floats_do(backbone, images):
    whole = embed(backbone, images)
    np.testing.assert_allclose(embed(backbone, images, batch_size=1), whole, atol=1e-5)
    np.testing.assert_allclose(embed(backbone, images.astype(np.float32)), whole, atol=1e-5)


def test_pixels_from_0_to_1_are_warned_of_and_those_that_are_not_finite_refused(backbone, images):
    small = images.astype(np.float32) / 255
    with pytest.warns(UserWarning, match="pixels run from .* the network takes 0 to 255") as told:
        embed(backbone, small)
    assert told[0].filename == __file__
    small[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="pixels that are not finite"):
        embed(backbone, small)


def test_no_photo_gives_no_embedding(backbone, images):
    assert embed(backbone, images[:0]).shape == (0, 6)


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((2, 20, 20), {}, "images must be"),
        ((2, 20, 20, 1), {}, "images must be"),
        ((2, 20, 20, 3), {"crops": ()}, "crops"),
        ((2, 20, 20, 3), {"crops": (0.0,)}, "crops"),
        ((2, 20, 20, 3), {"crops": (1.1,)}, "crops"),
        ((2, 20, 20, 3), {"batch_size": 0}, "batch_size"),
    ],
)
def test_bad_input_is_refused(backbone, shape, settings, message):
    with pytest.raises(ValueError, match=message):
        embed(backbone, np.zeros(shape, np.uint8), **settings)


def test_predictions_are_the_mean_over_the_crop_and_its_mirror_image(backbone, images):
    box = [[0.05, 0.05, 0.95, 0.95]] * len(images)
    view = tf.image.crop_and_resize(images.astype(np.float32), box, range(len(images)), (16, 16)).numpy()
    both = [backbone(photos, training=False).numpy() for photos in (view, view[:, :, ::-1])]
    np.testing.assert_allclose(predict_views(backbone, images), (both[0] + both[1]) / 2, rtol=1e-4, atol=1e-5)
    assert predict_views(backbone, images[:0]).shape == (0, 6)
    with pytest.raises(ValueError, match="crops must be shares"):
        predict_views(backbone, images, crop=0.0)
