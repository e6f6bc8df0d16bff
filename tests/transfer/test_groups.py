"""Groups: the default of dense, conv and custom chains, an author's own, and every wrong grouping refused."""

from __future__ import annotations

import pytest

from auxtask.framework import keras
from auxtask.transfer.cutting import cut_at
from auxtask.transfer.groups import group_variables, layer_groups, layers_of, set_groups
from tests.transfer.models import APPLICATIONS, ZOO, SubclassedModel

L = keras.layers


def test_a_dense_net_has_one_group_per_dense_block_and_its_classifier_is_the_head():
    groups = layer_groups(ZOO["sequential"]())
    assert {group.name: group.layers for group in groups} == {
        "block1": ("dense_a", "norm", "drop"),
        "block2": ("dense_b", "act"),
        "head": ("classifier",),
    }
    assert [group.output_shape for group in groups] == [(None, 8), (None, 5), (None, 3)]
    assert [group.num_parameters for group in groups] == [6 * 8 + 8 + 4 * 8, 8 * 5 + 5, 5 * 3 + 3]
    assert [group.depth for group in groups] == [1, 2, 3]


def test_a_conv_net_has_one_group_per_spatial_size():
    groups = layer_groups(ZOO["conv"]())
    assert [group.output_shape for group in groups] == [(None, 8, 8, 4), (None, 4), (None, 3)]
    assert groups["block1"].layers[-1] == "one_act" and groups["block2"].layers[-2:] == ("pool", "drop")


def test_a_chain_of_custom_layers_has_one_group_per_layer():
    names = [group.layers[0] for group in layer_groups(ZOO["subclassed_layers"]())]
    assert names == ["enter", "mixer0", "mixer1", "mixer2", "classifier"]
    masked = layer_groups(ZOO["two_inputs"]())
    assert set(masked["block1"].layers) == {"embeddings", "additive"}  # the mask's arithmetic, for all layers
    assert masked["block2"].layers == ("layer0",)


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("MobileNetV2", ["expanded_conv_project_BN", "block_2_add", "block_5_add", "block_12_add"]),
        pytest.param("ResNet50", ["conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out"]),
        pytest.param(
            "EfficientNetB0",
            ["block1a_project_bn", "block2b_add", "block3b_add", "block5c_add"],
            marks=pytest.mark.slow,
        ),
        pytest.param("DenseNet121", ["conv1/relu", "pool2_conv", "pool3_conv", "pool4_conv"], marks=pytest.mark.slow),
    ],
)
def test_stages_of_published_networks_are_those_of_their_papers(name, ends):
    model = APPLICATIONS[name]()
    groups = layer_groups(model)
    assert [cut_at(model, group).layer for group in groups.names[:4]] == ends
    assert groups.names == ("block1", "block2", "block3", "block4", "block5", "head")
    assert sum(group.num_parameters for group in groups) == model.count_params()


def test_open_image_sizes_give_the_same_stages():
    def net(size):
        inputs = keras.Input((size, size, 3))
        h = L.Conv2D(4, 3, strides=2, padding="same", name="a")(inputs)
        h = L.Conv2D(4, 3, padding="same", name="b")(h)
        h = L.Conv2D(8, 3, strides=2, padding="same", name="c")(h)
        return keras.Model(inputs, L.GlobalAveragePooling2D(name="d")(h))

    layers = [("a", "b"), ("c", "d")]
    assert [g.layers for g in layer_groups(net(32))] == [g.layers for g in layer_groups(net(None))] == layers


@pytest.mark.parametrize("kind", ZOO)
def test_every_weight_is_in_exactly_one_group_and_every_border_is_a_cut(kind):
    model = ZOO[kind]()
    groups = layer_groups(model)
    grouped = [id(weight) for weights in group_variables(model).values() for weight in weights]
    assert sorted(grouped) == sorted(id(weight) for weight in model.weights)
    assert sum(group.num_parameters for group in groups) == model.count_params()
    layers = [layer for group in groups for layer in group.layers]
    assert len(layers) == len(set(layers))
    for group in groups[:-1]:
        assert cut_at(model, group.name).group == group.name


def test_layers_of_gives_the_live_leaf_layers_of_nested_and_of_repeated_models():
    nested = ZOO["nested"]()
    assert layers_of(nested, "block2") == [nested.get_layer("middle").get_layer("dense")]
    siamese = ZOO["siamese"]()
    encoder = siamese.get_layer("encoder")
    assert layers_of(siamese, "block1")[:2] == encoder.layers
    assert layer_groups(siamese)[0].layers[:2] == ("encoder/dense", "encoder/code")


def test_a_layer_used_on_both_sides_is_never_cut_apart_by_a_group():
    groups = layer_groups(ZOO["shared"]())
    assert [g.layers for g in groups] == [("enter", "act"), ("tied",), ("leave",), ("classifier",)]


