"""Heads: one unit is a sigmoid, several a softmax; maps and sequences are averaged first, masks respected."""

from __future__ import annotations

import numpy as np
import pytest

from auxtask.framework import keras
from auxtask.transfer.cloning import reuse
from auxtask.transfer.groups import layer_groups, set_groups
from auxtask.transfer.heads import add_head
from tests.transfer.models import ZOO, example

L = keras.layers


def backbone(*layers, shape=(6,), dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *layers], name="backbone_net")


@pytest.mark.parametrize(("classes", "activation"), [(1, "sigmoid"), (2, "softmax"), (5, "softmax")])
def test_a_number_makes_a_classifier_in_group_head(classes, activation):
    model = add_head(backbone(L.Dense(4, activation="relu", name="low")), classes)
    assert model.output_shape == (None, classes)
    assert model.layers[-1].activation.__name__ == activation
    assert [(g.name, g.layers) for g in layer_groups(model)] == [("block1", ("low",)), ("head", ("head",))]


def test_the_head_stands_on_the_backbones_own_layers():
    bottom = backbone(L.Dense(4, activation="relu", name="low"))
    assert add_head(bottom, 2).get_layer("low") is bottom.get_layer("low")


def test_feature_maps_are_averaged_and_all_that_is_added_is_the_head():
    bottom = backbone(L.Conv2D(3, 3, name="conv"), shape=(8, 8, 2))
    model = add_head(bottom, 2)
    assert layer_groups(model)["head"].layers == ("head_pool", "head")
    x = example(model)
    kernel, bias = (np.asarray(w) for w in model.layers[-1].weights)
    logits = np.asarray(bottom(x)).mean(axis=(1, 2)) @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(np.asarray(model(x)), expected, rtol=1e-5)


def test_sequences_are_averaged_over_what_the_mask_leaves():
    bottom = backbone(L.Embedding(9, 4, mask_zero=True, name="words"), shape=(5,), dtype="int32")
    model = add_head(bottom, 1)
    x = np.array([[3, 4, 0, 0, 0], [1, 2, 3, 4, 5]], "int32")
    table = np.asarray(bottom.layers[-1].embeddings)
    pooled = np.stack([table[row[row > 0]].mean(0) for row in x])
    kernel, bias = (np.asarray(w) for w in model.layers[-1].weights)
    np.testing.assert_allclose(np.asarray(model(x)), 1 / (1 + np.exp(-(pooled @ kernel + bias))), rtol=1e-5)


def test_a_layer_is_called_on_the_output_as_it_is_and_so_is_a_model():
    maps = backbone(L.Conv2D(3, 3, name="conv"), shape=(8, 8, 2))
    assert add_head(maps, L.Conv2D(1, 1, name="dots")).output_shape == (None, 6, 6, 1)
    top = keras.Sequential([L.Flatten(), L.Dense(2, name="top")], name="several")
    model = add_head(maps, top)
    assert layer_groups(model)["head"].layers[-1] == "several/top"


def test_names_that_are_taken_are_avoided_or_refused():
    bottom = backbone(L.Dense(4, activation="relu", name="head"))
    assert layer_groups(add_head(bottom, 2)).names == ("block1", "head")
    with pytest.raises(ValueError, match="'head' already, give the head another name"):
        add_head(bottom, L.Dense(2, name="head"))


def test_an_authors_groups_stay_and_a_linear_embedding_need_not_be_a_head():
    bottom = backbone(L.Dense(4, activation="relu", name="low"), L.Dense(3, name="embedding"))
    with pytest.raises(ValueError, match=r"has a head already \(embedding\).*drop_head=True.*set_groups"):
        add_head(bottom, 2)
    set_groups(bottom, {"low": ["low"], "embedding": ["embedding"]})
    assert layer_groups(add_head(bottom, 2)).names == ("low", "embedding", "head")


@pytest.mark.parametrize("head", [0, -1, True, 2.0, "softmax", None])
def test_what_is_no_head_is_refused(head):
    with pytest.raises(ValueError, match="expected a number of classes .* or a tf_keras layer"):
        add_head(backbone(L.Dense(4, activation="relu")), head)


def test_a_model_with_two_outputs_gets_no_head():
    with pytest.raises(ValueError, match="2 outputs"):
        add_head(ZOO["auxiliary_output"](), 2)


def test_half_precision_backbones_get_a_float32_classifier():
    bottom = backbone(L.Dense(4, activation="relu", dtype="mixed_float16"))
    assert add_head(bottom, 3).output.dtype == "float32"


def test_a_new_head_upon_the_old_one_is_refused_and_dropping_it_works():
    model = ZOO["sequential"]()
    with pytest.raises(ValueError, match="drop_head=True"):
        reuse(model, head=2)
    assert layer_groups(reuse(model, drop_head=True, head=2)).names == ("block1", "block2", "head")


def test_an_output_of_too_many_dimensions_takes_no_classifier():
    with pytest.raises(ValueError, match=r"puts out shape \(None, 1, 1, 1, 1, 4\); a classifier goes on rank 2 to 5"):
        add_head(backbone(L.Dense(4), L.Reshape((1, 1, 1, 1, 4))), 3)
