"""Linear heads on frozen features, against scikit-learn and a slow formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from auxtask.evaluation.probes import (
    against_strangers,
    fit_logistic,
    log_probabilities,
    logistic_head,
    nearest_mean_head,
)


def clusters(num_classes: int, each: int = 8) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(num_classes), each)
    features = random.normal(size=(num_classes, 5))[labels] + random.normal(size=(len(labels), 5))
    return features, labels


@pytest.mark.parametrize("num_classes", [2, 4])
def test_the_logistic_head_predicts_what_scikit_learn_does(num_classes: int) -> None:
    features, labels = clusters(num_classes)
    kernel, bias = logistic_head(features, labels, strength=1.0)
    reference = LogisticRegression(C=1.0, max_iter=2000).fit(features, labels)
    assert kernel.shape == (5, num_classes) and bias.shape == (num_classes,)
    scores = features @ kernel + bias
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, reference.predict_proba(features), atol=1e-4)


def test_the_nearest_mean_head_scores_by_the_cosine_to_each_mean() -> None:
    features, labels = clusters(3)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    kernel, bias = nearest_mean_head(features, labels)
    for label in range(3):
        mean = features[labels == label].mean(axis=0)
        cosines = [f @ mean / np.linalg.norm(mean) for f in features]
        np.testing.assert_allclose(features @ kernel[:, label] + bias[label], cosines, rtol=1e-5)


@given(st.integers(1, 12), st.floats(0, 2))
def test_what_strangers_score_highest_is_taken_off_each_class(nearest: int, share: float) -> None:
    features, labels = clusters(3)
    strangers = np.random.default_rng(1).normal(size=(10, 5))
    plain = nearest_mean_head(features, labels)
    handicapped = against_strangers(nearest_mean_head, strangers, share, nearest)(features, labels)
    np.testing.assert_array_equal(plain[0], handicapped[0])
    for label in range(3):
        scores = sorted((float(one @ plain[0][:, label] + plain[1][label]) for one in strangers), reverse=True)
        expected = share * sum(scores[:nearest]) / len(scores[:nearest])
        assert plain[1][label] - handicapped[1][label] == pytest.approx(expected, abs=1e-5)


def test_a_class_that_anybody_resembles_no_longer_takes_the_others_items() -> None:
    # Class 0 lies where strangers are; an item of class 1 between the two is nearer to class 0.
    features, labels = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1])
    strangers, item = np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0.74, 0.67])
    for head, predicted in ((nearest_mean_head, 0), (against_strangers(nearest_mean_head, strangers), 1)):
        kernel, bias = head(features, labels)
        assert (item @ kernel + bias).argmax() == predicted


@pytest.mark.parametrize(("number", "nearest"), [(0, 1), (3, 0)])
def test_somebody_must_speak_for_a_class(number: int, nearest: int) -> None:
    with pytest.raises(ValueError, match="at least one of them must speak"):
        against_strangers(nearest_mean_head, np.ones((number, 2)), nearest=nearest)


@pytest.mark.parametrize("head", [logistic_head, nearest_mean_head])
@pytest.mark.parametrize("labels", [[0, 0], [0, 2], [0]])
def test_a_class_without_examples_is_refused(head: object, labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"at least two classes|do not fit"):
        head(np.ones((2, 3)), np.array(labels))  # type: ignore[operator]


def test_a_class_that_is_as_good_as_impossible_has_a_finite_log_probability() -> None:
    features, labels = np.array([[-1.0], [1.0]]), np.array([0, 1])
    fitted = fit_logistic(features, labels, 1e4)
    far = log_probabilities(fitted, np.array([[1e6], [0.0]]))
    assert np.isfinite(far).all() and far[0, 0] < -700 and far[0, 1] == 0
    assert np.allclose(far[1], fitted.predict_log_proba([[0.0]])[0])
