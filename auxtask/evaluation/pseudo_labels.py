"""Pseudo-labels: a classifier's guesses on items without labels, learned from as if they were labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auxtask.evaluation.text_arms import WeightedClassifier

__all__ = ["SelfTraining"]


class SelfTraining:
    """Classifiers that go on learning from their own guesses on items without labels.

    Round after round a larger share of the unlabelled items joins, those guessed with most confidence first, each class
    in proportion to the labels. So the method assumes that classes are about as frequent among the unlabelled items as
    among the labelled ones; where they are not, cross-validation on the labels may prefer another arm.

    With two classifiers that see different things of an item (its features, its words), each learns from what both
    together are sure of. The first guess is the first one's alone: the others may need more examples than labels are.

    Sources: Lee, "Pseudo-label" (2013); the growing share of Cascante-Bonilla et al., "Curriculum labeling" (2021); two
    views of Blum and Mitchell, "Combining labeled and unlabeled data with co-training" (1998).

    Parameters
    ----------
    classifiers : sequence of WeightedClassifier
        At least one; the mean of their probabilities counts.
    unlabelled : int [m]
        Items whose labels are not asked for. Those that are labelled or judged in a call are left out of it.
    shares : sequence of float
        Of the unlabelled items, round by round.
    weight : float
        All guesses together weigh as much as so many times the labels.

    Raises
    ------
    ValueError
        No classifier, or no unlabelled item.
    """

    def __init__(
        self,
        classifiers: Sequence[WeightedClassifier],
        unlabelled: np.ndarray,
        shares: Sequence[float] = (0.2, 0.4, 0.6, 0.8, 1.0),
        weight: float = 4.0,
    ) -> None:
        if not len(classifiers):
            raise ValueError("self-training needs a classifier")
        if not len(unlabelled):
            raise ValueError("self-training needs items without labels")
        self._classifiers, self._unlabelled = tuple(classifiers), np.asarray(unlabelled)
        self._shares, self._weight = tuple(shares), weight

    def __call__(self, train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Give log-probabilities [num_test, c]: this is a `Classifier`."""
        return _together(self._classifiers, *self.learned(train, labels, test), test)

    def learned(
        self, train: np.ndarray, labels: np.ndarray, test: np.ndarray | Sequence[int] = ()
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give what the last round learns from, `test` being the items that will be judged.

        Returns
        -------
        items, labels : int [n], int [n]
            The labelled items, and those whose classes are guesses.
        weights : float [n]
            1 for each labelled item.
        """
        classes, counts = np.unique(labels, return_counts=True)
        items, named, weights = train, labels, np.ones(len(train))
        free = self._unlabelled[~(np.isin(self._unlabelled, train) | np.isin(self._unlabelled, test))]
        asked = self._classifiers[:1]
        for share in self._shares if len(free) else ():
            log_probability = _together(asked, items, named, weights, free)
            sure, guesses = most_confident(log_probability, share * counts / len(labels))
            each = self._weight * len(train) / max(1, len(sure))
            items = np.concatenate([train, free[sure]])
            named = np.concatenate([labels, classes[guesses]])
            weights = np.concatenate([np.ones(len(train)), np.full(len(sure), each)])
            asked = self._classifiers
        return items, named, weights


def _together(
    classifiers: Sequence[WeightedClassifier],
    items: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    test: np.ndarray,
) -> np.ndarray:
    """Give the logarithm of the mean of their probabilities [num_test, c]."""
    each = [classify(items, labels, test, weights) for classify in classifiers]
    return np.asarray(np.logaddexp.reduce(each, axis=0) - np.log(len(each)))


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
