"""What each depth of a network knows: linear probes from the input to the output, and the first layer's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from auxtask.evaluation.examples import Examples
from auxtask.evaluation.layer_features import mean_and_std
from auxtask.evaluation.probes import fit_logistic
from auxtask.framework import keras

__all__ = ["first_layer_weights", "probe_by_depth", "standardised"]


def probe_by_depth(
    layers: Mapping[str, np.ndarray], train: Examples, test: Examples, strength: float = 0.1
) -> dict[str, float]:
    """Fit a logistic regression on each layer's features, and give its share of right answers.

    The linear probes of Alain and Bengio, "Understanding intermediate layers using linear classifier probes" (2016).

    Parameters
    ----------
    layers : mapping of layer name to float [num_items, d]
        From the input to the output; columns are standardised by `train`.
    train, test : Examples
        Their items are rows of `layers`.
    strength : float
        scikit-learn's C.

    Returns
    -------
    dict of layer name to accuracy, in the order of `layers`
    """
    accuracy = {}
    for name, rows in layers.items():
        scaled = standardised(rows, train.items)
        fitted = fit_logistic(scaled[train.items], train.labels, strength)
        accuracy[name] = float((fitted.predict(scaled[test.items]) == test.labels).mean())
    return accuracy


def standardised(rows: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Give columns a mean of 0 and a standard deviation of 1 over the rows numbered in `by`.

    Columns in which those rows are all alike become 0: nothing says how much they vary.
    """
    mean, std = mean_and_std(rows[by])
    return (rows - mean) / std


def first_layer_weights(model: keras.Model) -> np.ndarray:
    """Give the weights of the first layer that has some, as pictures: float [height, width, num_units].

    Of a convolution they are its filters, of a dense layer on a flattened picture its connections to each pixel; in
    both cases averaged over the picture's channels.

    Raises
    ------
    ValueError
        The first layer with weights is neither.
    """
    layer: Any = next((layer for layer in model.layers if layer.weights), None)
    kernel = None if layer is None else getattr(layer, "kernel", None)
    if isinstance(layer, keras.layers.Conv2D):
        return np.asarray(kernel).mean(axis=2)
    if isinstance(layer, keras.layers.Dense) and len(model.input_shape) == 4:
        return np.asarray(kernel).reshape(*model.input_shape[1:], -1).mean(axis=2)
    kind = type(layer).__name__ if layer is not None else "none"
    raise ValueError(f"the first layer with weights must be Conv2D, or Dense on a flattened picture, not {kind}")
