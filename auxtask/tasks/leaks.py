"""Finding targets that stand in the inputs: a network that can read the answer learns nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

_FEWEST_EXAMPLES = 16
_MOST_COLUMNS = 16
_MOST_LABELS = 64
# How unlikely it must be that one of all input values tells the labels by chance.
_CHANCE = 1e-6


def leaked_targets(batches: Sequence[Any]) -> list[str]:
    """Say which targets can be read off the inputs.

    Looked at are batches (inputs, targets) or, as in Keras, (inputs, targets, weights), where a target has as many rows
    as an input. Numbers leak where an input value is the target times a factor plus an offset, in all examples. Those
    that come again and again, taken as labels, leak where one input value (a pixel, say) is constant within each label
    and another for each; so a task whose classes merely look different is not accused. Words leak where the inputs
    hold them at the positions that the inputs name.

    Parameters
    ----------
    batches : sequence
        Some batches of one task, as NumPy arrays. A batch that is one tensor has no targets: they are made of it.

    Returns
    -------
    list of str
        One sentence per target that leaks; each names the place.
    """
    if not isinstance(batches[0], tuple) or len(batches[0]) < 2:
        return []
    found = []
    inputs = _joined([batch[0] for batch in batches])
    for name, target in _joined([batch[1:2] for batch in batches]).items():
        places = [*_copies(inputs, target), *_looked_up([batch[0] for batch in batches], target)]
        if places:
            found.append(
                f"the target {_place(name, 1)} leaks into the input: {places[0]} tells it (where giving the input back "
                "is the task, make the target in batch_loss)"
            )
    return found


def _joined(parts: Sequence[Any]) -> dict[str, np.ndarray]:
    """Give each tensor of some structures by its path, the batches below each other."""
    by_path: dict[str, list[np.ndarray]] = {}
    for part in parts:
        for path, array in named_leaves(part):
            by_path.setdefault(path, []).append(array)
    return {path: np.concatenate(arrays) for path, arrays in by_path.items() if arrays[0].ndim}


def named_leaves(structure: Any) -> Iterator[tuple[str, Any]]:
    """Give (path, tensor) of every tensor of a structure; the path is written as an index into it."""
    if isinstance(structure, Mapping):
        parts: Iterable[tuple[Any, Any]] = sorted(structure.items())
    elif isinstance(structure, tuple | list):
        parts = enumerate(structure)
    else:
        yield "", structure
        return
    for key, part in parts:
        for path, leaf in named_leaves(part):
            yield f"[{key!r}]{path}", leaf


def _place(path: str, first: int) -> str:
    """Write a path within batch[first:] as one within the batch."""
    number, _, rest = path[1:].partition("]")
    return f"batch[{int(number) + first}]{rest}"


def _copies(inputs: dict[str, np.ndarray], target: np.ndarray) -> Iterator[str]:
    columns = target.reshape(len(target), -1).astype(np.float64)
    columns = columns[:, np.ptp(columns, axis=0) > 0]
    if len(columns) < _FEWEST_EXAMPLES or not columns.shape[1]:
        return
    few = columns.shape[1] <= _MOST_COLUMNS
    looked_at = columns if few else columns[:, np.linspace(0, columns.shape[1] - 1, _MOST_COLUMNS).astype(int)]
    for path, values in inputs.items():
        if len(values) != len(target):
            continue
        features = values.reshape(len(values), -1).astype(np.float64)
        told = [_tells(features, column, few) for column in looked_at.T]
        # Of a large target, such as a picture, some values may well be in sight: what is asked for are the others.
        if any(one >= 0 for one in told) if few else all(one >= 0 for one in told):
            index = np.unravel_index(max(told), values.shape[1:])
            yield f"batch[0]{path}[:{''.join(f', {i}' for i in index)}]"


def _tells(features: np.ndarray, column: np.ndarray, alone: bool) -> int:
    """Give the feature, of float64 [n, m], that tells a column of the target, float64 [n]; -1: there is none.

    A column that stands `alone` may be labels, which look linear by chance; one of a picture's many does not.
    """
    repeated = len(np.unique(column)) <= len(column) // 4
    if not repeated:
        return _is_linear_in(features, column)
    found = _tell_labels(features, column)
    return _is_linear_in(features, column) if found < 0 and not alone else found


def _is_linear_in(features: np.ndarray, column: np.ndarray) -> int:
    """Give the feature, of float64 [n, m], that is a multiple of the column plus an offset; -1: there is none."""
    centred, wanted = features - features.mean(axis=0), column - column.mean()
    norms = np.linalg.norm(centred, axis=0) * np.linalg.norm(wanted)
    near = np.abs(wanted @ centred) / np.maximum(norms, 1e-12)
    best = int(near.argmax())
    return best if near[best] > 1 - 1e-6 and len(np.unique(column)) > 2 else -1


def _tell_labels(features: np.ndarray, labels: np.ndarray) -> int:
    """Give a feature that alone tells the labels, or one of several that each tell one label; -1: there is none."""
    found, names = _tells_labels(features, labels), np.unique(labels)
    if found >= 0 or not 2 < len(names) <= _MOST_LABELS:
        return found
    one_each = [_tells_labels(features, labels == name) for name in names]
    return max(one_each) if min(one_each) >= 0 else -1


def _tells_labels(features: np.ndarray, labels: np.ndarray) -> int:
    """Give the feature that has one value per label, and another for each; -1: there is none, or it may be chance."""
    names, counts = np.unique(labels, return_counts=True)
    # Of so many orders of the labels, that many look like this.
    orders = math.lgamma(len(labels) + 1) - sum(math.lgamma(count + 1) for count in counts)
    if orders - math.lgamma(len(names) + 1) < math.log(features.shape[1] / _CHANCE):
        return -1
    means = np.stack([features[labels == name].mean(axis=0) for name in names])
    spread = np.max([np.ptp(features[labels == name], axis=0) for name in names], axis=0)
    gap = np.diff(np.sort(means, axis=0), axis=0).min(axis=0)
    found = np.flatnonzero((gap > 0) & (spread < 1e-3 * gap))
    return int(found[0]) if len(found) else -1


def _looked_up(inputs: Sequence[Any], target: np.ndarray) -> Iterator[str]:
    """Find targets among an input's numbers, at positions that another input gives: hidden words that are shown."""
    if target.ndim != 1 or not np.issubdtype(target.dtype, np.integer):
        return
    leaves = [dict(named_leaves(one)) for one in inputs]
    for at, positions in leaves[0].items():
        if positions.ndim != 1 or len(positions) * len(inputs) != len(target):
            continue
        for path, shown in leaves[0].items():
            if path == at or not np.issubdtype(positions.dtype, np.integer) or positions.max() >= shown.size:
                continue
            read = np.concatenate([one[path].ravel()[one[at]] for one in leaves])
            # Masking leaves some words as they are (a tenth in BERT).
            if np.mean(read == target) > 0.9 and len(np.unique(target)) > 1:
                yield f"batch[0]{path} at the positions in batch[0]{at}"
