"""Plans: how the layers of a reused model are trained, phase by phase."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from auxtask.training.callbacks import direction_of
from auxtask.training.optimizers import Schedule, check_rate
from auxtask.transfer.freezing import BatchNormMode, check_batchnorm


@dataclass(frozen=True)
class Phase:
    """A stretch of training in which the same groups are frozen.

    Parameters
    ----------
    epochs : int
        At least 1; fewer are run only if `patience` stops the phase.
    learning_rate : float | keras.optimizers.schedules.LearningRateSchedule
        The head's rate; a schedule counts its steps from the start of this phase.
    frozen_upto : str | int, optional
        None: nothing is frozen. `"backbone"`: every group but the head. Else as `freeze(upto=)`
        takes it.
    layer_decay : float
        In (0, 1]: each group learns at this fraction of the rate of the group above it (Howard and
        Ruder, 2018).
    batchnorm : {"inference", "train"}
        As `unfreeze` takes it. A network with random weights needs "train".
    patience : int, optional
        Stop the phase after this many epochs without a better `monitor`, and restore its best
        weights.
    monitor : str, optional
        What "better" means, a name in the logs; without `patience` it only picks the weights to
        restore. Default with `patience`: `val_loss`, or `loss` without validation data.
    mode : {"auto", "min", "max"}
        Which direction of `monitor` is better; auto: by its name.
    name : str
        Shown in the history and the ledger; default `phase1`, `phase2`, ...

    Raises
    ------
    ValueError
        For a value outside the above, naming what is valid.
    """

    epochs: int
    learning_rate: Any = 1e-3
    frozen_upto: str | int | None = None
    layer_decay: float = 1.0
    batchnorm: BatchNormMode = "inference"
    patience: int | None = None
    monitor: str | None = None
    name: str = ""
    mode: Literal["auto", "min", "max"] = "auto"

    def __post_init__(self) -> None:
        """Check every argument."""
        _check_count("epochs", self.epochs)
        if not isinstance(self.learning_rate, Schedule):
            check_rate(self.learning_rate)
        decay = self.layer_decay
        if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not 0 < decay <= 1:
            raise ValueError(f"layer_decay is {decay!r}; valid: a number above 0 and up to 1")
        check_batchnorm(self.batchnorm)
        if self.patience is not None:
            _check_count("patience", self.patience)
        if self.mode not in ("auto", "min", "max"):
            raise ValueError(f"mode is {self.mode!r}; valid: auto, min, max")
        if self.monitor is not None and self.mode == "auto":
            direction_of(self.monitor)
        upto = self.frozen_upto
        if isinstance(upto, bool) or not (upto is None or isinstance(upto, (str, int))):
            raise ValueError(f"frozen_upto is {upto!r}; valid: None, 'backbone', a group's name or a count of groups")


@dataclass(frozen=True)
class Plan:
    """A named tuple of phases. Epochs count the same in every plan, so that arms compare.

    Raises
    ------
    ValueError
        If there is no phase, or something else than a `Phase` among them.
    """

    name: str
    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        """Check that there is something to run."""
        object.__setattr__(self, "phases", tuple(self.phases))
        if not self.phases or not all(isinstance(phase, Phase) for phase in self.phases):
            raise ValueError(f"plan {self.name!r} needs at least one phase, and nothing but Phase")

    @property
    def num_epochs(self) -> int:
        """All phases' epochs together."""
        return sum(phase.epochs for phase in self.phases)

    @staticmethod
    def scratch(epochs: int = 20, learning_rate: Any = 1e-3) -> Plan:
        """Everything trains from its (random) start, BatchNorm's statistics too: the baseline."""
        return Plan("scratch", (Phase(epochs, learning_rate, batchnorm="train", name="scratch"),))

    @staticmethod
    def probe(epochs: int = 20, learning_rate: Any = 1e-3) -> Plan:
        """The backbone stays frozen, the head learns (a linear probe if the head is one Dense)."""
        return Plan("probe", (Phase(epochs, learning_rate, "backbone", name="probe"),))

    @staticmethod
    def full(epochs: int = 20, learning_rate: Any = 1e-4, layer_decay: float = 1.0) -> Plan:
        """Everything trains from the reused weights, at once and at a low rate."""
        phase = Phase(epochs, learning_rate, layer_decay=layer_decay, name="full")
        return Plan("full", (phase,))

    @staticmethod
    def probe_then_tune(
        epochs: int = 20,
        learning_rate: Any = 1e-3,
        tune_rate: Any = 1e-4,
        probe_epochs: int | None = None,
        layer_decay: float = 1.0,
    ) -> Plan:
        """First the head alone, then everything at a lower rate (Kumar et al., "LP-FT", 2022).

        `probe_epochs` of the `epochs` (default: a third, at least 1) go to the first phase.
        """
        _check_count("epochs", epochs)
        probe = max(1, epochs // 3) if probe_epochs is None else probe_epochs
        _check_count("probe_epochs", probe)
        if probe >= epochs:
            raise ValueError(
                f"probe_epochs is {probe} of {epochs} epochs; valid: 1 to epochs - 1, so that "
                "the second "
                "phase has at least one"
            )
        first = Phase(probe, learning_rate, "backbone", name="probe")
        second = Phase(epochs - probe, tune_rate, layer_decay=layer_decay, name="tune")
        return Plan("probe_then_tune", (first, second))

    @staticmethod
    def gradual(
        epochs: int = 20,
        learning_rate: Any = 1e-3,
        tune_rate: Any = 1e-4,
        num_groups: int = 4,
        layer_decay: float = 1.0,
    ) -> Plan:
        """First the head alone, then one backbone group more in each phase, from the top (ULMFiT,
        2018).

        `num_groups` is the number of the backbone's groups (`fine_tune(plan="gradual")` fills it
        in). The epochs are shared out evenly, what is left over goes to the last phases; with fewer
        epochs than phases, several groups thaw together.
        """
        _check_count("epochs", epochs)
        _check_count("num_groups", num_groups)
        num_phases = min(num_groups + 1, epochs)
        phases = []
        for i in range(num_phases):
            share = epochs * (i + 1) // num_phases - epochs * i // num_phases
            # Groups still frozen: all in the first phase, none in the last, evenly between.
            frozen = math.ceil(num_groups * (num_phases - 1 - i) / max(num_phases - 1, 1))
            upto = "backbone" if i == 0 and num_phases > 1 else (frozen or None)
            rate = learning_rate if upto == "backbone" else tune_rate
            decay = 1.0 if upto == "backbone" else layer_decay
            phases.append(Phase(share, rate, upto, decay, name=f"gradual{i + 1}"))
        return Plan("gradual", tuple(phases))

    @staticmethod
    def named(name: str, num_groups: int = 4) -> Plan:
        """The built-in plan of that name with its defaults; `num_groups` is for `gradual`.

        Raises
        ------
        ValueError
            For an unknown name, listing those that exist and the closest.
        """
        if name not in PLAN_NAMES:
            close = difflib.get_close_matches(str(name), PLAN_NAMES, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ValueError(f"plan is {name!r}{hint}; valid: {', '.join(PLAN_NAMES)}")
        if name == "gradual":
            return Plan.gradual(num_groups=num_groups)
        plan: Plan = getattr(Plan, name)()
        return plan


PLAN_NAMES = ("scratch", "probe", "full", "probe_then_tune", "gradual")


def _check_count(argument: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{argument} is {value!r}; valid: an integer >= 1")
