"""The oldest auxiliary task: classes for which labels are plentiful. It makes Model A."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from auxtask.data.image_batches import augmented
from auxtask.data.labelled_images import LabelledImages
from auxtask.framework import keras
from auxtask.training.inputs import as_dataset
from auxtask.transfer.cloning import reuse
from auxtask.transfer.fine_tuning import fine_tune
from auxtask.transfer.plans import Plan

__all__ = ["learn_classes"]


def learn_classes(
    backbone: keras.Model,
    images: LabelledImages,
    epochs: int,
    learning_rate: float = 3e-3,
    augment: Callable[[Any, Any], Any] | None = None,
    batch_size: int = 128,
    seed: int = 0,
    callbacks: Iterable[Any] = (),
) -> keras.Model:
    """Train a copy of a backbone, from the weights it has, to tell labelled pictures' classes.

    Parameters
    ----------
    backbone : keras.Model
        From float32 [n, height, width, channels], 0 to 255, to features [n, d]; stays as it is.
    images : LabelledImages
    epochs : int
    learning_rate : float
        Of Adam, at the start; it falls along a cosine to 0.
    augment : callable (images, seed int32 [2]) -> float32 images, optional
        Such as `Shifts`.
    batch_size, seed : int
    callbacks : iterable of keras.callbacks.Callback

    Returns
    -------
    keras.Model
        With a softmax head (of two classes, too), the group `head`: `reuse(model, drop_head=True)` gives what is kept.

    Raises
    ------
    ValueError
        As `reuse` and `fine_tune`; a loss that is not finite.
    """
    model = reuse(backbone, head=len(images.names), seed=seed)
    cosine = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * math.ceil(len(images) / batch_size))
    batches = as_dataset((images.images, images.labels), batch_size, shuffle=True, seed=seed)
    if augment is not None:
        batches = augmented(batches, augment, seed)
    fine_tune(model, batches, plan=Plan.scratch(epochs, cosine), seed=seed, callbacks=callbacks)
    return model
