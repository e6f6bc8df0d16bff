"""Linear heads on frozen features: what a backbone is worth without training it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

__all__ = ["fit_logistic", "logistic_head", "nearest_mean_head"]


def logistic_head(features: Any, labels: np.ndarray, strength: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """Fit a multinomial logistic regression (scikit-learn's).

    Parameters
    ----------
    features : float [n, d], dense or sparse
    labels : int [n], every class from 0 to c - 1 present
    strength : float
        scikit-learn's C: the inverse of the weight penalty.

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
    fitted = fit_logistic(features, labels, strength)
    kernel, bias = fitted.coef_.T, fitted.intercept_
    if num_classes == 2:  # scikit-learn keeps one column for two classes
        kernel, bias = np.concatenate([-kernel, kernel], 1) / 2, np.concatenate([-bias, bias]) / 2
    return kernel.astype(np.float32), bias.astype(np.float32)


def fit_logistic(features: Any, labels: np.ndarray, strength: float) -> Any:
    """Fit scikit-learn's logistic regression to features [n, d] (dense or sparse), as every probe here does."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # One example of each class is what few labels mean, not a regression in disguise.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        return LogisticRegression(C=strength, max_iter=2000).fit(features, labels)


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


def _num_classes(features: Any, labels: np.ndarray) -> int:
    if features.shape[0] != len(labels) or not len(labels):
        raise ValueError(f"{features.shape[0]} features do not fit {len(labels)} labels")
    counts = np.bincount(labels)
    if len(counts) < 2 or not counts.all():
        raise ValueError("a head needs examples of at least two classes, and of every one")
    return len(counts)
