"""What the tasks that hide words of free text share: batches, exact accumulation, warm-up of a fresh head, budgets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from auxtask.backbones.language_cost import Matmul, training_flops
from auxtask.backbones.language_names import language_layers
from auxtask.backbones.pooling import token_vectors
from auxtask.data.masking import Masking, masked_batches, num_sequences
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras, tf
from auxtask.tasks.auxiliary_task import AuxiliaryTask
from auxtask.tasks.head_warmup import check_head_warmup, frozen_encoder, refuse_early_shares, split_off
from auxtask.tasks.pretraining import Measured, in_steps
from auxtask.training.throughput import Throughput

# A fresh head learns at no less than this rate while the encoder is frozen: a rate for fine-tuning would not move it.
_HEAD_RATE = 1e-3


@dataclass
class _Course:
    """What a training remembers for its record; an object of its own, because Keras wraps a model's dicts and lists."""

    settings: dict[str, Any] = field(default_factory=dict)
    before: Any = None
    ledger: list[dict[str, Any]] = field(default_factory=list)
    speed: Throughput | None = None


class HiddenWords(AuxiliaryTask):
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
        logs: Sequence[str] = ("loss",),
    ) -> None:
        super().__init__(backbone, logs, name)
        table, blocks, _ = language_layers(backbone)
        tokenizer.check_fits(table.vocab_size)
        if length > table.max_length:
            raise ValueError(f"length={length}: the model takes at most {table.max_length} tokens")
        self.tokenizer, self._table = tokenizer, table
        self.masking = masking or Masking()
        self.length, self.batch_size = length, batch_size
        self.accumulate = 1
        self._course = _Course()
        self.head_is_fresh = True
        # Offsets start at 0 and do not stay there: one that is not tells an encoder that has learned something.
        self.encoder_is_trained = any(np.any(block.intermediate.bias.numpy()) for block in blocks)
        self._vectors = token_vectors(backbone)

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
        """Give what the record compares with what it is after training; nothing, unless there is something to show."""
        return None

    def batches(self, data: TokenCache, seed: int) -> tf.data.Dataset:
        """Make endless batches of `masked_batches`; with `accumulate` above 1 so many of them, stacked."""
        batches = masked_batches(data, self.tokenizer, self.batch_size, self.length, self.masking, seed)
        if self.accumulate == 1:
            return batches
        return batches.batch(self.accumulate, drop_remainder=True).prefetch(2)

    def num_batches(self, data: TokenCache) -> int:
        """Count the steps of one pass over the text."""
        return max(1, num_sequences(data, self.length, self.masking) // (self.batch_size * self.accumulate))

    def batch_loss(self, batch: Any, training: bool) -> dict[str, tf.Tensor]:
        """Give what `judge` finds in a batch, or in stacked ones together."""
        if self.accumulate == 1:
            return self.judge(*batch)
        total = tf.reduce_sum(batch[2])
        parts = []
        for i in range(self.accumulate):
            inputs, targets, weights = tf.nest.map_structure(lambda stacked, i=i: stacked[i], batch)
            parts.append(self.judge(inputs, targets, weights, total, 1.0 / self.accumulate))
        return {name: tf.add_n([part[name] for part in parts]) for name in parts[0]}

    def gradients(self, batch: Any) -> tuple[dict[str, tf.Tensor], list[tuple[Any, Any]]]:
        """Give values and gradients of a batch, or of stacked ones, added up in the memory of one."""
        values, found = self._gradients(batch) if self.accumulate == 1 else self._accumulated(batch)
        return values, list(zip(found, self._trained(), strict=True))

    def facts(self, data: TokenCache, validation: TokenCache | None) -> dict[str, Any]:
        """Describe text, hiding, head and speed."""
        speed = self._course.speed
        return {
            "masking": {"share": self.masking.share, "whole_words": self.masking.whole_words},
            "data": {"fingerprint": data.fingerprint(), "num_tokens": data.num_tokens, "num_texts": data.num_texts},
            "length": self.length,
            "batch_size": self.batch_size,
            "head": "fresh" if self.head_is_fresh else "reused",
            "head_warmup_ledger": self._course.ledger,
            "speed": speed.summary() if speed else {},
            "settings": dict(self._course.settings),
        }

    def throughput(self) -> Throughput | None:
        """Give the clock of the training under way; while the head is warmed up there is none."""
        return self._course.speed

    def vectors(self, input_ids: tf.Tensor, attention_mask: tf.Tensor) -> tf.Tensor:
        """Give the encoder's vector of every token: float32 [n, t, d]."""
        # Dropout stays off: with text that is seen about once there is nothing to regularise (as in ALBERT, 2020).
        return self._vectors({"input_ids": input_ids, "attention_mask": attention_mask}, training=False)

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

    def pretrain(  # type: ignore[override]
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
            Shares of the budget after which held-out text is judged; those within the head's warm-up are left out.

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
        if head_warmup is None:
            head_warmup = 0.1 if self.head_is_fresh and self.encoder_is_trained else 0.0
        _check(clip, accumulate, head_warmup)
        self.accumulate = accumulate
        self._course = _Course({"budget": budget, "accumulate": accumulate, "head_warmup": head_warmup})
        self._course.before = None if validation is None else self.samples(validation)
        speed = self._throughput()
        length = in_steps(budget, self.num_batches(data), speed.tokens_per_step)
        if validation is not None:
            refuse_early_shares(length, head_warmup, validate_at)
        first, rest = split_off(length, head_warmup)
        fixed: dict[str, Any] = {
            "weight_decay": weight_decay,
            "warmup": warmup,
            "clip": clip,
            "callbacks": list(callbacks),
        }
        history: Sequence[dict[str, float]] = ()
        if first is not None:
            with frozen_encoder(self.encoder) as ledger:
                rate = max(learning_rate, _HEAD_RATE)
                super().pretrain(data, None, first, rate, validate_at=(1.0,), seed=seed + 1, **fixed)
            assert self.pretraining is not None
            self._course.ledger, history = ledger, self.pretraining.history
        remaining, shares = rest(history, validate_at)
        self._course.speed = speed
        super().pretrain(
            data, validation, remaining, learning_rate, validate_at=shares, history=history, seed=seed, **fixed
        )
        self.head_is_fresh, self.encoder_is_trained = False, True
        return self.kept

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
