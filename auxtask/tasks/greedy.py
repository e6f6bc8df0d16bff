"""Greedy layer-wise training: one layer group after the other, each on the frozen codes of those below."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from auxtask.framework import keras
from auxtask.tasks.auxiliary_task import AuxiliaryTask
from auxtask.tasks.frozen_codes import frozen_codes
from auxtask.tasks.image_task import ImageTask
from auxtask.tasks.pretraining import Pretraining, in_steps, provenance
from auxtask.training.budget import parse_budget
from auxtask.transfer.cutting import cut_at, prefix, suffix
from auxtask.transfer.freezing import freeze, frozen_groups, unfreeze
from auxtask.transfer.groups import layer_groups
from auxtask.transfer.ledger import Ledger


def layer_parts(encoder: keras.Model) -> dict[str, keras.Model]:
    """Give each layer group as a model of its own, on the encoder's own layers, from the input up."""
    parts: dict[str, keras.Model] = {}
    below: str | None = None
    for name in layer_groups(encoder).names:
        upto = prefix(encoder, cut_at(encoder, name))
        parts[name] = upto if below is None else suffix(upto, cut_at(upto, below))
        below = name
    return parts


class GreedyTask(ImageTask):
    """A task whose `pretrain` trains the encoder's layer groups one by one, and then, if asked, all at once.

    Each group is trained by a task of its own on the codes that the groups below give, which are frozen then (by
    `auxtask.freeze`, and a ledger proves it) and computed once, or anew for each batch where they are too many to hold
    (Bengio et al., "Greedy Layer-Wise Training of Deep Networks", 2007). The task itself is the unfolded network: its
    `batch_loss` is that of joint tuning. What inherits from this calls `stack`.

    Attributes
    ----------
    layer_tasks : dict of group name to AuxiliaryTask
        In the encoder's order, each with a part of `layer_parts` as its encoder.
    tune : float in [0, 1)
        Share of the budget in which the unfolded network is tuned, after the layers; these share the rest equally.
    ledger : Ledger
        What was frozen and what moved, layer by layer.
    """

    def stack(self, layer_tasks: dict[str, AuxiliaryTask], tune: float) -> None:
        """Say, once, by which tasks the layers are trained, and how much of the budget is for tuning them together.

        Raises
        ------
        ValueError
            `tune` is out of range.
        """
        if not 0 <= tune < 1:
            raise ValueError(f"tune must be a share of the budget in [0, 1), not {tune}")
        self.layer_tasks, self.tune, self.ledger = layer_tasks, tune, Ledger()

    def pretrain(
        self,
        data: np.ndarray,
        validation: np.ndarray | None = None,
        budget: str | int = "2000steps",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.05,
        warmup: float = 0.08,
        ema: float | None = None,
        clip: float | None = None,
        validate_every: int | None = None,
        validate_at: Sequence[float] | None = None,
        monitor: str | None = None,
        history: Sequence[dict[str, float]] = (),
        callbacks: Iterable[Any] = (),
        seed: int = 0,
        verbose: int = 0,
    ) -> keras.Model:
        """Train layer by layer, and give the encoder, nothing of it frozen.

        Parameters and result as of `AuxiliaryTask.pretrain`. The settings are those of each training, with a schedule
        of its own in its share of `budget`. Rows of the history say in `phase` which layer was trained, or `tune`.

        Raises
        ------
        ValueError
            As there; or a group is frozen already, or the budget is too small for so many trainings.
        """
        settings = {name: value for name, value in locals().items() if name not in _NOT_SETTINGS}
        settings["callbacks"] = list(callbacks)
        if frozen_groups(self.encoder):
            raise ValueError(f"{self.encoder.name}: {', '.join(frozen_groups(self.encoder))} is frozen: unfreeze first")
        shares = [(1 - self.tune) / len(self.layer_tasks)] * len(self.layer_tasks) + [self.tune] * (self.tune > 0)
        parts = _Shares(in_steps(budget, self.num_batches(data)), shares)
        keras.utils.set_random_seed(seed)
        self.prepare(data, validation, seed)
        try:
            rows = self._train_layers(parts, data, validation, list(history), settings)
        finally:
            unfreeze(self.encoder, batchnorm="train")  # as any other task leaves it
        record = provenance(type(self).__name__, _recorded(settings, budget), **self.facts(data, validation))
        if self.tune:
            super().pretrain(data, validation, parts.next(), history=rows, **settings)
            assert self.pretraining is not None
            rows = _named(self.pretraining.history, len(rows), "tune")
        self.pretraining = Pretraining(rows, record | {"tune": self.tune, "layers": list(self.layer_tasks)})
        return self.kept

    def _train_layers(
        self,
        budgets: _Shares,
        data: np.ndarray,
        validation: np.ndarray | None,
        rows: list[dict[str, Any]],
        settings: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        self.ledger = Ledger()
        below: keras.Model | None = None
        for name, task in self.layer_tasks.items():
            codes, of_validation = (
                part if below is None or part is None else frozen_codes(part, below) for part in (data, validation)
            )
            self.ledger.snapshot(self.encoder)
            task.pretrain(codes, of_validation, budgets.next(), history=rows, **settings)
            assert task.pretraining is not None
            rows = _named(task.pretraining.history, len(rows), name)
            self.ledger.check(self.encoder, phase=name)
            freeze(self.encoder, upto=name)
            below = prefix(self.encoder, cut_at(self.encoder, name))
        return rows


class _Shares:
    """Parts of a budget, one by one; of time, parts of what is left, so that nothing done between adds to it."""

    def __init__(self, budget: str, shares: Sequence[float]) -> None:
        spec = parse_budget(budget)
        self._shares, self._steps = list(shares), spec.kind == "steps"
        self._left, self._ends = spec.amount, time.monotonic() + spec.amount
        if self._steps and any(round(spec.amount * share) < 1 for share in shares):
            raise ValueError(f"budget={budget} is too small for {len(shares)} trainings, one after the other")

    def next(self) -> str:
        """Give the budget of the next training."""
        share = self._shares[0] / sum(self._shares)
        self._shares = self._shares[1:]
        if not self._steps:
            return f"{max(self._ends - time.monotonic(), 0.1) * share:.9f}s"
        steps = max(1, round(self._left * share))
        self._left -= steps
        return f"{steps}steps"


def _named(rows: Sequence[dict[str, Any]], start: int, phase: str) -> list[dict[str, Any]]:
    return [*rows[:start], *({"phase": phase} | row for row in rows[start:])]


def _recorded(settings: Mapping[str, Any], budget: str | int) -> dict[str, Any]:
    shown = {name: value for name, value in settings.items() if name not in ("callbacks", "verbose")}
    return {"budget": budget} | shown


_NOT_SETTINGS = ("self", "__class__", "data", "validation", "budget", "history")
