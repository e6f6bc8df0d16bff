"""Learning classes for which labels are plentiful: plain training, on a copy."""

import numpy as np
import pytest

from auxtask.backbones.small_nets import conv_backbone
from auxtask.data.image_data import ImageData
from auxtask.data.shifts import Shifts
from auxtask.framework import keras
from auxtask.tasks.known_classes import learn_classes
from auxtask.transfer.cloning import reuse
from auxtask.transfer.groups import layer_groups


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return ImageData.digits(seed=0).only(("0", "1", "2"))


def test_a_copy_learns_and_the_backbone_stays_as_it_is(digits) -> None:
    backbone = conv_backbone(digits.shape, (8, 16), seed=0)
    before = backbone.get_weights()
    model = learn_classes(backbone, digits.train, 6, 1e-2, Shifts(1, flip=False), 32)
    assert all(np.array_equal(old, new) for old, new in zip(before, backbone.get_weights(), strict=True))
    given = model.predict(digits.test.images, verbose=0)
    assert given.shape[1] == 3 and (given.argmax(1) == digits.test.labels).mean() > 0.9
    assert layer_groups(model).names == ("block1", "block2", "head")
    assert reuse(model, drop_head=True).output_shape == backbone.output_shape


def test_the_rate_falls_along_a_cosine_over_all_steps(digits) -> None:
    rates = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    few = digits.train.take(range(70))
    learn_classes(conv_backbone(digits.shape, (4,), seed=0), few, 2, 0.01, batch_size=32, callbacks=[Watch()])
    steps = np.arange(6)  # two epochs of three batches
    assert np.allclose(rates, 0.005 * (1 + np.cos(np.pi * steps / 6)), rtol=1e-3)


def test_the_same_seed_gives_the_same_model(digits) -> None:
    few = digits.train.take(range(64))
    first, again, other = (
        learn_classes(conv_backbone(digits.shape, (4,), seed=0), few, 1, seed=seed, batch_size=32).get_weights()
        for seed in (3, 3, 4)
    )
    assert all(np.allclose(one, two, atol=1e-5) for one, two in zip(first, again, strict=True))
    assert not all(np.allclose(one, two, atol=1e-5) for one, two in zip(first, other, strict=True))
