"""How fast training is: tokens per second, and the share of what the machine's matrix products alone would reach."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from auxtask.framework import keras, tf

_SECONDS_PER_SHAPE = 0.1


def matmul_rate(shapes: Iterable[tuple[int, int, int]]) -> float:
    """Measure how many float32 operations per second this machine's matrix products reach.

    Parameters
    ----------
    shapes : iterable of (rows, inner, columns)
        The fastest of them counts.

    Returns
    -------
    float
        Multiplications and additions per second.
    """
    return max(_rate(*shape) for shape in dict.fromkeys(shapes))


def _rate(rows: int, inner: int, columns: int) -> float:
    left, right = (
        tf.random.stateless_normal((rows, inner), (0, 1)),
        tf.random.stateless_normal((inner, columns), (0, 2)),
    )
    best, began = 0.0, time.perf_counter()
    tf.linalg.matmul(left, right)  # the first one makes threads and buffers
    while not best or time.perf_counter() - began < _SECONDS_PER_SHAPE:
        start = time.perf_counter()
        tf.linalg.matmul(left, right)
        best = max(best, 2.0 * rows * inner * columns / (time.perf_counter() - start))
    return best


class Throughput(keras.callbacks.Callback):
    """Add `tokens_per_second` and `matmul_share` to the epoch's logs; validation and the first step do not count.

    Put it before `Budget`: the machine is measured before the clock of the budget starts.

    Parameters
    ----------
    tokens_per_step : int
    flops_per_step : float
        Of the model's products, forward and backward.
    shapes : sequence of (rows, inner, columns)
        Products like the model's, by which the machine is measured.
    """

    def __init__(self, tokens_per_step: int, flops_per_step: float, shapes: Iterable[tuple[int, int, int]]) -> None:
        super().__init__()
        self.tokens_per_step, self.flops_per_step, self._shapes = tokens_per_step, flops_per_step, tuple(shapes)
        self.machine: float | None = None
        self._steps, self._seconds = 0, 0.0
        self._traced = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Measure the machine, once."""
        self._traced = False
        if self.machine is None:
            self.machine = matmul_rate(self._shapes)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._begun = self._last = time.perf_counter()
        self._in_epoch = self._seen = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the step, unless it is the one that was traced."""
        self._last = time.perf_counter()
        done, self._seen = batch + 1 - self._seen, batch + 1  # several, where Keras runs several per call
        if self._traced:
            self._in_epoch += done
        else:
            self._traced, self._begun = True, self._last

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the epoch's figures to its logs."""
        seconds = self._last - self._begun
        self._steps, self._seconds = self._steps + self._in_epoch, self._seconds + seconds
        if logs is not None and self._in_epoch:
            logs |= self._figures(self._in_epoch / max(seconds, 1e-9))

    def summary(self) -> dict[str, float]:
        """Give the figures over all steps, with what they are made of; nothing after fewer than two steps."""
        if not self._steps or self.machine is None:
            return {}
        facts = {"flops_per_step": self.flops_per_step, "matmul_flops_per_second": self.machine}
        return self._figures(self._steps / max(self._seconds, 1e-9)) | facts

    def _figures(self, steps_per_second: float) -> dict[str, float]:
        assert self.machine is not None
        return {
            "tokens_per_second": steps_per_second * self.tokens_per_step,
            "matmul_share": steps_per_second * self.flops_per_step / self.machine,
        }
