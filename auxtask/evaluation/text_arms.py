"""Frozen arms of text recipes (a probe at a depth that the labels choose, a mixture), and the choice among arms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial, wraps
from hashlib import blake2b
from typing import Any, Protocol, TypeVar

import numpy as np

from auxtask.evaluation.arms import Arm, Outcome
from auxtask.evaluation.cross_validation import FitScore, choose_by_folds, choose_by_quarter
from auxtask.evaluation.examples import Examples
from auxtask.evaluation.probes import fit_logistic, log_probabilities

__all__ = [
    "best_classifier",
    "chosen_arm",
    "log_mixture",
    "log_probe",
    "log_probes",
    "probe_arm",
    "remembered",
    "scored_arm",
]

Key = TypeVar("Key")
Classifier = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(items to learn from, their labels, items to judge) -> log-probabilities [num_judged, num_classes]."""


class WeightedClassifier(Protocol):
    """A `Classifier` in which not every item to learn from counts alike."""

    def __call__(
        self, train: np.ndarray, labels: np.ndarray, test: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Give log-probabilities [num_test, c]; weights float [num_train], None: 1 each."""


def remembered(classify: Classifier) -> Classifier:
    """Make the same classifier, which is fitted once for the same items, whoever asks.

    An arm, the rule that chooses among arms, and a mixture ask for the same folds. What is kept (log-probabilities, a
    few kB per fit) lives as long as the classifier returned. `inspect.unwrap` gives the one that was given.
    """
    kept: dict[bytes, np.ndarray] = {}

    @wraps(classify)
    def recall(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        asked = blake2b(digest_size=16)
        for part in (train, labels, test):
            asked.update(len(part).to_bytes(8, "little") + np.ascontiguousarray(part, np.int64).tobytes())
        key = asked.digest()
        if key not in kept:
            kept[key] = classify(train, labels, test)
        return kept[key]

    return recall


def log_probe(features: np.ndarray, strength: float) -> WeightedClassifier:
    """Make logistic regression on the rows of a feature table, which is used as it is (standardise it before).

    Parameters
    ----------
    features : float [num_items, d]
    strength : float
        scikit-learn's C.
    """

    def classify(
        train: np.ndarray, labels: np.ndarray, test: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        return log_probabilities(fit_logistic(features[train], labels, strength, weights), features[test])

    return classify


def log_probes(layers: Mapping[str, np.ndarray], strengths: Sequence[float]) -> dict[tuple[str, float], Classifier]:
    """Make a probe of every layer with every penalty, by (layer, C); each remembers its fits."""
    return {(name, c): remembered(log_probe(rows, c)) for name, rows in layers.items() for c in strengths}


def log_mixture(one: Classifier, other: Classifier) -> Classifier:
    """Make the mean of two classifiers' probabilities."""

    def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        return np.logaddexp(one(train, labels, test), other(train, labels, test)) - np.log(2)

    return classify


def best_classifier(
    classifiers: Mapping[Key, Classifier], items: np.ndarray, labels: np.ndarray, preferred: Collection[Key] = ()
) -> Key:
    """Name the classifier that cross-validation on the labels at hand picks.

    Parameters
    ----------
    classifiers : mapping of key to Classifier
    items, labels : int [n]
        The labelled items and their classes.
    preferred : collection of keys
        As `choose_by_folds`.

    Raises
    ------
    ValueError
        As `choose_by_folds`: a class with one example only cannot be cross-validated.
    """
    return choose_by_folds(_on_positions(classifiers, items, labels), labels, preferred=preferred)


def _best_of(classifiers: Mapping[Any, Classifier], preferred: Collection[Any] = ()) -> Classifier:
    """Make the classifier that cross-validation on what it learns from picks."""

    def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        return classifiers[best_classifier(classifiers, train, labels, preferred)](train, labels, test)

    return classify


def scored_arm(classifiers: Mapping[Any, Classifier], train_metric: str = "train_accuracy") -> Arm:
    """Fit the classifier that cross-validation on the labels at hand picks.

    Parameters
    ----------
    classifiers : mapping of key to Classifier
        Where there is only one, nothing is cross-validated.
    train_metric : str
        What the share of labelled items that are predicted right is called.
    """

    def arm(train: Examples, test: np.ndarray, seed: int) -> Outcome:
        scores = _best_of(classifiers)(train.items, train.labels, np.concatenate([train.items, test]))
        known = scores[: len(train)].argmax(1) == train.labels
        return Outcome(scores[len(train) :], {train_metric: float(known.mean())})

    return arm


def probe_arm(layers: Mapping[str, np.ndarray], strengths: Sequence[float] = (0.01, 0.1)) -> Arm:
    """Probe the layer, with the penalty, that cross-validation on the labels at hand picks.

    Parameters
    ----------
    layers : mapping of layer name to float [num_items, d], standardised
    strengths : sequence of float
        scikit-learn's C.
    """
    return scored_arm(log_probes(layers, strengths))


def chosen_arm(
    families: Mapping[str, Mapping[Any, Classifier]],
    trained: Mapping[str, Classifier] | None = None,
    preferred: str | None = None,
) -> Callable[[int, Examples, tuple[str, ...]], str]:
    """Make the rule that names the arm to claim, from the labels at hand alone.

    Of the families, the one whose best classifier cross-validates best. Arms that are costly to train are then weighed
    on one held-out quarter of the labels against what cross-validation picks on the other three, and have to be better
    by more than luck explains (`choose_by_folds`). With fewer than three labels of a class they are not weighed, and
    not chosen.

    Parameters
    ----------
    families : mapping of arm name to its classifiers
    trained : mapping of arm name to Classifier, optional
        Asked only where the arm runs.
    preferred : str, optional
        The family that wins where the labels cannot tell (see `choose_by_folds`).
    """

    def choose(budget: int, train: Examples, running: tuple[str, ...]) -> str:
        rivals = {arm: one for arm, one in (trained or {}).items() if arm in running}
        cheap: list[str] = []
        every = {(arm, key): one for arm in families if arm in running for key, one in families[arm].items()}
        if every:
            safe = [key for key in every if key[0] == preferred]
            best, _ = best_classifier(every, train.items, train.labels, safe)
            # Of two labels of a class a quarter would leave one, and then nothing can be picked.
            if not rivals or np.unique(train.labels, return_counts=True)[1].min() < 3:
                return best
            # It picks family and setting as the others do theirs, without the quarter.
            rivals, cheap = {best: _best_of(every, safe), **rivals}, [best]
        elif len(rivals) == 1:
            return next(iter(rivals))
        return choose_by_quarter(_on_positions(rivals, train.items, train.labels), train.labels, preferred=cheap)

    return choose


def _on_positions(classifiers: Mapping[Key, Classifier], items: np.ndarray, labels: np.ndarray) -> dict[Key, FitScore]:
    """Give what `choose_by_folds` takes: the classifiers, on positions among the labelled examples."""

    def fit(classify: Classifier, learned: np.ndarray, judged: np.ndarray) -> np.ndarray:
        return classify(items[learned], labels[learned], items[judged])

    return {key: partial(fit, one) for key, one in classifiers.items()}
