"""The language task: which words were hidden?"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

from auxtask.backbones.checkpoint_export import save_for_transformers
from auxtask.backbones.checkpoint_files import checkpoint_folder
from auxtask.backbones.language import language_model
from auxtask.backbones.language_cost import Matmul, encoder_matmuls
from auxtask.backbones.language_names import to_keras
from auxtask.backbones.masked_head import head_weights, masked_head
from auxtask.data.masking import Masking, held_out_batches
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras, tf
from auxtask.tasks.filled_blanks import FilledBlank, fill, hidden_sentences, in_mask_token
from auxtask.tasks.hidden_words import HiddenWords


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


class MaskedWords(HiddenWords):
    """Guess the hidden words of free text (Devlin et al., "BERT", 2019).

    The vocabulary's head runs on the hidden positions alone, which are as many in every batch: on all positions it
    would cost most of the step. Its matrix is the backbone's table of word vectors (tied, as in BERT).

    Parameters
    ----------
    backbone : keras.Model
        From `language_model`; its `embeddings` layer holds the table. A pooler stays as it is.
    tokenizer : TextTokenizer
        With no more entries than the table has rows.
    masking : Masking, optional
        Default: 15 % of the tokens, one by one.
    length, batch_size : int
        Tokens per packed sequence, sequences per batch.
    checkpoint : str or path, optional
        Where the backbone comes from, as `language_model` takes it: if the head that guessed words is still in it
        (with BERT's `cls.predictions`, RoBERTa's `lm_head`, DistilBERT's `vocab_…`, ELECTRA's generator's), it is
        used on. Else the head is a fresh one, and `pretrain` warms it up if the encoder has learned something.

    Attributes
    ----------
    encoder : keras.Model
    pretraining : Pretraining or None
    head_is_fresh : bool

    Examples
    --------
    >>> task = MaskedWords(language_model("minilm"), tokenizer, checkpoint="minilm")
    >>> task.pretrain(texts, held_out, budget="20min", learning_rate=5e-5)

    Raises
    ------
    ValueError
        The backbone is no language model, has a table too small for the tokenizer, or the checkpoint's head is not
        for it.
    """

    def __init__(
        self,
        backbone: keras.Model,
        tokenizer: TextTokenizer,
        masking: Masking | None = None,
        length: int = 128,
        batch_size: int = 32,
        checkpoint: str | os.PathLike[str] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(backbone, tokenizer, masking, length, batch_size, name, ("loss", "masked_accuracy"))
        self.head, found = masked_head(backbone, checkpoint)
        self.head_is_fresh = not found
        self._compiled_judge = tf.function(self.judge)  # traced when it is first called
        self.built = True

    @classmethod
    def from_checkpoint(cls, name_or_path: str | os.PathLike[str]) -> MaskedWords:
        """Load a checkpoint with its tokenizer and the head that guesses words; see `language_model`.

        Raises
        ------
        ValueError
            It has no such head, or is none that `language_model` loads.
        """
        folder = checkpoint_folder(name_or_path)
        model = language_model(folder)
        length = min(128, model.get_layer("embeddings").max_length)
        task = cls(model, TextTokenizer.load(folder), length=length, checkpoint=folder)
        if task.head_is_fresh:
            raise ValueError(f"{name_or_path}: has no head that guesses words, only an encoder; pretrain it first")
        return task

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Give the log-odds of every word at the hidden positions: float32 [M, vocabulary].

        Parameters
        ----------
        inputs : dict
            `input_ids`, `attention_mask`, int32 [n, t], and `masked_positions`, int32 [M], into the n * t tokens.
        """
        hidden = self.vectors(inputs["input_ids"], inputs["attention_mask"])
        rows = tf.reshape(hidden, (-1, hidden.shape[-1]))
        return self.head(tf.gather(rows, inputs["masked_positions"]), self._table.word.embeddings)

    def judge(
        self, inputs: Any, targets: tf.Tensor, weights: tf.Tensor, total: tf.Tensor | None = None, share: float = 1.0
    ) -> dict[str, tf.Tensor]:
        """Give a batch's part of the loss and of the share of right guesses; see `HiddenWords.judge`."""
        logits = self(inputs)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        right = tf.cast(tf.argmax(logits, axis=1, output_type=targets.dtype) == targets, tf.float32)
        total = tf.maximum(tf.reduce_sum(weights) if total is None else total, 1.0)
        return {
            "loss": tf.reduce_sum(losses * weights) / total,
            "masked_accuracy": tf.reduce_sum(right * weights) / total,
        }

    def matmuls(self, num_masked: int) -> list[Matmul]:
        """Count the products of a forward pass over one batch."""
        width, table = self._table.hidden_size, self._table
        head = [Matmul(num_masked, width, table.embedding_size)]
        head.append(Matmul(num_masked, table.embedding_size, table.vocab_size))
        return encoder_matmuls(self.encoder, self.batch_size, self.length) + head

    def measure(self, held_out: TokenCache, num_batches: int = 20) -> MaskedAccuracy:
        """Judge on held-out text, each time with the same words hidden."""
        batches = held_out_batches(
            held_out, self.tokenizer, self.batch_size, self.length, self.masking, max_batches=num_batches
        )
        loss, accuracy, number = 0.0, 0.0, 0
        for batch in batches:
            values = self._compiled_judge(*batch)
            loss, accuracy = loss + float(values["loss"]), accuracy + float(values["masked_accuracy"])
            number += 1
        return MaskedAccuracy(loss / number, accuracy / number)

    def samples(self, held_out: TokenCache) -> list[FilledBlank]:
        """Give guesses for some held-out sentences, see `examples`."""
        return self.examples(held_out)

    def facts(self, data: TokenCache, validation: TokenCache | None) -> dict[str, Any]:
        """Name the loss, and under `examples` show what is guessed in held-out sentences before and after."""
        before = self._course.before
        after = [] if validation is None or before is None else self.examples(validation)
        examples = [
            {"text": old.text, "answer": old.answer, "before": dict(old.guesses), "after": dict(new.guesses)}
            for old, new in zip(before if after else [], after, strict=True)
        ]
        own = {"loss": "cross-entropy of the hidden tokens", "examples": examples}
        return super().facts(data, validation) | own

    def guesses(self, text: str, top: int = 5) -> list[list[tuple[str, float]]]:
        """Give the likeliest words for each `[MASK]` of a text, with their probabilities; see `fill_blank`."""
        (ids,) = self.tokenizer.encode([in_mask_token(self.tokenizer, text)])
        if len(ids) > self._table.max_length:
            raise ValueError(f"the text has {len(ids)} tokens, the model takes at most {self._table.max_length}")
        return fill(self, ids, top)

    def examples(self, held_out: TokenCache, number: int = 5, top: int = 3) -> list[FilledBlank]:
        """Hide one word in each of some held-out sentences, always the same, and guess it.

        Parameters
        ----------
        held_out : TokenCache
        number : int
            Of sentences, from all over the text; fewer where there are not so many.
        top : int
            Guesses of each.
        """
        return [
            FilledBlank(sentence.text, sentence.answer, fill(self, sentence.ids, top)[0])
            for sentence in hidden_sentences(held_out, self.tokenizer, number, self.length)
        ]

    def save_for_transformers(self, folder: str | os.PathLike[str]) -> None:
        """Save encoder, head and tokenizer as plain transformers' masked-LM classes, and `fill_blank`, load them.

        Raises
        ------
        ValueError
            See `save_for_transformers`.
        """
        weights = head_weights(self.head, self._table.family)
        head = {name: to_keras(name, weight.numpy()) for name, weight in weights.items()}
        save_for_transformers(self.encoder, folder, self.tokenizer, head)
