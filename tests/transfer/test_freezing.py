"""Freezing and thawing against plain Keras: at once on a compiled model, in inference mode, slots
kept.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest

from auxtask.framework import keras, tf
from auxtask.training.optimizers import GroupRates
from auxtask.transfer.freezing import (
    freeze,
    frozen_groups,
    in_inference_mode,
    set_inference_mode,
    unfreeze,
    variables_to_train,
)
from auxtask.transfer.groups import layer_groups, layers_of, set_groups
from tests.transfer.models import ZOO, example

L = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(1.0, 2.0, size=(32, 6)).astype("float32")
Y = RNG.integers(0, 3, 32)


def compiled(optimizer="sgd", seed=0):
    """Two blocks of Dense, BatchNorm, Dropout, and a softmax head: block1, block2, head."""
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((6,))]
    for i in (1, 2):
        layers += [
            L.Dense(5, activation="relu", name=f"dense{i}"),
            L.BatchNormalization(name=f"norm{i}"),
            L.Dropout(0.5, name=f"drop{i}"),
        ]
    model = keras.Sequential([*layers, L.Dense(3, activation="softmax", name="classifier")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(model, epochs=1):
    return model.fit(X, Y, batch_size=8, epochs=epochs, verbose=0, shuffle=False)


def moved(model, names, act):
    """Which of these layers' weights change while `act` runs."""
    before = {name: model.get_layer(name).get_weights() for name in names}
    act()
    return {
        name
        for name in names
        for a, b in zip(before[name], model.get_layer(name).get_weights(), strict=True)
        if not np.array_equal(a, b)
    }


ALL = ("dense1", "norm1", "dense2", "norm2", "classifier")


def test_plain_keras_does_not_train_what_was_thawed_after_compile_and_we_do():
    plain, ours = compiled(), compiled()
    plain.get_layer("dense1").trainable = False
    plain.compile("sgd", "sparse_categorical_crossentropy")
    train(plain)
    plain.get_layer("dense1").trainable = True
    assert "dense1" not in moved(plain, ALL, lambda: train(plain))  # ignored by Keras
    freeze(ours)
    assert moved(ours, ALL, lambda: train(ours)) == {"classifier"}
    unfreeze(ours, last=1)
    assert moved(ours, ALL, lambda: train(ours)) == {"dense2", "norm2", "classifier"}
    unfreeze(ours)
    assert moved(ours, ALL, lambda: train(ours)) == set(ALL)
    freeze(ours, upto=1)
    assert moved(ours, ALL, lambda: train(ours)) == {"dense2", "norm2", "classifier"}


def test_plain_keras_raises_key_error_after_thaw_and_recompile_with_the_same_optimizer():
    model = compiled("adam")
    model.get_layer("dense1").trainable = False
    model.compile(model.optimizer, "sparse_categorical_crossentropy")
    train(model)
    model.get_layer("dense1").trainable = True
    model.compile(model.optimizer, "sparse_categorical_crossentropy")
    with pytest.raises(KeyError, match="cannot recognize variable"):
        train(model)


def test_frozen_batchnorm_does_not_move_and_frozen_dropout_does_not_drop_while_live_ones_do():
    model = freeze(compiled(), upto="block1")
    block1 = keras.Model(model.inputs, model.get_layer("drop1").output)
    block2 = keras.Model(model.inputs, model.get_layer("drop2").output)
    still = block1(X, training=False)
    np.testing.assert_array_equal(block1(X, training=True), still)
    assert not np.array_equal(block2(X, training=True), block2(X, training=False))
    statistics = moved(model, ("norm1", "norm2"), lambda: train(model))
    assert statistics == {"norm2"}
    # Plain Keras leaves the Dropout of a frozen layer active: the reference that this is needed.
    plain = compiled()
    plain.trainable = False
    prefix = keras.Model(plain.inputs, plain.get_layer("drop1").output)
    assert not np.array_equal(prefix(X, training=True), prefix(X, training=False))


