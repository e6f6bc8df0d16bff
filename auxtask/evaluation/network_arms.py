"""The arms that every image recipe compares: a linear head on features, and a network that is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal

import numpy as np

from auxtask.backbones.embedding import predict_views
from auxtask.data.image_batches import augmented
from auxtask.evaluation.arms import Arm, Outcome
from auxtask.evaluation.examples import Examples
from auxtask.evaluation.probes import Head
from auxtask.framework import keras
from auxtask.training.inputs import as_dataset
from auxtask.transfer.cloning import reuse
from auxtask.transfer.fine_tuning import FineTuning, fine_tune
from auxtask.transfer.plans import Plan

__all__ = ["linear_arm", "network_arm"]

_LEAST = 1e-12  # of a length that is divided by


def linear_arm(features: Callable[[], np.ndarray], head: Head, train_metric: str = "train_rank1") -> Arm:
    """Fit a linear head on features that nothing trains.

    Parameters
    ----------
    features : callable () -> float [num_items, d]
        Rows by item number. Called once, and only if the arm is run.
    head : callable (features, labels) -> kernel [d, c], bias [c]
        `logistic_head`, `nearest_mean_head` or one of your own.
    train_metric : str
        What the share of labelled items that are predicted right is called.
    """
    rows = cache(features)

    def arm(train: Examples, test: np.ndarray, seed: int) -> Outcome:
        _check_positions(train.items)
        kernel, bias = head(rows()[train.items], train.labels)
        known = (rows()[train.items] @ kernel + bias).argmax(1) == train.labels
        return Outcome(rows()[test] @ kernel + bias, {train_metric: float(known.mean())})

    return arm


def network_arm(
    backbone: keras.Model,
    images: np.ndarray,
    plan: Plan,
    init: Literal["copy", "random"] = "copy",
    augment: Callable[[Any, Any], Any] | None = None,
    epoch_batches: int = 50,
    batch_size: int = 32,
    crop: float = 1.0,
    start: Head | None = None,
    train_metric: str = "train_rank1",
    on_tuned: Callable[[FineTuning], object] | None = None,
    mirror: bool = False,
    sigmoid: bool = False,
    callbacks: Iterable[Any] = (),
) -> Arm:
    """Train a reused (or, as the baseline, an untrained) backbone with a new softmax (or sigmoid) head.

    An epoch is the same number of batches whatever the budget, so that few labels do not mean few steps.

    Parameters
    ----------
    backbone : keras.Model
        From photos [n, size, size, c], 0 to 255, to features [n, d]; stays as it is.
    images : uint8 [num_items, S, S, c]
        By item number.
    plan : Plan
    init : "copy" or "random"
        As `reuse` takes it.
    augment : callable (images, seed int32 [2]) -> float32 [n, size, size, c], optional
        From photos to the backbone's input, for training. None: images already have that size.
    epoch_batches, batch_size : int
        The labelled items are gone through again and again, shuffled, until an epoch's batches are full.
    crop : float
        Of the view by which photos are judged, see `predict_views`: below 1 where augmentation crops them.
    start : Head, optional
        Gives the weights from which the new head starts, fitted on the backbone's (unit) features of the labelled
        items; tuning then begins with a solved head and need not move the backbone to suit a random one (Kumar et
        al., "Fine-tuning can distort pretrained features", 2022). None: it starts at random.
    on_tuned : callable (FineTuning), optional
        Told of each finished training: its model, history and ledger.
    mirror : bool
        Whether photos are judged by their mirror image too, where it shows the same (digits and letters: no).
    sigmoid : bool
        Of two classes, let one sigmoid output say how much it is the second, instead of a softmax over both.
    callbacks : iterable of keras.callbacks.Callback
        Given to every training.
    """
    callbacks = list(callbacks)

    def batches(train: Examples, seed: int) -> Any:
        data = as_dataset((images[train.items], train.labels), batch_size, shuffle=True, seed=seed)
        # repeat() before take(): every pass is shuffled anew, and an epoch may hold many passes or a part of one.
        data = data.repeat().take(epoch_batches)
        return data if augment is None else augmented(data, augment, seed)

    def scores(network: keras.Model, items: np.ndarray) -> np.ndarray:
        given = predict_views(network, images[items], crop, mirror)
        return np.concatenate([1 - given, given], axis=1) if sigmoid else given

    def arm(train: Examples, test: np.ndarray, seed: int) -> Outcome:
        _check_positions(train.items)
        if sigmoid and len(train.names) != 2:
            raise ValueError(f"one sigmoid output tells two classes apart, not {len(train.names)}")
        network = reuse(backbone, head=1 if sigmoid else len(train.names), init=init, seed=seed)
        if start is not None:
            features = predict_views(backbone, images[train.items], crop, mirror)
            set_head(network, start, features, train.labels)
        tuned = fine_tune(network, batches(train, seed), plan=plan, callbacks=callbacks, seed=seed)
        if on_tuned is not None:
            on_tuned(tuned)
        known = scores(network, train.items).argmax(1) == train.labels
        return Outcome(scores(network, test), {train_metric: float(known.mean())})

    return arm


def _check_positions(items: np.ndarray) -> None:
    """Refuse items that are no item numbers, such as the images themselves."""
    if items.ndim != 1 or items.dtype.kind not in "iu":
        raise ValueError(
            f"items of the examples are {items.dtype} {items.shape}; this arm takes item numbers, int [n]: positions "
            "among its images or features, as at.laid_out gives them"
        )


def set_head(network: keras.Model, start: Head, features: np.ndarray, labels: np.ndarray) -> None:
    """Set the Dense layer of the group "head" to what `start` finds on features of unit length."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    length = max(float(lengths.mean()), _LEAST)
    kernel, bias = start(features / np.maximum(lengths, _LEAST), labels)  # an image may leave every unit at 0
    # The network's own features are not of unit length.
    kernel = kernel / length
    if network.layers[-1].units == 1:  # a sigmoid says by how much the second of two classes leads
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    network.layers[-1].set_weights([kernel, bias])
