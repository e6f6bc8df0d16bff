"""Features of every layer, standardised, and the way back: a head on them as a head on what the network puts out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auxtask.evaluation.probes import logistic_head

__all__ = ["EVERY_LAYER", "StandardisedLayers"]

EVERY_LAYER = "every layer"
"""What the features of all layers, side by side, are called."""


class StandardisedLayers:
    """Features of each layer with mean 0 and variance 1 over reference items.

    Side by side the layers weigh as much as one of them, so that one penalty suits both.

    Parameters
    ----------
    layers : mapping of layer name to float [num_items, d]
        See `text_features`. From the input to the output.
    num_reference : int
        The first so many items are the reference; no test item, and no label is needed.

    Attributes
    ----------
    rows : dict of layer name to float32 [num_items, d]
    side_by_side : dict of `EVERY_LAYER` to float32 [num_items, sum of all d]
    """

    def __init__(self, layers: Mapping[str, np.ndarray], num_reference: int) -> None:
        self._mean = {name: rows[:num_reference].mean(0) for name, rows in layers.items()}
        self._std = {name: rows[:num_reference].std(0) + 1e-6 for name, rows in layers.items()}
        self.rows = {name: (rows - self._mean[name]) / self._std[name] for name, rows in layers.items()}
        scale = np.float32(np.sqrt(len(layers)))
        self._mean[EVERY_LAYER] = np.concatenate([self._mean[name] for name in layers])
        self._std[EVERY_LAYER] = np.concatenate([self._std[name] for name in layers]) * scale
        self.side_by_side = {EVERY_LAYER: np.concatenate(list(self.rows.values()), axis=1) / scale}

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
            Or `EVERY_LAYER`: the output is then that of `pooled_layers`.
        items, labels : int [n]
        strength, weights
            As `logistic_head`.

        Returns
        -------
        kernel : float32 [d, c]
        bias : float32 [c]
        """
        kernel, bias = logistic_head((self.rows | self.side_by_side)[layer][items], labels, strength, weights)
        kernel = kernel / self._std[layer][:, None]
        return kernel.astype(np.float32), (bias - self._mean[layer] @ kernel).astype(np.float32)
