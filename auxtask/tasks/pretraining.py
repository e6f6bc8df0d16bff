"""What tasks need round Keras' `fit`: schedule, validation, provenance."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from auxtask.framework import keras, tf
from auxtask.training.budget import Budget, BudgetSpec, parse_budget
from auxtask.training.callbacks import BestWeights, NanGuard, WeightAverage
from auxtask.training.throughput import Throughput

# Steps in a Keras epoch where epochs are runs of steps: an epoch's end costs a copy of the weights.
_MOST_STEPS = 100
_STEPS_OF_UNKNOWN_TIME = 20


@dataclass(frozen=True)
class Pretraining:
    """What happened in one pretraining.

    Attributes
    ----------
    history : list of dict
        One row per validated epoch: `epoch`, `step`, `seconds`, `loss` (and its parts), `val_…`.
    provenance : dict
        JSON-able: what the backbone has seen and how it was trained.
    """

    history: list[dict[str, float]] = field(repr=False)
    provenance: dict[str, Any]


class CosineToBudget(keras.callbacks.Callback):
    """Warm the learning rate up linearly, then let it fall along a cosine to 0 at the budget's end.

    It follows the share of the budget that is used up, so the decay also ends cleanly when the
    budget is wall-clock time on a machine of unknown speed. Source of the shape: Loshchilov and
    Hutter, "SGDR" (2017).

    Parameters
    ----------
    budget : Budget
        Of the same `fit`.
    peak : float
    warmup : float in [0, 1)
        Share of the budget that the rise takes; none if that is less than a step, which would have a rate of 0.
    """

    def __init__(self, budget: Budget, peak: float, warmup: float) -> None:
        super().__init__()
        if not (math.isfinite(peak) and peak > 0):
            raise ValueError(f"learning_rate must be above 0, not {peak}")
        if not 0 <= warmup < 1:
            raise ValueError(f"warmup must be a share of the budget in [0, 1), not {warmup}")
        less_than_a_step = budget.spec.kind == "steps" and warmup * budget.spec.amount < 1
        self.budget, self.peak, self.warmup = budget, peak, 0.0 if less_than_a_step else warmup

    def rate(self, used: float) -> float:
        """Give the learning rate when `used` (0 to 1) of the budget is gone."""
        if used < self.warmup:
            return self.peak * used / self.warmup
        done = (used - self.warmup) / (1 - self.warmup)
        return self.peak * (1 + math.cos(math.pi * done)) / 2

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate of the step to come."""
        self.model.optimizer.learning_rate = self.rate(self.budget.fraction_used())


class Measured(Protocol):
    """What a validation finds."""

    def metrics(self) -> dict[str, float]:
        """Give numbers by name."""


