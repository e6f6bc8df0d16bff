"""A weighted sum of losses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from auxtask.framework import keras, tf


@keras.saving.register_keras_serializable(package="auxtask")
class WeightedSum(keras.layers.Layer):
    """Add losses up, each with its weight.

    Parameters
    ----------
    parts : mapping loss -> weight, or iterable of (weight, loss)
        Losses keep the contract `loss(embeddings, labels) -> scalar`; weights are finite and at
        least 0. The loss of weight 0 is not computed.

    Examples
    --------
    >>> WeightedSum([(1.0, SupervisedContrastive()), (0.3, MarginSoftmax(1618, 256))])
    """

    def __init__(
        self,
        parts: Mapping[Any, float] | Iterable[tuple[float, Any]],
        name: str | None = "weighted_sum",
    ) -> None:
        pairs = [(weight, loss) for loss, weight in parts.items()] if isinstance(parts, Mapping) else list(parts)
        if not pairs:
            raise ValueError("a weighted sum needs at least one loss")
        for weight, loss in pairs:
            if not callable(loss):
                raise ValueError(f"parts must be (weight, loss); {loss!r} is not a loss")
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"weight of {loss!r} must be at least 0, not {weight}")
        super().__init__(name=name, dtype="float32")
        self.part_weights = tuple(float(weight) for weight, _ in pairs)
        self.parts = [loss for _, loss in pairs]

    @property
    def names(self) -> tuple[str, ...]:
        """The parts' names, by which they are logged; a name that comes again gets a number."""
        bare = [str(getattr(p, "name", getattr(p, "__name__", "loss"))) for p in self.parts]
        return tuple(
            name if bare.count(name) == 1 else f"{name}_{bare[: i + 1].count(name)}" for i, name in enumerate(bare)
        )

    def call(self, embeddings: Any, labels: Any) -> tf.Tensor:
        """Give the weighted sum for a batch of embeddings [n, d] and labels [n]."""
        return self.total(self.values(embeddings, labels))

    def values(self, embeddings: Any, labels: Any) -> list[tf.Tensor]:
        """Give each part's own loss, unweighted, in order."""
        return [
            loss(embeddings, labels) if weight else tf.constant(0.0)
            for weight, loss in zip(self.part_weights, self.parts, strict=True)
        ]

    def total(self, values: list[tf.Tensor]) -> tf.Tensor:
        """Add up what `values` gave."""
        weighted = zip(self.part_weights, values, strict=True)
        return tf.add_n([weight * value for weight, value in weighted])

    def get_config(self) -> dict[str, Any]:
        """Give the weights and the parts' configurations."""
        parts = [
            (weight, keras.layers.serialize(loss)) for weight, loss in zip(self.part_weights, self.parts, strict=True)
        ]
        return {"parts": parts, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> WeightedSum:
        """Make the sum from `get_config`'s answer."""
        parts = [
            (weight, keras.layers.deserialize(loss, custom_objects=custom_objects)) for weight, loss in config["parts"]
        ]
        return cls(parts, name=config["name"])
