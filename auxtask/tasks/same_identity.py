"""The siamese task: do two items belong to the same identity?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from auxtask.data.identity_batches import identity_batches, num_batches_per_epoch
from auxtask.evaluation.verification import Verification, verification
from auxtask.framework import keras, tf
from auxtask.tasks.encoded_once import EncodedOnce
from auxtask.tasks.identity_data import (
    IdentityData,
    checked_labels,
    described,
    most_items_first,
    refuse_shared_people,
    threshold_items,
)


class SameIdentity(EncodedOnce):
    """Learn embeddings in which items of the same identity are near, from identities alone.

    A batch is encoded once; the loss looks at all its pairs through one matrix product.

    Parameters
    ----------
    encoder : keras.Model
        From items to embeddings [n, d]; they are brought to unit length here.
    loss : callable (embeddings float32 [n, d], labels int [n]) -> scalar
        See `auxtask.losses`. If it is a Keras layer, its weights train too. The parts of a
        `WeightedSum` are logged one by one.
    augment : callable (items, seed int32 [2]) -> items, optional
        Makes the encoder's input of a batch of loaded items, for training (`Augmentation`).

    Attributes
    ----------
    encoder : keras.Model
    pretraining : Pretraining or None
        History and provenance of the last `pretrain`.

    Examples
    --------
    >>> task = SameIdentity(encoder, PairLogistic())
    >>> backbone = task.pretrain(strangers, validation=others, budget="20min")
    >>> task.pretraining.history[-1]["val_auc"]
    """

    def __init__(
        self,
        encoder: keras.Model,
        loss: Callable[[Any, Any], Any],
        augment: Callable[[Any, tf.Tensor], Any] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(encoder, name=name)
        self.augment = augment
        self.people, self.photos, self.singles = 96, 2, 48
        self._known: tuple[Any, np.ndarray] | None = None
        self.set_objective(loss)
        # All weights exist already, so checkpoints in Keras' own formats need no first batch.
        self.built = bool(encoder.built)

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Give embeddings of unit length: float32 [n, d]."""
        embeddings = tf.cast(self.encoder(inputs, training=training), tf.float32)
        return tf.math.l2_normalize(embeddings, axis=1)

    def batches(self, data: IdentityData, seed: int) -> tf.data.Dataset:
        """Make endless batches (items, identities), see `identity_batches`; identity 0 has most items."""
        labels = most_items_first(checked_labels(data))
        return identity_batches(labels, data.load, self.people, self.photos, self.singles, seed, self.augment)

    def num_batches(self, data: IdentityData) -> int:
        """Count the batches that meet every identity with two or more items."""
        return num_batches_per_epoch(checked_labels(data), self.people)

    def prepare(self, data: IdentityData, validation: IdentityData | None, seed: int) -> None:
        """Refuse labels that do not fit and people on both sides; choose the items that set the threshold."""
        checked_labels(data)
        if validation is not None:
            refuse_shared_people(data, validation)
            checked_labels(validation)
        self._known = data, threshold_items(np.asarray(data.labels), seed)

    def measure(self, validation: IdentityData) -> Verification:
        """Verify all pairs, at the threshold that is best on pairs of the training data."""
        threshold = None
        if self._known is not None:
            data, chosen = self._known
            known = verification(self._embed_items(data, chosen), np.asarray(data.labels)[chosen])
            threshold = known.threshold
        labels = np.asarray(validation.labels)
        return verification(self._embed_items(validation, np.arange(len(labels))), labels, threshold=threshold)

    def _embed_items(self, data: IdentityData, indices: np.ndarray) -> np.ndarray:
        parts = np.array_split(indices, max(1, math.ceil(len(indices) / 500)))
        return np.concatenate([self.embed(data.load(tf.constant(p, tf.int64))) for p in parts])

    def embed(self, items: Any) -> np.ndarray:
        """Give the embeddings by which items are judged: float32 [n, d], unit length.

        The plain encoder in inference mode; presets may average over views.
        """
        return np.asarray(self.predict(items, batch_size=256, verbose=0))

    def facts(self, data: IdentityData, validation: IdentityData | None) -> dict[str, Any]:
        """Name the loss, the batches and the people."""
        layer = isinstance(self.objective, keras.layers.Layer)
        return {
            "loss": keras.layers.serialize(self.objective) if layer else repr(self.objective),
            "augment": None if self.augment is None else repr(self.augment),
            "data": described(data),
            "validation": None if validation is None else described(validation),
            "chance": {"val_accuracy": 0.5, "val_auc": 0.5, "val_eer": 0.5},
            "settings": {"people": self.people, "photos": self.photos, "singles": self.singles},
        }

    def pretrain(  # type: ignore[override]
        self,
        data: IdentityData,
        validation: IdentityData | None = None,
        budget: str | int = "2000steps",
        learning_rate: float = 2e-3,
        weight_decay: float = 0.05,
        warmup: float = 0.08,
        ema: float | None = 0.999,
        people: int = 96,
        photos: int = 2,
        singles: int = 48,
        validate_every: int | None = None,
        monitor: str | None = "val_auc",
        callbacks: Iterable[Any] = (),
        seed: int = 0,
        verbose: int = 0,
    ) -> keras.Model:
        """Train the encoder and give it back; what is not said here is as in `AuxiliaryTask.pretrain`.

        Parameters
        ----------
        data : IdentityData
            At least one identity needs two items.
        validation : IdentityData, optional
            Identities that are *not* in `data`. Measured after each epoch: accuracy on all
            pairs, genuine and impostor ones weighing the same, at the threshold that is best on
            training pairs (chance is 0.5, and 0.5 for the AUC), AUC, EER, TAR at FAR 1e-2 and
            1e-3 where there are enough impostor pairs. Without it the last weights are kept.
        budget : str or int
            `"20min"`, `"2000steps"`, `"30epochs"`; an epoch is a pass over the identities that
            have at least two items.
        people, photos, singles : int
            A batch: `people` identities x `photos` items, and `singles` more identities of which
            there is one item.

        Returns
        -------
        keras.Model
            The encoder, its groups kept. History and provenance are in `self.pretraining`.

        Raises
        ------
        ValueError
            No identity has two items; a person is on both sides; a setting is out of range; the
            loss is not finite (the last good weights are in the encoder then).
        """
        self.people, self.photos, self.singles = people, photos, singles
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
