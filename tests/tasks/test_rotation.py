"""Rotation: which way up is a picture?"""

from __future__ import annotations

import numpy as np
import pytest

from auxtask.backbones.small_nets import conv_backbone
from auxtask.framework import tf
from auxtask.tasks.rotation import Rotation
from auxtask.transfer.cloning import reuse
from tests.tasks.small_tasks import pictures, small_conv


def test_loss_and_accuracy_are_those_over_the_four_positions() -> None:
    task = Rotation(small_conv())
    batch = pictures()[:5].astype(np.float32)
    turned = np.concatenate([np.rot90(batch, turns, axes=(1, 2)) for turns in range(4)])
    values = task.batch_loss((tf.constant(turned), tf.repeat(np.arange(4), 5)), training=False)
    # numpy turns counter-clockwise too, and the network judges each position on its own.
    losses, right = [], []
    for turns in range(4):
        features = task.encoder(np.rot90(batch, turns, axes=(1, 2)).copy(), training=False).numpy()
        odds = features @ task.head.kernel.numpy() + task.head.bias.numpy()
        losses.append(np.log(np.exp(odds).sum(1)) - odds[:, turns])
        right.append(odds.argmax(1) == turns)
    assert float(values["loss"]) == pytest.approx(np.mean(losses), rel=1e-4)
    assert float(values["accuracy"]) == pytest.approx(np.mean(right))


def test_a_batch_shows_each_picture_in_all_four_positions() -> None:
    turned, turns = next(iter(Rotation(small_conv(), batch_size=6).batches(pictures(), 3)))
    assert turned.shape == (24, 12, 12, 1) and turns.numpy().tolist() == np.repeat(np.arange(4), 6).tolist()
    upright = turned.numpy()[:6]
    for quarter in range(4):  # numpy turns counter-clockwise, as tf.image.rot90 does
        assert np.array_equal(turned.numpy()[6 * quarter : 6 * quarter + 6], np.rot90(upright, quarter, axes=(1, 2)))


def test_it_learns_to_tell_pictures_that_are_brighter_at_the_top() -> None:
    task = Rotation(small_conv(), batch_size=20)
    task.pretrain(pictures(), pictures(), budget="60steps", learning_rate=1e-2)
    assert task.pretraining.history[-1]["val_accuracy"] > 0.8  # chance: 0.25
    record = task.pretraining.provenance
    assert record["task"] == "Rotation" and record["batch_size"] == 20
    seen = record["data"].pop("pictures")
    assert record["data"] == {"num_images": 40, "shape": [12, 12, 1]} and len(seen) == 428  # 8 bytes each, as text


def test_pictures_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="12 x 16 cannot be turned"):
        Rotation(conv_backbone((12, 16, 1), (4, 4)))


def test_feature_maps_are_refused_before_they_fail_in_training() -> None:
    with pytest.raises(ValueError, match="pool the maps"):
        Rotation(reuse(small_conv(), upto="block1"))
