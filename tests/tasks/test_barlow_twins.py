"""Barlow Twins' loss equals the paper's, written out in NumPy, and what it asks for happens."""

from __future__ import annotations

import numpy as np
import pytest

import auxtask as at
from auxtask.framework import keras, tf

IMAGES = at.ImageData.digits().train.images[:300]


def barlow(one: np.ndarray, other: np.ndarray, redundancy: float) -> float:
    """Zbontar et al. (2021), algorithm 1, with views standardised together and pairs counted in both directions."""
    both = np.concatenate([one, other])
    one, other = ((view - both.mean(0)) / np.sqrt(both.var(0) + 1e-5) for view in (one, other))
    total, num_features = 0.0, one.shape[1]
    for a in range(num_features):
        for b in range(num_features):
            c = (np.mean(one[:, a] * other[:, b]) + np.mean(other[:, a] * one[:, b])) / 2
            total += (1 - c) ** 2 if a == b else redundancy * c**2
    return total / num_features


def interleaved(one: np.ndarray, other: np.ndarray) -> tf.Tensor:
    return tf.constant(np.stack([one, other], axis=1).reshape(-1, one.shape[1]), tf.float32)


@pytest.mark.parametrize("redundancy", [0.0, 0.005, 1.0])
def test_the_loss_equals_an_independent_formula(redundancy) -> None:
    one = np.random.default_rng(0).normal(size=(9, 4))
    other = one + np.random.default_rng(1).normal(size=(9, 4))
    loss = at.CrossCorrelation(redundancy)
    found = float(loss(interleaved(one, other), np.repeat(np.arange(9), 2)))
    assert found == pytest.approx(barlow(one, other, redundancy), rel=1e-5)
    order = np.random.default_rng(2).permutation(18)
    mixed = tf.gather(interleaved(one, other), order)
    assert float(loss(mixed, np.repeat(np.arange(9), 2)[order])) == pytest.approx(found, rel=1e-5)


def test_equal_views_with_independent_features_cost_nothing_and_constant_ones_cost_most() -> None:
    # Columns of a Hadamard matrix: mean 0, variance 1, no two alike.
    views = np.array([[1, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]], np.float32)
    labels, loss = np.repeat(np.arange(4), 2), at.CrossCorrelation(1.0)
    assert float(loss(interleaved(views, views), labels)) < 1e-6
    assert float(loss(np.ones((8, 3), np.float32), labels)) == pytest.approx(1.0)
    assert float(loss(np.repeat(views[:, :1], 3, axis=1).repeat(2, axis=0), labels)) == pytest.approx(2.0, rel=1e-3)


def test_value_and_gradient_are_finite_without_pairs_and_without_variance() -> None:
    for rows, labels in ((np.ones((4, 3)), [0, 0, 1, 1]), (np.eye(4, 3), [0, 1, 2, 3])):
        variable = tf.Variable(rows, dtype=tf.float32)
        with tf.GradientTape() as tape:
            value = at.CrossCorrelation()(variable, np.array(labels))
        assert np.isfinite(value) and np.isfinite(tape.gradient(value, variable)).all()


def test_the_configuration_makes_the_same_loss_again() -> None:
    loss = at.CrossCorrelation(0.3)
    assert keras.layers.deserialize(keras.layers.serialize(loss)).get_config() == loss.get_config()


def test_a_redundancy_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="redundancy"):
        at.BarlowTwins(at.conv_backbone((8, 8, 1), stages=(8,)), redundancy=-1.0)


def test_training_makes_features_agree_between_views() -> None:
    crops = at.Crops(area=(0.5, 1.0), flip=False)
    task = at.BarlowTwins(at.conv_backbone((8, 8, 1), stages=(8, 16), seed=0), crops, batch_size=64)
    task.pretrain(IMAGES, budget="60steps", learning_rate=3e-3, validate_every=5)
    rows = task.pretraining.history
    assert rows[-1]["loss"] < 0.9 * rows[0]["loss"]
