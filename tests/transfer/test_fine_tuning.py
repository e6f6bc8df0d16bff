"""fine_tune: what is frozen does not move, momentum survives borders, epochs and rows count "
"right."""

from __future__ import annotations

import numpy as np
import pytest

from auxtask.framework import keras, tf
from auxtask.training.budget import Budget
from auxtask.training.callbacks import WeightAverage
from auxtask.transfer.fine_tuning import fine_tune
from auxtask.transfer.freezing import frozen_groups
from auxtask.transfer.plans import PLAN_NAMES, Phase, Plan

L = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 6)).astype("float32")
Y = (X[:, 0] > 0).astype("int32") + (X[:, 1] > 0)
VALIDATION = (X[:12], Y[:12])


def model_of(rate=0.2, activation="softmax"):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((6,)),
            L.Dense(5, activation="relu", name="low"),
            L.BatchNormalization(name="norm"),
            L.Dropout(rate, name="drop"),
            L.Dense(4, activation="tanh", name="high"),
            L.Dense(3, activation=activation, name="top"),
        ]
    )


def weights_of(model, *names):
    return [w.numpy() for name in names for w in model.get_layer(name).weights]


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_the_probe_plan_leaves_the_backbone_bit_identical_and_trains_the_head():
    model = model_of()
    backbone, head = weights_of(model, "low", "norm", "high"), weights_of(model, "top")
    result = fine_tune(model, (X, Y), plan=Plan.probe(epochs=3))
    assert result.model is model
    assert same(weights_of(model, "low", "norm", "high"), backbone)
    assert not same(weights_of(model, "top"), head)
    assert frozen_groups(model) == ("block1", "block2")
    assert [row["changed"] for row in result.ledger.rows] == [False, False, True]


def test_labels_that_nothing_fits_and_a_monitor_of_nothing_are_refused_before_training():
    model = model_of()
    before = [weight.numpy() for weight in model.weights]
    with pytest.raises(ValueError, match="labels run from 0 to 5"):
        fine_tune(model, (X, Y), (X[:3], np.array([0, 1, 5])))
    watched = [Phase(1, frozen_upto="backbone"), Phase(1, patience=2, monitor="val_accuracy", name="all")]
    with pytest.raises(ValueError, match="phase 'all' monitors 'val_accuracy', which needs validation_data"):
        fine_tune(model, (X, Y), plan=watched)
    assert same([weight.numpy() for weight in model.weights], before)


@pytest.mark.parametrize("plan", PLAN_NAMES)
def test_each_plan_gives_one_row_per_epoch_and_ledger_rows_per_phase(plan):
    made = getattr(Plan, plan)(epochs=4) if plan != "gradual" else Plan.gradual(4, num_groups=2)
    result = fine_tune(model_of(), (X, Y), VALIDATION, plan=made)
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4]
    phases = [phase.name for phase in made.phases for _ in range(phase.epochs)]
    assert [row["phase"] for row in result.history] == phases
    assert set(result.history[0]) == {
        "phase",
        "epoch",
        "learning_rate",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
    }
    assert len(result.ledger.rows) == 3 * len(made.phases)


def test_a_plan_by_name_fits_the_models_groups():
    result = fine_tune(model_of(), (X, Y), plan="gradual", batch_size=24)
    frozen = [row["group"] for row in result.ledger.rows if row["frozen"]]
    assert frozen == ["block1", "block2", "block1"]  # phase 1 both, phase 2 one, phase 3 none


