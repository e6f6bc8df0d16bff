"""Run a plan: freeze, train, check the ledger, thaw, train on."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from auxtask.framework import keras, tf
from auxtask.training.callbacks import BestWeights, NanGuard
from auxtask.training.inputs import as_dataset, check_labels
from auxtask.training.optimizers import GroupRates
from auxtask.transfer.freezing import freeze, groups_upto, unfreeze
from auxtask.transfer.groups import group_variables, layer_groups
from auxtask.transfer.ledger import Ledger
from auxtask.transfer.plans import Phase, Plan


@dataclass
class FineTuning:
    """What `fine_tune` gives back.

    Attributes
    ----------
    model : keras.Model
        The model that was given, trained; frozen as in the last phase, and compiled with the plain
        optimizer.
    history : list of dict
        One row per epoch: `phase`, `epoch` (1-based, counted through all phases), `learning_rate`
        (at the epoch's end), `loss`, metrics, and `val_...` of each with validation data.
    ledger : Ledger
        Hashes of every group's weights before and after each phase.
    """

    model: Any
    history: list[dict[str, Any]]
    ledger: Ledger


def fine_tune(
    model: Any,
    train: Any,
    validation_data: Any = None,
    plan: Plan | Sequence[Phase] | str = "probe_then_tune",
    loss: Any = None,
    metrics: Any = None,
    optimizer: Any = None,
    callbacks: Iterable[Any] | None = None,
    batch_size: int = 32,
    seed: int = 0,
    verbose: Any = 0,
) -> FineTuning:
    """Train a model phase by phase; what a phase freezes does not move, or this raises.

    One optimizer, built over all variables, serves all phases: momentum survives the borders,
    freshly thawed variables count their own steps, schedules count from their phase's start. A
    callback that stops training (a `Budget`, say) ends the plan; a phase's own `patience` ends only
    the phase.

    Parameters
    ----------
    model : keras.Model
        Changed in place; usually from `reuse(..., head=...)`. Its own compilation is replaced.
    train, validation_data : (x, y) arrays | tf.data.Dataset | datasets.Dataset
        As `as_dataset` takes them. Arrays of `train` are shuffled.
    plan : Plan | sequence of Phase | str
        Or the name of a built-in plan: scratch, probe, full, probe_then_tune, gradual. Its phases alone say what is
        frozen and what learns, whatever was frozen before.
    loss : str | keras.losses.Loss, optional
        None: from the head (sigmoid: binary, softmax: categorical, sparse for integer labels).
    metrics : list, optional
        None: accuracy. `[]`: only the loss.
    optimizer : keras.optimizers.Optimizer | str, optional
        None: Adam. A fresh copy is used, with the phases' learning rates; yours stays untouched.
    callbacks : iterable of keras.callbacks.Callback, optional
        Given to every phase's `fit`, after a `NanGuard`.
    batch_size : int
        For arrays.
    seed : int
        Orders the examples, and is set as TensorFlow's global seed, on which dropout depends.
    verbose : int | "auto"
        As in `fit`.

    Raises
    ------
    ValueError
        For bad arguments before anything is trained (labels in arrays; those of a dataset are not
        looked at); if the loss becomes NaN; if the ledger finds that a frozen weight moved.
    """
    plan = _as_plan(plan, model)
    _check_phases(plan, model, validation_data is not None)
    labels = train[1] if isinstance(train, tuple) and len(train) > 1 else None
    judged = validation_data[1] if isinstance(validation_data, tuple) and len(validation_data) > 1 else None
    train = _finite(as_dataset(train, batch_size, shuffle=True, seed=seed))
    if validation_data is not None:
        validation_data = as_dataset(validation_data, batch_size)
    result = FineTuning(model, [], Ledger())
    callbacks = list(callbacks or ())
    with model.distribute_strategy.scope():  # a model made in a strategy's scope takes only what is made there too
        if metrics is None:
            metrics = ["accuracy" if loss is not None else _accuracy_of(model, _loss_of(model, train))]
        if loss is None:
            loss = _loss_of(model, train)
        if isinstance(loss, str):
            for known in (labels, judged):
                check_labels(known, model.outputs[0].shape, loss)
        rates = GroupRates(_fresh(optimizer))
        tf.random.set_seed(seed)
        _forget_counts(metrics)
        model.compile(optimizer=rates, loss=loss, metrics=metrics)
        try:
            for phase in plan.phases:
                if not _run_phase(phase, result, rates, train, validation_data, callbacks, verbose):
                    break
        finally:
            # The plain optimizer, with its slots, keeps saved files free of our classes.
            rates.hand_over()
            _forget_counts(metrics)
            model.compile(optimizer=rates.optimizer, loss=loss, metrics=metrics)
    return result


def _run_phase(
    phase: Phase,
    result: FineTuning,
    rates: GroupRates,
    train: Any,
    validation_data: Any,
    callbacks: Iterable[Any],
    verbose: Any,
) -> bool:
    """Run one phase; False if a callback wants no more."""
    model = result.model
    rates.start_phase(phase.learning_rate, _scales(model, phase.layer_decay))
    _set_frozen(model, phase)
    result.ledger.snapshot(model)
    monitor = phase.monitor or ("loss" if validation_data is None else "val_loss")
    keep_best = phase.patience is not None or phase.monitor is not None
    best = BestWeights(monitor, phase.mode, phase.patience) if keep_best else None
    done = result.history[-1]["epoch"] if result.history else 0
    rows = _Rows(phase.name, result.history)
    ours = [rows] if best is None else [best, rows]
    model.fit(
        train,
        validation_data=validation_data,
        initial_epoch=done,
        epochs=done + phase.epochs,
        callbacks=[NanGuard(), *callbacks, *ours],
        verbose=verbose,
    )
    result.ledger.check(model, phase.name)
    ended_by_patience = best is not None and best.stopped_epoch > 0
    return bool(not model.stop_training or ended_by_patience)


class _Rows(keras.callbacks.Callback):
    """Writes one row per epoch."""

    def __init__(self, phase: str, history: list[dict[str, Any]]) -> None:
        super().__init__()
        self._phase = phase
        self._history = history

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rate = float(keras.backend.get_value(self.model.optimizer.learning_rate))
        numbers = {name: float(value) for name, value in (logs or {}).items() if name != "lr"}
        row = {"phase": self._phase, "epoch": epoch + 1, "learning_rate": rate, **numbers}
        self._history.append(row)


def _set_frozen(model: Any, phase: Phase) -> None:
    unfreeze(model, batchnorm=phase.batchnorm)
    if phase.frozen_upto is not None:
        freeze(model, None if phase.frozen_upto == "backbone" else phase.frozen_upto)


def _scales(model: Any, layer_decay: float) -> list[tuple[Any, float]]:
    """The top group's scale is 1, each one below learns at `layer_decay` times the rate of the one
    above.
    """
    if layer_decay == 1.0:
        return []
    by_group = group_variables(model)
    names = list(layer_groups(model).names)
    return [
        (variable, layer_decay ** (len(names) - 1 - position))
        for position, name in enumerate(names)
        for variable in by_group[name]
    ]


def _forget_counts(metrics: Any) -> None:
    """Reset metric objects: Keras' next `fit` or `evaluate` would go on counting in its first epoch."""
    for metric in tf.nest.flatten(metrics):
        if hasattr(metric, "reset_state"):
            metric.reset_state()


def _as_plan(plan: Any, model: Any) -> Plan:
    if isinstance(plan, str):
        backbone = [name for name in layer_groups(model).names if name != "head"]
        return Plan.named(plan, num_groups=len(backbone))
    if isinstance(plan, Phase):
        plan = [plan]
    if not isinstance(plan, Plan):
        if not isinstance(plan, (list, tuple)):
            raise ValueError(f"plan is {plan!r}; valid: a Plan, a list of Phase or a plan's name")
        plan = Plan("custom", tuple(plan))
    names = [phase.name or f"phase{i + 1}" for i, phase in enumerate(plan.phases)]
    phases = zip(plan.phases, names, strict=True)
    return Plan(plan.name, tuple(_renamed(phase, name) for phase, name in phases))


def _renamed(phase: Phase, name: str) -> Phase:
    return phase if phase.name == name else dataclasses.replace(phase, name=name)


def _check_phases(plan: Plan, model: Any, validated: bool) -> None:
    """Unknown groups, phases with nothing to train, and what nothing measures are found before the first epoch."""
    groups = layer_groups(model)
    by_group = group_variables(model)
    for phase in plan.phases:
        upto = phase.frozen_upto
        frozen = () if upto is None else groups_upto(model, None if upto == "backbone" else upto)
        thawed = [name for name in groups.names if name not in frozen]
        if not any(variable.trainable for name in thawed for variable in by_group[name]):
            raise ValueError(
                f"phase {phase.name!r} freezes every group that has weights "
                f"({', '.join(frozen)}); add a head, or set frozen_upto lower"
            )
        if phase.monitor and phase.monitor.startswith("val_") and not validated:
            raise ValueError(f"phase {phase.name!r} monitors {phase.monitor!r}, which needs validation_data")


def _finite(dataset: Any) -> Any:
    if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
        raise ValueError("train is an endless dataset; end it with .take(batches in an epoch)")
    return dataset


def _fresh(optimizer: Any) -> Any:
    """A copy of the optimizer without slots, so that one instance may serve many runs."""
    if optimizer is None:
        return keras.optimizers.Adam()
    if isinstance(optimizer, str):
        names = (
            "adam",
            "adamw",
            "sgd",
            "rmsprop",
            "adagrad",
            "adadelta",
            "adamax",
            "lion",
            "nadam",
        )
        if optimizer.lower() not in names:
            close = difflib.get_close_matches(optimizer.lower(), names, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ValueError(f"optimizer is {optimizer!r}{hint}; valid: {', '.join(names)}")
        return keras.optimizers.get(optimizer)
    GroupRates(optimizer)  # raises for what cannot be wrapped
    copy = type(optimizer).from_config(optimizer.get_config())
    names_excluded = getattr(optimizer, "_exclude_from_weight_decay_names", None)
    keys_excluded = getattr(optimizer, "_exclude_from_weight_decay", None)
    if names_excluded is not None or keys_excluded is not None:  # not part of Keras' config
        copy.exclude_from_weight_decay(var_names=list(names_excluded or []))
        copy._exclude_from_weight_decay = list(keys_excluded or [])
    return copy


def _loss_of(model: Any, train: Any) -> str:
    activation = _last_activation(model)
    if len(model.outputs) == 1 and activation == "sigmoid":
        return "binary_crossentropy"
    if len(model.outputs) == 1 and activation == "softmax":
        spec = train.element_spec
        labels = spec[1] if isinstance(spec, tuple) and len(spec) > 1 else None
        shape: Any = getattr(labels, "shape", None)
        one_hot = shape is not None and shape.rank == model.outputs[0].shape.rank
        if one_hot and shape[-1] == model.outputs[0].shape[-1]:
            return "categorical_crossentropy"
        return "sparse_categorical_crossentropy"
    raise ValueError("no loss follows from the model's last layer (not a softmax or sigmoid): pass loss=")


def _accuracy_of(model: Any, loss: str) -> Any:
    """Give accuracy as an object: what Keras takes for it, but of several tags the share of them that are right.

    Of a name, Keras makes the variables inside the training step, which TensorFlow then traces twice.
    """
    if loss == "binary_crossentropy" or model.outputs[0].shape[-1] == 1:
        return keras.metrics.BinaryAccuracy("accuracy")
    if loss == "sparse_categorical_crossentropy":
        return keras.metrics.SparseCategoricalAccuracy("accuracy")
    return keras.metrics.CategoricalAccuracy("accuracy")


def _last_activation(model: Any) -> str:
    layer = model.outputs[0]._keras_history.layer
    if isinstance(layer, keras.Model):
        return _last_activation(layer)
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))
