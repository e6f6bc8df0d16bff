"""The language task of ELECTRA: which words were replaced?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from auxtask.backbones.generator import DetectionHead, Generator
from auxtask.backbones.language_cost import Matmul, block_matmuls, encoder_matmuls
from auxtask.backbones.language_layers import AttentionBias
from auxtask.backbones.language_names import language_layers
from auxtask.backbones.masked_head import fresh_head
from auxtask.data.masking import Masking, held_out_batches
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.evaluation.verification import verification_from_scores
from auxtask.framework import keras, tf
from auxtask.tasks.hidden_words import HiddenWords


@dataclass(frozen=True)
class DetectionAccuracy:
    """How well replaced words of held-out text are detected.

    Attributes
    ----------
    accuracy : float
        Share of tokens that are rightly said to be original or replaced.
    majority : float
        The accuracy of saying "original" of every token: what the other must beat.
    auc : float
        Area under the ROC curve; chance is 0.5.
    detection_loss : float
        Mean binary cross-entropy per token, in nats.
    generator_loss : float
        Mean negative log-likelihood of the hidden tokens.
    """

    accuracy: float
    majority: float
    auc: float
    detection_loss: float
    generator_loss: float

    def metrics(self) -> dict[str, float]:
        """Give all figures by name, for logs and rows."""
        return {
            "detection_accuracy": self.accuracy,
            "majority": self.majority,
            "detection_auc": self.auc,
            "detection_loss": self.detection_loss,
            "generator_loss": self.generator_loss,
        }


class ReplacedWords(HiddenWords):
    """Detect the words that a small generator put in (Clark et al., "ELECTRA", 2020).

    The generator guesses hidden words; what it draws from its guesses stands in their place, and the backbone (the
    discriminator) says of every token whether it is the original. So it learns from all tokens, not from the hidden
    ones alone. Both are trained together: no gradient passes through the drawing. The generator reads the backbone's
    own `embeddings` layer, and its guesses are tied to that table; it is thrown away in the end.

    Parameters
    ----------
    backbone : keras.Model
        From `language_model` or `language_backbone`: the discriminator, which is what is kept.
    tokenizer : TextTokenizer
        With no more entries than the table has rows.
    masking : Masking, optional
        Default: 15 % of the tokens, one by one.
    generator_share : float in (0, 1]
        Width of the generator, as a share of the backbone's; a quarter to a half does best in the paper.
    detection_weight : float
        Of the detection's loss beside the generator's, 50 as in the paper: it is far smaller per token.
    length, batch_size : int
        Tokens per packed sequence, sequences per batch.

    Attributes
    ----------
    encoder : keras.Model
    pretraining : Pretraining or None

    Examples
    --------
    >>> task = ReplacedWords(language_backbone("mini", tokenizer.vocab_size), tokenizer)
    >>> backbone = task.pretrain(texts, held_out, budget="12Mtokens")

    Raises
    ------
    ValueError
        A setting is out of range; the backbone is no language model, or has a table too small for the tokenizer.
    """

    def __init__(
        self,
        backbone: keras.Model,
        tokenizer: TextTokenizer,
        masking: Masking | None = None,
        generator_share: float = 0.25,
        detection_weight: float = 50.0,
        length: int = 128,
        batch_size: int = 32,
        name: str | None = None,
    ) -> None:
        if not 0 < generator_share <= 1:
            raise ValueError(f"generator_share={generator_share}: must be above 0 and at most 1")
        if not detection_weight > 0:
            raise ValueError(f"detection_weight={detection_weight}: must be above 0")
        logs = ("loss", "generator_loss", "detection_loss", "detection_accuracy")
        super().__init__(backbone, tokenizer, masking, length, batch_size, name, logs)
        self.generator_share, self.detection_weight = generator_share, detection_weight
        _, blocks, _ = language_layers(backbone)
        self.generator = Generator(blocks, generator_share, name="generator")
        self.generator.build((None, None, self._table.hidden_size))
        self.generator_head = fresh_head(self._table, self.generator.width)
        self.detection_head = DetectionHead(self._table.hidden_size, blocks[0].hidden_act, name="detection_head")
        self.detection_head.build((None, None, self._table.hidden_size))
        self._bias = AttentionBias(name="generator_bias")
        self._compiled_look = tf.function(self._look)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Give the log-odds of "replaced" for every token: float32 [n, t].

        Parameters
        ----------
        inputs : dict
            `input_ids`, `attention_mask`, int32 [n, t].
        """
        return self.detection_head(self.vectors(inputs["input_ids"], inputs["attention_mask"]))

    def guess(self, inputs: Any) -> tf.Tensor:
        """Give the generator's log-odds of every word at the hidden positions: float32 [M, vocabulary]."""
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        hidden = self.generator(self._table([ids, mask], training=False), self._bias(mask))
        rows = tf.reshape(hidden, (-1, hidden.shape[-1]))
        return self.generator_head(tf.gather(rows, inputs["masked_positions"]), self._table.word.embeddings)

    def replace(
        self, inputs: Any, targets: tf.Tensor, weights: tf.Tensor, drawn: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Put the drawn words where words were hidden.

        Parameters
        ----------
        inputs, targets, weights
            A batch of `masked_batches`.
        drawn : int32 [M]

        Returns
        -------
        ids : int32 [n, t]
        replaced : float32 [n, t]
            1 where another word than the original stands now: a word drawn rightly counts as original.
        """
        places = inputs["masked_positions"][:, None]
        shown = tf.reshape(inputs["input_ids"], (-1,))
        original = tf.tensor_scatter_nd_update(shown, places, targets)
        ids = tf.tensor_scatter_nd_update(original, places, tf.where(weights > 0, drawn, targets))
        shape = tf.shape(inputs["input_ids"])
        return tf.reshape(ids, shape), tf.reshape(tf.cast(ids != original, tf.float32), shape)

    def judge(
        self, inputs: Any, targets: tf.Tensor, weights: tf.Tensor, total: tf.Tensor | None = None, share: float = 1.0
    ) -> dict[str, tf.Tensor]:
        """Give a batch's part of both losses and of the accuracy; see `HiddenWords.judge`."""
        total = tf.maximum(tf.reduce_sum(weights) if total is None else total, 1.0)
        guessed = self.guess(inputs)
        generator = self._generator_loss(guessed, targets, weights) / total
        # The drawing has no gradient: the generator learns from its own loss alone.
        drawn = tf.random.categorical(tf.stop_gradient(self._ordinary(guessed)), 1, tf.int32)[:, 0]
        ids, replaced = self.replace(inputs, targets, weights, drawn)
        odds = self({**inputs, "input_ids": ids})
        detection = share * tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(replaced, odds))
        right = tf.cast((odds > 0) == (replaced > 0), tf.float32)
        return {
            "loss": generator + self.detection_weight * detection,
            "generator_loss": generator,
            "detection_loss": detection,
            "detection_accuracy": share * tf.reduce_mean(right),
        }

    def _generator_loss(self, guessed: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, guessed) * weights)

    def _ordinary(self, guessed: tf.Tensor) -> tf.Tensor:
        """Leave out rows of the table that are no words: special tokens would give themselves away."""
        rows = np.full(self._table.vocab_size, -1e9, np.float32)
        rows[self.tokenizer.ordinary_ids] = 0.0
        return guessed + tf.constant(rows)

    def matmuls(self, num_masked: int) -> list[Matmul]:
        """Count the products of a forward pass over one batch, through both networks."""
        tokens, wide, narrow = self.batch_size * self.length, self._table.hidden_size, self.generator.width
        found = [*encoder_matmuls(self.encoder, self.batch_size, self.length), Matmul(tokens, wide, wide)]
        found += [Matmul(tokens, wide, 1, weights=False), Matmul(tokens, wide, narrow)]
        for block in self.generator.blocks:
            found += block_matmuls(self.batch_size, self.length, narrow, block.intermediate_size, block.num_heads)
        size = self._table.embedding_size
        return [*found, Matmul(num_masked, narrow, size), Matmul(num_masked, size, self._table.vocab_size)]

    def measure(self, held_out: TokenCache, num_batches: int = 20) -> DetectionAccuracy:
        """Judge on held-out text, each time with the same words hidden, and words drawn with the same seeds."""
        batches = held_out_batches(
            held_out, self.tokenizer, self.batch_size, self.length, self.masking, max_batches=num_batches
        )
        looks = [
            [part.numpy() for part in self._compiled_look(*batch, tf.constant([number, 0]))]
            for number, batch in enumerate(batches)
        ]
        odds, replaced = (np.concatenate([look[i].ravel() for look in looks]) for i in (0, 1))
        loss = np.mean(np.logaddexp(0, odds) - replaced * odds)
        return DetectionAccuracy(
            float(np.mean((odds > 0) == (replaced > 0))),
            float(1 - replaced.mean()),
            _auc(odds, replaced > 0),
            float(loss),
            float(np.mean([look[2] for look in looks])),
        )

    def _look(self, inputs: Any, targets: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Give log-odds and truth of every token, and the generator's loss."""
        guessed = self.guess(inputs)
        drawn = tf.random.stateless_categorical(self._ordinary(guessed), 1, seed, tf.int32)[:, 0]
        ids, replaced = self.replace(inputs, targets, weights, drawn)
        loss = self._generator_loss(guessed, targets, weights) / tf.maximum(tf.reduce_sum(weights), 1.0)
        return self({**inputs, "input_ids": ids}), replaced, loss

    def facts(self, data: TokenCache, validation: TokenCache | None) -> dict[str, Any]:
        """Say what the loss is made of, for the provenance."""
        return super().facts(data, validation) | {
            "loss": f"cross-entropy of the hidden tokens + {self.detection_weight:g} x that of the replaced",
            "generator": {"width": self.generator.width, "share": self.generator_share},
        }


def _auc(odds: np.ndarray, replaced: np.ndarray) -> float:
    if replaced.all() or not replaced.any():
        return 0.5  # nothing to tell apart: the generator is always right, or never
    return verification_from_scores(odds, replaced).auc
