"""The two-tower task: learn from labelled pairs alone, where identities are not known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from auxtask.backbones.conv import residual_backbone
from auxtask.backbones.embedding import embed
from auxtask.data.augmentation import Augmentation
from auxtask.data.face_pairs import FacePairs
from auxtask.evaluation.verification import (
    Verification,
    best_threshold,
    verification_from_scores,
)
from auxtask.framework import keras, tf
from auxtask.losses.pair_logistic import PairLogistic
from auxtask.tasks.auxiliary_task import AuxiliaryTask

# Enough training pairs to place a threshold; more would only cost time in each validation.
_THRESHOLD_PAIRS = 2000


class SamePair(AuxiliaryTask):
    """Do these two photos show the same person? Two towers with shared weights.

    Both photos go through the same encoder; the log-odds of "same" are a learned scale times the
    cosine of the two embeddings, plus a learned offset; the loss is binary cross-entropy. Source:
    Bromley et al., "Signature Verification using a 'Siamese' Time Delay Neural Network" (1993).
    Where identities are known, `SameFace` learns from all pairs of a batch and is far better.

    Parameters
    ----------
    backbone : keras.Model, optional
        The tower: photos [n, s, s, 3], 0 to 255, to embeddings [n, d]. Default:
        `residual_backbone(seed=seed)`.
    augment : callable (photos, seed int32 [2]) -> photos, optional
        From loaded photos to the backbone's input size. Default: `Augmentation` at that size.
    scale, offset : float
        Where the log-odds start, see `PairLogistic`.
    crops, mirror
        Views over which validation averages, see `auxtask.backbones.embedding.embed`.
    seed : int
        Of the default backbone.

    Attributes
    ----------
    encoder : keras.Model
    pretraining : Pretraining or None

    Examples
    --------
    >>> task = SamePair()
    >>> backbone = task.pretrain(FacePairs.from_csv("pairs.csv"), budget="20min")
    """

    def __init__(
        self,
        backbone: keras.Model | None = None,
        augment: Callable[[Any, tf.Tensor], Any] | None = None,
        scale: float = 10.0,
        offset: float = -5.0,
        crops: Sequence[float] = (0.9,),
        mirror: bool = True,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(residual_backbone(seed=seed) if backbone is None else backbone, name=name)
        self.augment = augment or Augmentation(size=self.encoder.input_shape[1])
        self.odds = PairLogistic(scale, offset)
        self.crops, self.mirror = tuple(crops), mirror
        self.batch_size = 100
        self._known: FacePairs | None = None
        self.built = bool(self.encoder.built)

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Give the log-odds of "same", float32 [n, 1], of (left, right) photos at the input's size."""
        towers = [self.encoder(photos, training=training) for photos in inputs]
        left, right = (tf.math.l2_normalize(tf.cast(t, tf.float32), axis=1) for t in towers)
        return self.odds.log_odds(tf.reduce_sum(left * right, axis=1, keepdims=True))

    def scores(self, pairs: FacePairs) -> np.ndarray:
        """Give the cosine of each pair, averaged over this task's views: float32 [num_pairs]."""
        rows, place = np.unique([pairs.left_rows, pairs.right_rows], return_inverse=True)
        parts = np.array_split(rows, max(1, len(rows) // 500))
        embeddings = np.concatenate(
            [embed(self.encoder, pairs.images(part), self.crops, self.mirror) for part in parts]
        )
        left, right = embeddings[place.reshape(2, -1)]
        return np.sum(left * right, axis=1)

    def batches(self, data: FacePairs, seed: int) -> tf.data.Dataset:
        """Make endless batches ((left, right), same [b], weight [b]) of augmented photos."""
        share = np.where(data.same, np.mean(data.same), np.mean(~data.same))
        weights = (0.5 / share).astype(np.float32)
        columns = (data.left_rows, data.right_rows, data.same.astype(np.float32), weights)
        pairs = tf.data.Dataset.from_tensor_slices(columns).shuffle(len(data), seed=seed)
        pairs = pairs.repeat().batch(min(self.batch_size, len(data)), drop_remainder=True)
        seeds = tf.data.Dataset.random(seed=seed).batch(4, drop_remainder=True)

        def make(pair: Any, numbers: tf.Tensor) -> Any:
            left, right, same, weight = pair
            draws = tf.reshape(tf.cast(numbers % (2**31 - 1), tf.int32), (2, 2))
            towers = tuple(self.augment(data.load(rows), draws[side]) for side, rows in enumerate((left, right)))
            return towers, same, weight

        batches = tf.data.Dataset.zip((pairs, seeds))
        return batches.map(make, tf.data.AUTOTUNE, deterministic=True).prefetch(2)

    def num_batches(self, data: FacePairs) -> int:
        """Count the batches of one pass over the pairs."""
        return -(-len(data) // self.batch_size)

    def batch_loss(self, batch: Any, training: bool) -> tf.Tensor:
        """Give the weighted binary cross-entropy of a batch ((left, right), same [b], weight [b])."""
        photos, same, weight = batch
        odds = self(photos, training=training)[:, 0]
        return tf.reduce_mean(weight * tf.nn.sigmoid_cross_entropy_with_logits(same, odds))

    def prepare(self, data: FacePairs, validation: FacePairs | None, seed: int) -> None:
        """Refuse photos that are on both sides; choose the pairs that set the threshold."""
        if validation is not None:
            _refuse_shared_photos(data, validation)
        order = np.random.default_rng(seed).permutation(len(data))
        self._known = data.subset(np.sort(order[:_THRESHOLD_PAIRS]))

    def measure(self, validation: FacePairs) -> Verification:
        """Verify pairs, at the threshold that is best on training pairs."""
        threshold = None
        if self._known is not None:
            threshold = best_threshold(self.scores(self._known), self._known.same, balanced=True)
        return verification_from_scores(self.scores(validation), validation.same, threshold=threshold, balanced=True)

    def facts(self, data: FacePairs, validation: FacePairs | None) -> dict[str, Any]:
        """Name the loss and the pairs."""
        return {
            "loss": "binary cross-entropy of the pair",
            "augment": repr(self.augment),
            "data": _described(data),
            "validation": None if validation is None else _described(validation),
            "chance": {"val_accuracy": 0.5, "val_auc": 0.5, "val_eer": 0.5},
            "settings": {"batch_size": self.batch_size},
        }

    def pretrain(  # type: ignore[override]
        self,
        data: FacePairs,
        validation: FacePairs | float | None = 0.2,
        budget: str | int = "2000steps",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.05,
        warmup: float = 0.08,
        ema: float | None = 0.999,
        batch_size: int = 100,
        validate_every: int | None = None,
        monitor: str | None = "val_auc",
        callbacks: Iterable[Any] = (),
        seed: int = 0,
        verbose: int = 0,
    ) -> keras.Model:
        """Train the tower and give it back; what is not said here is as in `AuxiliaryTask.pretrain`.

        "Same" and "not same" weigh alike in the loss, however many there are of each.

        Parameters
        ----------
        data : FacePairs
        validation : FacePairs, float or None
            Pairs of *other* people; a float holds out this share of the pairs by
            `FacePairs.split`. The threshold of the accuracy is chosen on training pairs. None:
            the last weights are kept.
        batch_size : int
            Pairs in a batch; an epoch is a pass over the pairs.

        Returns
        -------
        keras.Model
            The encoder. History and provenance are in `self.pretraining`.

        Raises
        ------
        ValueError
            A photo is on both sides; the pairs cannot be split; a setting is out of range; the
            loss is not finite.
        """
        if batch_size < 2:
            raise ValueError(f"batch_size must be at least 2 pairs, not {batch_size}")
        self.batch_size = batch_size
        if isinstance(validation, int | float):
            data, validation = data.split(validation, seed)
        return super().pretrain(
            data,
            validation,
            budget,
            learning_rate,
            weight_decay,
            warmup,
            ema,
            validate_every=validate_every,
            monitor=None if validation is None else monitor,
            callbacks=callbacks,
            seed=seed,
            verbose=verbose,
        )


def _refuse_shared_photos(data: FacePairs, validation: FacePairs) -> None:
    both = sorted({*data.left, *data.right} & {*validation.left, *validation.right})
    if both:
        raise ValueError(
            f"validation must be on people not pretrained on; {len(both)} photos are on both sides, first {both[0]}"
        )


def _described(data: FacePairs) -> dict[str, Any]:
    used = np.unique([data.left_rows, data.right_rows])
    return {
        "num_pairs": len(data),
        "num_same": int(data.same.sum()),
        "photos": [data.photos[row] for row in used],
    }
