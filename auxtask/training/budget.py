"""How long to train: epochs, steps, wall-clock time or tokens, and the callback that ends training then."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any, Literal

from auxtask.framework import keras

BudgetKind = Literal["epochs", "steps", "seconds", "tokens"]


@dataclass(frozen=True)
class BudgetSpec:
    """How long to train: `amount` of `kind`, seconds being wall-clock time."""

    kind: BudgetKind
    amount: float


_UNITS: dict[str, tuple[BudgetKind, float]] = {
    **dict.fromkeys(("epoch", "epochs"), ("epochs", 1.0)),
    **dict.fromkeys(("step", "steps"), ("steps", 1.0)),
    **dict.fromkeys(("s", "sec", "second", "seconds"), ("seconds", 1.0)),
    **dict.fromkeys(("m", "min", "minute", "minutes"), ("seconds", 60.0)),
    **dict.fromkeys(("h", "hour", "hours"), ("seconds", 3600.0)),
    **{
        f"{many}{unit}": ("tokens", f)
        for unit in ("token", "tokens")
        for many, f in (("", 1.0), ("k", 1e3), ("m", 1e6))
    },
}


def parse_budget(text: str | int) -> BudgetSpec:
    """Read a training budget: `"20min"`, `"90s"`, `"1.5h"`, `"500steps"`, `"3epochs"`, `"12Mtokens"`
    (or `"500ktokens"`, `"800tokens"`), or an int of epochs.

    Raises
    ------
    ValueError
        If it is none of these, or not positive, or a broken number of steps, epochs or tokens.
    """
    valid = "valid: '20min', '90s', '1.5h', '500steps', '3epochs', '12Mtokens' or an integer of epochs"
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        raise ValueError(f"budget is {text!r}; {valid}")
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(text).lower())
    unit = (match.group(2) or "epochs") if match else ""
    if match is None or unit not in _UNITS:
        raise ValueError(f"budget is {text!r}; {valid}")
    kind, factor = _UNITS[unit]
    amount = float(match.group(1)) * factor
    if kind == "tokens":
        amount = round(amount, 6)  # 1.1 x 10^6 is no whole number in binary
    if amount <= 0 or (kind != "seconds" and amount != int(amount)):
        raise ValueError(f"budget is {text!r}, and must be a positive whole number of {kind}; {valid}")
    return BudgetSpec(kind, amount)


class Budget(keras.callbacks.Callback):
    """End training when a budget of epochs, steps or wall-clock time is used up.

    The budget counts over the object's life, so one object given to several `fit` calls (the phases
    of a plan) covers them all. Give `fit` more epochs than the budget can need.

    Parameters
    ----------
    budget : str | int
        As `parse_budget` reads it, but for tokens: how many a step has, only a task on text knows.
    """

    def __init__(self, budget: str | int) -> None:
        super().__init__()
        self.spec = parse_budget(budget)
        if self.spec.kind == "tokens":
            raise ValueError(
                f"budget is {budget!r}, but only tasks on packed text count tokens; valid: minutes, steps, epochs"
            )
        self.num_steps = 0
        self.num_epochs = 0
        self._steps_per_epoch: int | None = None
        self._steps_in_epoch = 0
        self._started: float | None = None

    def fraction_used(self) -> float:
        """How much of the budget is gone, 0.0 to 1.0: lets a schedule finish its decay in time.

        A budget of epochs counts parts of an epoch where Keras knows an epoch's length.
        """
        if self.spec.kind == "seconds":
            used = 0.0 if self._started is None else time.monotonic() - self._started
        elif self.spec.kind == "steps":
            used = float(self.num_steps)
        else:
            part = self._steps_in_epoch / self._steps_per_epoch if self._steps_per_epoch else 0.0
            used = self.num_epochs + min(part, 1.0)
        return min(used / self.spec.amount, 1.0)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock, once."""
        self._steps_per_epoch = (self.params or {}).get("steps")
        if self._started is None:
            self._started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count steps within this epoch."""
        self._steps_in_epoch = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the step."""
        done = batch + 1 - self._steps_in_epoch  # several, where Keras runs several steps per call
        self._steps_in_epoch += done
        self.num_steps += done
        if self.spec.kind != "epochs" and self.fraction_used() >= 1.0:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the epoch."""
        self.num_epochs += 1
        self._steps_in_epoch = 0
        if self.fraction_used() >= 1.0:
            self.model.stop_training = True
