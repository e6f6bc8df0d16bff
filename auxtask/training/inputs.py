"""One way in for training data: arrays, `tf.data` or `datasets`, always out as a batched
`tf.data.Dataset`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from auxtask.framework import tf


def as_dataset(
    data: Any,
    batch_size: int = 32,
    shuffle: bool = False,
    seed: int = 0,
    columns: tuple[str, str] = ("x", "y"),
) -> Any:
    """Turn training data into a batched dataset of `(x, y)` (or of `x` alone).

    Parameters
    ----------
    data : (x, y) | array | tf.data.Dataset | datasets.Dataset
        Arrays share their first axis; `x` may also be a dict of arrays or, for a model with several
        inputs, a list of arrays. A `tf.data.Dataset` is taken as batched already and passes through
        untouched. From a `datasets.Dataset` two columns are read, which must hold rows of equal
        shape.
    batch_size : int
        Examples in a batch; the last batch is smaller if they do not divide.
    shuffle : bool
        Draw a new order in every epoch. Only indices are shuffled, so that big arrays cost no
        buffer.
    seed : int
        Seed of the orders, and set as TensorFlow's global seed when shuffling: the order of `tf.data` depends on both,
        and would else be another one after an earlier training.
    columns : (str, str)
        Names of the two columns of a `datasets.Dataset`.

    Returns
    -------
    tf.data.Dataset
        Batches, prefetched.

    Raises
    ------
    ValueError
        If the data is empty, lengths differ, a column is missing, or the type is none of the above.
    """
    if isinstance(data, tf.data.Dataset):
        return data
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; valid: an integer >= 1")
    if hasattr(data, "column_names") and hasattr(data, "with_format"):
        data = _read_columns(data, columns)
    arrays = _as_arrays(data)
    num_examples = _common_length(arrays)
    indices = tf.data.Dataset.range(num_examples)
    if shuffle:
        tf.random.set_seed(seed)
        indices = indices.shuffle(num_examples, seed=seed, reshuffle_each_iteration=True)
    # The tensors are captured, not embedded, so arrays beyond a graph's 2 GB are fine.
    tensors = tf.nest.map_structure(tf.convert_to_tensor, arrays)

    def gather(batch: Any) -> Any:
        return tf.nest.map_structure(lambda tensor: tf.gather(tensor, batch), tensors)

    return indices.batch(batch_size).map(gather, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def check_labels(labels: Any, output_shape: Sequence[int | None], loss: str) -> None:
    """Refuse labels with which Keras' loss would train on nonsense, or stop inside TensorFlow.

    Parameters
    ----------
    labels : array, list, or whatever gives an array (a column of a table)
        Anything else (None, a dict, several outputs' labels) is not looked at.
    output_shape : sequence of int or None
        Of the head, the batch's axis included.
    loss : str
        Of others than these three nothing is known:
        `binary_crossentropy` (labels from 0 to 1), `sparse_categorical_crossentropy` (whole numbers from 0 on) or
        `categorical_crossentropy` (one row of numbers from 0 on each, which may be weighted).

    Raises
    ------
    ValueError
        That says what the labels are and what the head takes.
    """
    known = ("binary_crossentropy", "sparse_categorical_crossentropy", "categorical_crossentropy")
    if loss not in known or not (isinstance(labels, list) or hasattr(labels, "__array__")):
        return
    found = np.asarray(labels)
    if found.dtype.kind not in "biuf":
        raise ValueError(f"labels are {found.dtype.name if found.dtype.kind != 'U' else 'text'}; give their numbers")
    low, high, num_outputs = found.min(), found.max(), output_shape[-1]
    if loss == "sparse_categorical_crossentropy":
        if found.ndim == len(output_shape) and found.shape[-1] != 1:
            raise ValueError(f"labels are rows of {found.shape[-1]} numbers; the head has {num_outputs} outputs")
        whole = found.dtype.kind != "f" or (found == np.floor(found)).all()
        if not whole or low < 0 or high >= (num_outputs or math.inf):
            said = f"labels run from {low} to {high}" + ("" if whole else ", not all of them whole")
            raise ValueError(f"{said}; the head takes whole numbers below {num_outputs}, from 0 on")
    elif not (low >= 0 and (high <= 1 or (loss == "categorical_crossentropy" and np.isfinite(high)))):
        raise ValueError(f"labels run from {low} to {high}; a head with {loss} takes numbers from 0 to 1")


def _as_arrays(data: Any) -> Any:
    """Nested tuples and dicts of arrays, the outer tuple being Keras' `(x, y)` or `(x, y,
    sample_weight)`.
    """
    if isinstance(data, tuple):
        if not 1 <= len(data) <= 3:
            raise ValueError(f"data is a tuple of {len(data)}; valid: (x, y) or (x, y, sample_weight)")
        return tuple(_inputs(part) for part in data)
    if isinstance(data, (np.ndarray, tf.Tensor, dict)):
        return (_inputs(data),)
    raise ValueError(
        f"data is a {type(data).__name__}; valid: (x, y) arrays, a batched tf.data.Dataset or a datasets.Dataset"
    )


def _inputs(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _array(value) for name, value in part.items()}
    several = isinstance(part, (list, tuple)) and len(part) > 0
    if several and all(isinstance(item, (np.ndarray, tf.Tensor)) and item.ndim > 0 for item in part):
        return tuple(_array(item) for item in part)  # several inputs, as Keras takes them
    return _array(part)


def _array(value: Any) -> Any:
    if isinstance(value, tf.Tensor):
        return value
    try:
        array = np.asarray(value)
    except ValueError as problem:
        raise ValueError("data has rows of different shapes; pad them to one shape first") from problem
    if array.dtype == object and not all(isinstance(item, (str, bytes)) for item in array.flat):
        raise ValueError("data has rows of different shapes or mixed types; make them one array first")
    if array.ndim == 0:
        raise ValueError(f"data holds the single value {value!r} where an array of examples is needed")
    return array


def _common_length(arrays: Any) -> int:
    lengths = [int(array.shape[0]) for array in tf.nest.flatten(arrays)]
    if len(set(lengths)) != 1:
        raise ValueError(f"arrays have different numbers of examples: {lengths}")
    if lengths[0] == 0:
        raise ValueError("data is empty: no example to train or validate on")
    return lengths[0]


def _read_columns(table: Any, columns: Sequence[str]) -> tuple[Any, ...]:
    existing = list(table.column_names or ())
    missing = [name for name in columns if name not in existing]
    if missing:
        raise ValueError(
            f"no column {missing[0]!r} in the dataset; it has: {', '.join(existing)}. "
            "Name the two: at.as_dataset(data, columns=(…, …))"
        )
    if not hasattr(table, "__len__"):
        raise ValueError("a streamed datasets.IterableDataset has no length; pass a datasets.Dataset")
    rows = table.with_format("numpy")
    return tuple(np.asarray(rows[name][:]) for name in columns)
