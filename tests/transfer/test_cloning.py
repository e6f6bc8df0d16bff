"""Reuse: copies equal their source to the bit, share nothing with it, and keep its structure."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import auxtask as at
from auxtask.framework import keras, tf
from auxtask.transfer.cloning import copy_weights, reuse
from auxtask.transfer.cutting import cut_at, cuts, prefix
from auxtask.transfer.freezing import freeze
from auxtask.transfer.groups import layer_groups, set_groups
from auxtask.transfer.weights import weights_by_path
from tests.transfer.drawn_graphs import build, plans
from tests.transfer.models import APPLICATIONS, ZOO, SubclassedModel, example, same_bits, shaken

L = keras.layers
DRAWN = settings(max_examples=20, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None)


def state(model):
    return {path: np.asarray(weight).tobytes() for path, weight in weights_by_path(model).items()}


def train(model, steps=2):
    """Plain Keras training on random targets; every trainable weight that has a gradient moves."""
    optimizer = keras.optimizers.SGD(0.5)
    x = example(model, seed=7)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(model(x, training=True))
            loss = tf.add_n([tf.reduce_mean((tf.cast(y, tf.float32) - 0.3) ** 2) for y in outputs])
        gradients = tape.gradient(loss, model.trainable_variables)
        pairs = zip(gradients, model.trainable_variables, strict=True)
        optimizer.apply_gradients([(g, v) for g, v in pairs if g is not None])


def first_tensor(outputs):
    return outputs[0] if isinstance(outputs, list) else outputs


def layers_below(model):
    return {id(layer) for layer in model._flatten_layers(include_self=False)}


# --- the lecture's trap ---------------------------------------------------------------------------------------------


def test_the_lectures_shallow_copy_changes_model_a_and_reuse_does_not():
    model_a = ZOO["sequential"]()
    before = state(model_a)
    trap = keras.Sequential(model_a.layers[:-1])
    trap.add(L.Dense(1, activation="sigmoid", name="b"))
    trap(example(model_a))
    train(trap)
    assert state(model_a) != before

    model_a = ZOO["sequential"]()
    before = state(model_a)
    model_b = reuse(model_a, drop_head=True, head=1)
    train(model_b)
    assert state(model_a) == before
    assert state(model_b)["dense_a/kernel"] != before["dense_a/kernel"]


# --- equal to the bit, and independent ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ZOO)
def test_a_copy_equals_its_source_and_training_it_leaves_the_source_alone(kind):
    model = ZOO[kind]()
    x, before = example(model), state(model)
    if kind == "implicit_mask":
        x[:, 4:] = 0
    copy = reuse(model)
    assert same_bits(copy(x), model(x)) and same_bits(copy(x, training=False), model(x, training=False))
    assert state(copy) == before
    assert layer_groups(copy).names == layer_groups(model).names
    assert not layers_below(copy) & layers_below(model)
    train(copy)
    assert state(model) == before and state(copy) != before


@pytest.mark.parametrize("kind", sorted(set(ZOO) - {"auxiliary_output"}))
def test_a_copied_prefix_equals_the_cut_prefix_and_keeps_its_groups(kind):
    model = ZOO[kind]()
    x, groups = example(model), layer_groups(model)
    for i, name in enumerate(groups.names[:-1]):
        part = reuse(model, upto=name)
        bottom = prefix(model, cut_at(model, name))
        assert same_bits(part(x), first_tensor(bottom(x)))
        assert layer_groups(part).names == layer_groups(bottom).names == groups.names[: i + 1]
        assert layer_groups(part)[i].output_shape == groups[i].output_shape
        assert [t.name for t in part.inputs] == [t.name for t in model.inputs]


@DRAWN
@given(plans())
def test_copies_of_drawn_graphs_equal_the_original(plan):
    drawn = build(plan)
    model = shaken(drawn.model)
    x, before = example(model), state(model)
    copy = reuse(model)
    assert same_bits(copy(x), model(x))
    times = Counter(drawn.path)
    of_path = {path: i for i, path in enumerate(drawn.path)}
    for cut in cuts(model)[:3]:
        tensor = drawn.tensors[of_path[cut.layer]]
        if times[cut.layer] == 1 and tensor is not None:
            plain = keras.Model(model.inputs, tensor)
            assert same_bits(reuse(model, upto=cut.layer)(x), plain(x))
    if copy.trainable_variables:
        train(copy, steps=1)
    assert state(model) == before


def test_batchnorm_in_training_mode_is_copied_too():
    model = keras.Sequential([keras.Input((6,)), L.Dense(4), L.BatchNormalization(), L.Dense(2, activation="relu")])
    shaken(model)
    copy = reuse(model)
    assert same_bits(copy(example(model), training=True), model(example(model), training=True))
    assert state(copy) == state(model)  # the moving statistics moved alike


FAST = ["MobileNetV2"]
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in APPLICATIONS if name not in FAST]


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_published_networks_are_reused(name):
    model = shaken(APPLICATIONS[name]())
    x, before = example(model, batch=1) * 255, state(model)
    new = reuse(model, drop_head=True, head=3)
    top = keras.Model(model.input, model.layers[-1].input)
    mine = keras.Model(new.input, new.get_layer("head").input)
    assert same_bits(mine(x), top(x))
    assert layer_groups(new).names == layer_groups(model).names
    assert state(model) == before


# --- structure ------------------------------------------------------------------------------------------------------


def test_shared_layers_stay_shared_and_nested_models_nested():
    copy = reuse(ZOO["shared"]())
    assert sum(layer.name == "tied" for layer in copy.layers) == 1
    assert len(copy.get_layer("tied").inbound_nodes) == 3
    siamese = ZOO["siamese"]()
    assert reuse(siamese).count_params() == siamese.count_params()
    assert len(reuse(siamese).get_layer("encoder").inbound_nodes) == 2
    assert set(state(reuse(ZOO["nested"](), upto="middle/inner/dense"))) == {
        *("dense/kernel", "dense/bias", "middle/dense/kernel", "middle/dense/bias"),
        *("middle/inner/dense/kernel", "middle/inner/dense/bias"),
    }


def test_a_layer_shared_between_a_nested_model_and_outside_stays_one():
    dense = L.Dense(4, name="both")
    x = keras.Input((4,))
    inner = keras.Model(x, dense(x), name="inner")
    y = keras.Input((4,))
    copy = reuse(keras.Model(y, dense(inner(y))))
    assert copy.get_layer("both") is copy.get_layer("inner").get_layer("both")


def test_inputs_keep_names_and_structure():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    h = L.Dense(3, activation="relu", name="h")(L.Concatenate()([a, b]))
    model = keras.Model({"a": a, "b": b}, {"out": L.Dense(2, activation="relu", name="out")(h)})
    x = {"a": np.ones((1, 2), "float32"), "b": np.zeros((1, 2), "float32")}
    assert same_bits(reuse(model)(x)["out"], model(x)["out"])
    assert reuse(model, upto="h")(x).shape == (1, 3)


def test_a_frozen_source_gives_a_copy_that_trains():
    model = ZOO["nested"]()
    model.trainable = False
    assert len(reuse(model).trainable_weights) == 12 and not model.trainable_weights
    assert len(reuse(model, init="random").trainable_weights) == 12


def test_the_inference_mode_of_a_frozen_source_is_not_copied():
    model = freeze(ZOO["sequential"]())
    copy = reuse(model)
    x = example(model, batch=64)
    assert same_bits(model(x, training=True), model(x, training=False))
    assert not same_bits(copy(x, training=True), copy(x, training=False))


def test_freezing_a_sublayer_reorders_weights_but_not_paths():
    model = ZOO["subclassed_layers"]()
    order = [weight.name for weight in model.get_layer("mixer0").weights]
    model.get_layer("mixer0").denses[0].trainable = False
    assert [weight.name for weight in model.get_layer("mixer0").weights] != order
    copy = reuse(model)
    assert state(copy) == state(model) and same_bits(copy(example(model)), model(example(model)))


def test_colliding_variable_names_do_not_mix():
    model = ZOO["colliding"]()
    names = Counter(weight.name for weight in model.weights)
    assert max(names.values()) > 1  # the trap is there
    assert state(reuse(model)) == state(model)


def test_an_authors_groups_survive_reuse_cutting_and_dropping_the_head():
    model = ZOO["sequential"]()
    set_groups(model, {"low": ["dense_a", "norm"], "mid": ["drop", "dense_b"], "head": ["classifier"]})
    assert layer_groups(reuse(model)).names == ("low", "mid", "head")
    assert layer_groups(reuse(model, drop_head=True)).names == ("low", "mid")
    assert layer_groups(reuse(model, upto="norm", head=2)).names == ("low", "head")
    assert layer_groups(reuse(reuse(model, upto=2, head=2), upto=1)).names == ("low",)
    half = layer_groups(reuse(model, upto="drop"))
    assert half.names == ("low", "mid") and half["mid"].layers == ("drop",)


def test_a_backbone_that_ends_in_a_linear_dense_does_not_become_a_head():
    model = ZOO["nested"]()
    part = reuse(model, upto="middle/inner/last")
    assert layer_groups(part).names == ("block1", "block2", "block3", "block4")


# --- unusual layers -------------------------------------------------------------------------------------------------


def test_custom_classes_and_functions_inside_wrappers_need_no_registration():
    def squash(x):
        return tf.tanh(x) * 2.0

    class Doubling(L.Layer):
        def call(self, x):
            return x * 2.0

    model = keras.Sequential([keras.Input((3, 4)), L.Dense(4, activation=squash), L.TimeDistributed(Doubling())])
    shaken(model)
    assert same_bits(reuse(model)(example(model)), model(example(model)))


def test_a_lambda_keeps_its_closure_and_operators_are_copied():
    factor = tf.constant(3.0)
    x = keras.Input((4,))
    h = L.Dense(4)(L.Lambda(lambda t: t * factor, name="times")(x))
    model = shaken(keras.Model(x, tf.nn.relu(h)[:, :2] - 1.0))
    assert same_bits(reuse(model)(example(model)), model(example(model)))


def test_adapted_normalisation_is_copied_with_what_it_derives():
    norm = L.Normalization()
    norm.adapt(np.random.default_rng(0).normal(5.0, 3.0, (50, 4)))
    model = keras.Sequential([keras.Input((4,)), norm, L.Dense(2, activation="relu")])
    assert same_bits(reuse(model)(example(model)), model(example(model)))


def test_recurrent_and_bidirectional_layers_are_copied():
    model = keras.Sequential([keras.Input((5, 3)), L.Bidirectional(L.LSTM(2, return_sequences=True)), L.GRU(3)])
    shaken(model)
    assert same_bits(reuse(model)(example(model)), model(example(model)))


def test_batchnorm_called_with_training_false_stays_so():
    x = keras.Input((4,))
    model = shaken(keras.Model(x, L.BatchNormalization(name="fixed")(L.Dense(4)(x), training=False)))
    copy = reuse(model)
    assert same_bits(copy(example(model), training=True), model(example(model), training=True))
    assert state(copy) == state(model)


def test_a_layer_that_forgets_its_name_in_its_config_is_copied_by_path():
    class Forgetful(L.Dense):
        def get_config(self):
            return {"units": self.units}

    model = shaken(keras.Sequential([keras.Input((4,)), Forgetful(3, name="mine")]))
    assert state(reuse(model)) == state(model)


def test_a_layer_without_a_config_is_refused_with_advice():
    class Secret(L.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def call(self, x):
            return x * self.units

        def get_config(self):
            return super().get_config()

    model = keras.Sequential([keras.Input((4,)), L.Dense(2), Secret(3, name="secret")])
    with pytest.raises(ValueError, match=r"layer 'secret' \(Secret\) cannot be copied: give it a get_config"):
        reuse(model)


def test_a_subclassed_model_without_a_graph_is_refused():
    with pytest.raises(ValueError, match="without a graph of layers"):
        reuse(SubclassedModel())


# --- untrained copies, seeds, heads ---------------------------------------------------------------------------------


def test_random_gives_the_same_architecture_untrained():
    model = ZOO["conv"]()
    copy = reuse(model, init="random", seed=3)
    shapes = {path: weight.shape for path, weight in weights_by_path(model).items()}
    assert {path: weight.shape for path, weight in weights_by_path(copy).items()} == shapes
    fresh = weights_by_path(copy)
    assert not fresh["one_conv/bias"].numpy().any() and (fresh["one_norm/gamma"].numpy() == 1).all()
    assert fresh["one_conv/kernel"].numpy().any() and state(copy)["one_conv/kernel"] != state(model)["one_conv/kernel"]
    assert copy.to_json() == reuse(model).to_json()


@pytest.mark.parametrize("init", ["copy", "random"])
def test_a_seed_repeats_new_weights_and_leaves_other_random_states_alone(init):
    model = ZOO["sequential"]()
    random.seed(1), np.random.seed(1)
    first = random.random(), np.random.rand()
    random.seed(1), np.random.seed(1)
    a, b, c = (reuse(model, drop_head=True, head=3, init=init, seed=seed) for seed in (5, 5, 6))
    assert (random.random(), np.random.rand()) == first
    assert state(a) == state(b) != state(c)


@pytest.mark.parametrize("make", ["conv", "dense", "residual", "wrapped"])
def test_another_seed_gives_other_start_weights_even_where_initialisers_have_seeds(make):
    if make == "wrapped":
        cell = L.GRU(3, kernel_initializer=keras.initializers.HeNormal(seed=1), name="gru")
        model = keras.Sequential([keras.Input((4, 2)), L.Bidirectional(cell, name="both")])
    else:
        model = {
            "conv": partial(at.conv_backbone, (8, 8, 1), (4, 8)),
            "dense": partial(at.dense_backbone, (8, 8, 1)),
            "residual": partial(at.residual_backbone, size=32, stages=(4,), strides=(2,), embedding=4),
        }[make](seed=0)
    kernels = [name for name in state(model) if name.endswith("/kernel")]
    start, first, again, second = (state(one) for one in (
        model, *(reuse(model, init="random", seed=seed) for seed in (1, 1, 2))
    ))  # fmt: skip
    assert first == again and kernels
    assert all(len({start[name], first[name], second[name]}) == 3 for name in kernels)
    assert state(reuse(model)) == start


def test_layers_frozen_inside_a_wrapper_train_in_the_copy():
    inner = keras.Sequential([L.Dense(3, name="a"), L.Dense(2, name="b")], name="steps")
    model = keras.Sequential([keras.Input((4, 2)), L.TimeDistributed(inner, name="each"), L.Flatten(), L.Dense(2)])
    before = len(model.trainable_weights)
    freeze(model)
    assert len(reuse(model).trainable_weights) == before == 6


def test_one_layer_can_head_two_models_without_sharing():
    model, top = ZOO["sequential"](), L.Dense(2, name="top")
    a, b = (reuse(model, drop_head=True, head=top) for _ in range(2))
    before = state(b)
    train(a)
    assert state(b) == before and not top.built


def test_a_trained_head_is_copied_with_its_weights():
    model = ZOO["sequential"]()
    before = state(model)
    new = reuse(model, drop_head=True, head=model.layers[-1])
    assert same_bits(new(example(model)), model(example(model)))
    train(new)
    assert state(model) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"init": "zeros"}, "'copy' or 'random'"),
        ({"upto": "blok1"}, "closest: block1"),
        ({"upto": 3}, "1..2"),
        ({"upto": "head", "drop_head": True}, "lies in the head"),
        ({"head": 2}, "has a head already"),
        ({"drop_head": True, "head": 0}, "number of classes"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    with pytest.raises(ValueError) as error:
        reuse(ZOO["sequential"](), **arguments)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_dropping_a_head_that_is_not_there_is_refused():
    bare = reuse(ZOO["sequential"](), drop_head=True)
    with pytest.raises(ValueError, match="has no head.*block1, block2"):
        reuse(bare, drop_head=True)
    with pytest.raises(ValueError, match="nothing but a head"):
        reuse(keras.Sequential([keras.Input((3,)), L.Dense(2, activation="softmax")]), drop_head=True)


# --- copy_weights ---------------------------------------------------------------------------------------------------


def test_copy_weights_copies_everything():
    source, target = ZOO["nested"](), shaken(ZOO["nested"](), seed=9)
    copy_weights(source, target)
    assert state(source) == state(target)


def test_copy_weights_lists_every_mismatch_and_copies_nothing():
    def net(units, *more):
        layers = [L.Dense(units, name="a"), L.Dense(2, name="b"), *(L.Dense(2, name=name) for name in more)]
        return keras.Sequential([keras.Input((3,)), *layers])

    target = net(5, "d")
    before = state(target)
    with pytest.raises(ValueError) as error:
        copy_weights(net(4, "c"), target)
    for words in (
        "a/kernel is (3, 4) float32",
        "(3, 5) float32 here",
        "a/bias",
        "b/kernel is (4, 2)",
        "c/kernel is only in",
        "d/bias is not in",
    ):
        assert words in str(error.value)
    assert state(target) == before


def test_counts_of_documents_are_not_copied():
    lookup = L.TextVectorization(output_mode="tf_idf", name="lookup")
    lookup.adapt(["good", "bad"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), lookup, L.Dense(2, name="cls")])
    with pytest.raises(ValueError, match="inverse document frequencies are not copied"):
        reuse(model)
