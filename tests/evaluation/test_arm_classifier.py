"""An arm as a classifier gives the logarithm of its scores."""

import numpy as np

from auxtask.data.splits import draw_seed
from auxtask.evaluation.arm_classifier import arm_classifier
from auxtask.evaluation.arms import Outcome
from auxtask.evaluation.examples import Examples


def test_scores_become_finite_log_probabilities_of_the_items_asked_for() -> None:
    told = []

    def arm(train: Examples, test: np.ndarray, seed: int) -> Outcome:
        told.append((train.items.tolist(), train.labels.tolist(), train.names, seed))
        return Outcome(np.array([[1.0, 0.0]] * len(test)))

    found = arm_classifier(arm, ["a", "b"], seed=7)(np.array([3, 4]), np.array([0, 1]), np.array([5]))
    assert told == [([3, 4], [0, 1], ("a", "b"), draw_seed(7, 3, 4))]
    assert found[0, 0] == 0 and np.isfinite(found).all() and found[0, 1] < -10


def test_the_seed_belongs_to_the_items_learned_from() -> None:
    seeds = []

    def arm(train: Examples, test: np.ndarray, seed: int) -> np.ndarray:
        seeds.append(seed)
        return np.full((len(test), 2), 0.5)

    for seed, items in ((7, [3, 4]), (7, [3, 4]), (7, [3, 5]), (8, [3, 4])):
        arm_classifier(arm, ["a", "b"], seed)(np.array(items), np.array([0, 1]), np.array([6]))
    again, once, *others = seeds
    assert again == once and len({once, *others}) == 3
