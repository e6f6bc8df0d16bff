"""An arm as a classifier gives the logarithm of its scores."""

import numpy as np

from auxtask.evaluation.arm_classifier import arm_classifier
from auxtask.evaluation.arms import Outcome
from auxtask.evaluation.examples import Examples


def test_scores_become_finite_log_probabilities_of_the_items_asked_for() -> None:
    told = []

    def arm(train: Examples, test: np.ndarray, seed: int) -> Outcome:
        told.append((train.items.tolist(), train.labels.tolist(), train.names, seed))
        return Outcome(np.array([[1.0, 0.0]] * len(test)))

    found = arm_classifier(arm, ["a", "b"], seed=7)(np.array([3, 4]), np.array([0, 1]), np.array([5]))
    assert told == [([3, 4], [0, 1], ("a", "b"), 7)]
    assert found[0, 0] == 0 and np.isfinite(found).all() and found[0, 1] < -10
