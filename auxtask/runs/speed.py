"""What benchmarks of speed share: a clock over steps, the row of a ratio, and PyTorch in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from auxtask.evaluation.statistics import t_interval
from auxtask.framework import keras


class StepClock(keras.callbacks.Callback):
    """Times training steps after the first ones, which trace and fill buffers.

    Parameters
    ----------
    warm_up : int
        Steps that are not timed.
    """

    def __init__(self, warm_up: int) -> None:
        super().__init__()
        self.warm_up = warm_up
        self._count, self._began, self._ended = 0, 0.0, 0.0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Start when the warm-up is over."""
        self._count += 1
        if self._count == self.warm_up + 1:
            self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the time; the last one counts."""
        self._ended = time.perf_counter()

    @property
    def steps_per_second(self) -> float:
        """Steps per second after the warm-up."""
        return (self._count - self.warm_up) / (self._ended - self._began)


def ratio_row(arm: str, metric: str, values: np.ndarray) -> dict[str, Any]:
    """Give the row of a ratio, its rounds as values: float [num_rounds]."""
    mean, low, high = t_interval(values)
    interval = {"mean": mean, "low": low, "high": high}
    return {"arm": arm, "budget": None, "budget_unit": None, "metric": metric, **interval, "values": values.tolist()}


def pytorch_steps_per_second(python: str, script: Path, numbers: Sequence[int]) -> float:
    """Run a script under the Python of another environment, and read the `steps_per_second` that it prints as JSON.

    Parameters
    ----------
    python : str
        The interpreter of an environment with torch.
    script : Path
    numbers : sequence of int
        Its arguments.

    Raises
    ------
    ValueError
        The script failed; with the last line of what it said.
    """
    done = subprocess.run(
        [python, str(script), *map(str, numbers)],
        capture_output=True,
        text=True,
        env={**os.environ, "USE_TF": "0", "USE_TORCH": "1"},  # as transformers understands it
    )
    if done.returncode:
        raise ValueError(f"pytorch={python}: {done.stderr.strip().splitlines()[-1] if done.stderr else 'failed'}")
    return float(json.loads(done.stdout)["steps_per_second"])
