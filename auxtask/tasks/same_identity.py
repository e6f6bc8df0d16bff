"""The siamese task: do two items belong to the same identity?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from auxtask.data.identity_batches import identity_batches, num_batches_per_epoch
from auxtask.evaluation.verification import Verification, verification
from auxtask.framework import keras, tf
from auxtask.losses.weighted_sum import WeightedSum
from auxtask.tasks.epoch_means import EpochMeans
from auxtask.tasks.identity_data import (
    IdentityData,
    checked_labels,
    described,
    most_items_first,
    refuse_shared_people,
    threshold_items,
)
from auxtask.tasks.pretraining import Pretraining, fit_to_budget, provenance


class SameIdentity(keras.Model):
    """Learn embeddings in which items of the same identity are near, from identities alone.

    A batch is encoded once; the loss looks at all its pairs through one matrix product. The
    model's `train_step` is its loss, so Keras' `fit`, callbacks, TensorBoard and `tf.distribute`
    work as everywhere.

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
        super().__init__(name=name)
        self.encoder = encoder
        self.augment = augment
        self.pretraining: Pretraining | None = None
        self.set_objective(loss)
        # All weights exist already, so checkpoints in Keras' own formats need no first batch.
        self.built = bool(encoder.built)

    def set_objective(self, loss: Callable[[Any, Any], Any]) -> None:
        """Replace the loss; a compiled task must be compiled again."""
        if not callable(loss):
            raise ValueError(f"loss must be callable (embeddings, labels), not {loss!r}")
        self.objective = loss
        self._means = EpochMeans(["loss", *(loss.names if isinstance(loss, WeightedSum) else ())])

    @property
    def metrics(self) -> list[Any]:
        """What `fit` logs and resets: those of `compile`, the loss, and its parts."""
        return [*super().metrics, *self._means.by_name.values()]

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Give embeddings of unit length: float32 [n, d]."""
        embeddings = tf.cast(self.encoder(inputs, training=training), tf.float32)
        return tf.math.l2_normalize(embeddings, axis=1)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step on a batch (items, identities)."""
        items, labels = _items_and_labels(data)
        with tf.GradientTape() as tape:
            loss = self._loss_of(self(items, training=True), labels)
            total = loss + tf.add_n(self.encoder.losses) if self.encoder.losses else loss
            # Each replica's gradients are summed, its loss is a mean over its own items.
            share = total / self.distribute_strategy.num_replicas_in_sync
        self.optimizer.minimize(share, self.trainable_variables, tape=tape)
        return self._logs(loss)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Give the loss of a batch (items, identities)."""
        items, labels = _items_and_labels(data)
        return self._logs(self._loss_of(self(items, training=False), labels))

    def _loss_of(self, embeddings: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        if not isinstance(self.objective, WeightedSum):
            return self.objective(embeddings, labels)
        values = self.objective.values(embeddings, labels)
        for name, value in zip(self.objective.names, values, strict=True):
            self._means.by_name[name].update_state(value)
        return self.objective.total(values)

    def _logs(self, loss: tf.Tensor) -> dict[str, Any]:
        self._means.by_name["loss"].update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self) -> dict[str, Any]:
        """Refuse: a task is a way to train; what it leaves is its encoder."""
        raise NotImplementedError("save the encoder with save_backbone, or weights only")

    def embed(self, items: Any) -> np.ndarray:
        """Give the embeddings by which items are judged: float32 [n, d], unit length.

        The plain encoder in inference mode; presets may average over views.
        """
        return np.asarray(self.predict(items, batch_size=256, verbose=0))

    def pretrain(
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
        """Train the encoder and give it back.

        AdamW; weight decay spares BatchNorm and biases. The learning rate rises over `warmup`
        and falls along a cosine that ends with the budget. Sets the global random seeds of
        Python, NumPy and TensorFlow (as `keras.utils.set_random_seed`), because dropout draws
        from them.

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
        warmup : float
            Share of the budget.
        ema : float, optional
            Decay of the average of the weights, which is what is validated and returned.
        people, photos, singles : int
            A batch: `people` identities x `photos` items, and `singles` more identities of which
            there is one item.
        validate_every : int, optional
            Passes between validations; None: about every 100 steps.
        monitor : str, optional
            The epoch with the best value of this is returned; None: the last one.
        callbacks : iterable of keras.callbacks.Callback
        seed, verbose : int

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
        settings = {k: v for k, v in locals().items() if k in _SETTINGS}
        labels = most_items_first(checked_labels(data))
        if validation is not None:
            refuse_shared_people(data, validation)
            checked_labels(validation)
        keras.utils.set_random_seed(seed)
        self.prepare(np.bincount(labels))
        batch = {"people": people, "photos": photos, "singles": singles}
        history = fit_to_budget(
            self,
            identity_batches(labels, data.load, seed=seed, augment=self.augment, **batch),
            num_batches_per_epoch(labels, people),
            budget=budget,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            warmup=warmup,
            ema=ema,
            validate_every=validate_every,
            measure=None if validation is None else self._measure(data, validation, seed),
            monitor=monitor,
            callbacks=callbacks,
            verbose=verbose,
        )
        self.pretraining = Pretraining(history, self._provenance(data, validation, settings))
        return self.encoder

    def prepare(self, counts: np.ndarray) -> None:
        """Get ready for data whose identity i has `counts[i]` items, most first.

        Labels reach the loss in this order, so that "the people with at least two photos" are
        labels [0, m). A preset makes the parts of its loss here that depend on the data.
        """

    def _measure(self, data: IdentityData, validation: IdentityData, seed: int) -> Callable[[], Verification]:
        chosen = threshold_items(np.asarray(data.labels), seed)
        held_out = np.arange(len(validation.labels))

        def measure() -> Verification:
            known = verification(self._embed_items(data, chosen), np.asarray(data.labels)[chosen])
            return verification(
                self._embed_items(validation, held_out),
                np.asarray(validation.labels),
                threshold=known.threshold,
            )

        return measure

    def _embed_items(self, data: IdentityData, indices: np.ndarray) -> np.ndarray:
        parts = np.array_split(indices, max(1, math.ceil(len(indices) / 500)))
        return np.concatenate([self.embed(data.load(tf.constant(p, tf.int64))) for p in parts])

    def _provenance(
        self, data: IdentityData, validation: IdentityData | None, settings: dict[str, Any]
    ) -> dict[str, Any]:
        objective = self.objective
        layer = isinstance(objective, keras.layers.Layer)
        facts = {
            "loss": keras.layers.serialize(objective) if layer else repr(objective),
            "augment": None if self.augment is None else repr(self.augment),
            "data": described(data),
            "validation": None if validation is None else described(validation),
            "chance": {"val_accuracy": 0.5, "val_auc": 0.5, "val_eer": 0.5},
        }
        return provenance(type(self).__name__, settings, **facts)


_SETTINGS = (
    ("budget", "learning_rate", "weight_decay", "warmup", "ema", "people", "photos", "singles")
    + ("validate_every", "monitor", "seed")
)  # fmt: skip


def _items_and_labels(data: Any) -> tuple[Any, Any]:
    items, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
    if labels is None:
        raise ValueError("a batch must be (items, identities); it has no identities")
    return items, labels
