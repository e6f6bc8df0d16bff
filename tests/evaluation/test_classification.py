"""Rank-1 over photos and over people, against scikit-learn."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from auxtask.evaluation.classification import predictions_from, rank1, rank1_per_person


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(2, 6))
def test_both_are_scikit_learns(seed: int, num_items: int, num_classes: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(num_items, num_classes))
    labels = generator.integers(0, num_classes, num_items)
    predictions = scores.argmax(axis=1)
    assert rank1(scores, labels) == pytest.approx(metrics.accuracy_score(labels, predictions))
    per_class = metrics.recall_score(labels, predictions, labels=np.unique(labels), average="macro", zero_division=0)
    assert rank1_per_person(scores, labels) == pytest.approx(per_class)
    assert rank1(predictions, labels) == rank1(scores, labels)
    assert rank1_per_person(predictions, labels) == rank1_per_person(scores, labels)


def test_many_photos_of_one_person_weigh_only_in_the_mean_over_photos() -> None:
    labels = np.array([0] * 9 + [1])
    always_the_first = np.zeros(10, int)
    assert rank1(always_the_first, labels) == pytest.approx(0.9)
    assert rank1_per_person(always_the_first, labels) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((0, 3)), "not [0, 3]"),
        (np.zeros((2, 3, 1)), "not [2, 3, 1]"),
        (np.zeros((3, 2)), "3 scores for 2 labels"),
        (np.zeros(2), "must hold integers"),
        (np.array([[0.0, 1.0], [np.nan, 0.0]]), "item 1"),
    ],
)
def test_scores_that_cannot_be_judged_are_refused(scores: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        predictions_from(scores, 2 if len(scores) else None)
