"""The contract of an auxiliary task, on a line to be fitted: three methods, and the rest is there."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from auxtask.framework import keras, tf
from auxtask.tasks.auxiliary_task import AuxiliaryTask


class Slope(AuxiliaryTask):
    """From x to 3x; the encoder has one weight, so that what training does can be computed by hand."""

    def __init__(self, start: float = 0.0, penalty: float = 0.0, **settings: Any) -> None:
        weight = keras.layers.Dense(1, use_bias=False, kernel_regularizer=keras.regularizers.L1(penalty))
        encoder = keras.Sequential([keras.Input((1,)), weight])
        encoder.set_weights([np.array([[start]], np.float32)])
        super().__init__(encoder, **settings)

    def batches(self, data: np.ndarray, seed: int) -> tf.data.Dataset:
        rows = tf.data.Dataset.from_tensor_slices(data.astype(np.float32)[:, None])
        return rows.shuffle(len(data), seed=seed).repeat().batch(4, drop_remainder=True)

    def num_batches(self, data: np.ndarray) -> int:
        return len(data) // 4

    def batch_loss(self, batch: Any, training: bool) -> Any:
        return tf.reduce_mean(tf.square(self.encoder(batch, training=training) - 3 * batch))


class Restless(Slope):
    """Judged by how near it is to 1, which training towards 3 only passes."""

    def measure(self, validation):
        class Judged:
            def metrics(inner):
                return {"distance": abs(slope_of(self) - 1.0)}

        return Judged()


class Poisoned(Slope):
    def batch_loss(self, batch, training):
        return super().batch_loss(batch, training) + tf.where(tf.reduce_any(batch == 7.0), np.nan, 0.0)


X = np.linspace(-1, 1, 16)


def slope_of(task: Slope) -> float:
    return float(task.encoder.get_weights()[0][0, 0])


def test_fit_and_evaluate_are_keras_own() -> None:
    task = Slope()
    task.compile(keras.optimizers.SGD(0.1))
    history = task.fit(task.batches(X, 0), steps_per_epoch=4, epochs=5, verbose=0).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert 1.5 < slope_of(task) < 2.9
    loss = task.evaluate(task.batches(X, 0).take(4), verbose=0)
    assert loss == pytest.approx((3 - slope_of(task)) ** 2 * np.mean(X**2), rel=1e-4)


def test_pretraining_keeps_to_its_budget_and_returns_what_is_kept() -> None:
    for budget, steps in (("7steps", 7), ("2epochs", 8), (1, 4)):
        task = Slope()
        assert task.pretrain(X, budget=budget) is task.kept is task.encoder
        assert task.pretraining.history[-1]["step"] == steps
        assert slope_of(task) > 0


def test_a_single_step_trains() -> None:
    task = Slope()
    task.pretrain(X, budget="1steps", learning_rate=0.1, weight_decay=0.0)
    assert slope_of(task) == pytest.approx(0.1, rel=1e-3)  # Adam's first step is as long as its rate


def test_validation_is_the_mean_over_the_batches_of_one_pass() -> None:
    task = Slope()
    task.pretrain(X, X, budget="20steps", learning_rate=0.1, weight_decay=0.0, validate_every=1)
    rows = task.pretraining.history
    assert [row["step"] for row in rows] == [4, 8, 12, 16, 20]
    # All sixteen x are met once: the mean over four batches is that over them.
    assert rows[-1]["val_loss"] == pytest.approx((3 - slope_of(task)) ** 2 * np.mean(X**2), rel=1e-4)
    again = task.measure(X).metrics()
    assert again["loss"] == pytest.approx(rows[-1]["val_loss"], rel=1e-6)


def test_the_best_epoch_is_kept_if_asked_for() -> None:
    task = Restless()
    task.pretrain(X, X, budget="40steps", learning_rate=0.2, validate_every=1, monitor="val_distance")
    best = min(row["val_distance"] for row in task.pretraining.history)
    assert abs(slope_of(task) - 1.0) == pytest.approx(best, abs=1e-6)


def test_of_a_few_validations_the_best_is_kept() -> None:
    task = Restless()
    task.pretrain(X, X, budget="40steps", learning_rate=0.2, validate_at=(0.25, 1.0), monitor="val_distance")
    first, last = (row["val_distance"] for row in task.pretraining.history if "val_distance" in row)
    assert first < last and abs(slope_of(task) - 1.0) == pytest.approx(first, abs=1e-6)
    with pytest.raises(ValueError, match="val_nonsense"):
        Slope().pretrain(X, X, budget="40steps", validate_at=(0.25, 1.0), monitor="val_nonsense")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"clip": 0.0}, "clip must be above 0, not 0.0"),
        ({"clip": -1.0}, "clip"),
        ({"validate_at": (0.5, 1.5)}, "above 0 and at most 1"),
        ({"validate_at": (0.0,)}, "above 0 and at most 1"),
        ({"validate_at": ()}, "above 0 and at most 1"),
        ({"validate_at": (0.5,), "validate_every": 2}, "give one of them"),
        ({"validation": None, "monitor": "val_loss"}, "monitor='val_loss' needs validation data"),
    ],
)
def test_settings_that_would_be_ignored_are_refused_before_training(settings: dict[str, Any], said: str) -> None:
    task = Slope()
    with pytest.raises(ValueError, match=said):
        task.pretrain(X, **{"validation": X, "budget": "20steps"} | settings)
    assert slope_of(task) == 0


def test_data_of_less_than_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match=r"num_batches\(data\) gives 0"):
        Slope().pretrain(X[:3], budget="2steps")
    with pytest.raises(ValueError, match=r"num_batches\(validation\) gives 0"):
        Slope().pretrain(X, X[:3], budget="20steps")


def test_a_loss_that_is_not_finite_stops_and_leaves_good_weights() -> None:
    task = Poisoned()
    with pytest.raises(ValueError, match="NaN|infinite|finite"):
        task.pretrain(np.append(X[:15], 7.0), budget="20steps")
    assert np.isfinite(slope_of(task))


def test_the_record_names_task_settings_and_facts_and_is_plain_json() -> None:
    class Told(Slope):
        def facts(self, data, validation):
            return {"num_points": len(data), "settings": {"size": 4, "budget": "mine"}}

    task = Told()
    task.pretrain(X, budget="3steps", seed=9, ema=0.9, clip=1.0)
    record = task.pretraining.provenance
    assert (record["task"], record["num_points"]) == ("Told", 16)
    common = {"learning_rate": 1e-3, "weight_decay": 0.05, "warmup": 0.08, "ema": 0.9, "clip": 1.0, "seed": 9}
    assert common.items() <= record["settings"].items()
    assert record["settings"]["size"] == 4 and record["settings"]["budget"] == "mine"
    assert json.loads(json.dumps(record)) == record and "tensorflow" in record["versions"]


def test_a_task_may_say_how_its_gradients_come_about() -> None:
    class Uphill(Slope):
        def gradients(self, batch):
            values, pairs = super().gradients(batch)
            return values, [(-gradient, weight) for gradient, weight in pairs]

    task = Uphill(start=2.0)
    task.pretrain(X, budget="5steps", weight_decay=0.0)
    assert slope_of(task) < 2.0


def test_penalties_of_layers_are_part_of_the_gradient() -> None:
    slopes = []
    for penalty in (0.0, 5.0):
        task = Slope(start=3.0, penalty=penalty)
        _, ((gradient, weight),) = task.gradients(next(iter(task.batches(X, 0))))
        assert weight is task.encoder.trainable_weights[0]
        slopes.append(float(gradient[0, 0]))
    assert slopes == pytest.approx([0.0, 5.0])


def test_a_second_part_continues_the_history() -> None:
    task = Slope()
    task.pretrain(X, budget="4steps")
    first = task.pretraining.history
    task.pretrain(X, budget="8steps", history=first)
    rows = task.pretraining.history
    assert rows[: len(first)] == first
    assert rows[-1]["step"] == 12 and [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))


def test_a_layer_that_waits_for_its_first_input_is_averaged_and_guarded_like_the_others() -> None:
    class WithHead(Slope):
        def __init__(self):
            super().__init__(start=1.0)
            self.head = keras.layers.Dense(1)

        def batch_loss(self, batch, training):
            return tf.reduce_mean(tf.square(self.head(self.encoder(batch, training=training)) - 3 * batch))

    weights = []
    for _ in range(2):
        task = WithHead()
        task.pretrain(X, budget="6steps", learning_rate=0.1, ema=0.9)
        weights.append(task.get_weights())
    assert len(weights[0]) == 3
    assert all((one == other).all() for one, other in zip(*weights, strict=True))
    # Decay pulls towards 0, which means nothing for an offset, made late or not.
    assert not task.optimizer._use_weight_decay(task.head.bias)


def test_several_values_are_logged_by_name() -> None:
    class Named(Slope):
        def batch_loss(self, batch, training):
            return {"loss": super().batch_loss(batch, training), "size": tf.cast(tf.shape(batch)[0], tf.float32)}

    task = Named(logs=("loss", "size"))
    task.pretrain(X, X, budget="4steps")
    assert task.pretraining.history[-1]["size"] == task.pretraining.history[-1]["val_size"] == 4.0
    assert task.logged == ("loss", "size")


def test_logs_without_a_loss_are_refused_and_a_task_is_not_saved_as_a_model() -> None:
    with pytest.raises(ValueError, match="'loss' must be among them"):
        Slope(logs=("accuracy",))
    with pytest.raises(NotImplementedError, match="save_backbone"):
        Slope().get_config()
