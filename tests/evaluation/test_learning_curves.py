"""Curves measure what Keras' own `evaluate` measures; reaching is counted by hand."""

import numpy as np
import pytest

from auxtask.evaluation.learning_curves import Curve, LearningCurve, time_to_reach
from auxtask.framework import keras

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 5)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")


@pytest.mark.parametrize(("units", "loss"), [(1, "binary_crossentropy"), (2, "sparse_categorical_crossentropy")])
def test_accuracy_is_keras_own_and_seconds_grow(units: int, loss: str) -> None:
    activation = "sigmoid" if units == 1 else "softmax"
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(units, activation)])
    model.compile(keras.optimizers.Adam(0.1), loss, metrics=["accuracy"])
    watch = LearningCurve(X[100:], Y[100:])
    history = model.fit(X[:100], Y[:100], validation_data=(X[100:], Y[100:]), epochs=3, callbacks=[watch], verbose=0)
    model.fit(X[:100], Y[:100], epochs=2, callbacks=[watch], verbose=0)
    curve = watch.curve()
    assert len(curve.accuracy) == len(curve.seconds) == 5
    np.testing.assert_allclose(curve.accuracy[:3], history.history["val_accuracy"], atol=1e-6)
    assert (np.diff(curve.seconds) > 0).all() and curve.seconds[0] > 0


def curve(*accuracy: float) -> Curve:
    return Curve(np.array(accuracy), np.arange(1, len(accuracy) + 1) * 2.0)


def test_time_to_reach_counts_epochs_and_seconds_to_the_baselines_best() -> None:
    curves = {
        "scratch": [curve(0.5, 0.8, 0.7), curve(0.5, 0.6, 0.9)],
        "tuned": [curve(0.8, 0.9, 0.9), curve(0.7, 0.8, 0.8)],
        "poor": [curve(0.1, 0.1, 0.1), curve(0.2, 0.2, 0.2)],
    }
    scratch, tuned, poor = time_to_reach(curves)
    assert (scratch.epochs, scratch.seconds, scratch.num_reached) == (2.5, 5.0, 2)
    assert (tuned.epochs, tuned.seconds, tuned.num_reached) == (1.0, 2.0, 1)
    assert (poor.epochs, poor.num_reached) == (None, 0)
    assert tuned.sentence() == "tuned: 1.0 epochs, 2.00 s (in 1 of 2 draws)"
    assert poor.sentence() == "poor: never"


def test_what_is_fitted_at_once_needs_no_epoch() -> None:
    probe = Curve(np.array([0.85]), np.array([0.5]), first=0)
    found = time_to_reach({"scratch": [curve(0.5, 0.8)], "probe": [probe]})[1]
    assert (found.epochs, found.seconds) == (0.0, 0.5)


def test_curves_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="no curve of 'scratch'"):
        time_to_reach({"tuned": [curve(0.5)]})
    with pytest.raises(ValueError, match="tuned has 2 curves, scratch 1"):
        time_to_reach({"scratch": [curve(0.5)], "tuned": [curve(0.5), curve(0.5)]})
