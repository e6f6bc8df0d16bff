"""Features of every layer, standardised, and the way back: a head on them as a head on what the network puts out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auxtask.backbones.text_features import upper_half
from auxtask.evaluation.probes import logistic_head

__all__ = ["UPPER_LAYERS", "StandardisedLayers"]

UPPER_LAYERS = "upper layers"
"""What the features of the upper half of the layers, side by side, are called."""


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
    side_by_side : dict of `UPPER_LAYERS` to float32 [num_items, sum of their d]
        Those of `upper_half`: the lower ones say little more than which words there are.
    """

    def __init__(self, layers: Mapping[str, np.ndarray], num_reference: int) -> None:
        self._mean = {name: rows[:num_reference].mean(0) for name, rows in layers.items()}
        self._std = {name: rows[:num_reference].std(0) + 1e-6 for name, rows in layers.items()}
        self.rows = {name: (rows - self._mean[name]) / self._std[name] for name, rows in layers.items()}
        upper = upper_half(list(layers))
        scale = np.float32(np.sqrt(len(upper)))
        self._mean[UPPER_LAYERS] = np.concatenate([self._mean[name] for name in upper])
        self._std[UPPER_LAYERS] = np.concatenate([self._std[name] for name in upper]) * scale
        self.side_by_side = {UPPER_LAYERS: np.concatenate([self.rows[name] for name in upper], axis=1) / scale}

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
            Or `UPPER_LAYERS`: the output is then that of `pooled_upper_layers`.
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
