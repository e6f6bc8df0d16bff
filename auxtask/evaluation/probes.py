"""Linear heads on frozen features: what a backbone is worth without training it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Head", "against_strangers", "fit_logistic", "logistic_head", "nearest_mean_head"]

Head = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(features [n, d], labels [n]) -> kernel [d, c], bias [c]: the scores are features @ kernel + bias."""


def logistic_head(
    features: Any, labels: np.ndarray, strength: float = 10.0, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a multinomial logistic regression (scikit-learn's).

    Parameters
    ----------
    features : float [n, d], dense or sparse
    labels : int [n], every class from 0 to c - 1 present
    strength : float
        scikit-learn's C: the inverse of the weight penalty.
    weights : float [n], optional
        Of the examples; None: 1.

    Returns
    -------
    kernel : float32 [d, c]
    bias : float32 [c]

    Raises
    ------
    ValueError
        Fewer than two classes, or one without an example.
    """
    num_classes = _num_classes(features, labels)
    fitted = fit_logistic(features, labels, strength, weights)
    kernel, bias = fitted.coef_.T, fitted.intercept_
    if num_classes == 2:  # scikit-learn keeps one column for two classes
        kernel, bias = np.concatenate([-kernel, kernel], 1) / 2, np.concatenate([-bias, bias]) / 2
    return kernel.astype(np.float32), bias.astype(np.float32)


def fit_logistic(features: Any, labels: np.ndarray, strength: float, weights: np.ndarray | None = None) -> Any:
    """Fit scikit-learn's logistic regression to features [n, d] (dense or sparse), as every probe here does."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    # Its steps are too small to share: several BLAS threads take up to 30 times as long where the cores are busy.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        # One example of each class is what few labels mean, not a regression in disguise.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        return LogisticRegression(C=strength, max_iter=2000).fit(features, labels, weights)


def log_probabilities(fitted: Any, features: Any) -> np.ndarray:
    """Give what a fitted regression says, float64 [n, c]; a class that is as good as impossible stays finite."""
    return np.asarray(np.log(np.maximum(fitted.predict_proba(features), np.finfo(np.float64).tiny)))


def nearest_mean_head(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the linear head whose scores are cosines to each class' mean (for unit features).

    Parameters and result as `logistic_head`; nothing is trained. Source: the nearest class mean
    of Mensink et al. (2013), with the cosine in place of the distance.
    """
    num_classes = _num_classes(features, labels)
    sums = np.zeros((num_classes, features.shape[1]), np.float64)
    np.add.at(sums, labels, features)
    lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return (sums / lengths).T.astype(np.float32), np.zeros(num_classes, np.float32)


def against_strangers(head: Head, strangers: np.ndarray, share: float = 0.5, nearest: int = 50) -> Head:
    """Handicap classes that strangers resemble too.

    With few examples some classes score high for anybody. How high, the mean score of the strangers that come nearest
    to a class says; `share` of it is taken off the class' bias. Source: the normalisation of speaker verification by
    the top scores of a cohort (Matejka et al., "Analysis of score normalization in multilingual speaker recognition",
    2017), here for the classes' side alone and by a part of it.

    Parameters
    ----------
    head : Head
        Gives the scores.
    strangers : float [m, d]
        Features of items that belong to no class.
    share : float
        0 changes nothing.
    nearest : int
        How many strangers, those with the highest scores, speak for a class; all, if there are fewer.

    Raises
    ------
    ValueError
        No strangers, or fewer than one is to speak.
    """
    if not len(strangers) or nearest < 1:
        raise ValueError(f"{len(strangers)} strangers, nearest={nearest}: at least one of them must speak for a class")

    def fit(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kernel, bias = head(features, labels)
        scores = np.sort(strangers @ kernel + bias, axis=0)[-nearest:]
        return kernel, (bias - share * scores.mean(axis=0)).astype(np.float32)

    return fit


def _num_classes(features: Any, labels: np.ndarray) -> int:
    if features.shape[0] != len(labels) or not len(labels):
        raise ValueError(f"{features.shape[0]} features do not fit {len(labels)} labels")
    counts = np.bincount(labels)
    if len(counts) < 2 or not counts.all():
        raise ValueError("a head needs examples of at least two classes, and of every one")
    return len(counts)