def test_full_tuning_equals_plain_keras():
    ours, plain = model_of(rate=0.0), model_of(rate=0.0)
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    phase = Phase(3, 1e-2, batchnorm="train")
    fine_tune(ours, batches, plan=[phase], optimizer=keras.optimizers.AdamW(weight_decay=0.1))
    plain.compile(keras.optimizers.AdamW(1e-2, weight_decay=0.1), "sparse_categorical_crossentropy")
    plain.fit(batches, epochs=3, verbose=0)
    for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_two_phases_of_one_kind_equal_one_long_phase():
    # Momentum, second moments and step counts survive the border, or the weights would differ.
    def tuned(phases, optimizer):
        model = model_of(rate=0.0)
        batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
        return fine_tune(model, batches, plan=phases, optimizer=optimizer()).model.get_weights()

    for optimizer in (
        lambda: keras.optimizers.SGD(momentum=0.9),
        lambda: keras.optimizers.AdamW(weight_decay=0.01),
    ):
        split = tuned([Phase(2, 1e-2), Phase(2, 1e-2)], optimizer)
        for a, b in zip(split, tuned([Phase(4, 1e-2)], optimizer), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_first_update_after_the_thaw_is_no_larger_than_its_rate():
    seen = []

    class FirstUpdate(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.before = self.model.get_layer("low").kernel.numpy()

        def on_train_batch_end(self, batch, logs=None):
            if self.before is not None:
                seen.append(np.abs(self.model.get_layer("low").kernel.numpy() - self.before).max())
                self.before = None

    plan = Plan("p", (Phase(60, 1e-3, "backbone"), Phase(1, 1e-3)))
    fine_tune(model_of(), (X, Y), plan=plan, callbacks=[FirstUpdate()], batch_size=8)
    assert seen[0] == 0.0
    assert 0.0 < seen[1] <= 1.05e-3


def test_schedules_count_from_the_phases_start():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.5, 0.125])
    plan = [Phase(2, 1e-3, "backbone"), Phase(2, schedule)]
    rows = fine_tune(model_of(), (X, Y), plan=plan, batch_size=12).history
    assert [row["learning_rate"] for row in rows] == pytest.approx([1e-3, 1e-3, 0.5, 0.125])
    assert [row["phase"] for row in rows] == ["phase1", "phase1", "phase2", "phase2"]


def test_layer_decay_scales_each_groups_update():
    # Adam's first update of any weight is its learning rate: so the rates can be read off.
    model = model_of(rate=0.0)
    names = ("low", "high", "top")
    before = {name: model.get_layer(name).bias.numpy() for name in names}
    fine_tune(model, (X, Y), plan=[Phase(1, 1e-2, layer_decay=0.5)], batch_size=24)
    after = {name: np.abs(model.get_layer(name).bias.numpy() - before[name]).max() for name in names}
    assert [after[n] for n in names] == pytest.approx([0.0025, 0.005, 0.01], rel=0.01)


class Worse(keras.callbacks.Callback):
    """A validation loss that is least in the second epoch of each phase, and highest in the last."""

    def on_train_begin(self, logs=None):
        self.values = iter([2.0, 1.0, 3.0, 4.0, 5.0])
        self.kept = []

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = next(self.values)
        self.kept.append(self.model.get_weights())


def test_a_phase_is_judged_by_what_it_names_in_the_direction_it_names():
    worse = Worse()
    plan = [Phase(5, 1e-2, monitor="val_loss", mode="max", patience=2)]
    result = fine_tune(model_of(), (X, Y), VALIDATION, plan=plan, callbacks=[worse])
    assert len(result.history) == 5 and same(result.model.get_weights(), worse.kept[4])


def test_a_phase_stops_early_restores_its_best_and_the_next_phase_runs():
    worse = Worse()
    plan = [Phase(5, 1e-2, "backbone", patience=1), Phase(5, 1e-2, patience=2)]
    result = fine_tune(model_of(), (X, Y), VALIDATION, plan=plan, callbacks=[worse])
    assert [row["phase"] for row in result.history] == ["phase1"] * 3 + ["phase2"] * 4
    assert [row["epoch"] for row in result.history] == list(range(1, 8))
    assert same(result.model.get_weights(), worse.kept[1])


def test_a_budget_ends_the_whole_plan():
    result = fine_tune(model_of(), (X, Y), plan=Plan.probe_then_tune(9), callbacks=[Budget("2epochs")])
    assert len(result.history) == 2


@pytest.mark.parametrize(
    ("activation", "labels"), [("softmax", Y), ("softmax", np.eye(3)[Y]), ("sigmoid", np.eye(3)[Y])]
)
def test_each_phase_traces_the_training_step_once(activation, labels):
    """Tracing costs more than a hundred steps of a small network."""
    traced = []

    class Counted(keras.Model):
        def train_step(self, data):
            traced.append(1)
            return super().train_step(data)

    inner = model_of(activation=activation)
    model = Counted(inner.inputs, inner.outputs)
    fine_tune(model, (X, labels), plan=[Phase(2, 1e-2, frozen_upto="backbone"), Phase(2, 1e-3)])
    assert len(traced) == 2


def test_averaged_weights_pass_the_ledger():
    result = fine_tune(model_of(), (X, Y), VALIDATION, Plan.probe(3), callbacks=[WeightAverage(0.9)])
    assert result.history[-1]["val_loss"] == pytest.approx(result.model.evaluate(*VALIDATION, verbose=0)[0], rel=1e-5)


