"""SimCLR and Barlow Twins: what holds for both. Each one's own is in its file."""

from __future__ import annotations

import numpy as np
import pytest

import auxtask as at

IMAGES = at.ImageData.digits().train.images[:200]
CROPS = at.Crops(area=(0.5, 1.0), flip=False)
METHODS = {"simclr": at.SimClr, "barlow_twins": at.BarlowTwins}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def encoder() -> at.Model:
    return at.conv_backbone((8, 8, 1), stages=(8, 12), seed=0)


@every_method
def test_a_batch_is_encoded_in_one_call_and_views_of_a_picture_are_neighbours(method) -> None:
    task = method(encoder(), CROPS, batch_size=16)
    views, numbers = next(iter(task.batches(IMAGES, seed=0)))
    assert views.shape == (32, 8, 8, 1)
    assert numbers.numpy().tolist() == np.repeat(np.arange(16), 2).tolist()
    between = np.abs(views[::2] - views[1::2]).mean(axis=(1, 2, 3))
    across = np.abs(views[:-2:2] - views[2::2]).mean(axis=(1, 2, 3))
    assert between.mean() < across.mean() and between.min() > 0
    calls = []
    inner = task.encoder.call
    task.encoder.call = lambda *args, **more: calls.append(1) or inner(*args, **more)
    task.batch_loss((views, numbers), training=True)
    assert len(calls) == 1


@every_method
def test_training_lowers_the_loss_keeps_the_groups_and_throws_the_head_away(method) -> None:
    task = method(encoder(), CROPS, batch_size=64)
    backbone = task.pretrain(IMAGES, IMAGES[:100], budget="30steps", learning_rate=3e-3, validate_every=5)
    assert backbone is task.encoder
    assert at.layer_groups(backbone).names == ("block1", "block2")
    assert not {id(v) for v in task.head.weights} & {id(v) for v in backbone.weights}
    rows = task.pretraining.history
    assert rows[-1]["loss"] < rows[0]["loss"] and np.isfinite(rows[-1]["val_loss"])
    facts = task.pretraining.provenance
    assert facts["task"] == method.__name__ and "area=(0.5, 1.0)" in facts["augment"]


@every_method
def test_a_seed_gives_the_same_views_and_another_seed_others(method) -> None:
    def views(seed: int) -> np.ndarray:
        return next(iter(method(encoder(), CROPS, batch_size=64).batches(IMAGES, seed)))[0].numpy()

    np.testing.assert_array_equal(views(1), views(1))
    assert (views(1) != views(2)).any()


@every_method
def test_what_is_saved_is_equal_to_the_bit(method, tmp_path) -> None:
    backbone = method(encoder(), CROPS, batch_size=64).pretrain(IMAGES, budget="2steps", seed=1)
    at.save_backbone(backbone, tmp_path / "backbone", {})
    loaded = at.load(tmp_path / "backbone")
    np.testing.assert_array_equal(loaded.predict(IMAGES, verbose=0), backbone.predict(IMAGES, verbose=0))


@every_method
@pytest.mark.parametrize(
    ("settings", "message"),
    [({"batch_size": 1}, "batch_size=1"), ({"widths": ()}, "widths"), ({"widths": (0,)}, "width")],
)
def test_settings_out_of_range_are_refused(method, settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        method(encoder(), CROPS, **settings)


@every_method
def test_feature_maps_and_a_single_picture_are_refused(method) -> None:
    with pytest.raises(ValueError, match="pool the maps"):
        method(maps_only())
    with pytest.raises(ValueError, match="at least 2"):
        method(encoder(), CROPS).pretrain(IMAGES[:1], budget=1)


def maps_only() -> at.Model:
    return at.reuse(encoder(), upto="block1")
