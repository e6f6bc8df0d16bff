"""What Keras' own `fit` needs from us: a guard against NaN, best weights, averaged weights."""

from __future__ import annotations

import math
import re
from typing import Any, Literal

import numpy as np

from auxtask.framework import keras, tf


class Diverged(ValueError):
    """A training whose loss or weights are not finite any more."""


class NanGuard(keras.callbacks.Callback):
    """Stop at the first loss that is not finite, put back the last good weights, and raise when
    training ends.

    Weights are remembered at the start, after each epoch and every `every` steps, and only if all
    are finite: a NaN gradient poisons the weights one step before the loss shows it. Put it first
    in the list of callbacks, so that the others see the restored weights.

    Parameters
    ----------
    every : int
        Steps between two copies of the weights within an epoch.

    Raises
    ------
    Diverged
        In `on_train_end` (so out of `fit`), naming the epoch and the step. Optimizer slots are not
        restored.
    """

    def __init__(self, every: int = 200) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"every is {every}; valid: an integer >= 1")
        self.every = every
        self.problem: str | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Remember the weights as they are given."""
        self.problem = None
        self._step = self._steps_in_epoch = self._copied_at = 0
        self._epoch = 0
        self._good = self.model.get_weights()
        if not _all_finite(self._good):
            raise ValueError("the model has weights that are not finite before the first step")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Know the epoch, for the message."""
        self._epoch = epoch + 1
        self._steps_in_epoch = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the loss."""
        self._step += batch + 1 - self._steps_in_epoch  # several, where Keras runs several per call
        self._steps_in_epoch = batch + 1
        loss = (logs or {}).get("loss")
        if loss is not None and not np.all(np.isfinite(loss)):
            self._stop(f"loss became {float(np.mean(loss))}")
        elif self._step - self._copied_at >= self.every:
            self._remember()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the weights: the last step's update shows in no later loss."""
        if self.problem is None:
            self._remember()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Raise if training was stopped."""
        if self.problem is not None:
            raise Diverged(self.problem)

    def _remember(self) -> None:
        weights = self.model.get_weights()
        self._copied_at = self._step
        if _all_finite(weights):
            self._good = weights
        else:
            self._stop("a weight became NaN or infinite")

    def _stop(self, what: str) -> None:
        self.problem = (
            f"{what} at step {self._step} (epoch {self._epoch}); the last good weights are back "
            "in the model: "
            "lower the learning rate, clip gradients, or check the inputs for NaN"
        )
        self.model.set_weights(self._good)
        self.model.stop_training = True


_LESS = (
    r"loss|error|mae|mse|rmse|mape|msle|eer|entropy|crossentropy|perplexity|divergence|kld|nll|hinge|poisson|cosh|"
    r"logcosh|distance|unexplained|false"
)
_MORE = (
    r"acc|accuracy|auc|precision|recall|rank|tar|tpir|f|f1|fbeta|score|iou|io|r2|kappa|similarity|specificity|"
    r"sensitivity|map|ndcg|psnr|ssim|bleu|true"
)


def direction_of(monitor: str) -> Literal["min", "max"]:
    """Say whether more ("max") or less ("min") of a metric is better, by the last word of its name that tells.

    So `ranking_loss` is a loss, and `distance_accuracy` an accuracy (of an output called distance).

    Raises
    ------
    ValueError
        If the name does not tell.
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", monitor).lower()
    for word in reversed(re.split(r"[_\s/-]+", spaced)):
        if re.fullmatch(_LESS, word):
            return "min"
        if re.fullmatch(rf"(top\d*)?({_MORE})[\d@.]*", word):
            return "max"
    raise ValueError(
        f"monitor is {monitor!r}: its name does not say whether more is better; give mode='max' or 'min', or a name "
        "that does, such as one that ends with loss or score"
    )


