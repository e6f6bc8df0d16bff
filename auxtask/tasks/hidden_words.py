"""What the tasks that hide words of free text share: batches, exact accumulation, warm-up of a fresh head, budgets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from auxtask.backbones.language_cost import Matmul, training_flops
from auxtask.backbones.language_names import language_layers
from auxtask.backbones.pooling import token_vectors
from auxtask.data.masking import Masking, masked_batches
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras, tf
from auxtask.tasks.epoch_means import EpochMeans
from auxtask.tasks.head_warmup import check_head_warmup, frozen_encoder, split_off
from auxtask.tasks.pretraining import Measured, Pretraining, fit_to_budget, in_steps, provenance
from auxtask.training.throughput import Throughput

# A fresh head learns at no less than this rate while the encoder is frozen: a rate for fine-tuning would not move it.
_HEAD_RATE = 1e-3


class HiddenWords(keras.Model):
    """A task on packed text with hidden words; `MaskedWords` and `ReplacedWords` say what is learned from them.

    Parameters
    ----------
    backbone : keras.Model
        From `language_model` or `language_backbone`.
    tokenizer : TextTokenizer
        With as many entries as the backbone's table of words has rows, or fewer.
    masking : Masking, optional
        Default: 15 % of the tokens, one by one.
    length, batch_size : int
        Tokens per packed sequence, sequences per batch.

    Raises
    ------
    ValueError
        The backbone is no language model, has too small a table, or takes no texts of this length.
    """

    def __init__(
        self,
        backbone: keras.Model,
        tokenizer: TextTokenizer,
        masking: Masking | None,
        length: int,
        batch_size: int,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        table, blocks, _ = language_layers(backbone)
        tokenizer.check_fits(table.vocab_size)
        if length > table.max_length:
            raise ValueError(f"length={length}: the model takes at most {table.max_length} tokens")
        self.encoder, self.tokenizer, self._table = backbone, tokenizer, table
        self.masking = masking or Masking()
        self.length, self.batch_size = length, batch_size
        self.accumulate = 1
        self.pretraining: Pretraining | None = None
        self.head_is_fresh = True
        # Offsets start at 0 and do not stay there: one that is not tells an encoder that has learned something.
        self.encoder_is_trained = any(np.any(block.intermediate.bias.numpy()) for block in blocks)
        self._vectors = token_vectors(backbone)
        self._means = EpochMeans(())

    @abstractmethod
    def judge(
        self, inputs: Any, targets: tf.Tensor, weights: tf.Tensor, total: tf.Tensor | None = None, share: float = 1.0
    ) -> dict[str, tf.Tensor]:
        """Give a batch's part of the loss to be minimised (`loss`) and of all that is logged.

        Parameters
        ----------
        inputs, targets, weights
            A batch of `masked_batches`.
        total : scalar, optional
            Sum of the weights of all batches of a step. None: of this one.
        share : float
            Of the step's batches that this one is. The values of a step's batches add up to those of one large batch.
        """

    @abstractmethod
    def matmuls(self, num_masked: int) -> list[Matmul]:
        """Count the products of a forward pass over one batch."""

    @abstractmethod
    def measure(self, held_out: TokenCache, num_batches: int = 20) -> Measured:
        """Judge on held-out text, each time with the same words hidden."""

    def samples(self, held_out: TokenCache) -> Any:
        """Give what `facts` compares, as it is before pretraining; nothing, unless a task has something to show."""
        return None

    def facts(self, held_out: TokenCache | None, before: Any) -> dict[str, Any]:
        """Give what the provenance says of this task alone; asked after pretraining, `before` is from `samples`."""
        return {}

    def vectors(self, input_ids: tf.Tensor, attention_mask: tf.Tensor) -> tf.Tensor:
        """Give the encoder's vector of every token: float32 [n, t, d]."""
        # Dropout stays off: with text that is seen about once there is nothing to regularise (as in ALBERT, 2020).
        return self._vectors({"input_ids": input_ids, "attention_mask": attention_mask}, training=False)

    @property
    def metrics(self) -> list[Any]:
        """What `fit` logs and resets."""
        return [*super().metrics, *self._means.by_name.values()]

    def log_means(self, *names: str) -> None:
        """Name the values of `judge` that are logged."""
        self._means = EpochMeans(names)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step on a batch of `masked_batches`, or on `accumulate` of them, stacked."""
        values, gradients = self._gradients(data) if self.accumulate == 1 else self._accumulated(data)
        self.optimizer.apply_gradients(zip(gradients, self._trained(), strict=True))
        return self._logs(values)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Give the values of a batch."""
        return self._logs(self.judge(*data))

    def _logs(self, values: dict[str, tf.Tensor]) -> dict[str, Any]:
        for name, mean in self._means.by_name.items():
            mean.update_state(values[name])
        return {metric.name: metric.result() for metric in self.metrics}

    def _trained(self) -> list[Any]:
        """Give the variables that the loss depends on and that are not frozen: a pooler is no part of it."""
        idle = {id(w) for w in self.encoder.weights} - {id(w) for w in self._vectors.weights}
        return [variable for variable in self.trainable_variables if id(variable) not in idle]

    def _gradients(self, batch: Any, total: Any = None, share: float = 1.0) -> tuple[dict[str, tf.Tensor], list[Any]]:
        with tf.GradientTape() as tape:
            inputs, targets, weights = batch
            values = self.judge(inputs, targets, weights, total, share)
            loss = values["loss"] / self.distribute_strategy.num_replicas_in_sync
        found = tape.gradient(loss, self._trained())
        # A table's gradient comes as slices. Their norm is not that of their sum, by which gradients are clipped.
        return values, [tf.convert_to_tensor(gradient) for gradient in found]

    def _accumulated(self, stacked: Any) -> tuple[dict[str, tf.Tensor], list[Any]]:
        """Add up batch by batch, in a loop, so that memory stays that of one."""
        total = tf.reduce_sum(stacked[2])

        def add(number: tf.Tensor, values: Any, gradients: Any) -> Any:
            batch = tf.nest.map_structure(lambda one: one[number], stacked)
            more, steps = self._gradients(batch, total, 1.0 / self.accumulate)
            return (
                number + 1,
                {name: values[name] + more[name] for name in self._means.by_name},
                [old + new for old, new in zip(gradients, steps, strict=True)],
            )

        start = (
            0,
            dict.fromkeys(self._means.by_name, tf.zeros(())),
            [tf.zeros(v.shape, v.dtype) for v in self._trained()],
        )
        _, values, gradients = tf.while_loop(
            lambda number, *_: number < self.accumulate, add, start, parallel_iterations=1
        )
        return values, gradients

    def get_config(self) -> dict[str, Any]:
        """Refuse: a task is a way to train; what it leaves is its encoder."""
        raise NotImplementedError("save the encoder with save_backbone, or weights only")

    def pretrain(
        self,
        data: TokenCache,
        validation: TokenCache | None = None,
        budget: str | int = "20min",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        clip: float = 1.0,
        accumulate: int = 1,
        head_warmup: float | int | None = None,
        validate_at: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
        callbacks: Iterable[Any] = (),
        seed: int = 0,
        verbose: int = 0,
    ) -> keras.Model:
        """Train the backbone and give it back.

        AdamW with linear warm-up and cosine decay, which end with the budget; gradients are clipped by their global
        norm. With a trained encoder and a fresh head, the head alone learns first, while the encoder is frozen (its
        rate is 0.001 then, or `learning_rate` if that is higher): its first gradients would destroy what was learned.

        Parameters
        ----------
        data, validation : TokenCache
            Made with this tokenizer; `validation` is other text.
        budget : str or int
            `"20min"`, `"2000steps"`, `"12Mtokens"`, `"3epochs"` (passes over the data). The special tokens count.
        clip : float
            Largest global norm of the gradients.
        accumulate : int
            Batches per step: the step is that of one batch so many times as large, in the memory of one.
        head_warmup : float in [0, 1) or int, optional
            Share of the budget, or steps, in which only the head learns. None: a tenth where the head is fresh and the
            encoder is not, else nothing.
        validate_at : sequence of float
            Shares of the budget after which held-out text is judged.

        Returns
        -------
        keras.Model
            The encoder. History (with `tokens_per_second` and `matmul_share`, the share of what the machine's matrix
            products alone would reach) and provenance are in `self.pretraining`.

        Raises
        ------
        ValueError
            A setting is out of range; too little text; the loss is not finite.
        """
        settings = {k: v for k, v in locals().items() if k in _SETTINGS}
        if head_warmup is None:
            head_warmup = 0.1 if self.head_is_fresh and self.encoder_is_trained else 0.0
        _check(clip, accumulate, head_warmup)
        settings["head_warmup"] = head_warmup
        before = None if validation is None else self.samples(validation)
        keras.utils.set_random_seed(seed)
        self.accumulate = accumulate
        speed = self._throughput()
        measure = None if validation is None else partial(self.measure, validation)
        fit = partial(
            fit_to_budget,
            self,
            num_batches=max(1, data.num_tokens // (self.batch_size * (self.length - 2) * accumulate)),
            weight_decay=weight_decay,
            warmup=warmup,
            ema=None,
            clip=clip,
            validate_every=None,
            monitor=None,
            callbacks=callbacks,
            verbose=verbose,
        )
        total = in_steps(budget, fit.keywords["num_batches"], speed.tokens_per_step)
        first, rest = split_off(total, head_warmup)
        history: list[dict[str, float]] = []
        ledger: list[dict[str, Any]] = []
        if first is not None:
            with frozen_encoder(self.encoder) as ledger:
                rate = max(learning_rate, _HEAD_RATE)
                history = fit(
                    self._batches(data, seed + 1), budget=first, learning_rate=rate, measure=None, measure_at=(1.0,)
                )
        remaining, shares = rest(history, validate_at)
        history = fit(
            self._batches(data, seed),
            budget=remaining,
            learning_rate=learning_rate,
            measure=measure,
            measure_at=shares,
            throughput=speed,
            history=history,
        )
        facts = {
            "masking": {"share": self.masking.share, "whole_words": self.masking.whole_words},
            "data": {"fingerprint": data.fingerprint(), "num_tokens": data.num_tokens, "num_texts": data.num_texts},
            "length": self.length,
            "batch_size": self.batch_size,
            "head": "fresh" if self.head_is_fresh else "reused",
            "head_warmup_ledger": ledger,
            "speed": speed.summary(),
            **self.facts(validation, before),
        }
        self.pretraining = Pretraining(history, provenance(type(self).__name__, settings, **facts))
        self.head_is_fresh, self.encoder_is_trained = False, True
        return self.encoder

    def _batches(self, data: TokenCache, seed: int) -> tf.data.Dataset:
        batches = masked_batches(data, self.tokenizer, self.batch_size, self.length, self.masking, seed)
        if self.accumulate == 1:
            return batches
        return batches.batch(self.accumulate, drop_remainder=True).prefetch(2)

    def _throughput(self) -> Throughput:
        matmuls = self.matmuls(self.masking.num_masked(self.batch_size, self.length))
        shapes = [(one.rows, one.inner, one.columns) for one in matmuls if one.weights]
        tokens = self.batch_size * self.length * self.accumulate
        return Throughput(tokens, training_flops(matmuls) * self.accumulate, shapes)


def _check(clip: float, accumulate: int, head_warmup: float | int) -> None:
    if not clip > 0:
        raise ValueError(f"clip={clip}: must be above 0")
    if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
        raise ValueError(f"accumulate={accumulate}: must be a whole number of batches, at least 1")
    check_head_warmup(head_warmup)


_SETTINGS = ("budget", "learning_rate", "weight_decay", "warmup", "clip", "accumulate", "head_warmup", "seed")
