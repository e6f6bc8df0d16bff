"""The preset for photos of faces: same face or not?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from auxtask.backbones.conv import residual_backbone
from auxtask.backbones.embedding import embed
from auxtask.data.augmentation import Augmentation
from auxtask.framework import keras, tf
from auxtask.losses.margin_softmax import MarginSoftmax
from auxtask.losses.supervised_contrastive import SupervisedContrastive
from auxtask.losses.weighted_sum import WeightedSum
from auxtask.tasks.identity_data import IdentityData, most_items_first
from auxtask.tasks.same_identity import SameIdentity


class SameFace(SameIdentity):
    """Same face or not? A residual network, photo augmentation, and two losses.

    The losses are supervised contrastive over all people of a batch, plus `margin_weight` times a
    margin softmax over the people with at least `class_photos` photos; people with fewer are
    negatives only. The margin softmax is made when `pretrain` knows the people.

    Parameters
    ----------
    backbone : keras.Model, optional
        From photos [n, s, s, 3], 0 to 255, to embeddings [n, d]. Default:
        `residual_backbone(seed=seed)`.
    augment : callable (photos, seed) -> photos, optional
        From loaded photos to the backbone's input size. Default: `Augmentation` at that size.
    temperature : float
        Of the supervised contrastive loss.
    margin, scale, margin_kind, num_centres
        Of the margin softmax, see `MarginSoftmax`.
    margin_weight : float
        0: supervised contrastive alone.
    class_photos : int
        Least number of photos that makes a person a class of the margin softmax.
    crops, mirror
        Views over which `embed` averages, see `auxtask.backbones.embedding.embed`.
    seed : int
        Of the default backbone and of the prototypes.

    Examples
    --------
    >>> task = SameFace()
    >>> backbone = task.pretrain(strangers, validation=others, budget="20min")
    """

    def __init__(
        self,
        backbone: keras.Model | None = None,
        augment: Callable[[Any, tf.Tensor], Any] | None = None,
        temperature: float = 0.08,
        margin: float = 0.25,
        scale: float = 20.0,
        margin_kind: str = "cosface",
        num_centres: int = 1,
        margin_weight: float = 0.3,
        class_photos: int = 2,
        crops: Sequence[float] = (0.9,),
        mirror: bool = True,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        if class_photos < 1:
            raise ValueError(f"class_photos must be at least 1, not {class_photos}")
        if not margin_weight >= 0:
            raise ValueError(f"margin_weight must be at least 0, not {margin_weight}")
        if backbone is None:
            backbone = residual_backbone(seed=seed)
        if augment is None:
            augment = Augmentation(size=backbone.input_shape[1])
        super().__init__(backbone, SupervisedContrastive(temperature), augment, name=name)
        self.temperature, self.margin_weight = temperature, margin_weight
        self.class_photos, self.crops, self.mirror = class_photos, tuple(crops), mirror
        self._make_classes = partial(
            MarginSoftmax,
            margin=margin,
            scale=scale,
            kind=margin_kind,
            num_centres=num_centres,
            seed=seed,
        )
        self._make_classes(1, 1)  # complains about the settings now, not after the data are loaded

    def prepare(self, data: IdentityData, validation: IdentityData | None, seed: int) -> None:
        """Make the part of the loss that depends on the people, see `set_classes`."""
        super().prepare(data, validation, seed)
        self.set_classes(np.bincount(most_items_first(np.asarray(data.labels))))

    def set_classes(self, counts: np.ndarray) -> None:
        """Make the margin softmax over the people with enough photos; person i has `counts[i]`, most first.

        Labels reach the loss in this order, so that the people with enough photos are labels [0, m).
        """
        contrastive = SupervisedContrastive(self.temperature)
        num_classes = int(np.count_nonzero(counts >= self.class_photos))
        if self.margin_weight == 0 or num_classes < 2:
            self.set_objective(contrastive)
            return
        dimension = self.encoder.output_shape[-1]
        classes = self._make_classes(num_classes, dimension)
        self.set_objective(WeightedSum([(1.0, contrastive), (self.margin_weight, classes)]))

    def embed(self, items: Any) -> np.ndarray:
        """Embed photos uint8 [n, S, S, 3], averaged over this task's views."""
        return embed(self.encoder, np.asarray(items), self.crops, self.mirror)
