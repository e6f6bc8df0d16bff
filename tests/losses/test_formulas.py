"""Each loss against its formula, written out slowly, pair by pair, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from auxtask.framework import tf
from auxtask.losses.contrastive import Contrastive
from auxtask.losses.margin_softmax import MarginSoftmax
from auxtask.losses.pair_logistic import PairLogistic
from auxtask.losses.supervised_contrastive import SupervisedContrastive
from auxtask.losses.triplet import Triplet
from auxtask.losses.weighted_sum import WeightedSum


@pytest.fixture(params=range(3))
def data(request):
    random = np.random.default_rng(request.param)
    labels = np.array([0, 0, 1, 1, 1, 2, 2, 3, 4])  # two people have one photo
    embeddings = random.normal(size=(len(labels), 6))
    return embeddings.astype(np.float32), labels


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def distinct_pairs(labels):
    n = len(labels)
    return [(i, j, labels[i] == labels[j]) for i in range(n) for j in range(i + 1, n)]


def mean_by_kind(costs):
    genuine = np.mean([cost for cost, same in costs if same])
    impostor = np.mean([cost for cost, same in costs if not same])
    return (genuine + impostor) / 2


def test_supervised_contrastive(data):
    embeddings, labels = data
    e, temperature = unit(embeddings), 0.2
    terms = []
    for i in range(len(e)):
        partners = [j for j in range(len(e)) if j != i and labels[j] == labels[i]]
        total = sum(math.exp(e[i] @ e[k] / temperature) for k in range(len(e)) if k != i)
        if partners:
            shares = [math.exp(e[i] @ e[j] / temperature) / total for j in partners]
            terms.append(-np.mean(np.log(shares)))
    loss = SupervisedContrastive(temperature)(embeddings, labels)
    assert float(loss) == pytest.approx(np.mean(terms), rel=1e-5)


def test_pair_logistic(data):
    embeddings, labels = data
    e = unit(embeddings)
    costs = []
    for i, j, same in distinct_pairs(labels):
        probability = 1 / (1 + math.exp(-(7 * (e[i] @ e[j]) - 2)))
        costs.append((-math.log(probability if same else 1 - probability), same))
    loss = PairLogistic(scale=7, offset=-2)(embeddings, labels)
    assert float(loss) == pytest.approx(mean_by_kind(costs), rel=1e-4)


def test_contrastive(data):
    embeddings, labels = data
    e = unit(embeddings)
    costs = []
    for i, j, same in distinct_pairs(labels):
        distance = np.linalg.norm(e[i] - e[j])
        costs.append((distance**2 if same else max(1.3 - distance, 0) ** 2, same))
    loss = Contrastive(margin=1.3)(embeddings, labels)
    assert float(loss) == pytest.approx(mean_by_kind(costs), rel=1e-4)


def test_triplet_semi_hard(data):
    embeddings, labels = data
    e = unit(embeddings)
    squared = ((e[:, None] - e[None]) ** 2).sum(-1)
    costs = []
    for i in range(len(e)):
        strangers = [squared[i, k] for k in range(len(e)) if labels[k] != labels[i]]
        for j in range(len(e)):
            if j != i and labels[j] == labels[i]:
                farther = [d for d in strangers if d > squared[i, j]]
                negative = min(farther) if farther else max(strangers)
                costs.append(max(squared[i, j] + 0.4 - negative, 0))
    assert float(Triplet(0.4)(embeddings, labels)) == pytest.approx(np.mean(costs), rel=1e-4)


@pytest.mark.parametrize("first", [0, 2**24, 2**40])
def test_triplet_is_addons_own_loss_whatever_the_labels_size(data, first):
    from auxtask.framework import tfa

    embeddings, labels = data
    unit_rows = tf.math.l2_normalize(embeddings, axis=1)
    plain = tfa.losses.TripletSemiHardLoss(margin=0.4, distance_metric="squared-L2")(labels, unit_rows)
    assert float(Triplet(0.4)(embeddings, labels + first)) == float(plain)


@pytest.mark.parametrize(("kind", "margin"), [("cosface", 0.3), ("arcface", 0.5), ("arcface", 0.0)])
@pytest.mark.parametrize("num_centres", [1, 3])
def test_margin_softmax(data, kind, margin, num_centres):
    embeddings, labels = data
    num_classes = 3  # persons 3 and 4 have no class
    loss = MarginSoftmax(num_classes, 6, margin, 9.0, kind, num_centres, seed=1)
    e, w = unit(embeddings), unit(loss.prototypes).reshape(num_classes, num_centres, 6)
    costs = []
    for row, label in zip(e, labels, strict=True):
        if label >= num_classes:
            continue
        cosines = (w @ row).max(axis=1)
        if kind == "cosface":
            cosines[label] -= margin
        else:
            angle = math.acos(cosines[label])
            assert angle + margin < math.pi
            cosines[label] = math.cos(angle + margin)
        shares = np.exp(9 * cosines) / np.exp(9 * cosines).sum()
        costs.append(-math.log(shares[label]))
    assert float(loss(embeddings, labels)) == pytest.approx(np.mean(costs), rel=1e-4)


def test_items_without_a_class_are_as_good_as_absent(data):
    embeddings, labels = data
    loss = MarginSoftmax(3, 6, seed=0)
    has_class = labels < 3
    assert float(loss(embeddings, labels)) == pytest.approx(
        float(loss(embeddings[has_class], labels[has_class])), rel=1e-5
    )
    labels = np.where(has_class, labels, -1)
    with tf.GradientTape() as tape:
        variable = tf.Variable(embeddings)
        value = loss(variable, labels)
    gradient = np.asarray(tape.gradient(value, variable))
    assert not gradient[~has_class].any() and gradient[has_class].all()


def test_arcface_gets_worse_with_every_angle_without_a_jump_or_an_infinite_slope():
    loss = MarginSoftmax(2, 3, margin=0.5, scale=10.0, kind="arcface")
    loss.prototypes.assign([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    angles = np.linspace(0, math.pi, 181)  # both ends, where acos has an infinite slope
    points = np.stack([np.cos(angles), 0 * angles, np.sin(angles)], 1).astype(np.float32)
    losses, slopes = [], []
    for point in points:  # always at a right angle to the other class
        variable = tf.Variable(point[None])
        with tf.GradientTape() as tape:
            value = loss(variable, np.array([0]))
        losses.append(float(value))
        slopes.append(np.abs(tape.gradient(value, variable)).max())
    assert np.isfinite(slopes).all() and max(slopes) < 10.1
    steps = np.diff(losses)
    assert (steps > -1e-6).all() and steps.max() < 10 * (angles[1] - angles[0]) + 1e-3
    assert losses[-1] > losses[151] + 1  # the slope is not lost where the margin crosses pi


def test_the_weighted_sum_is_one_and_trains_the_weights_of_its_parts(data):
    embeddings, labels = data
    first, second = SupervisedContrastive(), MarginSoftmax(3, 6, seed=0)
    total = WeightedSum([(2.0, first), (0.3, second)])
    expected = 2 * first(embeddings, labels) + 0.3 * second(embeddings, labels)
    assert float(total(embeddings, labels)) == pytest.approx(float(expected), rel=1e-6)
    assert [v.ref() for v in total.trainable_variables] == [second.prototypes.ref()]
    assert total.names == ("supervised_contrastive", "margin_softmax")
    assert WeightedSum([(1.0, first), (1.0, first)]).names == (
        "supervised_contrastive_1",
        "supervised_contrastive_2",
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SupervisedContrastive(0.0), "temperature must be above 0"),
        (lambda: PairLogistic(scale=-1.0), "scale must be above 0"),
        (lambda: Triplet(0.0), "margin must be above 0"),
        (lambda: Contrastive(3.0), r"margin must be in \(0, 2\]"),
        (lambda: MarginSoftmax(0, 4), "num_classes must be at least 1"),
        (lambda: MarginSoftmax(3, 4, margin=1.0), "margin of cosface"),
        (lambda: MarginSoftmax(3, 4, margin=1.6, kind="arcface"), "margin of arcface"),
        (lambda: MarginSoftmax(3, 4, scale=0.0), "scale must be above 0"),
        (lambda: MarginSoftmax(3, 4, kind="arcfase"), "closest: arcface"),
        (lambda: MarginSoftmax(3, 4)(np.zeros((2, 5), "float32"), np.zeros(2, int)), "5 columns"),
        (lambda: WeightedSum([]), "at least one loss"),
        (lambda: WeightedSum([(-1.0, Triplet())]), "at least 0"),
        (lambda: WeightedSum([(float("nan"), Triplet())]), "at least 0"),
        (lambda: WeightedSum([(1.0, "triplet")]), "not a loss"),
    ],
)
def test_senseless_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