class BestWeights(keras.callbacks.Callback):
    """Put back the weights of the best epoch when training ends, and stop early if `patience` is
    given.

    Parameters
    ----------
    monitor : str
        A name in the epoch's logs, such as `val_loss` or `val_accuracy`.
    mode : {"auto", "min", "max"}
        Which direction is better; auto: by the name, see `direction_of`.
    patience : int, optional
        Stop after this many epochs in a row that were not better.

    Attributes
    ----------
    best : float
        Best value so far; `best_epoch` (1-based, 0 before the first) and `stopped_epoch` (0: not
        stopped) go with it.

    Raises
    ------
    ValueError
        For bad arguments, or a name that does not tell the direction; at an epoch's end if the logs have no
        `monitor`, naming those that exist.
    """

    def __init__(
        self,
        monitor: str,
        mode: Literal["min", "max", "auto"] = "auto",
        patience: int | None = None,
    ) -> None:
        super().__init__()
        if mode not in ("min", "max", "auto"):
            raise ValueError(f"mode is {mode!r}; valid: min, max, auto")
        if patience is not None and (isinstance(patience, bool) or patience < 1):
            raise ValueError(f"patience is {patience!r}; valid: None or an integer >= 1")
        self.monitor = monitor
        self.mode = direction_of(monitor) if mode == "auto" else mode
        self.patience = patience

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget an earlier `fit`."""
        self.best = -math.inf if self.mode == "max" else math.inf
        self.best_epoch = 0
        self.stopped_epoch = 0
        self._waited = 0
        self._weights: list[np.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the weights if this epoch is the best."""
        logs = logs or {}
        if self.monitor not in logs:
            raise ValueError(f"monitor is {self.monitor!r}; the logs have: {', '.join(sorted(logs))}")
        value = float(logs[self.monitor])
        better = value > self.best if self.mode == "max" else value < self.best
        if better:
            self.best, self.best_epoch, self._waited = value, epoch + 1, 0
            self._weights = self.model.get_weights()
            return
        self._waited += 1
        # Where another callback has stopped training already, it was not patience that ended it.
        if self.patience is not None and self._waited >= self.patience and not self.model.stop_training:
            self.stopped_epoch = epoch + 1
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Put the best weights back."""
        if self._weights is not None:
            self.model.set_weights(self._weights)


class WeightAverage(keras.callbacks.Callback):
    """Exponential moving average of all weights, BatchNorm's statistics included.

    The average is in the model from validation to the start of the next epoch, and when training
    ends; training itself goes on from the raw weights. So put it before `BestWeights` and
    checkpoints: they then keep the averaged weights, which are those that validation measured. As
    in TensorFlow's `ExponentialMovingAverage`, the decay at step t is `min(decay, (1 + t) / (10 +
    t))`, so that the random start is soon forgotten (Polyak and Juditsky, 1992).

    Parameters
    ----------
    decay : float
        In (0, 1); 0.999 averages over about the last thousand steps.
    """

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__()
        if not 0.0 < decay < 1.0:
            raise ValueError(f"decay is {decay}; valid: a number between 0 and 1")
        self.decay = decay

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the average at the weights as they are given."""
        # A lookup layer lists its table of words among the weights.
        self._weights = [weight for weight in self.model.weights if isinstance(weight, tf.Variable)]
        self._average = [tf.Variable(weight, trainable=False) for weight in self._weights]
        self._raw: list[Any] | None = None
        self._num_steps = tf.Variable(0.0, trainable=False)
        self._update = tf.function(self._update_average)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Train on from the raw weights."""
        if self._raw is not None:
            for weight, raw in zip(self._weights, self._raw, strict=True):
                weight.assign(raw)
            self._raw = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the average."""
        self._update()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Validate the average."""
        self._swap_in()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Let later callbacks see the average, validated or not."""
        self._swap_in()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave the average in the model."""
        self._swap_in()

    def _update_average(self) -> None:
        self._num_steps.assign_add(1.0)
        decay = tf.minimum(self.decay, (1.0 + self._num_steps) / (10.0 + self._num_steps))
        for average, weight in zip(self._average, self._weights, strict=True):
            if weight.dtype.is_floating:
                # In this form a weight that never moves stays equal to the bit, as the ledger
                # demands.
                average.assign_add(tf.cast(1.0 - decay, average.dtype) * (weight - average))
            else:
                average.assign(weight)

    def _swap_in(self) -> None:
        if getattr(self, "_average", None) is None or self._raw is not None:
            return
        if not all(bool(tf.reduce_all(tf.math.is_finite(a))) for a in self._average if a.dtype.is_floating):
            return  # training diverged, and `NanGuard` has put good weights back
        self._raw = [tf.identity(weight) for weight in self._weights]
        for weight, average in zip(self._weights, self._average, strict=True):
            weight.assign(average)


def _all_finite(weights: list[np.ndarray]) -> bool:
    return all(np.isfinite(w).all() for w in weights if np.issubdtype(w.dtype, np.floating))
