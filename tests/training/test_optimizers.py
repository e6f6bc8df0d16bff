"""GroupRates against the bare Keras optimizer: same updates at scale 1, s times the update at scale
s.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from auxtask.framework import keras, tf
from auxtask.training.optimizers import GroupRates, count_steps_per_variable, rebuild_over

OPTIMIZERS = {
    "adam": lambda rate: keras.optimizers.Adam(rate),
    "sgd_momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "adamw": lambda rate: keras.optimizers.AdamW(rate, weight_decay=0.1),
    "adam_decay": lambda rate: keras.optimizers.Adam(rate, weight_decay=0.05),
    "rmsprop": lambda rate: keras.optimizers.RMSprop(rate, momentum=0.5),
    "clipped": lambda rate: keras.optimizers.Adam(rate, global_clipnorm=0.05),
    "adafactor": lambda rate: keras.optimizers.Adafactor(rate),
    "lion": lambda rate: keras.optimizers.Lion(rate),
}
RATES = {
    "float": lambda: 0.01,
    "schedule": lambda: keras.optimizers.schedules.CosineDecay(0.02, decay_steps=6),
}


def two_variables():
    rng = np.random.default_rng(0)
    first = tf.Variable(rng.normal(size=(3, 2)), dtype=tf.float32, name="same/kernel")
    second = tf.Variable(rng.normal(size=(3, 2)), dtype=tf.float32, name="same/kernel")
    return first, second


def gradients(step):
    rng = np.random.default_rng(100 + step)
    return [tf.constant(rng.normal(size=(3, 2)), tf.float32) for _ in range(2)]


def run(optimizer, variables, steps, graph=True, start=0):
    """Apply fixed gradients; the values before and after each step, as float64."""

    def step(first, second):
        optimizer.apply_gradients(zip([first, second], variables, strict=True))

    optimizer.build(variables)
    compiled = tf.function(step) if graph else step
    values = [[v.numpy().astype(np.float64) for v in variables]]
    for i in range(start, start + steps):
        compiled(*gradients(i))
        values.append([v.numpy().astype(np.float64) for v in variables])
    return values


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_scale_one_is_the_bare_optimizer(kind, rate):
    bare = run(OPTIMIZERS[kind](RATES[rate]()), two_variables(), 4)
    wrapped = run(GroupRates(OPTIMIZERS[kind](RATES[rate]())), two_variables(), 4)
    np.testing.assert_allclose(wrapped, bare, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", [k for k in OPTIMIZERS if k not in ("adafactor",)])
def test_scale_s_gives_s_times_the_update_weight_decay_included(kind, rate):
    first, second = two_variables()
    group = GroupRates(OPTIMIZERS[kind](RATES[rate]()), [(second, 0.25)])
    bare = run(OPTIMIZERS[kind](RATES[rate]()), two_variables(), 1)
    wrapped = run(group, (first, second), 1)
    update = bare[1][1] - bare[0][1]
    assert np.abs(update).min() > 1e-5
    np.testing.assert_allclose(wrapped[1][1] - wrapped[0][1], 0.25 * update, atol=3e-7)
    np.testing.assert_allclose(wrapped[1][0], bare[1][0], rtol=1e-6)  # the other is untouched


def test_scales_are_kept_over_many_steps_in_eager_and_graph_mode():
    # Without decay the update depends on the gradients only, so it stays s times the bare one at
    # each step.
    bare = run(keras.optimizers.Adam(0.01), two_variables(), 5)
    for graph in (True, False):
        first, second = two_variables()
        got = run(GroupRates(keras.optimizers.Adam(0.01), {second.ref(): 0.3}), (first, second), 5, graph)
        for t in range(5):
            np.testing.assert_allclose(got[t + 1][1] - got[t][1], 0.3 * (bare[t + 1][1] - bare[t][1]), atol=3e-7)


def test_scale_zero_leaves_a_variable_bit_identical():
    first, second = two_variables()
    before = second.numpy()
    run(GroupRates(keras.optimizers.AdamW(0.1), [(second, 0.0)]), (first, second), 3)
    np.testing.assert_array_equal(second.numpy(), before)


def test_sparse_gradients_and_constraints_work_as_in_the_bare_optimizer():
    def train(optimizer_of):
        table = tf.Variable(np.ones((4, 2)), dtype=tf.float32, constraint=keras.constraints.MaxNorm(1.0))
        optimizer = optimizer_of(table)
        optimizer.build([table])
        slices = tf.IndexedSlices(tf.constant([[1.0, 2.0], [1.0, 1.0]]), tf.constant([1, 1]), (4, 2))
        tf.function(lambda: optimizer.apply_gradients([(slices, table)]))()
        return table.numpy()

    bare = train(lambda table: keras.optimizers.Adam(0.1))
    np.testing.assert_allclose(train(lambda t: GroupRates(keras.optimizers.Adam(0.1))), bare, rtol=1e-6)


def first_update_after(optimizer, frozen_steps, rate):
    """Train one variable alone for a while, then both; the second one's first update over the "
    "rate."""
    first, second = two_variables()
    optimizer.build([first, second])
    alone = tf.function(lambda g: optimizer.apply_gradients([(g, first)]))
    for i in range(frozen_steps):
        alone(gradients(i)[0])
    before = second.numpy()
    optimizer.apply_gradients(zip(gradients(99), [first, second], strict=True))
    return np.abs(second.numpy() - before).max() / rate


