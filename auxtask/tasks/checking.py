"""Telling the author of an auxiliary task what is wrong with it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from numbers import Integral
from typing import Any

import numpy as np

from auxtask.framework import keras, tf
from auxtask.tasks.auxiliary_task import AuxiliaryTask
from auxtask.tasks.greedy import GreedyTask
from auxtask.tasks.leaks import leaked_targets, named_leaves
from auxtask.transfer.graph import own_variables
from auxtask.transfer.groups import layer_groups

_SOME = 3  # batches that are trained on
_MOST = 64  # batches whose shapes are looked at


class TaskProblem(ValueError):
    """What is wrong with an auxiliary task.

    Attributes
    ----------
    sentences : tuple of str
    """

    def __init__(self, task: str, sentences: list[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__(f"{task}: {'; '.join(sentences)}")


def check_task(task: AuxiliaryTask, data: Any, seed: int = 0) -> None:
    """Try a task out for a few steps, and say in words what is wrong with it.

    Looked for are: batches that differ under the same seed, end, or change their shapes; targets that stand in the
    inputs, where batches are tuples (inputs, targets) (`leaked_targets`: in a dict, or in targets that `batch_loss`
    makes itself, nobody can tell which is which); a `batch_loss` without `loss` or without what `logs` names, with
    values that are no scalars, not finite, or others under the same seed, that cannot be compiled, or that draws where
    compiled code would draw once (a NumPy generator made there, with a seed of its own, is not seen); a loss that does
    not depend on the batch's inputs; a part kept that training does not change, or by a regulariser alone, or that has
    no layer groups.

    The weights are as before afterwards. Sets the global random seeds, as training does. A small part of the data
    shows as much as all of it.

    Parameters
    ----------
    task : AuxiliaryTask
    data
        What the task pretrains on; some dozens of examples suffice.
    seed : int

    Raises
    ------
    TaskProblem
        A ValueError with one sentence for everything that is wrong.

    Examples
    --------
    >>> at.check_task(MyTask(at.conv_backbone(seed=0)), images[:500])
    """
    if not isinstance(task, AuxiliaryTask):
        raise ValueError(f"task is a {type(task).__name__}, not an AuxiliaryTask")
    keras.utils.set_random_seed(seed)
    with _weights_put_back(task) as saved:
        task.prepare(data, None, seed)
        batches, wrong = _check_batches(task, data, seed)
        task.build_layers(data, seed)  # as `pretrain` does: layers may wait for their first input
        wrong += leaked_targets([tf.nest.map_structure(np.asarray, batch) for batch in batches])
        found = _check_values(task, batches[0], saved, seed)
        # Without a loss there is nothing to train.
        wrong += found or _check_training(task, batches, seed)
        wrong += _check_layers(task, data, seed)
    try:
        layer_groups(task.kept)
    except ValueError as error:
        wrong.append(f"the part that is kept has no layer groups, so it cannot be cut, frozen or reused: {error}")
    if wrong:
        raise TaskProblem(type(task).__name__, wrong)


def _check_layers(task: AuxiliaryTask, data: Any, seed: int) -> list[str]:
    """Check the tasks by which a greedy one trains its layers, each on the codes of those below, trained or not."""
    wrong, codes = [], data
    for name, part in task.layer_tasks.items() if isinstance(task, GreedyTask) else ():
        try:
            check_task(part, codes, seed)
        except TaskProblem as problem:
            wrong += [f"layer {name}: {sentence}" for sentence in problem.sentences]
        codes = part.encoder.predict(codes, verbose=0)
    return wrong


class _Weights:
    """All weights of a task as they were; those that are made later join when they are first seen."""

    def __init__(self, task: AuxiliaryTask) -> None:
        self._task = task
        self._values: dict[int, tuple[Any, np.ndarray]] = {}
        self.restore()

    def restore(self) -> None:
        for weight in _weights_made(self._task):
            self._values.setdefault(id(weight), (weight, weight.numpy()))
        for weight, value in self._values.values():
            weight.assign(value)
        for layer in self._task._flatten_layers():
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # it works with copies of its weights


def _weights_made(task: AuxiliaryTask) -> Iterator[Any]:
    """Give the weights that there are: `task.weights` is an error while a layer waits for its first input."""
    for layer in task._flatten_layers():
        trainable, others = own_variables(layer)
        yield from (*trainable, *others)


@contextmanager
def _weights_put_back(task: AuxiliaryTask) -> Iterator[_Weights]:
    saved, optimizer = _Weights(task), task.optimizer
    try:
        yield saved
    finally:
        saved.restore()
        task.optimizer = optimizer
        task.reset_metrics()


def _check_batches(task: AuxiliaryTask, data: Any, seed: int) -> tuple[list[Any], list[str]]:
    wrong = []
    number = task.num_batches(data)
    if isinstance(number, bool) or not isinstance(number, Integral) or number < 1:
        wrong.append(f"num_batches gives {number!r}: it must be a whole number, at least 1")
        number = 1
    made = task.batches(data, seed)
    if not isinstance(made, tf.data.Dataset):
        raise TaskProblem(type(task).__name__, [f"batches gives a {type(made).__name__}: it must be a tf.data.Dataset"])
    wanted = max(_SOME, min(number + 1, _MOST))
    kept: list[Any] = []
    shapes: list[Any] = []
    for batch in islice(made, wanted):
        kept += [batch] if len(kept) < _SOME else []
        shapes.append([(path, leaf.dtype.name, tuple(leaf.shape)) for path, leaf in named_leaves(batch)])
    if not kept:
        raise TaskProblem(type(task).__name__, ["batches gives no batch at all"])
    if len(shapes) < wanted:
        wrong.append(f"batches ends after {len(shapes)}: it must be endless (`repeat`)")
    other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
    if other is not None:
        was, now = next(pair for pair in zip(shapes[0], shapes[other], strict=False) if pair[0] != pair[1])
        wrong.append(
            f"shapes change between batches: batch{was[0]} is {was[1]} {was[2]} at first and {now[1]} {now[2]} in "
            f"batch {other + 1} (`drop_remainder=True` keeps them constant)"
        )
    again = list(islice(task.batches(data, seed), len(kept)))
    if not all(_equal(one, other) for one, other in zip(kept, again, strict=True)):
        wrong.append("batches gives other batches under the same seed: every random draw must come from its `seed`")
    return [batch for batch, shape in zip(kept, shapes, strict=False) if shape == shapes[0]], wrong


def _equal(one: Any, other: Any) -> bool:
    pairs = zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True)
    return all(left.dtype == right.dtype and _same(np.asarray(left), np.asarray(right)) for left, right in pairs)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    # NaN may mark what is missing, on purpose.
    return np.array_equal(one, other, equal_nan=np.issubdtype(one.dtype, np.floating))


def _loss(task: AuxiliaryTask, batch: Any, seed: int) -> float:
    """Give the loss in inference mode: a dropout layer draws anew each time it is called, whatever the seed."""
    keras.utils.set_random_seed(seed)
    return float(task.values_of(batch, training=False)["loss"])


def _check_values(task: AuxiliaryTask, batch: Any, saved: _Weights, seed: int) -> list[str]:
    """Look at what `batch_loss` gives."""
    values = task.values_of(batch, training=True)
    missing = [name for name in task.logged if name not in values]
    if missing:
        return [f"batch_loss gives no {', '.join(map(repr, missing))}: it has {', '.join(map(repr, values))}"]
    wrong = []
    for name, value in values.items():
        if not np.issubdtype(np.asarray(value).dtype, np.number):
            wrong.append(f"batch_loss gives {name!r} that is a {type(value).__name__}: it must be a number")
        elif np.ndim(value):
            wrong.append(f"batch_loss gives {name!r} in shape {np.shape(value)}: it must be a scalar, a mean")
        elif not np.isfinite(value):
            wrong.append(f"batch_loss gives {name!r} that is not finite: {float(value)}")
    if wrong:
        return wrong
    losses = []
    for _ in range(2):
        saved.restore()  # a task may remember something from batch to batch
        losses.append(_loss(task, batch, seed))
    drawn = _numpy_and_python_state()
    task.values_of(batch, training=True)
    saved.restore()
    if not np.isclose(losses[0], losses[1], rtol=1e-4, atol=0):
        wrong.append(
            f"batch_loss gives another loss for the same batch under the same seed: {losses[0]:g} and {losses[1]:g}"
        )
    if wrong:
        return wrong
    moved = _numpy_and_python_state() != drawn
    first, again = (_compiled_constants(task, batch, saved, seed) for _ in range(2))
    saved.restore()
    if moved or first != again:
        wrong.append(
            "batch_loss draws with NumPy's or Python's random: compiled, as in training, it would draw once and use "
            "that in every step, and other numbers under the same seed; draw in `batches`, or by tf.random"
        )
    return wrong


def _compiled_constants(task: AuxiliaryTask, batch: Any, saved: _Weights, seed: int) -> list[bytes] | None:
    """Give all numbers that stand in the compiled loss; None where it cannot be, which `_check_training` says better.

    Losses tell less: a dropout layer draws anew each time it is compiled, whatever the seed.
    """
    saved.restore()
    keras.utils.set_random_seed(seed)
    try:
        graph = tf.function(partial(task.values_of, training=True)).get_concrete_function(batch).graph.as_graph_def()
    except Exception:
        return None
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return sorted(node.attr["value"].tensor.SerializeToString() for node in nodes if node.op == "Const")


def _numpy_and_python_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state(legacy=True)
    return random.getstate(), name, np.asarray(keys).tobytes(), *rest


def _check_training(task: AuxiliaryTask, batches: list[Any], seed: int) -> list[str]:
    """Take some steps, and see whether the part that is kept moved, and whether the input matters."""
    before = [weight.numpy() for weight in task.kept.trainable_weights]
    if not before:
        return ["the part that is kept has no trainable weights: training cannot change it"]
    task.optimizer = keras.optimizers.Adam(1e-3)
    keras.utils.set_random_seed(seed)
    step = tf.function(task.train_step)
    wrong = []
    try:
        for batch in (batches * _SOME)[:_SOME]:
            step(batch)
    except Exception as error:  # whatever an author's code may raise
        if "No gradients provided" not in str(error):
            why = [line.strip() for line in str(error).splitlines() if line.strip()][-1:]
            return [
                f"batch_loss works step by step but not compiled, as in training: {' '.join(why)} (make layers and "
                "variables in __init__; tensors cannot become NumPy arrays or Python numbers there)"
            ]
    moved = [np.any(weight != old) for weight, old in zip(task.kept.trainable_weights, before, strict=True)]
    if not any(moved):
        wrong.append(
            "training leaves the part that is kept unchanged: batch_loss must use it, and nothing may stop the "
            "gradients on the way"
        )
    elif not _loss_reaches(task, batches[0]):
        wrong.append("the loss does not reach the part that is kept: only a regulariser moves it")
    if not all(np.isfinite(weight.numpy()).all() for weight in task.weights if weight.dtype.is_floating):
        return [*wrong, f"a weight is not finite after {_SOME} steps"]
    # After some steps: a head that starts with zeros gives the same loss for anything.
    trained = _Weights(task)
    loss = _loss(task, batches[0], seed)
    trained.restore()
    if np.isclose(_loss(task, _shuffled(batches[0]), seed), loss, rtol=1e-6, atol=0):
        wrong.append("the loss ignores its input: it is the same when the values of the inputs are shuffled")
    return wrong


def _loss_reaches(task: AuxiliaryTask, batch: Any) -> bool:
    """Tell whether the loss by itself, without what regularisers add in training, depends on the part that is kept."""
    if type(task).gradients is not AuxiliaryTask.gradients:
        return True  # gradients of its own need not be those of `loss`
    with tf.GradientTape() as tape:
        loss = task.values_of(batch, training=True)["loss"]
    gradients = tape.gradient(loss, task.kept.trainable_weights)
    return any(one is not None and np.any(tf.convert_to_tensor(one)) for one in gradients)


def _shuffled(batch: Any) -> Any:
    """Mix the values of each input among themselves; targets (what follows the inputs in a tuple) stay."""
    random = np.random.default_rng(0)

    def mix(tensor: tf.Tensor) -> tf.Tensor:
        array = np.asarray(tensor)
        return tf.constant(random.permutation(array.ravel()).reshape(array.shape), tensor.dtype)

    if isinstance(batch, tuple):
        return tf.nest.map_structure(mix, batch[0]), *batch[1:]
    return tf.nest.map_structure(mix, batch)
