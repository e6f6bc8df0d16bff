"""Pseudo-labels: a classifier's guesses on items without labels, learned from as if they were labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from auxtask.evaluation.probes import fit_logistic, log_probabilities
from auxtask.evaluation.text_arms import Classifier, best_classifier

__all__ = ["SelfTraining"]


class SelfTraining:
    """Logistic regression on frozen features that goes on learning from its own guesses on items without labels.

    Round after round a larger share of the unlabelled items joins, those guessed with most confidence first, each class
    in proportion to the labels. So the method assumes that classes are about as frequent among the unlabelled items as
    among the labelled ones; where they are not, cross-validation on the labels may prefer another arm.

    Sources: Lee, "Pseudo-label" (2013); the growing share of Cascante-Bonilla et al., "Curriculum labeling" (2021).

    Parameters
    ----------
    layers : mapping of layer name to float [num_items, d], standardised
    probes : mapping of (layer, C) to Classifier
        Of `log_probes`, on the same layers; cross-validation on the labels to learn from picks one to start from.
    unlabelled : int [m]
        Items that are neither labelled nor tested.
    shares : sequence of float
        Of the unlabelled items, round by round.
    weight : float
        All guesses together weigh as much as so many times the labels.

    Raises
    ------
    ValueError
        There is no unlabelled item.
    """

    def __init__(
        self,
        layers: Mapping[str, np.ndarray],
        probes: Mapping[tuple[str, float], Classifier],
        unlabelled: np.ndarray,
        shares: Sequence[float] = (0.2, 0.4, 0.6, 0.8, 1.0),
        weight: float = 4.0,
    ) -> None:
        if not len(unlabelled):
            raise ValueError("self-training needs items without labels")
        self._layers, self._probes, self._unlabelled = layers, probes, np.asarray(unlabelled)
        self._shares, self._weight = tuple(shares), weight

    def __call__(self, train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Give log-probabilities [num_test, c]: this is a `Classifier`."""
        layer, items, named, strength, weights = self.learned(train, labels)
        rows = self._layers[layer]
        return log_probabilities(fit_logistic(rows[items], named, strength, weights), rows[test])

    def learned(self, train: np.ndarray, labels: np.ndarray) -> tuple[str, np.ndarray, np.ndarray, float, np.ndarray]:
        """Give what the last round learns from, as `StandardisedLayers.head` takes it.

        Returns
        -------
        layer : str
            That the labels chose.
        items, labels : int [n], int [n]
            The labelled items, and those whose classes are guesses.
        strength : float
            That the labels chose.
        weights : float [n]
            1 for each labelled item.
        """
        layer, strength = best_classifier(self._probes, train, labels)
        rows, (classes, counts) = self._layers[layer], np.unique(labels, return_counts=True)
        items, named, weights = train, labels, np.ones(len(train))
        for share in self._shares:
            fitted = fit_logistic(rows[items], named, strength, weights)
            log_probability = log_probabilities(fitted, rows[self._unlabelled])
            sure, guesses = most_confident(log_probability, share * counts / len(labels))
            each = self._weight * len(train) / max(1, len(sure))
            items = np.concatenate([train, self._unlabelled[sure]])
            named = np.concatenate([labels, classes[guesses]])
            weights = np.concatenate([np.ones(len(train)), np.full(len(sure), each)])
        return layer, items, named, strength, weights


def most_confident(log_probability: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Name the rows whose class is guessed with most confidence, so many of each class.

    Parameters
    ----------
    log_probability : float [n, c]
    shares : float [c]
        Of all n rows, how many are taken for each class at most; fewer, if it is guessed less often.

    Returns
    -------
    rows, guesses : int [k], int [k]
    """
    guesses, confidence = log_probability.argmax(1), log_probability.max(1)
    taken = []
    for one, share in enumerate(shares):
        members = np.flatnonzero(guesses == one)
        best = members[np.argsort(-confidence[members], kind="stable")]
        taken.append(best[: int(share * len(log_probability))])
    rows = np.concatenate(taken)
    return rows, guesses[rows]
