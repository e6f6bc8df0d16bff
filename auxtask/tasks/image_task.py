"""What auxiliary tasks on pictures without labels share: their batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from auxtask.data.image_batches import image_batches
from auxtask.data.images import fit_images
from auxtask.data.seen_pictures import seen_record
from auxtask.framework import keras, tf
from auxtask.tasks.auxiliary_task import AuxiliaryTask


class ImageTask(AuxiliaryTask):
    """An auxiliary task whose data are pictures, uint8 [n, height, width, channels], 0 to 255.

    Parameters
    ----------
    encoder : keras.Model
        From float32 [n, height, width, channels], 0 to 255, to features [n, d].
    augment : callable (images, seed int32 [2]) -> float32 images, optional
        Changes each batch on the way to training.
    batch_size : int
    views : int
        Augmented versions of each picture, see `image_batches`.
    logs : sequence of str
        See `AuxiliaryTask`.
    """

    def __init__(
        self,
        encoder: keras.Model,
        augment: Callable[[Any, Any], Any] | None = None,
        batch_size: int = 128,
        views: int = 1,
        logs: Sequence[str] = ("loss",),
        name: str | None = None,
    ) -> None:
        super().__init__(encoder, logs, name)
        self.augment, self.batch_size, self.views = augment, batch_size, views

    def batches(self, data: np.ndarray, seed: int) -> tf.data.Dataset:
        """Make endless batches of pictures, see `image_batches`."""
        return image_batches(data, self.batch_size, seed, self.augment, self.views)

    def num_batches(self, data: np.ndarray) -> int:
        """Count the batches of one pass."""
        return max(1, len(data) // self.batch_size)

    def facts(self, data: np.ndarray, validation: np.ndarray | None) -> dict[str, Any]:
        """Give batch size, augmentation, number of pictures, and which they were."""
        return {
            "batch_size": self.batch_size,
            "augment": None if self.augment is None else repr(self.augment),
            "data": {"num_images": len(data), "shape": list(data.shape[1:]), "pictures": self._seen(data)},
            "validation": None if validation is None else {"num_images": len(validation)},
        }

    def _seen(self, data: np.ndarray) -> str | None:
        """Record pictures as the encoder takes them: whoever reuses it asks about pictures of that size and colour."""
        match self.encoder.input_shape[1:]:
            case (int(side), int(width), 1 | 3 as channels) if (
                side == width and (side, side, channels) != data.shape[1:]
            ):
                return seen_record(fit_images(data, side, channels))
        return seen_record(data)


def refuse_maps(encoder: keras.Model) -> None:
    """Refuse an encoder that does not give features [n, d]."""
    if len(encoder.output_shape) != 2:
        raise ValueError(f"{encoder.name} gives {encoder.output_shape}; features [n, d] are needed: pool the maps")
