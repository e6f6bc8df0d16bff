"""Linear heads on frozen features, against scikit-learn and a slow formula."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from auxtask.evaluation.probes import logistic_head, nearest_mean_head


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


@pytest.mark.parametrize("head", [logistic_head, nearest_mean_head])
@pytest.mark.parametrize("labels", [[0, 0], [0, 2], [0]])
def test_a_class_without_examples_is_refused(head: object, labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"at least two classes|do not fit"):
        head(np.ones((2, 3)), np.array(labels))  # type: ignore[operator]
