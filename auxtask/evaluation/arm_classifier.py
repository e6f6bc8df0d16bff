"""An arm as a classifier that the labels at hand may weigh against others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auxtask.data.splits import draw_seed
from auxtask.evaluation.arms import Arm, Outcome
from auxtask.evaluation.examples import Examples
from auxtask.evaluation.text_arms import Classifier

__all__ = ["arm_classifier"]

_LEAST = 1e-9  # of a probability, so that its logarithm is finite


def arm_classifier(arm: Arm, names: Sequence[str], seed: int = 0) -> Classifier:
    """Make a classifier of an arm whose scores are probabilities, as those of `network_arm` are.

    Parameters
    ----------
    arm : Arm
        Called anew for each fit; see `remembered`.
    names : sequence of str
        The classes.
    seed : int
        Of what the arm is given: with the items to learn from it makes a seed, so that other labels mean another start.

    Returns
    -------
    callable (items to learn from, their labels, items to judge) -> log-probabilities [num_judged, num_classes]
    """

    def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        given = arm(Examples(train, labels, tuple(names)), test, draw_seed(seed, *train))
        scores = given.scores if isinstance(given, Outcome) else given
        return np.log(np.maximum(scores, _LEAST))

    return classify
