"""Features of every layer, standardised, and the way back: a head on them as a head on what the network puts out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auxtask.evaluation.probes import logistic_head

__all__ = ["StandardisedLayers"]


class StandardisedLayers:
    """Features of each layer with mean 0 and variance 1 over reference items.

    Parameters
    ----------
    layers : mapping of layer name to float [num_items, d]
        See `text_features`. From the input to the output.
    num_reference : int
        The first so many items are the reference; no test item, and no label is needed.

    Attributes
    ----------
    rows : dict of layer name to float32 [num_items, d]
    """

    def __init__(self, layers: Mapping[str, np.ndarray], num_reference: int) -> None:
        self._mean = {name: rows[:num_reference].mean(0) for name, rows in layers.items()}
        self._std = {name: rows[:num_reference].std(0) + 1e-6 for name, rows in layers.items()}
        self.rows = {name: (rows - self._mean[name]) / self._std[name] for name, rows in layers.items()}

    @property
    def last(self) -> dict[str, np.ndarray]:
        """The last layer alone."""
        name = list(self.rows)[-1]
        return {name: self.rows[name]}

    def head(
        self, layer: str, items: np.ndarray, labels: np.ndarray, strength: float, weights: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fit a logistic regression on one layer's standardised rows, and give it for the layer's own output.

        Parameters
        ----------
        layer : str
        items, labels : int [n]
        strength, weights
            As `logistic_head`.

        Returns
        -------
        kernel : float32 [d, c]
        bias : float32 [c]
        """
        kernel, bias = logistic_head(self.rows[layer][items], labels, strength, weights)
        kernel = kernel / self._std[layer][:, None]
        return kernel.astype(np.float32), (bias - self._mean[layer] @ kernel).astype(np.float32)
