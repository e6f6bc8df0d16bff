"""SimCLR's loss is NT-Xent, by way of SupervisedContrastive with the picture's number as identity."""

from __future__ import annotations

import numpy as np
import pytest

import auxtask as at
from auxtask.framework import tf

IMAGES = at.ImageData.digits().train.images[:300]


def nt_xent(embeddings: np.ndarray, temperature: float) -> float:
    """Equation 1 of Chen et al. (2020), row by row; views of a picture are neighbours."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    losses = []
    for i in range(len(unit)):
        twin = i + 1 if i % 2 == 0 else i - 1
        odds = [np.exp(unit[i] @ unit[k] / temperature) for k in range(len(unit)) if k != i]
        losses.append(-np.log(np.exp(unit[i] @ unit[twin] / temperature) / sum(odds)))
    return float(np.mean(losses))


def task() -> at.SimClr:
    crops = at.Crops(area=(0.5, 1.0), flip=False)
    return at.SimClr(at.conv_backbone((8, 8, 1), stages=(8, 16), seed=0), crops, temperature=0.3, batch_size=64)


def test_the_loss_equals_an_independent_formula() -> None:
    embeddings = np.random.default_rng(0).normal(size=(12, 5))
    values = task().objective_values(tf.constant(embeddings, tf.float32), tf.repeat(tf.range(6), 2))
    assert float(values["loss"]) == pytest.approx(nt_xent(embeddings, 0.3), rel=1e-5)


def test_training_matches_more_views_than_chance() -> None:
    simclr = task()
    simclr.pretrain(IMAGES, budget="60steps", learning_rate=3e-3)
    assert simclr.pretraining.history[-1]["accuracy"] > 4 / 127  # chance is 1 / 127


def test_a_temperature_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature"):
        at.SimClr(at.conv_backbone((8, 8, 1), stages=(8,)), temperature=0.0)


def test_the_same_seed_gives_the_same_backbone_though_layers_wait_for_their_input() -> None:
    """A first look at the batches, which builds them, must not change the batches trained on."""
    made = []
    for _ in range(4):
        simclr = at.SimClr(at.conv_backbone((8, 8, 1), (4, 4), dropout=0.0, seed=0), at.Crops(), seed=0)
        simclr.pretrain(IMAGES[:64], budget="3steps", learning_rate=1e-2, seed=0)
        made.append(simclr.pretraining.history[-1]["loss"])
    assert made == [made[0]] * 4


@pytest.mark.parametrize("shape", [(64,), (8, 8), (None, None, 1)])
def test_pictures_are_recorded_for_encoders_that_take_something_else(shape: tuple) -> None:
    class Flat(at.ImageTask):
        def batch_loss(self, batch, training):
            taken = tf.reshape(batch, (-1, *(8 if side is None else side for side in shape)))
            return tf.reduce_mean(tf.square(self.encoder(taken, training=training) - 1.0))

    layer = at.keras.layers.GlobalAveragePooling2D() if len(shape) == 3 else at.keras.layers.Flatten()
    encoder = at.keras.Sequential([at.keras.Input(shape), layer, at.keras.layers.Dense(2)])
    task = Flat(encoder, batch_size=16)
    task.pretrain(IMAGES[:32], budget="2steps")
    assert task.pretraining.provenance["data"]["num_images"] == 32
