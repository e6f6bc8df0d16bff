"""What holds for every loss: loss(embeddings [n, d], labels [n]) -> finite float32 scalar."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxtask.framework import keras, tf
from auxtask.losses.contrastive import Contrastive
from auxtask.losses.margin_softmax import MarginSoftmax
from auxtask.losses.pair_logistic import PairLogistic
from auxtask.losses.supervised_contrastive import SupervisedContrastive
from auxtask.losses.triplet import Triplet
from auxtask.losses.weighted_sum import WeightedSum

DIMENSION = 5
LOSSES = {
    "pair_logistic": PairLogistic(),
    "supervised_contrastive": SupervisedContrastive(),
    "cosface": MarginSoftmax(4, DIMENSION, seed=0),
    "arcface": MarginSoftmax(4, DIMENSION, margin=0.5, kind="arcface", num_centres=2, seed=0),
    "triplet": Triplet(),
    "contrastive": Contrastive(),
    "weighted_sum": WeightedSum({SupervisedContrastive(): 1.0, PairLogistic(): 0.5}),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def batch(seed: int, num_people: int = 6, photos: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_people), photos)
    return random.normal(size=(len(labels), DIMENSION)).astype(np.float32), labels


def gradients(loss, embeddings, labels) -> tuple[float, list[np.ndarray]]:
    variable = tf.Variable(embeddings)
    with tf.GradientTape() as tape:
        value = loss(variable, labels)
    sources = [variable, *loss.trainable_variables]
    found = tape.gradient(value, sources, unconnected_gradients="zero")
    return float(value), [np.asarray(gradient) for gradient in found]


@every_loss
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_the_batch_does_not_matter(loss, seed):
    embeddings, labels = batch(seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    value, shuffled = loss(embeddings, labels), loss(embeddings[order], labels[order])
    np.testing.assert_allclose(shuffled, value, rtol=1e-4, atol=1e-5)


@every_loss
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), exponent=st.floats(-3, 3))
def test_the_length_of_each_embedding_does_not_matter(loss, seed, exponent):
    embeddings, labels = batch(seed)
    lengths = 10.0 ** np.random.default_rng(seed).uniform(-1, 1, (len(labels), 1))
    scaled = (embeddings * 10.0**exponent * lengths).astype(np.float32)
    np.testing.assert_allclose(loss(scaled, labels), loss(embeddings, labels), rtol=1e-3, atol=1e-4)


@every_loss
@pytest.mark.parametrize(
    "labels",
    [np.arange(12), np.zeros(12, int), np.repeat(np.arange(6), 2), np.full(12, -1)],
    ids=["no positive pair", "no negative pair", "usual", "no class"],
)
@pytest.mark.parametrize("kind", ["usual", "all equal", "zero", "opposite"])
def test_value_and_gradients_are_finite(loss, labels, kind):
    embeddings, _ = batch(0)
    if kind == "all equal":
        embeddings[:] = embeddings[0]
    elif kind == "zero":
        embeddings[:2] = 0
    elif kind == "opposite":
        embeddings[1::2] = -embeddings[::2]
    value, found = gradients(loss, embeddings, labels)
    assert np.isfinite(value) and value >= 0
    assert all(np.isfinite(gradient).all() for gradient in found)


@every_loss
def test_embeddings_that_agree_with_the_labels_cost_less(loss):
    _, labels = batch(0, num_people=4)
    ideal = np.eye(DIMENSION, dtype=np.float32)[labels]
    if any("prototypes" in weight.name for weight in loss.weights):
        own = np.asarray(loss.prototypes)[:: loss.num_centres]
        ideal = own[labels]
    assert float(loss(ideal, labels)) < float(loss(ideal, np.roll(labels, 1)))


@every_loss
def test_it_works_in_a_graph_whose_batch_size_is_unknown(loss):
    embeddings, labels = batch(1)
    signature = [tf.TensorSpec((None, DIMENSION)), tf.TensorSpec((None,), tf.int64)]
    traced = tf.function(lambda e, y: loss(e, y), input_signature=signature)
    np.testing.assert_allclose(traced(embeddings, labels), loss(embeddings, labels), rtol=1e-5)


@every_loss
def test_the_configuration_makes_the_same_loss_again(loss):
    again = keras.layers.deserialize(keras.layers.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    embeddings, labels = batch(2)
    np.testing.assert_allclose(again(embeddings, labels), loss(embeddings, labels), rtol=1e-6)


@every_loss
@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        (np.zeros((4, 5), "float32"), np.zeros(3, int), "4 embeddings but 3 labels"),
        (np.zeros((4, 5, 1), "float32"), np.zeros(4, int), r"must be \[n, d\]"),
        (np.zeros((4, 5), "float32"), np.zeros((4, 1), int), r"labels \[n\]"),
        (np.zeros((4, 5), "float32"), np.zeros(4, "float32"), "whole numbers"),
        (np.zeros((4, 5), "int32"), np.zeros(4, int), "floating point"),
    ],
)
def test_shapes_and_types_that_do_not_fit_are_refused(loss, embeddings, labels, message):
    with pytest.raises(ValueError, match=message):
        loss(embeddings, labels)
