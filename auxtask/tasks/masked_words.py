"""The language task: which words were hidden?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from auxtask.backbones.language_layers import TextEmbeddings
from auxtask.data.masking import Masking, held_out_batches, masked_batches
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras, tf
from auxtask.tasks.pretraining import Pretraining, fit_to_budget, provenance


@dataclass(frozen=True)
class MaskedAccuracy:
    """How well hidden words of held-out text are guessed.

    Attributes
    ----------
    loss : float
        Mean negative log-likelihood, in nats per hidden token.
    accuracy : float
        Share of hidden tokens whose most likely guess is right.
    """

    loss: float
    accuracy: float

    def metrics(self) -> dict[str, float]:
        """Give `loss`, `perplexity` and `masked_accuracy`, for logs and rows."""
        return {"loss": self.loss, "perplexity": math.exp(min(self.loss, 50)), "masked_accuracy": self.accuracy}


class MaskedWords(keras.Model):
    """Guess the hidden words of free text (Devlin et al., "BERT", 2019).

    The vocabulary's head runs on the hidden positions alone, which are as many in every batch: on all positions it
    would cost most of the step. Its matrix is the backbone's table of word vectors (tied, as in BERT).

    Parameters
    ----------
    backbone : keras.Model
        From `language_model`; its `embeddings` layer holds the table.
    tokenizer : TextTokenizer
        With as many entries as the table has rows.
    masking : Masking, optional
        Default: 15 % of the tokens, one by one.
    length, batch_size : int
        Tokens per packed sequence, sequences per step.

    Attributes
    ----------
    encoder : keras.Model
    pretraining : Pretraining or None

    Raises
    ------
    ValueError
        The backbone has no table of words, or one too small for the tokenizer.
    """

    def __init__(
        self,
        backbone: keras.Model,
        tokenizer: TextTokenizer,
        masking: Masking | None = None,
        length: int = 128,
        batch_size: int = 32,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.encoder, self.tokenizer = backbone, tokenizer
        self.masking = masking or Masking()
        self.length, self.batch_size = length, batch_size
        self.pretraining: Pretraining | None = None
        table = word_layer(backbone)
        tokenizer.check_fits(table.vocab_size)
        self.head = MaskedHead(table.embedding_size, table.vocab_size, table.epsilon, name="masked_head")
        self.head.build((None, backbone.output_shape[-1]))
        self._table = table
        self._means = [keras.metrics.Mean(name=name) for name in ("loss", "masked_accuracy")]
        self._compiled_judge = tf.function(self._judge)  # traced when it is first called
        self.built = True

    @property
    def metrics(self) -> list[Any]:
        """What `fit` logs and resets."""
        return [*super().metrics, *self._means]

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Give the log-odds of every word at the hidden positions: float32 [M, vocabulary].

        Parameters
        ----------
        inputs : dict
            `input_ids`, `attention_mask`, int32 [n, t], and `masked_positions`, int32 [M], into the n * t tokens.
        """
        # Dropout stays off: with text that is seen about once there is nothing to regularise (as in ALBERT, 2020).
        hidden = self.encoder({k: inputs[k] for k in ("input_ids", "attention_mask")}, training=False)
        rows = tf.reshape(hidden, (-1, hidden.shape[-1]))
        return self.head(tf.gather(rows, inputs["masked_positions"]), self._table.word.embeddings)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step on a batch of `masked_batches`."""
        inputs, targets, weights = data
        with tf.GradientTape() as tape:
            loss, right = self._judge(inputs, targets, weights)
            share = loss / self.distribute_strategy.num_replicas_in_sync
        self.optimizer.minimize(share, self.trainable_variables, tape=tape)
        return self._logs(loss, right)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Give the loss and accuracy of a batch."""
        return self._logs(*self._judge(*data))

    def _judge(self, inputs: Any, targets: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = self(inputs, training=True)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        right = tf.cast(tf.argmax(logits, axis=1, output_type=targets.dtype) == targets, tf.float32)
        total = tf.maximum(tf.reduce_sum(weights), 1.0)
        return tf.reduce_sum(losses * weights) / total, tf.reduce_sum(right * weights) / total

    def _logs(self, *values: tf.Tensor) -> dict[str, Any]:
        for mean, value in zip(self._means, values, strict=True):
            mean.update_state(value)
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self) -> dict[str, Any]:
        """Refuse: a task is a way to train; what it leaves is its encoder."""
        raise NotImplementedError("save the encoder with save_backbone, or weights only")

    def measure(self, held_out: TokenCache, num_batches: int = 20) -> MaskedAccuracy:
        """Judge on held-out text, each time with the same words hidden."""
        batches = held_out_batches(
            held_out, self.tokenizer, self.batch_size, self.length, self.masking, max_batches=num_batches
        )
        loss, accuracy, number = 0.0, 0.0, 0
        for batch in batches:
            one, right = self._compiled_judge(*batch)
            loss, accuracy, number = loss + float(one), accuracy + float(right), number + 1
        return MaskedAccuracy(loss / number, accuracy / number)

    def pretrain(
        self,
        data: TokenCache,
        validation: TokenCache | None = None,
        budget: str | int = "20min",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        clip: float = 1.0,
        validate_at: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
        callbacks: Iterable[Any] = (),
        seed: int = 0,
        verbose: int = 0,
    ) -> keras.Model:
        """Train the backbone and give it back.

        AdamW with linear warm-up and cosine decay, which end with the budget; gradients are clipped by their global
        norm.

        Parameters
        ----------
        data, validation : TokenCache
            Made with this tokenizer; `validation` is other text.
        budget : str or int
            `"20min"`, `"2000steps"`, `"3epochs"`.
        clip : float
            Largest global norm of the gradients.
        validate_at : sequence of float
            Shares of the budget after which held-out text is judged.

        Returns
        -------
        keras.Model
            The encoder. History and provenance are in `self.pretraining`.

        Raises
        ------
        ValueError
            A setting is out of range; too little text; the loss is not finite.
        """
        settings = {k: v for k, v in locals().items() if k in _SETTINGS}
        if not clip > 0:
            raise ValueError(f"clip={clip}: must be above 0")
        keras.utils.set_random_seed(seed)
        batches = masked_batches(data, self.tokenizer, self.batch_size, self.length, self.masking, seed)
        history = fit_to_budget(
            self,
            batches,
            max(1, data.num_tokens // (self.batch_size * (self.length - 2))),
            budget=budget,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            warmup=warmup,
            ema=None,
            clip=clip,
            validate_every=None,
            measure=None if validation is None else lambda: self.measure(validation),
            measure_at=validate_at,
            monitor=None,
            callbacks=callbacks,
            verbose=verbose,
        )
        facts = {
            "loss": "cross-entropy of the hidden tokens",
            "masking": {"share": self.masking.share, "whole_words": self.masking.whole_words},
            "data": {"fingerprint": data.fingerprint(), "num_tokens": data.num_tokens, "num_texts": data.num_texts},
            "length": self.length,
            "batch_size": self.batch_size,
        }
        self.pretraining = Pretraining(history, provenance("MaskedWords", settings, **facts))
        return self.encoder

    def guesses(self, text: str, top: int = 5) -> list[list[tuple[str, float]]]:
        """Give the likeliest words for each `[MASK]` of a text, with their probabilities."""
        (ids,) = self.tokenizer.encode([text])
        positions = np.flatnonzero(ids == self.tokenizer.mask_id)
        if not len(positions):
            raise ValueError(f"no {self.tokenizer.token(self.tokenizer.mask_id)} in {text!r}")
        inputs = {
            "input_ids": tf.constant([ids], tf.int32),
            "attention_mask": tf.ones((1, len(ids)), tf.int32),
            "masked_positions": tf.constant(positions, tf.int32),
        }
        probabilities = tf.nn.softmax(self(inputs)).numpy()
        best = np.argsort(-probabilities, axis=1)[:, :top]
        return [
            [(self.tokenizer.token(int(i)), float(row[i])) for i in chosen]
            for row, chosen in zip(probabilities, best, strict=True)
        ]


class MaskedHead(keras.layers.Layer):
    """From hidden states to log-odds of words: dense, GELU, LayerNorm, then the (tied) table and an offset each."""

    def __init__(self, embedding_size: int, vocab_size: int, epsilon: float = 1e-12, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        initializer = keras.initializers.TruncatedNormal(stddev=0.02)
        self.transform = keras.layers.Dense(embedding_size, kernel_initializer=initializer, name="transform")
        self.norm = keras.layers.LayerNormalization(epsilon=epsilon, name="norm")
        self.embedding_size, self.vocab_size = embedding_size, vocab_size

    def build(self, shape: Any) -> None:
        """Make the weights."""
        self.transform.build(shape)
        self.norm.build((None, self.embedding_size))
        self.bias = self.add_weight("bias", (self.vocab_size,), initializer="zeros")
        super().build(shape)

    def call(self, hidden: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
        """Give float32 [M, vocabulary] from hidden states [M, d] and word vectors [vocabulary, embedding_size]."""
        x = self.norm(keras.activations.gelu(self.transform(hidden)))
        return tf.cast(tf.matmul(x, table, transpose_b=True) + self.bias, tf.float32)


def word_layer(backbone: keras.Model) -> TextEmbeddings:
    """Give the layer that holds a language model's table of words.

    Raises
    ------
    ValueError
        There is none: the model does not come from `language_model`.
    """
    for layer in backbone.layers:
        if isinstance(layer, TextEmbeddings):
            return layer
    raise ValueError("the backbone has no table of words: make it with at.language_model")


_SETTINGS = ("budget", "learning_rate", "weight_decay", "warmup", "clip", "seed")