def test_first_adam_update_after_a_thaw_is_the_learning_rate_and_with_plain_keras_several_times():
    assert first_update_after(keras.optimizers.Adam(0.01), 1000, 0.01) > 2.0  # the trap
    assert first_update_after(GroupRates(keras.optimizers.Adam(0.01)), 1000, 0.01) <= 1.05


def steps_per_variable(optimizer):
    return [int(count) for count in optimizer.optimizer._steps_per_variable]


def test_own_step_counts_make_a_late_variable_train_like_one_that_starts_alone():
    optimizer = GroupRates(keras.optimizers.Adam(0.01))
    first, second = two_variables()
    optimizer.build([first, second])
    for i in range(20):
        optimizer.apply_gradients([(gradients(i)[0], first)])
    late = run(optimizer, (first, second), 6, start=50)
    alone = run(keras.optimizers.Adam(0.01), two_variables(), 6, start=50)
    np.testing.assert_allclose([v[1] for v in late], [v[1] for v in alone], atol=1e-6)
    assert steps_per_variable(optimizer) == [26, 6]
    assert int(optimizer.iterations) == 26


def test_thaw_forgets_slots_and_count_of_those_variables_only():
    first, second = two_variables()
    optimizer = GroupRates(keras.optimizers.Adagrad(0.01, initial_accumulator_value=0.1))
    run(optimizer, (first, second), 3)
    optimizer.thaw([second])
    kept, fresh = optimizer.optimizer._accumulators
    np.testing.assert_allclose(fresh.numpy(), 0.1)
    assert kept.numpy().min() > 0.1
    assert steps_per_variable(optimizer) == [3, 0]


def test_schedule_counts_from_the_phase_and_momentum_goes_on():
    variables = two_variables()
    optimizer = GroupRates(keras.optimizers.SGD(0.1, momentum=0.9))
    run(optimizer, variables, 5)
    momentum = optimizer.optimizer.momentums[0].numpy()
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.25])
    optimizer.start_phase(schedule)
    np.testing.assert_array_equal(optimizer.optimizer.momentums[0].numpy(), momentum)
    seen = []
    for i in range(4):
        run(optimizer, variables, 1, start=i)
        seen.append(float(optimizer.learning_rate))
    assert seen == [0.5, 0.5, 0.25, 0.25]
    optimizer.start_phase(0.01)
    run(optimizer, variables, 1)
    assert float(optimizer.learning_rate) == pytest.approx(0.01)


def small_model(optimizer):
    model = keras.Sequential([keras.layers.Dense(3, input_shape=(2,)), keras.layers.Dense(1)])
    model.compile(optimizer=optimizer, loss="mse")
    return model


X = np.random.default_rng(1).normal(size=(16, 2)).astype("float32")
Y = X.sum(1, keepdims=True)


def test_learning_rate_callbacks_work():
    model = small_model(GroupRates(keras.optimizers.SGD(0.5)))
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = model.fit(X, Y, epochs=2, callbacks=[halve], verbose=0)
    assert history.history["lr"] == pytest.approx([0.25, 0.125])
    assert float(model.optimizer.optimizer.learning_rate) == pytest.approx(0.125)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=1e9)
    model.fit(X, Y, epochs=3, callbacks=[plateau], verbose=0)
    assert float(model.optimizer.learning_rate) < 0.1


