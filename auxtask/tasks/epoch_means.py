"""Means over an epoch of what a task logs."""

from __future__ import annotations

from collections.abc import Iterable

from auxtask.framework import keras


class EpochMeans:
    """One running mean per name.

    Held in a plain object, because Keras counts a metric that is an attribute of a model among
    the model's weights: averaged weights and checkpoints would then carry running sums along.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.by_name = {name: keras.metrics.Mean(name=name) for name in names}