class Validation(keras.callbacks.Callback):
    """Add `val_…` to the epoch's logs, so that later callbacks see them as Keras' own.

    Parameters
    ----------
    measure : callable () -> Measured
        Judges the model as it is now, on what it is not trained on.
    guard : NanGuard
        After a loss that is not finite there is nothing to measure.
    budget : Budget
        Of the same `fit`.
    shares : sequence of float, optional
        Measure only when these shares of the budget are used up; None: after every epoch.
    """

    def __init__(
        self,
        measure: Callable[[], Measured],
        guard: NanGuard,
        budget: Budget,
        shares: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.measure, self.guard, self.budget = measure, guard, budget
        self.waiting = None if shares is None else sorted(shares)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure, if it is time."""
        if self.guard.problem is not None or not self._due():
            return
        if logs is not None:
            logs |= {f"val_{name}": value for name, value in self.measure().metrics().items()}

    def _due(self) -> bool:
        if self.waiting is None:
            return True
        left = [share for share in self.waiting if share > self.budget.fraction_used() + 1e-6]
        due, self.waiting = len(left) < len(self.waiting), left
        return due


class _KeepBest(BestWeights):
    """`BestWeights` that stands back where nothing was measured: the guard has stopped, or it was not yet time."""

    def __init__(self, monitor: str, guard: NanGuard) -> None:
        super().__init__(monitor)
        self.guard = guard

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        measured = self.monitor in (logs or {}) or any(name.startswith("val_") for name in logs or {})
        if self.guard.problem is None and measured:
            super().on_epoch_end(epoch, logs)


class _Rows(keras.callbacks.Callback):
    """Collects one row per epoch, counting on from the last of `rows`."""

    def __init__(self, budget: Budget, clock: Callable[[], float], rows: Sequence[dict[str, float]]) -> None:
        super().__init__()
        self.rows = list(rows)
        self._budget, self._clock = budget, clock
        last = self.rows[-1] if self.rows else {}
        self.epochs, self._steps, self._seconds = (
            int(last.get("epoch", 0)),
            last.get("step", 0),
            last.get("seconds", 0),
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._start = self._clock()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = round(self._seconds + self._clock() - self._start, 3)
        row = {"epoch": epoch + 1, "step": self._steps + self._budget.num_steps, "seconds": seconds}
        self.rows.append(row | {name: float(value) for name, value in (logs or {}).items()})


def fit_to_budget(
    model: keras.Model,
    batches: tf.data.Dataset,
    num_batches: int,
    *,
    budget: str | int,
    learning_rate: float,
    weight_decay: float,
    warmup: float,
    ema: float | None,
    validate_every: int | None,
    measure: Callable[[], Measured] | None,
    monitor: str | None,
    callbacks: Iterable[Any],
    verbose: int,
    loss: Any = None,
    clip: float | None = None,
    measure_at: Sequence[float] | None = None,
    throughput: Throughput | None = None,
    history: Sequence[dict[str, float]] = (),
) -> list[dict[str, float]]:
    """Compile with AdamW and fit until the budget is used up; give one row per epoch.

    Parameters
    ----------
    batches, num_batches
        An endless dataset, and how many of its batches are one pass over the data.
    validate_every : int, optional
        Passes per Keras epoch (each ends with a validation). None: as many as make 100 steps.
    measure : callable () -> Measured, optional
        See `Validation`. With it, `monitor` names the value by which the best epoch is kept.
    loss
        For `compile`; None if the model's `train_step` is its loss.
    clip : float, optional
        Largest global norm of the gradients.
    measure_at : sequence of float, optional
        Shares of the budget after which is measured; None: after every epoch. With shares, Keras' epochs are short
        runs of steps, whatever a pass is: a corpus seen once is measured on the way too.
    throughput : Throughput, optional
        Where the data are tokens: adds speed to each row, and knows what a budget of tokens is in steps.
    history : sequence of dict
        Rows of an earlier fit, which these continue.

    Raises
    ------
    ValueError
        A setting is out of range, or the loss is no longer finite.
    """
    if num_batches < 1:
        raise ValueError(f"num_batches(data) gives {num_batches}: a pass over the data has at least one batch")
    if validate_every is not None and validate_every < 1:
        raise ValueError(f"validate_every must be at least 1, not {validate_every}")
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay must be at least 0, not {weight_decay}")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip must be above 0, not {clip}")
    if measure_at is not None and not (len(measure_at) and all(0 < share <= 1 for share in measure_at)):
        raise ValueError(f"validate_at={tuple(measure_at)}: shares of the budget, above 0 and at most 1")
    if validate_every is not None and measure_at is not None:
        raise ValueError("validate_every= counts passes, validate_at= names shares of the budget: give one of them")
    if monitor is not None and measure is None:
        raise ValueError(f"monitor={monitor!r} needs validation data, which there are none of")
    passes = validate_every or math.ceil(100 / num_batches)
    limit = Budget(in_steps(budget, num_batches, throughput.tokens_per_step if throughput else None))
    steps = passes * num_batches if measure_at is None else run_of_steps(limit.spec, measure_at)
    if validate_every is None and measure_at is None:
        steps = _even(steps, limit.spec)
    guard = NanGuard()
    rows = _Rows(limit, time.monotonic, history)
    # The order matters: the guard sees the raw weights, then the average goes in, is measured,
    # and is what the best epoch keeps; callers' callbacks see the finished logs.
    ours: list[Any] = [guard, *([throughput] if throughput else [])]
    ours += [CosineToBudget(limit, learning_rate, warmup), limit]
    ours += [WeightAverage(ema)] if ema is not None else []
    if measure is not None:
        ours.append(Validation(measure, guard, limit, measure_at))
        ours += [_KeepBest(monitor, guard)] if monitor is not None else []
    with model.distribute_strategy.scope():
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay, global_clipnorm=clip)
        optimizer.exclude_from_weight_decay(
            # Decay pulls towards 0, which means nothing for a BatchNorm's scale or an offset.
            var_list=[v for v in model.trainable_variables if v.shape.rank < 2]
        )
        # Slots that are made inside the training step would have TensorFlow trace it twice.
        optimizer.build(model.trainable_variables)
        # XLA is slower for convolutions on the CPU; on other devices Keras' default is off too.
        model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    model.fit(
        batches,
        steps_per_epoch=steps,
        initial_epoch=rows.epochs,
        epochs=rows.epochs + _most_epochs(limit, steps),
        callbacks=[*ours, rows, *callbacks],
        verbose=verbose,
    )
    return rows.rows


def _even(steps_per_epoch: int, spec: BudgetSpec) -> int:
    """Shorten Keras' epochs so that they fill a budget in steps evenly: progress then knows the end."""
    if spec.kind != "steps":
        return steps_per_epoch
    return math.ceil(spec.amount / math.ceil(spec.amount / steps_per_epoch))


def _most_epochs(limit: Budget, steps_per_epoch: int) -> int:
    """Count the Keras epochs that a budget in steps needs, so that progress knows the end.

    Wall-clock time needs an unknown number: then the budget alone ends training.
    """
    return math.ceil(limit.spec.amount / steps_per_epoch) if limit.spec.kind == "steps" else 1_000_000


def in_steps(budget: str | int, num_batches: int, tokens_per_step: int | None = None) -> str:
    """Write a budget in steps or seconds: epochs are passes over the data, whatever Keras' epochs are.

    Raises
    ------
    ValueError
        It is in tokens, and `tokens_per_step` is not known.
    """
    spec = parse_budget(budget)
    if spec.kind == "epochs":
        return f"{int(spec.amount) * num_batches}steps"
    if spec.kind == "tokens" and tokens_per_step is not None:
        return f"{math.ceil(spec.amount / tokens_per_step)}steps"
    if spec.kind == "tokens":
        Budget(budget)  # says why not
    return f"{int(spec.amount)}steps" if spec.kind == "steps" else f"{spec.amount:.9f}s"


def run_of_steps(spec: BudgetSpec, shares: Sequence[float]) -> int:
    """Choose how many steps a Keras epoch has, so that one ends soon after each of these shares of a budget."""
    if spec.kind != "steps":
        return _STEPS_OF_UNKNOWN_TIME
    borders = sorted({0.0, 1.0, *shares})
    shortest = math.ceil(spec.amount * min(np.diff(borders)) - 1e-6)
    return math.ceil(shortest / math.ceil(shortest / _MOST_STEPS))


def provenance(task: str, settings: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """Give the JSON-able record of a pretraining, with the versions it ran on."""
    versions = {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "tf_keras": keras.__version__,
        "numpy": np.__version__,
    }
    record = {"task": task, "settings": settings, **facts, "versions": versions}
    return dict(json.loads(json.dumps(record)))  # tuples become lists now, not when it is saved
