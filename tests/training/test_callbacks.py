"""NanGuard, BestWeights and WeightAverage inside Keras' own fit."""

from __future__ import annotations

import numpy as np
import pytest

from auxtask.framework import keras, tf
from auxtask.training.callbacks import BestWeights, Diverged, NanGuard, WeightAverage

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def small_model(rate=0.05, loss="mse"):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4, input_shape=(3,)), keras.layers.BatchNormalization()]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), loss)
    return model


def fit(model, callbacks, epochs=3, y=Y, validation_data=None):
    return model.fit(
        X,
        y,
        batch_size=8,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
        validation_data=validation_data,
    )


class Record(keras.callbacks.Callback):
    """Copies the weights at each moment that its name list asks for."""

    def __init__(self):
        super().__init__()
        self.after_steps, self.at_epoch_end, self.steps = [], [], 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        self.after_steps.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.at_epoch_end.append(self.model.get_weights())


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_nan_guard_stops_names_the_step_and_restores_the_last_good_weights():
    bad = Y.copy()
    bad[20] = np.nan  # the third batch of each epoch
    model = small_model()
    before, record = model.get_weights(), Record()
    with pytest.raises(ValueError, match=r"loss became nan at step 3 \(epoch 1\)"):
        fit(model, [NanGuard(), record], y=bad)
    assert record.steps == 3
    assert same(model.get_weights(), before)


def test_nan_guard_keeps_a_copy_every_few_steps_and_never_a_poisoned_one():
    bad = Y.copy()
    bad[30] = np.nan
    model, record = small_model(), Record()
    with pytest.raises(ValueError, match="step 4"):
        fit(model, [NanGuard(every=2), record], y=bad)
    assert same(model.get_weights(), record.after_steps[1])


def test_nan_guard_sees_a_last_update_that_no_loss_shows():
    @tf.custom_gradient
    def poison(x):
        return x, lambda upstream: upstream * np.nan

    model = small_model(loss=lambda y, p: tf.reduce_mean(poison(p)))
    with pytest.raises(ValueError, match="weight became NaN or infinite at step 1"):
        model.fit(X, Y, batch_size=32, epochs=1, verbose=0, callbacks=[NanGuard()])
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_nan_guard_changes_nothing_in_healthy_training():
    plain, guarded = small_model(), small_model()
    fit(plain, [])
    fit(guarded, [NanGuard(every=1)])
    assert same(plain.get_weights(), guarded.get_weights())


def test_best_weights_restores_the_best_epoch_and_stops_after_patience():
    model, record = small_model(rate=0.05), Record()

    class Script(keras.callbacks.Callback):
        values = iter([3.0, 1.0, np.nan, 2.0, 0.5])

        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = next(self.values)

    best = BestWeights("score", mode="min", patience=2)
    history = fit(model, [Script(), record, best], epochs=5)
    assert (len(history.epoch), best.best, best.best_epoch, best.stopped_epoch) == (4, 1.0, 2, 4)
    assert same(model.get_weights(), record.at_epoch_end[1])


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [("val_accuracy", "max"), ("auc", "max"), ("val_loss", "min"), ("eer", "min")],
)
def test_best_weights_knows_which_way_is_better(monitor, mode):
    assert BestWeights(monitor).mode == mode


def test_best_weights_names_the_logs_that_exist():
    with pytest.raises(ValueError, match="monitor is 'val_loss'; the logs have: loss"):
        fit(small_model(), [BestWeights("val_loss")])


@pytest.mark.parametrize(
    "make",
    [
        lambda: BestWeights("loss", mode="best"),
        lambda: BestWeights("loss", patience=0),
        lambda: WeightAverage(1.0),
        lambda: WeightAverage(0),
        lambda: NanGuard(0),
    ],
)
def test_bad_arguments_are_refused(make):
    with pytest.raises(ValueError, match="; valid: "):
        make()


def test_a_model_that_is_not_finite_is_refused_before_the_first_step():
    model = small_model()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(ValueError, match="not finite before the first step"):
        fit(model, [NanGuard()], epochs=1)


def test_weight_average_follows_its_formula_and_trains_on_from_raw_weights():
    plain, record = small_model(), Record()
    start = plain.get_weights()
    fit(plain, [record], epochs=2)
    averaged = small_model()
    fit(averaged, [WeightAverage(0.7)], epochs=2, validation_data=(X, Y))
    expected = [w.astype(np.float64) for w in start]
    for t, weights in enumerate(record.after_steps, start=1):
        decay = min(0.7, (1 + t) / (10 + t))
        expected = [decay * e + (1 - decay) * w for e, w in zip(expected, weights, strict=True)]
    for got, want in zip(averaged.get_weights(), expected, strict=True):  # BatchNorm's statistics too
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_validation_and_best_weights_see_the_average():
    model, record = small_model(), Record()
    best = BestWeights("val_loss")
    history = fit(model, [WeightAverage(0.5), record, best], epochs=3, validation_data=(X, Y))
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(min(history.history["val_loss"]), rel=1e-5)
    assert same(model.get_weights(), record.at_epoch_end[best.best_epoch - 1])


def test_a_weight_that_does_not_move_is_averaged_to_the_bit():
    model = small_model()
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    before = model.layers[0].get_weights()
    fit(model, [WeightAverage(0.9)])
    assert same(model.layers[0].get_weights(), before)


@pytest.mark.parametrize(
    ("monitor", "direction"),
    [
        ("val_f1_score", "max"), ("val_mean_io_u", "max"), ("val_r2_score", "max"), ("val_cosine_similarity", "max"),
        ("val_account_loss", "min"), ("val_ranking_loss", "min"), ("val_root_mean_squared_error", "min"),
        ("val_distance_accuracy", "max"), ("recall@5", "max"), ("val_acc1", "max"), ("top5acc", "max"), ("f1", "max"),
        ("BinaryAccuracy", "max"), ("val_log_cosh", "min"), ("false_positives", "min"), ("cosine_distance", "min"),
    ],
)  # fmt: skip
def test_words_of_a_metrics_name_tell_its_direction(monitor: str, direction: str) -> None:
    assert BestWeights(monitor).mode == direction


def test_a_name_that_tells_no_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="'val_goodness': its name does not say"):
        BestWeights("val_goodness")
    assert BestWeights("val_goodness", mode="max").mode == "max"


def test_averages_of_diverged_weights_do_not_replace_the_good_ones() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e38), "mse")
    x = np.ones((64, 2), "float32")
    with pytest.raises(Diverged):
        model.fit(x, x[:, :1], epochs=3, callbacks=[NanGuard(), WeightAverage()], verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
