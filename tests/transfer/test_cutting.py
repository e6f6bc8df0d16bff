"""Cuts against a brute-force search of every path, and prefix then suffix against the whole model."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from auxtask.framework import keras, tf
from auxtask.transfer.cutting import cut_at, cuts, prefix, suffix
from auxtask.transfer.groups import layer_groups
from tests.transfer.drawn_graphs import build, plans
from tests.transfer.models import APPLICATIONS, ZOO, SubclassedModel, arrays, example, same_bits, shaken

L = keras.layers
DRAWN = settings(max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None)


def composed(model, cut, x, training=None):
    """Suffix of prefix, by way of numpy, as a cache would hold what lies between."""
    middle = arrays(prefix(model, cut)(x, training=training))
    return suffix(model, cut)(middle if len(middle) > 1 else middle[0], training=training)


@DRAWN
@given(plans())
def test_cuts_are_the_tensors_on_every_path(plan):
    drawn = build(plan)
    assert Counter(cut.layer for cut in cuts(drawn.model)) == Counter(drawn.path[i] for i in drawn.cuts_by_force())


@DRAWN
@given(plans(max_ops=6))
def test_prefix_then_suffix_equals_a_drawn_model_to_the_bit(plan):
    drawn = build(plan)
    shaken(drawn.model)
    x = example(drawn.model)
    for cut in cuts(drawn.model):
        assert same_bits(composed(drawn.model, cut, x), drawn.model(x)), cut


@pytest.mark.parametrize("kind", ZOO)
def test_prefix_then_suffix_equals_every_kind_of_model_to_the_bit(kind):
    model = ZOO[kind]()
    x = example(model)
    if kind == "implicit_mask":
        x[:, 4:] = 0  # padding, so that the mask matters
    for cut in cuts(model):
        assert same_bits(composed(model, cut, x), model(x)), cut


def test_prefix_and_suffix_stand_on_the_models_own_layers_and_pass_on_the_call_mode():
    model = ZOO["conv"]()
    cut = cut_at(model, "one_act")
    before = composed(model, cut, example(model))
    model.get_layer("stem_conv").kernel.assign_add(tf.ones_like(model.get_layer("stem_conv").kernel))
    assert not same_bits(composed(model, cut, example(model)), before)
    # In training mode BatchNorm takes the batch's statistics: whole and halves must still agree.
    halves = prefix(model, cut)(example(model), training=True)
    whole = keras.Model(model.input, model.get_layer("one_act").output)(example(model), training=True)
    assert same_bits(halves, whole)


def test_a_chain_with_an_attention_mask_has_a_cut_behind_every_layer_and_carries_the_mask():
    model = ZOO["two_inputs"]()
    by_layer = {cut.layer: cut for cut in cuts(model)}
    assert list(by_layer) == ["embeddings", "layer0", "layer1", "layer2", "pool", "classifier"]
    assert [len(cut.side_inputs) for cut in by_layer.values()] == [1, 1, 1, 0, 0, 0]
    middle = prefix(model, by_layer["layer0"])(example(model))
    assert [tuple(part.shape) for part in middle] == [(3, 7, 4), (3, 1, 7)]


def test_the_mask_makes_a_difference_so_the_test_of_it_means_something():
    model = ZOO["two_inputs"]()
    ids, mask = example(model)
    assert not same_bits(model([ids, mask]), model([ids, np.where(np.arange(7) < 3, mask, 0)]))
    padded = ZOO["implicit_mask"]()
    cut = cut_at(padded, "rnn1")
    x = example(padded)
    x[:, 4:] = 0
    hidden, mask = prefix(padded, cut)(x)
    assert np.array_equal(np.asarray(mask), x != 0)
    assert not same_bits(suffix(padded, cut)([hidden, np.ones_like(mask)]), padded(x))


def test_names_and_counts_find_the_same_cut():
    model = ZOO["conv"]()
    assert cut_at(model, 1) == cut_at(model, "block1") == cut_at(model, "one_act")
    assert cut_at(model, 2) == cut_at(model, "block2") == cut_at(model, "drop")
    assert cut_at(model, "head") == cut_at(model, "classifier") == cuts(model)[-1]
    assert [cut.depth for cut in cuts(model)] == list(range(1, len(cuts(model)) + 1))


def test_a_nested_model_is_searched_inside_and_its_name_is_its_end():
    model = ZOO["nested"]()
    assert cut_at(model, "middle/inner/dense").shape == (None, 5)
    assert cut_at(model, "middle") == cut_at(model, "middle/norm")
    assert cut_at(model, "middle/inner") == cut_at(model, "middle/inner/last")


def test_a_layer_with_two_outputs_is_cut_at_the_tensor_not_at_the_layer():
    class Twins(L.Layer):
        def build(self, shape):
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")

        def call(self, x):
            return x * self.scale, x + self.scale

    x = keras.Input((3,))
    first, second = Twins(name="twins")(x)
    out = L.Dense(1, name="end")(second)
    only_second = keras.Model(x, out)
    assert [(cut.layer, cut.tensor.output) for cut in cuts(only_second)] == [("twins", 1), ("end", 0)]
    both = keras.Model(x, L.Add(name="sum")([out, L.Dense(1)(first)]))
    assert [cut.layer for cut in cuts(both)] == ["sum"]


@pytest.mark.parametrize(
    ("kind", "upto", "words"),
    [
        ("conv", "clasifier", ["no group or layer 'clasifier'", "block1", "closest: classifier"]),
        ("conv", "one_conv", ["goes round it", "'stem_act'", "'one_add'"]),
        ("conv", 3, ["1..2", "got 3"]),
        ("conv", 0, ["1..2"]),
        ("conv", True, ["got True"]),
        ("siamese", "encoder/dense", ["calls several times", "get_layer('encoder')"]),
        ("auxiliary_output", "block2", ["2 outputs"]),
        ("auxiliary_output", "high", ["goes round it", "'low'"]),
    ],
)
def test_a_place_that_is_no_cut_is_refused_with_what_would_be(kind, upto, words):
    with pytest.raises(ValueError) as error:
        cut_at(ZOO[kind](), upto)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)


def test_the_advice_for_a_model_called_twice_works():
    encoder = ZOO["siamese"]().get_layer("encoder")
    assert cut_at(encoder, "dense").shape == (None, 4)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (SubclassedModel(), "keras.Model(inputs, model.call(inputs))"),
        (keras.Sequential([L.Dense(2)]), "model.build"),
        ("model.keras", "expected a tf_keras model"),
    ],
)
def test_a_model_without_a_graph_is_refused_with_advice(model, words):
    with pytest.raises(ValueError) as error:
        cuts(model)
    assert words in str(error.value)


def test_the_advice_for_a_subclassed_model_works():
    model = SubclassedModel()
    inputs = keras.Input((4,))
    graph = keras.Model(inputs, model.call(inputs))
    assert [cut.shape for cut in cuts(graph)] == [(None, 3)]


def test_a_cut_of_another_model_is_refused():
    with pytest.raises(ValueError, match="not one of"):
        prefix(ZOO["sequential"](), cut_at(ZOO["nested"](), "middle"))


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in APPLICATIONS if name != "MobileNetV2"]


@pytest.mark.parametrize("name", ["MobileNetV2", *SLOW])
def test_published_networks_fall_in_two_at_every_group(name):
    model = shaken(APPLICATIONS[name]())
    x = example(model, batch=1) * 255
    groups = layer_groups(model)
    for group in groups.names[:-1] if name != "MobileNetV2" else ["block2"]:
        assert same_bits(composed(model, cut_at(model, group), x), model(x)), group
