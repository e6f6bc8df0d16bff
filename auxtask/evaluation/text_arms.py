"""The frozen arms of text recipes: TF-IDF, a probe at a depth that the labels choose, and their mixture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from auxtask.evaluation.arms import Arm, Outcome
from auxtask.evaluation.cross_validation import FitScore, choose_by_folds
from auxtask.evaluation.examples import Examples
from auxtask.evaluation.probes import fit_logistic

__all__ = ["chosen_arm", "log_mixture", "log_probe", "log_probes", "log_tfidf", "probe_arm", "scored_arm"]

Classifier = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(items to learn from, their labels, items to judge) -> log-probabilities [num_judged, num_classes]."""


def log_tfidf(texts: Sequence[str], strength: float) -> Classifier:
    """Make logistic regression on TF-IDF of words and pairs of neighbouring words.

    The vocabulary and its weights come from the labelled texts alone. Source of the recipe: Wang and Manning,
    "Baselines and bigrams" (2012), with logistic regression.

    Parameters
    ----------
    texts : sequence of str
        By item number.
    strength : float
        scikit-learn's C.
    """

    def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        from sklearn.feature_extraction.text import TfidfVectorizer

        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        features = words.fit_transform([texts[i] for i in train])
        judged = words.transform([texts[i] for i in test])
        return np.asarray(fit_logistic(features, labels, strength).predict_log_proba(judged))

    return classify


def log_probe(features: np.ndarray, strength: float) -> Classifier:
    """Make logistic regression on the rows of a feature table, which is used as it is (standardise it before).

    Parameters
    ----------
    features : float [num_items, d]
    strength : float
        scikit-learn's C.
    """

    def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        return np.asarray(fit_logistic(features[train], labels, strength).predict_log_proba(features[test]))

    return classify


def log_probes(layers: Mapping[str, np.ndarray], strengths: Sequence[float]) -> dict[str, Classifier]:
    """Make a probe of every layer with every penalty, by a name that says both."""
    return {f"{name}, C={c:g}": log_probe(rows, c) for name, rows in layers.items() for c in strengths}


def log_mixture(one: Classifier, other: Classifier) -> Classifier:
    """Make the mean of two classifiers' probabilities."""

    def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        return np.logaddexp(one(train, labels, test), other(train, labels, test)) - np.log(2)

    return classify


def scored_arm(classifiers: Mapping[str, Classifier], train_metric: str = "train_accuracy") -> Arm:
    """Fit the classifier that cross-validation on the labels at hand picks.

    Parameters
    ----------
    classifiers : mapping of name to Classifier
    """

    def arm(train: Examples, test: np.ndarray, seed: int) -> Outcome:
        classify = classifiers[choose_by_folds(folded(classifiers, train), train.labels, seed)]
        scores = classify(train.items, train.labels, np.concatenate([train.items, test]))
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


def chosen_arm(families: Mapping[str, Mapping[str, Classifier]]) -> Callable[[int, Examples], str]:
    """Make the rule that names the arm to claim: the one whose best classifier cross-validates best.

    Parameters
    ----------
    families : mapping of arm name to its classifiers
    """

    def choose(budget: int, train: Examples) -> str:
        every = {(arm, name): one for arm, family in families.items() for name, one in family.items()}
        return choose_by_folds(folded(every, train), train.labels)[0]

    return choose


def folded(classifiers: Mapping[Any, Classifier], train: Examples) -> dict[Any, FitScore]:
    """Give what `choose_by_folds` takes: the classifiers, on positions among the labelled examples."""

    def fit(classify: Classifier, learned: np.ndarray, judged: np.ndarray) -> np.ndarray:
        return classify(train.items[learned], train.labels[learned], train.items[judged])

    return {name: partial(fit, one) for name, one in classifiers.items()}
