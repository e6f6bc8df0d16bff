"""Verification against scikit-learn, brute force over pairs, and properties of any metric."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn import metrics

from auxtask.evaluation.verification import (
    best_threshold,
    pair_scores,
    roc_curve,
    verification,
    verification_from_scores,
)

# Few distinct values, so that ties within and between genuine and impostor scores are common.
SCORES = hnp.arrays(np.float64, st.integers(2, 40), elements=st.integers(-8, 8).map(lambda i: i / 8))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    scores = draw(SCORES)
    same = draw(hnp.arrays(np.bool_, len(scores)))
    assume(same.any() and not same.all())
    return scores, same


def embedded_people(num_people: int, photos: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_people), photos)
    centres = generator.normal(size=(num_people, 12))
    embeddings = centres[labels] + generator.normal(size=(len(labels), 12))
    return embeddings.astype(np.float32), labels


@given(pairs())
def test_auc_is_scikit_learns(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, same = case
    assert verification_from_scores(scores, same).auc == pytest.approx(metrics.roc_auc_score(same, scores))


@given(pairs())
def test_roc_is_scikit_learns_polyline(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, same = case
    curve = roc_curve(scores, same)
    far, tar, _ = metrics.roc_curve(same, scores, drop_intermediate=False)
    along = np.linspace(0, 2, 50)  # far + tar: grows along the curve
    ours = np.interp(along, curve.far + curve.tar, curve.tar)
    np.testing.assert_allclose(ours, np.interp(along, far + tar, tar), atol=1e-9)
    for f, t, threshold in zip(*curve, strict=True):
        assert f == pytest.approx((scores[~same] >= threshold).mean())
        assert t == pytest.approx((scores[same] >= threshold).mean())


@given(pairs())
def test_equal_error_rate_is_the_root_on_scikit_learns_curve(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, same = case
    far, tar, _ = metrics.roc_curve(same, scores, drop_intermediate=False)
    # far + tar grows along the curve, so both rates are functions of it even where it is upright.
    far_at, tar_at = interp1d(far + tar, far), interp1d(far + tar, tar)
    root = brentq(lambda along: float(far_at(along) - (1 - tar_at(along))), 0.0, 2.0)
    assert verification_from_scores(scores, same).eer == pytest.approx(float(far_at(root)))


@given(pairs(), st.sampled_from([0.01, 0.1, 0.25, 0.5, 1.0]))
def test_tar_at_far_is_the_best_of_all_thresholds(case: tuple[np.ndarray, np.ndarray], far: float) -> None:
    scores, same = case
    best = 0.0
    for threshold in [*scores, np.inf]:
        accepted = int((scores[~same] >= threshold).sum())
        if Fraction(accepted, int((~same).sum())) <= Fraction(str(far)):
            best = max(best, float((scores[same] >= threshold).mean()))
    assert verification_from_scores(scores, same, far=[far]).tar[far] == pytest.approx(best)


@given(pairs(), st.booleans())
def test_best_threshold_is_the_best_of_all_and_separates(case: tuple[np.ndarray, np.ndarray], balanced: bool) -> None:
    scores, same = case
    measure = metrics.balanced_accuracy_score if balanced else metrics.accuracy_score
    best = max(measure(same, scores >= t) for t in [*scores, np.inf])
    threshold = best_threshold(scores, same, balanced)
    assert measure(same, scores >= threshold) == pytest.approx(best)
    assert np.isfinite(threshold)
    result = verification_from_scores(scores, same, balanced=balanced)
    assert (result.threshold, result.accuracy) == (threshold, pytest.approx(best))
    assert result.accuracy >= result.chance - 1e-12


@given(pairs(), st.floats(-1.2, 1.2))
def test_a_given_threshold_is_used_as_it_is(case: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    scores, same = case
    result = verification_from_scores(scores, same, threshold=threshold)
    assert result.threshold == threshold
    assert result.threshold_given
    assert result.accuracy == pytest.approx(metrics.accuracy_score(same, scores >= threshold))


@given(pairs())
def test_an_increasing_transform_of_the_scores_changes_no_rate(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, same = case
    plain = verification_from_scores(scores, same)
    bent = verification_from_scores(np.exp(3 * scores) - 7, same)
    assert (bent.auc, bent.eer, bent.tar) == (plain.auc, plain.eer, plain.tar)
    assert bent.accuracy == plain.accuracy


@given(pairs())
def test_turning_scores_and_answers_round_is_the_same_problem(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, same = case
    plain = verification_from_scores(scores, same)
    turned = verification_from_scores(-scores, ~same)
    assert turned.auc == pytest.approx(plain.auc)
    assert turned.eer == pytest.approx(plain.eer)
    assert verification_from_scores(-scores, same).auc == pytest.approx(1 - plain.auc)


@given(pairs())
def test_the_order_of_pairs_does_not_matter(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, same = case
    order = np.random.default_rng(len(scores)).permutation(len(scores))
    assert verification_from_scores(scores[order], same[order]) == verification_from_scores(scores, same)


def test_all_pairs_come_in_the_order_of_the_upper_triangle() -> None:
    embeddings, labels = embedded_people(5, 4, seed=0)
    scores, same = pair_scores(embeddings, labels)
    left, right = np.triu_indices(len(labels), 1)
    np.testing.assert_allclose(
        scores,
        [
            float(embeddings[i] @ embeddings[j]) / float(np.linalg.norm(embeddings[i]) * np.linalg.norm(embeddings[j]))
            for i, j in zip(left, right, strict=True)
        ],
        atol=1e-6,
    )
    np.testing.assert_array_equal(same, labels[left] == labels[right])


@pytest.mark.parametrize("pairs_per_block", [1, 37, 100, 10_000])
@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_blocks_change_nothing(pairs_per_block: int, seed: int) -> None:
    # Small integers make every cosine the same in whichever block it is computed.
    generator = np.random.default_rng(seed)
    embeddings = np.eye(8)[generator.integers(0, 8, 25)] + 0.0
    labels = generator.integers(0, 5, 25)
    whole = verification(embeddings, labels, far=[0.1])
    assert verification(embeddings, labels, far=[0.1], pairs_per_block=pairs_per_block) == whole
    scores, same = pair_scores(embeddings, labels)
    assert verification_from_scores(scores, same, far=[0.1], balanced=True) == whole


def test_embeddings_of_people_agree_with_scikit_learn() -> None:
    embeddings, labels = embedded_people(20, 6, seed=1)
    scores, same = pair_scores(embeddings, labels)
    result = verification(embeddings, labels)
    assert result.auc == pytest.approx(metrics.roc_auc_score(same, scores), abs=1e-6)
    assert (result.num_genuine, result.num_impostor) == (20 * 15, 120 * 119 // 2 - 300)
    assert result.chance == 0.5
    assert verification(embeddings * 7.5, labels).auc == pytest.approx(result.auc, abs=1e-6)
    names = np.array([f"person {label}" for label in labels])
    assert verification(embeddings, names) == result


def test_separated_people_are_perfect_and_identical_embeddings_are_chance() -> None:
    labels = np.repeat(np.arange(4), 3)
    perfect = verification(np.eye(4)[labels], labels, far=[0.05])
    assert (perfect.auc, perfect.eer, perfect.accuracy, perfect.tar[0.05]) == (1, 0, 1, 1)
    assert perfect.threshold == 0.5
    collapsed = verification(np.ones((12, 1)), labels, far=[0.05])
    assert (collapsed.auc, collapsed.eer, collapsed.accuracy) == (0.5, 0.5, 0.5)
    assert collapsed.tar[0.05] == 0


def test_a_false_accept_rate_below_one_impostor_is_called_unresolved() -> None:
    generator = np.random.default_rng(0)
    same = np.arange(700) < 200
    result = verification_from_scores(generator.normal(size=700) + same, same)
    assert result.num_impostor == 500
    assert result.unresolved == (1e-3,)
    assert "tar@far=0.01" in result.metrics()
    assert "tar@far=0.001" not in result.metrics()
    assert "TAR@FAR=0.001 unresolved (needs 1,000 impostor pairs)" in str(result)
    exactly = verification_from_scores(np.arange(101.0), np.arange(101) == 100, far=[0.01])
    assert exactly.unresolved == ()


def test_rows_have_the_keys_of_result_json_and_a_null_budget() -> None:
    result = verification_from_scores(np.array([0.9, 0.8, 0.3, 0.1]), np.array([1, 0, 1, 0]), [0.5])
    rows = result.rows(variant="view1")
    assert [row["metric"] for row in rows] == ["accuracy", "auc", "eer", "tar@far=0.5"]
    assert rows[1] == {
        "arm": "same_face",
        "budget": None,
        "budget_unit": None,
        "metric": "auc",
        "variant": "view1",
        "mean": 0.75,
        "low": None,
        "high": None,
        "values": [0.75],
    }
    assert "variant" not in result.rows()[0]


@pytest.mark.parametrize(
    ("scores", "same", "message"),
    [
        ([0.1, 0.2], [False, False], "no genuine pair"),
        ([0.1, 0.2], [True, True], "no impostor pair"),
        ([], [], "no genuine pair"),
        ([0.1, 0.2], [True], "equal length"),
        ([0.1, np.nan], [True, False], "score 1 is not a finite number"),
        ([0.1, 0.2], [0, 2], "only true and false"),
    ],
)
def test_pairs_that_cannot_be_verified_are_refused(scores: list[float], same: list[bool], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        verification_from_scores(np.array(scores), np.array(same))


@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        (np.ones((3, 2)), [0, 1, 2], "no genuine pair"),
        (np.ones((3, 2)), [0, 0, 0], "no impostor pair"),
        (np.ones((1, 2)), [0], "at least two items"),
        (np.ones((0, 2)), [], "at least two items"),
        (np.ones((3, 2)), [0, 1], "not [3, 2] and [2]"),
        (np.array([[1.0], [np.inf]]), [0, 0], "embedding 1 holds"),
    ],
)
def test_embeddings_that_cannot_be_verified_are_refused(
    embeddings: np.ndarray, labels: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        verification(embeddings, np.array(labels))


@pytest.mark.parametrize("far", [0.0, -0.1, 1.5])
def test_a_false_accept_rate_outside_its_range_is_refused(far: float) -> None:
    with pytest.raises(ValueError, match="false accept rate must lie in"):
        verification_from_scores(np.array([0.1, 0.2]), np.array([True, False]), far=[far])