def test_inside_fit_a_frozen_prefix_computes_what_predict_computes():
    model = freeze(compiled())
    seen = []

    class Spy(L.Layer):
        def call(self, x):
            tf.py_function(lambda v: seen.append(v.numpy()), [x], [])
            return x

    features = keras.Model(model.inputs, model.get_layer("drop2").output)
    outputs = L.Dense(3, activation="softmax")(Spy()(features.output))
    wrapped = keras.Model(model.inputs, outputs)
    wrapped.compile("sgd", "sparse_categorical_crossentropy")
    wrapped.fit(X, Y, batch_size=32, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_allclose(seen[0], features.predict(X, verbose=0), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("mode", "statistics_move"), [("inference", False), ("train", True)])
def test_thawed_batchnorm_trains_gamma_and_beta_and_keeps_statistics_unless_asked(mode, statistics_move):
    model = compiled()
    freeze(model)
    unfreeze(model, batchnorm=mode)
    norm = model.get_layer("norm1")
    gamma, beta, mean, variance = (w.numpy() for w in norm.weights)
    train(model)
    now = [w.numpy() for w in norm.weights]
    assert not np.array_equal(now[0], gamma) and not np.array_equal(now[1], beta)
    assert (not np.array_equal(now[2], mean)) == statistics_move
    assert (not np.array_equal(now[3], variance)) == statistics_move
    dropped = keras.Model(model.inputs, model.get_layer("drop1").output)
    assert not np.array_equal(dropped(X, training=True), dropped(X, training=False))


def test_batchnorm_of_the_head_is_new_and_always_learns_its_statistics():
    head = keras.Sequential([L.BatchNormalization(name="new"), L.Dense(3, activation="softmax")])
    inputs = keras.Input((6,))
    model = keras.Model(inputs, head(L.Dense(4, activation="relu", name="old")(inputs)))
    path = head.name
    set_groups(model, {"block1": ["old"], "head": [f"{path}/new", f"{path}/{head.layers[-1].name}"]})
    unfreeze(freeze(model))
    assert not in_inference_mode(head.get_layer("new"))


def test_the_switch_is_reversible_and_never_saved(tmp_path):
    model, untouched = compiled(), compiled()
    dropout = model.get_layer("drop1")
    freeze(model)
    assert in_inference_mode(dropout)
    for layer, other in zip(model.layers, untouched.layers, strict=True):
        # `trainable` is Keras' own and is saved; nothing else differs.
        assert layer.get_config() == {**other.get_config(), "trainable": layer.trainable}
    for path in (tmp_path / "m.keras", tmp_path / "m.h5"):
        model.save(path)
        loaded = keras.models.load_model(path)
        np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
        assert not in_inference_mode(loaded.get_layer("drop1"))
        assert type(loaded.optimizer).__name__ == "SGD"
    unfreeze(model, batchnorm="train")
    assert "call" not in vars(dropout)
    assert [set(vars(a)) for a in model.layers] == [set(vars(b)) for b in untouched.layers]


def test_a_deep_copy_of_a_frozen_layer_is_bound_to_the_copy():
    layer = L.Dropout(0.5)
    layer(np.ones((2, 4), "float32"))
    set_inference_mode(layer, True)
    other = copy.deepcopy(layer)
    set_inference_mode(layer, False)
    np.testing.assert_array_equal(other(np.ones((9, 4), "float32"), training=True), np.ones((9, 4)))
    assert vars(other)["call"].__self__ is other


def test_autograph_still_works_inside_a_frozen_layer_and_training_may_be_positional():
    class Doubling(L.Layer):
        def call(self, x, training=None):
            if tf.reduce_sum(x) > 0:  # needs autograph
                x = x * 2.0
            return x + 100.0 if training else x

    inputs = keras.Input((6,))
    layer = Doubling(name="doubling")
    h = layer(L.Dense(4, activation="relu", name="enter")(inputs))
    model = keras.Model(inputs, L.Dense(3, activation="softmax", name="out")(h))
    freeze(model)
    run = tf.function(lambda x: layer(x, training=True))
    np.testing.assert_array_equal(run(tf.ones((1, 4))), 2 * np.ones((1, 4)))
    np.testing.assert_array_equal(layer(tf.ones((1, 4)), True), 2 * np.ones((1, 4)))
    unfreeze(model)
    np.testing.assert_array_equal(layer(tf.ones((1, 4)), True), 102 * np.ones((1, 4)))


@pytest.mark.parametrize("kind", [kind for kind in ZOO if kind != "auxiliary_output"])
def test_every_kind_of_model_freezes_to_inference_and_thaws_back(kind):
    model = ZOO[kind]()
    x = example(model)
    weights = [w.numpy() for w in model.weights]
    names = {id(w) for w in model.trainable_weights}
    still = np.asarray(model(x, training=False))
    freeze(model, upto="head" if "head" in layer_groups(model).names else None)
    assert model.trainable_weights == []
    np.testing.assert_array_equal(model(x, training=True), still)
    unfreeze(model, batchnorm="train")
    assert {id(w) for w in model.trainable_weights} == names
    for before, after in zip(weights, (w.numpy() for w in model.weights), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("kind", ["nested", "subclassed_layers", "siamese", "shared"])
def test_frozen_groups_names_what_is_frozen(kind):
    model = ZOO[kind]()
    names = layer_groups(model).names
    assert frozen_groups(model) == ()
    freeze(model, upto=1)
    assert frozen_groups(model) == names[:1]
    freeze(model)
    assert frozen_groups(model) == tuple(n for n in names if n != "head")
    unfreeze(model, last=1)
    assert frozen_groups(model) == tuple(n for n in names if n != "head")[:-1]


def test_thawing_sees_through_a_container_that_the_user_froze():
    model = ZOO["nested"]()
    model.get_layer("middle").trainable = False
    model.trainable = False
    unfreeze(model)
    assert len(model.trainable_weights) == len(model.weights)


def test_other_layers_keep_the_flags_that_the_user_gave_them():
    model = compiled()
    model.get_layer("dense2").trainable = False
    freeze(model, upto="block1")
    assert not model.get_layer("dense2").trainable and model.get_layer("norm2").trainable


class Slots:
    """The optimizer's slots by variable name, to compare before and after."""

    def __init__(self, model):
        optimizer = model.optimizer
        self.by_key = {
            key: [optimizer._momentums[i].numpy(), optimizer._velocities[i].numpy()]
            for key, i in optimizer._index_dict.items()
        }

    def kept_in(self, other):
        return all(
            np.array_equal(a, b)
            for key, slots in self.by_key.items()
            for a, b in zip(slots, other.by_key[key], strict=True)
        )


def test_loss_metrics_and_optimizer_stay_and_slots_are_carried_by_variable():
    model = compiled("adam")
    freeze(model)
    optimizer, loss = model.optimizer, model.loss
    train(model)
    before, steps = Slots(model), int(optimizer.iterations)
    unfreeze(model)
    assert model.optimizer is optimizer and model.loss is loss
    assert before.kept_in(Slots(model)) and int(optimizer.iterations) == steps
    history = train(model).history
    assert set(history) == {"loss", "accuracy"}
    assert int(optimizer.iterations) == steps + 4


def test_an_optimizer_built_over_fewer_variables_is_extended_in_place():
    model = compiled("adam")
    model.get_layer("dense1").trainable = False
    model.compile(model.optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    train(model)  # Keras builds slots for the trainable variables only
    before = Slots(model)
    unfreeze(model)
    assert before.kept_in(Slots(model))
    assert len(model.optimizer._momentums) == len(variables_to_train(model))
    assert "dense1" in moved(model, ALL, lambda: train(model))


def first_update(model, variable, rate):
    before = variable.numpy()
    model.train_on_batch(X, Y)
    return np.abs(variable.numpy() - before).max() / rate


def test_the_first_adam_update_after_a_thaw_is_no_larger_than_the_learning_rate():
    ours = freeze(compiled(keras.optimizers.Adam(1e-3)))
    train(ours)
    ours.optimizer.iterations.assign(1000)  # as after a long frozen phase
    unfreeze(ours)
    assert first_update(ours, ours.get_layer("dense1").kernel, 1e-3) <= 1.05
    # Plain Keras, done right (built over all variables, compiled again): several times the rate.
    plain = compiled(keras.optimizers.Adam(1e-3))
    plain.optimizer.build(plain.trainable_variables)
    for trainable in (False, True):
        for layer in plain.layers[:-1]:
            layer.trainable = trainable
        plain.compile(plain.optimizer, "sparse_categorical_crossentropy")
        if not trainable:
            train(plain)
            plain.optimizer.iterations.assign(1000)
    assert first_update(plain, plain.get_layer("dense1").kernel, 1e-3) > 2.0


def test_a_compiled_model_trains_as_plain_keras_when_nothing_is_frozen():
    plain, ours = compiled("adam"), compiled("adam")
    unfreeze(freeze(ours), batchnorm="train")
    for model in (plain, ours):
        keras.utils.set_random_seed(3)
        train(model, epochs=2)
    for a, b in zip(plain.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: GroupRates(keras.optimizers.Adam(1e-2)),
        lambda: keras.optimizers.legacy.Adam(1e-2),
        lambda: keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(1e-2)),
    ],
    ids=["group_rates", "legacy", "loss_scaling"],
)
def test_other_optimizers_thaw_too(optimizer):
    model = freeze(compiled(optimizer()))
    train(model)
    unfreeze(model)
    assert "dense1" in moved(model, ALL, lambda: train(model))


@pytest.mark.parametrize("act", [freeze, unfreeze])
def test_inside_fit_it_raises_and_beside_another_models_fit_it_does_not(act):
    model, other = compiled(), compiled()

    class Act(keras.callbacks.Callback):
        def __init__(self, target):
            super().__init__()
            self.target = target

        def on_epoch_begin(self, epoch, logs=None):
            act(self.target)

    with pytest.raises(ValueError, match="called inside fit"):
        model.fit(X, Y, epochs=1, verbose=0, callbacks=[Act(model)])
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[Act(other)])
    act(model)  # and afterwards it works again


@pytest.mark.parametrize("upto", [0, -1, 3, True, 1.0])
def test_a_count_that_matches_nothing_names_the_valid_ones(upto):
    for act, argument in ((freeze, "upto"), (unfreeze, "last")):
        with pytest.raises(ValueError, match=f"{argument} is .*; valid: 1 to 2 groups, or one of block1, block2"):
            act(compiled(), upto)


def test_unknown_names_are_refused():
    for act in (freeze, unfreeze):
        with pytest.raises(ValueError, match="block1.*block2"):
            act(compiled(), "blok1")
    with pytest.raises(ValueError, match="batchnorm is 'live'; valid: inference, train"):
        unfreeze(compiled(), batchnorm="live")


def test_groups_are_what_this_file_thinks():
    assert [layer.name for layer in layers_of(compiled(), "block1")] == ["dense1", "norm1", "drop1"]