@pytest.mark.parametrize(
    ("last", "has_head"),
    [
        ([L.Dense(3, activation="softmax")], True),
        ([L.Dense(1, activation="sigmoid")], True),
        ([L.Dense(3)], True),
        ([L.Dense(3), L.Softmax()], True),
        ([L.Dense(3), L.Activation("softmax")], True),
        ([L.Dense(3, activation="relu")], False),
        ([L.Dense(3), L.BatchNormalization()], False),
    ],
)
def test_a_final_dense_classifier_is_the_head(last, has_head):
    model = keras.Sequential([keras.Input((4,)), L.Dense(4, activation="relu"), *last])
    assert ("head" in layer_groups(model).names) is has_head


def test_two_classifiers_on_one_tensor_are_one_head():
    x = keras.Input((4,))
    h = L.Dense(4, activation="relu")(x)
    model = keras.Model(x, [L.Dense(2, activation="softmax", name="a")(h), L.Dense(1, name="b")(h)])
    assert set(layer_groups(model)["head"].layers) == {"a", "b"}


def test_trainable_is_yes_no_or_partly():
    model = ZOO["sequential"]()
    model.get_layer("dense_a").trainable = False
    model.get_layer("dense_b").trainable = False
    assert [group.trainable for group in layer_groups(model)] == [None, False, True]


def test_groups_print_as_a_table_and_are_found_by_name_and_position():
    groups = layer_groups(ZOO["sequential"]())
    lines = str(groups).splitlines()
    assert lines[1].split() == ["depth", "group", "layers", "output", "shape", "parameters", "trainable"]
    assert len(lines) == 2 + len(groups) and "(?, 8)" in lines[2]
    assert groups._repr_html_().count("<tr>") == 1 + len(groups)
    assert groups["block2"] is groups[1] and groups.index_of("head") == 2
    with pytest.raises(ValueError, match=r"no group 'blok2' in .*block1, block2, head \(closest: block2\)"):
        groups.index_of("blok2")


OWN = {"low": ["dense_a", "norm", "drop"], "high": ["dense_b"], "head": ["classifier"]}


def test_an_authors_groups_are_kept_on_the_model():
    model = ZOO["sequential"]()
    set_groups(model, OWN)
    assert layer_groups(model).names == ("low", "high", "head")
    assert layer_groups(model)["high"].layers == ("dense_b", "act")  # the unnamed activation goes with it
    assert layer_groups(model, {"all": ["dense_a", "norm", "drop", "dense_b", "classifier"]}).names == ("all",)
    assert layer_groups(model).names == ("low", "high", "head")
    assert len(model.weights) == 10  # nothing of ours is tracked by Keras


def test_a_nested_models_path_stands_for_all_its_layers():
    model = ZOO["nested"]()
    set_groups(model, {"bottom": ["dense"], "middle": ["middle"], "head": ["classifier"]})
    assert layer_groups(model)["middle"].layers[-1] == "middle/norm"
    assert cut_at(model, "middle").layer == "middle/norm"


@pytest.mark.parametrize(
    ("grouping", "words"),
    [
        ({**OWN, "high": ["dense_x"]}, ["'dense_x'", "closest: dense_"]),
        ({**OWN, "high": ["dense_b", "drop"]}, ["'drop' is named twice", "'low' and 'high'"]),
        ({"low": ["dense_a"], "head": ["classifier"]}, ["no group has norm, drop, dense_b"]),
        ({"low": ["dense_b"], "high": ["dense_a", "norm", "drop"], "head": ["classifier"]}, ["'low' does not end"]),
        ({"low": ["dense_a", "drop"], "high": ["norm", "dense_b"], "head": ["classifier"]}, ["'low' does not end"]),
        ({"head": OWN["low"], "high": ["dense_b", "classifier"]}, ["'head' is reserved"]),
        ({"backbone": [*OWN["low"], "dense_b"], "head": ["classifier"]}, ["'backbone'"]),
        ({"low": "dense_a"}, ["must be a sequence"]),
        ({}, ["at least one"]),
    ],
)
def test_a_grouping_that_does_not_fit_is_refused(grouping, words):
    model = ZOO["sequential"]()
    for call in (lambda: set_groups(model, grouping), lambda: layer_groups(model, grouping)):
        with pytest.raises(ValueError) as error:
            call()
        assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)
    assert layer_groups(model).names == ("block1", "block2", "head")


def test_a_group_must_end_at_a_cut_and_the_message_says_where_it_would():
    model = ZOO["branches"]()
    grouping = {"low": ["first", "left"], "high": ["right", "after"], "head": ["classifier"]}
    with pytest.raises(ValueError, match="'low' does not end at a cut.*(without left|with right)"):
        set_groups(model, grouping)


def test_layers_of_a_model_called_twice_stay_in_one_group():
    model = ZOO["siamese"]()
    with pytest.raises(ValueError, match="called several times.*inner model"):
        set_groups(model, {"a": ["encoder/dense"], "b": ["encoder/code", "compare"], "head": ["same"]})


def test_a_model_without_a_graph_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"model.call\(inputs\)"):
        layer_groups(SubclassedModel())
