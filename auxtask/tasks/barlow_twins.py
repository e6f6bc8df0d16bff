"""The task of two views without negatives: features that agree between views and do not repeat each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from auxtask.framework import keras
from auxtask.losses.cross_correlation import CrossCorrelation
from auxtask.tasks.two_views import TwoViews


class BarlowTwins(TwoViews):
    """Bring the correlation of features between two views of a picture to the identity matrix (Zbontar et al.,
    "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", 2021).

    Parameters
    ----------
    encoder : keras.Model
        From pictures to features [n, d].
    augment : callable (images, seed int32 [2]) -> float32 images, optional
        Makes one view; None: `Crops()`, which mirrors (not for digits or letters).
    redundancy : float
        See `CrossCorrelation`.
    widths : sequence of int
        Of the projection head, which is thrown away. Wide ones are better: their last layer is what decorrelates.
    batch_size : int
        Pictures, each with two views.
    seed : int
        Of the head.

    Raises
    ------
    ValueError
        The encoder does not give features [n, d]; a number is out of range.

    Examples
    --------
    >>> backbone = BarlowTwins(at.conv_backbone(seed=0)).pretrain(images, budget="10min")
    """

    def __init__(
        self,
        encoder: keras.Model,
        augment: Callable[[Any, Any], Any] | None = None,
        redundancy: float = 0.02,
        widths: Sequence[int] = (256, 256),
        batch_size: int = 256,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(encoder, CrossCorrelation(redundancy), widths, augment, batch_size, seed, name=name)
