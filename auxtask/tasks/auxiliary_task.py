"""The contract of an auxiliary task: what a batch is, the loss on it, and which part is kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from auxtask.framework import keras, tf
from auxtask.tasks.epoch_means import EpochMeans
from auxtask.tasks.pretraining import Measured, Pretraining, fit_to_budget, provenance
from auxtask.training.throughput import Throughput

# Validation draws its own batches, always the same ones.
_VALIDATION_SEED = 2**20


class MeanValues(dict[str, float]):
    """Numbers by name, as a validation gives them."""

    def metrics(self) -> dict[str, float]:
        """Give the numbers by name."""
        return dict(self)


class AuxiliaryTask(keras.Model):
    """A way to learn from data whose labels are free; write one by giving three methods.

    - `batches(data, seed)`: an endless `tf.data.Dataset`; the same seed gives the same batches.
    - `num_batches(data)`: how many of them are one pass over the data.
    - `batch_loss(batch, training)`: a scalar, or a dict of scalars with `loss` among them.

    The encoder given to the constructor is the part that is kept (`kept` says otherwise). Everything else is there:
    `pretrain` is Keras' own `fit` with AdamW, a schedule that ends with the budget, a guard against losses that are
    not finite, validation and provenance. `auxtask.check_task` says in words what a task does wrong.

    Parameters
    ----------
    encoder : keras.Model
        Backbone with layer groups; trained in place.
    logs : sequence of str
        Names of the values of `batch_loss` that are logged, `loss` among them.

    Raises
    ------
    ValueError
        One of the three methods is missing, or `loss` among `logs`.

    Attributes
    ----------
    encoder : keras.Model
    pretraining : Pretraining or None
        History and provenance of the last `pretrain`.

    Examples
    --------
    >>> class Upright(at.AuxiliaryTask):
    ...     def __init__(self, encoder):
    ...         super().__init__(encoder)
    ...         self.head = at.keras.layers.Dense(1)
    ...
    ...     def batches(self, data, seed):
    ...         return at.image_batches(data, 64, seed)
    ...
    ...     def num_batches(self, data):
    ...         return max(1, len(data) // 64)
    ...
    ...     def batch_loss(self, images, training):
    ...         both = at.tf.concat([images, images[:, ::-1]], 0)
    ...         odds = self.head(self.encoder(both, training=training))[:, 0]
    ...         truth = at.tf.repeat([1.0, 0.0], len(images))
    ...         return at.tf.reduce_mean(at.tf.nn.sigmoid_cross_entropy_with_logits(truth, odds))
    """

    def __init__(self, encoder: keras.Model, logs: Sequence[str] = ("loss",), name: str | None = None) -> None:
        super().__init__(name=name)
        # Keras' own metaclass lets abstract methods pass.
        wanted = ("batches", "num_batches", "batch_loss")
        if absent := [each for each in wanted if getattr(getattr(type(self), each), "__isabstractmethod__", False)]:
            raise ValueError(f"{type(self).__name__} has no {' and no '.join(absent)}: a task is these three methods")
        self.encoder = encoder
        self.pretraining: Pretraining | None = None
        self.log_means(logs)
        self._trace_anew()

    @abstractmethod
    def batches(self, data: Any, seed: int) -> tf.data.Dataset:
        """Make endless batches; a batch is whatever `batch_loss` takes, in tensors of constant shape.

        In a tuple (inputs, targets) `check_task` can see targets that stand in the inputs; in no other form.
        """

    @abstractmethod
    def num_batches(self, data: Any) -> int:
        """Count the batches that are one pass over the data."""

    @abstractmethod
    def batch_loss(self, batch: Any, training: bool) -> tf.Tensor | Mapping[str, tf.Tensor]:
        """Give what is minimised: a mean over the batch's items, and with it what else is logged.

        Parameters
        ----------
        batch
            One element of `batches`.
        training : bool
            Whether layers such as dropout are to behave as in training.

        Returns
        -------
        float32 scalar, or dict of float32 scalars with the key "loss"
        """

    @property
    def kept(self) -> keras.Model:
        """The part that is reused."""
        return self.encoder

    def prepare(self, data: Any, validation: Any, seed: int) -> None:
        """Refuse data that do not fit, and make what depends on them; called before each training."""

    def gradients(self, batch: Any) -> tuple[Mapping[str, tf.Tensor], list[tuple[Any, Any]]]:
        """Give the values of a batch and (gradient, variable) pairs: those of the loss and of the layers' penalties.

        A task whose parts do not share one loss, or that adds batches up, says here how.
        """
        with tf.GradientTape() as tape:
            values = self.values_of(batch, training=True)
            # Each replica's gradients are summed, its loss is a mean over its own items.
            total = tf.add_n([values["loss"], *self.losses]) / self.distribute_strategy.num_replicas_in_sync
        trained = self.trainable_variables
        return values, list(zip(tape.gradient(total, trained), trained, strict=True))

    def measure(self, validation: Any) -> Measured:
        """Judge the task as it is now on data that it is not trained on: the mean of what is logged."""
        num_batches = self.num_batches(validation)
        if num_batches < 1:
            raise ValueError(f"num_batches(validation) gives {num_batches}: it takes a batch at least to judge by")
        batches = self.batches(validation, _VALIDATION_SEED).take(num_batches)
        found = [{name: float(value) for name, value in self._judge(batch).items()} for batch in batches]
        return MeanValues({name: float(np.mean([one[name] for one in found])) for name in self._means.by_name})

    def facts(self, data: Any, validation: Any) -> dict[str, Any]:
        """Give JSON-able facts for the provenance that this task alone knows; asked after training.

        What they hold under `settings` stands beside the common settings, and wins.
        """
        return {}

    def throughput(self) -> Throughput | None:
        """Give what turns steps into tokens, where the data are text."""
        return None

    def values_of(self, batch: Any, training: bool) -> Mapping[str, tf.Tensor]:
        """Give `batch_loss` as a dict, whichever form it has."""
        found = self.batch_loss(batch, training)
        if found is None:
            raise ValueError(f"{type(self).__name__}.batch_loss gives None: it must return the loss")
        return found if isinstance(found, Mapping) else {"loss": found}

    def _trace_anew(self) -> None:
        """Compile `measure`'s judgement when it is next used: once per training, not once per validation."""
        self._judge = tf.function(partial(self.values_of, training=False), reduce_retracing=True)

    def build_layers(self, data: Any, seed: int) -> None:
        """Make the weights of layers that wait for their first input: averages, guards and decay must know them."""
        if all(layer.built for layer in self._flatten_layers(include_self=False)):
            return
        with self.distribute_strategy.scope():
            # Of batches that are then thrown away: reading ahead in those trained on could change their order.
            self.values_of(next(iter(self.batches(data, seed))), training=False)

    def log_means(self, names: Sequence[str]) -> None:
        """Name the values that are logged.

        Raises
        ------
        ValueError
            `loss` is not among them.
        """
        if "loss" not in names:
            raise ValueError(f"logs={tuple(names)}: 'loss' must be among them")
        self._means = EpochMeans(names)

    @property
    def logged(self) -> tuple[str, ...]:
        """Names of the values that are logged."""
        return tuple(self._means.by_name)

    @property
    def metrics(self) -> list[Any]:
        """What `fit` logs and resets."""
        return [*super().metrics, *self._means.by_name.values()]

    def train_step(self, batch: Any) -> dict[str, Any]:
        """Take one step on a batch; Keras' `fit` calls it."""
        values, gradients = self.gradients(batch)
        self.optimizer.apply_gradients(gradients)
        return self._log(values)

    def test_step(self, batch: Any) -> dict[str, Any]:
        """Log the values of a batch; Keras' `evaluate` calls it."""
        return self._log(self.values_of(batch, training=False))

    def _log(self, values: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        for name, mean in self._means.by_name.items():
            mean.update_state(values[name])
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self) -> dict[str, Any]:
        """Refuse: a task is a way to train; what it leaves is its encoder."""
        raise NotImplementedError("save the part that is kept with save_backbone, or weights only")

    def pretrain(
        self,
        data: Any,
        validation: Any = None,
        budget: str | int = "2000steps",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.05,
        warmup: float = 0.08,
        ema: float | None = None,
        clip: float | None = None,
        validate_every: int | None = None,
        validate_at: Sequence[float] | None = None,
        monitor: str | None = None,
        history: Sequence[dict[str, float]] = (),
        callbacks: Iterable[Any] = (),
        seed: int = 0,
        verbose: int = 0,
    ) -> keras.Model:
        """Train, and give the part that is kept.

        AdamW; weight decay spares BatchNorm and biases. The learning rate rises over `warmup` and falls along a
        cosine that ends with the budget. Sets the global random seeds of Python, NumPy and TensorFlow (as
        `keras.utils.set_random_seed`), because dropout draws from them.

        Parameters
        ----------
        data, validation
            What the task's `batches` takes; `validation` is other data, judged by `measure`.
        budget : str or int
            `"20min"`, `"2000steps"`, `"30epochs"` (passes over the data); of text also `"2Mtokens"`.
        learning_rate : float
            At its peak.
        weight_decay : float
            Share of the learning rate by which weights shrink in a step.
        warmup : float
            Share of the budget.
        ema : float, optional
            Decay of an average of the weights, which is what is validated and kept.
        clip : float, optional
            Largest global norm of the gradients.
        validate_every : int, optional
            Passes between validations; None: about every 100 steps.
        validate_at : sequence of float, optional
            Shares of the budget after which is validated, instead.
        monitor : str, optional
            The epoch with the best value of this is kept (such as `val_auc`, with `validate_at` of those in which is
            validated); None: the last one. Needs `validation`.
        history : sequence of dict
            Rows of an earlier part of this training, which its rows continue.
        callbacks : iterable of keras.callbacks.Callback
        seed, verbose : int

        Returns
        -------
        keras.Model
            `kept`. History and provenance are in `self.pretraining`.

        Raises
        ------
        ValueError
            The data do not fit the task; a setting is out of range; the loss is not finite (the last good weights are
            in the encoder then).
        """
        settings = {name: value for name, value in locals().items() if name in _SETTINGS}
        keras.utils.set_random_seed(seed)
        self.prepare(data, validation, seed)
        batches = self.batches(data, seed)
        self.build_layers(data, seed)
        self._trace_anew()
        keras.utils.set_random_seed(seed)  # whether layers waited for their first input changes nothing
        rows = fit_to_budget(
            self,
            batches,
            self.num_batches(data),
            budget=budget,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            warmup=warmup,
            ema=ema,
            clip=clip,
            validate_every=validate_every,
            measure=None if validation is None else partial(self.measure, validation),
            measure_at=validate_at,
            monitor=monitor,
            throughput=self.throughput(),
            history=history,
            callbacks=callbacks,
            verbose=verbose,
        )
        facts = self.facts(data, validation)
        settings |= facts.pop("settings", {})
        self.pretraining = Pretraining(rows, provenance(type(self).__name__, settings, **facts))
        return self.kept


_SETTINGS = (
    ("budget", "learning_rate", "weight_decay", "warmup", "ema", "clip")
    + ("validate_every", "validate_at", "monitor", "seed")
)  # fmt: skip
