"""Features of every layer, standardised, and the way back: a head on them as a head on what the network puts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from auxtask.backbones.text_features import upper_half
from auxtask.evaluation.probes import logistic_head

__all__ = ["UPPER_LAYERS", "StandardisedLayers", "side_by_side"]

UPPER_LAYERS = "upper layers"
"""What the features of the upper half of the layers, side by side, are called."""


def side_by_side(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Put tables of standardised features side by side, each with the same say, and together as much as the first.

    So a penalty that suits the first suits all, and a table of many columns does not outweigh one of few.

    Parameters
    ----------
    tables : sequence of float [num_items, d], each its own d
        With mean 0 and variance 1, see `StandardisedLayers`.

    Returns
    -------
    float [num_items, sum of their d]

    Raises
    ------
    ValueError
        No table, or tables of different numbers of items.
    """
    if not tables or len({len(table) for table in tables}) > 1:
        raise ValueError(f"{[table.shape for table in tables]}: one or more tables of the same items are needed")
    return np.concatenate([table / divisor for table, divisor in zip(tables, _divisors(tables), strict=True)], axis=1)


def _divisors(tables: Sequence[np.ndarray]) -> list[np.float32]:
    first = tables[0].shape[1]
    return [np.float32(np.sqrt(len(tables) * table.shape[1] / first)) for table in tables]


def mean_and_std(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each column's mean and what to divide it by: infinity where it varies by rounding alone.

    Parameters
    ----------
    rows : float [num_items, d]
    """
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    return mean, np.where(std <= 1e-5 * np.abs(mean), np.inf, std + 1e-6).astype(std.dtype)


class StandardisedLayers:
    """Features of each layer with mean 0 and variance 1 over reference items; those that do not vary there are 0.

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
        known = {name: mean_and_std(rows[:num_reference]) for name, rows in layers.items()}
        self._mean = {name: mean for name, (mean, _) in known.items()}
        self._std = {name: std for name, (_, std) in known.items()}
        self.rows = {name: (rows - self._mean[name]) / self._std[name] for name, rows in layers.items()}
        upper = upper_half(list(layers))
        divisors = zip(upper, _divisors([self.rows[name] for name in upper]), strict=True)
        self._mean[UPPER_LAYERS] = np.concatenate([self._mean[name] for name in upper])
        self._std[UPPER_LAYERS] = np.concatenate([self._std[name] * divisor for name, divisor in divisors])
        self.side_by_side = {UPPER_LAYERS: side_by_side([self.rows[name] for name in upper])}

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
