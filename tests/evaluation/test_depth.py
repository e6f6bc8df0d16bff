"""Probes by depth are scikit-learn's; first layers are shown as the pictures they look for."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from auxtask.backbones.small_nets import conv_backbone, dense_backbone
from auxtask.evaluation.depth import first_layer_weights, probe_by_depth, standardised
from auxtask.evaluation.examples import Examples
from auxtask.framework import keras

RANDOM = np.random.default_rng(0)


def test_each_layer_is_probed_by_scikit_learns_regression() -> None:
    labels = np.arange(60) % 3
    layers = {"noise": RANDOM.normal(size=(60, 4)), "knows": 5 * np.eye(3)[labels] + RANDOM.normal(size=(60, 3))}
    train, test = (Examples(rows, labels[rows], ("a", "b", "c")) for rows in (np.arange(30), np.arange(30, 60)))
    found = probe_by_depth(layers, train, test, strength=0.5)
    for name, rows in layers.items():
        fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=2000)).fit(rows[:30], labels[:30])
        assert found[name] == pytest.approx(fitted.score(rows[30:], labels[30:]), abs=1 / 30)
    assert list(found) == ["noise", "knows"] and found["knows"] > 0.9 > found["noise"]


def test_columns_are_standardised_by_the_rows_named() -> None:
    rows = RANDOM.normal(3, 2, (50, 4))
    by = np.arange(20)
    np.testing.assert_allclose(standardised(rows, by), StandardScaler().fit(rows[:20]).transform(rows), atol=1e-4)


def test_columns_that_do_not_vary_by_those_rows_tell_nothing() -> None:
    rows = np.concatenate([RANDOM.normal(size=(50, 2)), np.full((50, 1), 0.1)], 1).astype(np.float32)
    rows[40:, 2] = 7.0
    assert (standardised(rows, np.arange(20))[:, 2] == 0).all()


def test_first_layers_are_pictures() -> None:
    conv, dense = conv_backbone((8, 8, 2), (4,), seed=0), dense_backbone((8, 8, 2), (5,), seed=0)
    assert first_layer_weights(conv).shape == (3, 3, 4)
    weights = first_layer_weights(dense)
    kernel = dense.get_layer("hidden1").kernel.numpy()
    pixel = 2 * (3 * 8 + 6)  # row 3, column 6 of the flattened picture
    np.testing.assert_allclose(weights[3, 6], kernel[pixel : pixel + 2].mean(axis=0))
    with pytest.raises(ValueError, match="not none"):
        first_layer_weights(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()]))