def test_checkpoint_round_trip_continues_to_the_bit(tmp_path):
    def made():
        variables = two_variables()
        return variables, GroupRates(keras.optimizers.AdamW(0.01), [(variables[1], 0.5)])

    variables, optimizer = made()
    run(optimizer, variables, 3)
    first = variables[0]
    optimizer.apply_gradients([(gradients(7)[0], first)])  # counts now differ
    path = tf.train.Checkpoint(o=optimizer, v=list(variables)).save(str(tmp_path / "c"))
    expected = run(optimizer, variables, 3, start=20)
    for build_first in (True, False):
        variables, optimizer = made()
        if build_first:
            optimizer.build(variables)
        status = tf.train.Checkpoint(o=optimizer, v=list(variables)).restore(path)
        optimizer.build(variables)
        status.assert_existing_objects_matched()
        np.testing.assert_array_equal(run(optimizer, variables, 3, start=20), expected)


def test_config_round_trip_through_json():
    variables = two_variables()
    schedule = keras.optimizers.schedules.CosineDecay(0.02, 100)
    optimizer = GroupRates(keras.optimizers.AdamW(schedule, weight_decay=0.1), [(variables[1], 0.5)])
    optimizer.build(variables)
    config = json.loads(json.dumps(keras.optimizers.serialize(optimizer), default=float))
    again = keras.optimizers.deserialize(config)
    others = two_variables()
    again.build(others)
    assert [again.scale_of(v) for v in others] == [1.0, 0.5]
    np.testing.assert_array_equal(run(again, others, 3), run(optimizer, variables, 3))


def test_loss_scaling_wraps_it():
    first, second = two_variables()
    inner = GroupRates(keras.optimizers.Adam(0.01), [(second, 0.5)])
    scaled = keras.mixed_precision.LossScaleOptimizer(inner, dynamic=False, initial_scale=8.0)
    bare = run(keras.optimizers.Adam(0.01), two_variables(), 1)
    got = run(scaled, (first, second), 1)
    np.testing.assert_allclose(got[1][1] - got[0][1], 0.5 * (bare[1][1] - bare[0][1]), atol=3e-7)


def test_averaging_of_weights_inside_the_optimizer_sees_the_scaled_weights():
    first, second = two_variables()
    inner = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    optimizer = GroupRates(inner, [(second, 0.0)])
    before = second.numpy()
    run(optimizer, (first, second), 2)
    optimizer.finalize_variable_values([first, second])
    np.testing.assert_array_equal(second.numpy(), before)


def test_rebuilding_over_more_variables_keeps_slots_rate_and_iterations_in_the_same_object():
    first, second = two_variables()
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build([second])
    for i in range(3):
        optimizer.apply_gradients([(gradients(i)[1], second)])
    slot, rate = optimizer._velocities[0].numpy(), optimizer.learning_rate
    rebuild_over(optimizer, [first, second])
    count_steps_per_variable(optimizer, [(second, 3)])
    np.testing.assert_array_equal(optimizer._velocities[1].numpy(), slot)
    assert not np.any(optimizer._velocities[0].numpy())
    assert optimizer.learning_rate is rate and int(optimizer.iterations) == 3
    assert len(optimizer.variables) == 1 + 4
    # And it trains on exactly as if nothing had happened.
    reference = run(keras.optimizers.Adam(0.01), two_variables(), 4)
    optimizer.apply_gradients([(gradients(3)[1], second)])
    np.testing.assert_allclose(second.numpy(), reference[4][1], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda v: GroupRates("adam"), "keras.optimizers.Adam"),
        (lambda v: GroupRates(keras.optimizers.legacy.Adam()), "legacy"),
        (lambda v: GroupRates(GroupRates(keras.optimizers.Adam())), "GroupRates already"),
        (lambda v: GroupRates(keras.optimizers.Adam(), [(v, -1.0)]), "finite number >= 0"),
        (lambda v: GroupRates(keras.optimizers.Adam(), [(v, float("nan"))]), "finite number >= 0"),
        (lambda v: GroupRates(keras.optimizers.Adam()).start_phase(0.0), "learning_rate"),
        (lambda v: GroupRates(keras.optimizers.Adam()).thaw([v]), "built over"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(two_variables()[0])
