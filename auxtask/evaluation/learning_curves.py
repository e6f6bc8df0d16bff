"""How soon a training is as good as another one ever gets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from auxtask.framework import keras

__all__ = ["Curve", "LearningCurve", "TimeToReach", "model_accuracy", "time_to_reach"]


def model_accuracy(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    """Give the share of items that a classifier names rightly.

    Parameters
    ----------
    model : keras.Model
        Puts out one score for each class, or one probability of class 1.
    images : array [n, …]
        Its input.
    labels : int [n]
    """
    scores = model.predict(images, batch_size=500, verbose=0)
    given = scores.argmax(1) if scores.shape[1] > 1 else scores[:, 0] > 0.5
    return float((given == labels).mean())


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracy after each epoch, float [num_epochs], and the seconds of training until then.

    `first` is the epoch that the first accuracy is from: 0 of what is fitted at once, on frozen features.
    """

    accuracy: np.ndarray
    seconds: np.ndarray
    first: int = 1


class LearningCurve(keras.callbacks.Callback):
    """Measure accuracy after every epoch, and the time that its training steps took.

    Measuring is not counted, nor is what Keras does before the first step of a phase (tracing): the first step of each
    `fit` counts as the median of the others.

    Parameters
    ----------
    images : array [n, …]
        The model's input.
    labels : int [n]
        Classes 0 and 1 for a model with one sigmoid output.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        super().__init__()
        self.images, self.labels = images, np.asarray(labels)
        self._accuracy: list[float] = []
        self._seconds: list[float] = []

    def curve(self) -> Curve:
        """Give what was measured so far, through all phases."""
        return Curve(np.array(self._accuracy), np.cumsum(self._seconds))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Know that the next step is the first of a phase."""
        self._first = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the list of steps."""
        self._steps: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop it."""
        self._steps.append(time.perf_counter() - self._began)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure."""
        if self._first and len(self._steps) > 1:
            self._steps[0] = float(np.median(self._steps[1:]))
        self._first = False
        self._seconds.append(sum(self._steps))
        self._accuracy.append(model_accuracy(self.model, self.images, self.labels))


@dataclass(frozen=True)
class TimeToReach:
    """When an arm reached the baseline's best: in how many of `num_draws`, and there on average."""

    arm: str
    num_draws: int
    num_reached: int
    epochs: float | None
    seconds: float | None

    def sentence(self) -> str:
        """Say it."""
        if self.epochs is None or self.seconds is None:
            return f"{self.arm}: never"
        often = "" if self.num_reached == self.num_draws else f" (in {self.num_reached} of {self.num_draws} draws)"
        return f"{self.arm}: {self.epochs:.1f} epochs, {self.seconds:.2f} s{often}"


def time_to_reach(curves: Mapping[str, Sequence[Curve]], baseline: str = "scratch") -> list[TimeToReach]:
    """Say after how many epochs and seconds each arm is as good as the baseline at its best.

    Parameters
    ----------
    curves : mapping of arm to one Curve per draw
        As many for each arm, in the same order; the target is the baseline's best epoch in that draw.
    baseline : str

    Raises
    ------
    ValueError
        The baseline is missing, or numbers of draws differ.
    """
    if baseline not in curves:
        raise ValueError(f"there is no curve of {baseline!r} among {', '.join(curves)}")
    targets = [curve.accuracy.max() for curve in curves[baseline]]
    found = []
    for arm, own in curves.items():
        if len(own) != len(targets):
            raise ValueError(f"{arm} has {len(own)} curves, {baseline} {len(targets)}")
        pairs = [(curve, curve.accuracy >= target) for curve, target in zip(own, targets, strict=True)]
        when = [
            (reached.argmax() + curve.first, curve.seconds[reached.argmax()])
            for curve, reached in pairs
            if reached.any()
        ]
        mean = tuple(map(float, np.mean(when, axis=0))) if when else (None, None)
        found.append(TimeToReach(arm, len(own), len(when), *mean))
    return found
