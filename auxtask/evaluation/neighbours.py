"""Classifying by the nearest labelled items: what features are worth without fitting anything."""

from __future__ import annotations

import numpy as np

from auxtask.evaluation.text_arms import Classifier

__all__ = ["log_neighbours"]

# Added to each class' votes, so that one without a neighbour has a probability above 0.
_LEAST_VOTE = 0.01


def log_neighbours(features: np.ndarray, num_neighbours: int = 5, temperature: float = 0.07) -> Classifier:
    """Make a vote of the nearest labelled items by cosine, nearer ones weighing `exp(cosine / temperature)`.

    Source: the weighted nearest neighbours of Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination" (2018).

    Parameters
    ----------
    features : float [num_items, d]
        Standardise them before: cosines are about the origin.
    num_neighbours : int
        At most; all, if fewer are labelled.
    temperature : float
        Above 0.

    Raises
    ------
    ValueError
        A number is out of range.
    """
    if num_neighbours < 1 or not temperature > 0:
        raise ValueError(f"num_neighbours={num_neighbours}, temperature={temperature}: at least 1, and above 0")
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)

    def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        cosines = unit[test] @ unit[train].T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :num_neighbours]
        near = np.take_along_axis(cosines, nearest, axis=1)
        weights = np.exp((near - near[:, :1]) / temperature)  # relative to the nearest, which weighs 1
        votes = np.full((len(test), int(labels.max()) + 1), _LEAST_VOTE)
        np.add.at(votes, (np.arange(len(test))[:, None], labels[nearest]), weights)
        return np.log(votes / votes.sum(axis=1, keepdims=True))

    return classify
