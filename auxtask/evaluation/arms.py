"""What an arm is: called with labelled examples and unlabelled test items, it gives scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from auxtask.data.splits import draw_seed
from auxtask.evaluation.examples import Examples
from auxtask.evaluation.results import METRICS

__all__ = ["Arm", "Outcome", "call_arm", "rotated_arm"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an arm returns.

    Attributes
    ----------
    scores : float [num_test, num_classes]
        Of each test item, in order; the highest is the prediction. Mistakes are ranked by it.
    metrics : dict of float
        What else the arm knows, by name, such as `train_rank1`. `seconds` replaces the time that
        is measured around the call.
    """

    scores: np.ndarray
    metrics: Mapping[str, float] = field(default_factory=dict)


Arm = Callable[[Examples, np.ndarray, int], "Outcome | np.ndarray"]
"""One way to get a model: (train, test items, seed) -> Outcome, or only its scores."""


def rotated_arm(arms: Sequence[Arm], draws: int, seed: int = 0) -> Arm:
    """Make one arm of several that differ by what they were pretrained with: draw d goes to the d-th, round and round.

    What pretraining had by chance then shows between draws, as the labels drawn do.

    Parameters
    ----------
    arms : sequence of Arm
        One for each pretrained network.
    draws, seed : int
        Those of the `Comparison`.

    Raises
    ------
    ValueError
        No arm; when called, a seed that belongs to none of the draws.
    """
    if not arms:
        raise ValueError("there is no arm to rotate")
    turns = {draw_seed(seed, draw): draw % len(arms) for draw in range(draws)}

    def arm(train: Examples, test: np.ndarray, draw: int) -> Outcome | np.ndarray:
        if draw not in turns:
            raise ValueError(f"seed {draw} belongs to none of the {draws} draws: give Comparison's own draws and seed")
        return arms[turns[draw]](train, test, draw)

    return arm


def call_arm(arm: Arm, train: Examples, test_items: np.ndarray, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """Call an arm and check what it returns.

    Returns
    -------
    scores : float [num_test, num_classes]
    metrics : dict of float, with `seconds`

    Raises
    ------
    ValueError
        Scores of another shape, a metric that is not finite or that is measured elsewhere; or
        whatever the arm raises.
    """
    items = test_items.view()
    items.flags.writeable = False  # an arm that changed them would change the next arm's
    started = time.perf_counter()
    given = arm(train, items, seed)
    seconds = time.perf_counter() - started
    outcome = given if isinstance(given, Outcome) else Outcome(given)
    scores, wanted = np.asarray(outcome.scores), (len(items), len(train.names))
    if scores.shape != wanted:
        raise ValueError(f"scores must be {list(wanted)}, not {list(scores.shape)}")
    return scores, _checked_metrics({"seconds": seconds, **outcome.metrics})


def _checked_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    reserved = {name for pair in METRICS.items() for name in pair}
    for name, value in metrics.items():
        if name in reserved or "_minus_" in name:
            raise ValueError(f"an arm must not return the metric {name!r}: it is measured here")
        if not np.isscalar(value) and np.ndim(value) or not np.isfinite(float(value)):
            raise ValueError(f"metric {name!r} must be a finite number, not {value!r}")
    return {name: float(value) for name, value in metrics.items()}