def test_the_ledger_stops_a_run_in_which_a_frozen_weight_moves():
    class Tamper(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.get_layer("norm").moving_mean.assign_add([1e-3] * 5)

    with pytest.raises(ValueError, match="phase 'probe' moved 1 frozen weights: norm/moving_mean"):
        fine_tune(model_of(), (X, Y), plan="probe", callbacks=[Tamper()])


def test_a_nan_loss_is_one_clear_error():
    bad = X.copy()
    bad[3] = np.nan
    model = model_of()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"became N?n?a[nN].* at step 1 "):
        fine_tune(model, (bad, Y), plan="full", batch_size=24)
    assert same(model.get_weights(), before)


def test_the_same_seed_gives_the_same_model():
    runs = [fine_tune(model_of(0.5), (X, Y), plan=Plan.full(3), seed=s, batch_size=8) for s in (1, 1, 2)]
    first, again, other = (run.model.get_weights() for run in runs)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert not same(first, other)


def test_the_callers_optimizer_is_untouched_and_serves_many_runs():
    optimizer = keras.optimizers.SGD(0.3, momentum=0.9)
    for _ in range(2):
        fine_tune(model_of(), (X, Y), plan=Plan.probe(1), optimizer=optimizer)
    assert int(optimizer.iterations) == 0 and float(optimizer.learning_rate) == pytest.approx(0.3)


def test_the_result_is_plain_keras_that_saves_loads_and_trains_on(tmp_path):
    model = fine_tune(model_of(), (X, Y), plan=Plan.probe_then_tune(3)).model
    assert type(model.optimizer) is keras.optimizers.Adam
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    steps = int(model.optimizer.iterations)
    model.fit(X, Y, epochs=1, batch_size=24, verbose=0)
    assert int(model.optimizer.iterations) == steps + 1


@pytest.mark.parametrize(
    ("activation", "labels", "loss"),
    [
        ("softmax", Y, "sparse_categorical_crossentropy"),
        ("softmax", np.eye(3, dtype="float32")[Y], "categorical_crossentropy"),
        ("sigmoid", np.eye(3, dtype="float32")[Y], "binary_crossentropy"),
    ],
)
def test_the_loss_follows_from_the_head(activation, labels, loss):
    model = fine_tune(model_of(activation=activation), (X, labels), plan=Plan.probe(1)).model
    assert model.loss == loss


@pytest.mark.parametrize(
    ("activation", "units", "labels"),
    [
        ("softmax", 3, Y),
        ("softmax", 3, np.eye(3, dtype="float32")[Y]),
        ("sigmoid", 1, np.minimum(Y, 1)),
    ],
)
def test_accuracy_is_what_keras_takes_for_it(activation, units, labels):
    below = model_of().layers[:-1]
    model = keras.Sequential([keras.Input((6,)), *below, L.Dense(units, activation=activation, name="top")])
    result = fine_tune(model, (X, labels), validation_data=(X, labels), plan=Plan.probe(1))
    model.compile(loss=model.loss, metrics=["accuracy"])
    assert result.history[-1]["val_accuracy"] == pytest.approx(model.evaluate(X, labels, verbose=0)[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"plan": "prob"}, r"plan is 'prob' \(did you mean 'probe'\?\); valid: scratch, probe"),
        ({"plan": [Phase(1, frozen_upto="blok1")]}, "blok1.*block1"),
        ({"plan": [Phase(1), Phase(1, frozen_upto=3)]}, "upto is 3; valid: 1 to 2 groups"),
        ({"plan": [Phase(1, frozen_upto="head")]}, "freezes every group that has weights"),
        ({"plan": 7}, "plan is 7; valid"),
        ({"plan": []}, "at least one phase"),
        ({"optimizer": "adm"}, r"optimizer is 'adm' \(did you mean 'adam'\?\)"),
        ({"optimizer": 3}, "valid: an instance of a tf_keras optimizer"),
        ({"train": (X, Y[:3])}, "different numbers"),
        ({"train": tf.data.Dataset.from_tensors((X, Y)).repeat()}, "endless"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_trained(arguments, message):
    model = model_of()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        fine_tune(model, **{"train": (X, Y), "plan": "probe", **arguments})
    assert same(model.get_weights(), before)


def test_without_a_loss_for_a_linear_head_it_asks_for_one():
    with pytest.raises(ValueError, match="pass loss="):
        fine_tune(model_of(activation=None), (X, Y), plan="probe")
    fine_tune(model_of(activation=None), (X, Y), plan=Plan.probe(1), loss="mse", metrics=[])
