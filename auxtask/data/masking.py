"""Masked words: packed sequences in which some tokens are hidden, as `tf.data`.

Shares and their treatment follow BERT (Devlin et al. 2019), packing across texts RoBERTa (Liu et al. 2019), whole words
the BERT authors' later models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import tf

# Batches the generator hands over at once: Python is entered seldom.
_BLOCK = 16
_SHOWN_AS_MASK, _SHOWN_AS_OTHER = 0.8, 0.1


@dataclass(frozen=True)
class Masking:
    """Which tokens are hidden, and how.

    Attributes
    ----------
    share : float
        Of the tokens that are no special ones.
    whole_words : bool
        Hide all pieces of a word or none.
    at_texts : bool
        Let sequences begin where texts begin, and hold little of others: for short texts, which a sequence that begins
        anywhere mixes (RoBERTa's authors find no great difference in long ones).
    """

    share: float = 0.15
    whole_words: bool = False
    at_texts: bool = False

    def __post_init__(self) -> None:
        """Check the share."""
        if not 0 < self.share < 1:
            raise ValueError(f"share={self.share}: must lie between 0 and 1")

    def num_masked(self, batch_size: int, length: int) -> int:
        """Count the masked positions of each batch: the same for all, so that shapes are static."""
        return max(1, round(self.share * batch_size * (length - 2)))


def masked_batches(
    cache: TokenCache,
    tokenizer: TextTokenizer,
    batch_size: int = 64,
    length: int = 128,
    masking: Masking | None = None,
    seed: int = 0,
) -> tf.data.Dataset:
    """Make endless batches of packed sequences with hidden tokens.

    The corpus is cut into pieces of `length - 2` tokens regardless of where texts end (a separator stands there), or
    from where each text begins (`Masking.at_texts`); each pass cuts elsewhere and takes the pieces in another order.
    Nothing is padded.

    Parameters
    ----------
    cache
        see `TokenCache.write`
    tokenizer
        that of the cache
    batch_size, length
        sequences per batch, and tokens per sequence with the special tokens at both ends
    masking
        by default 15 % of the tokens, one by one
    seed
        the same seed gives the same batches

    Returns
    -------
    endless tf.data.Dataset of (inputs, targets, weights), with M = masking.num_masked(batch_size, length):

    * inputs: `input_ids` and `attention_mask`, int32 [batch_size, length], and `masked_positions`, int32 [M],
      ascending, into the batch as one row of batch_size * length tokens
    * targets: int32 [M], the tokens that stood there
    * weights: float32 [M], 1, or 0 where there was nothing to mask (the end of a word that no longer fitted)

    Raises
    ------
    ValueError
        if the corpus has too few tokens for one sequence, or was turned into tokens by another tokenizer
    """
    cache.check(tokenizer)
    masking = masking or Masking()
    plan = _Packing(cache, batch_size, length, masking.at_texts)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        random = np.random.default_rng(seed)
        rows = plan.endless_rows(random)
        while True:
            starts = np.array([next(rows) for _ in range(_BLOCK * batch_size)], np.int64)
            pieces = cache.read_rows(starts, length - 2).reshape(_BLOCK, batch_size, length - 2)
            yield pieces, random.integers(0, 2**31 - 1, (_BLOCK, 2), np.int32)

    return _masked(blocks, plan, tokenizer, masking, _BLOCK)


def held_out_batches(
    cache: TokenCache,
    tokenizer: TextTokenizer,
    batch_size: int = 64,
    length: int = 128,
    masking: Masking | None = None,
    seed: int = 0,
    max_batches: int | None = None,
) -> tf.data.Dataset:
    """Make the batches to measure on: one pass without shuffling, each time with the same tokens hidden.

    Parameters
    ----------
    cache, tokenizer, length, masking, seed
        as `masked_batches`
    batch_size
        smaller if there are fewer sequences; what does not fill a last batch is left out, so that shapes stay static
    max_batches
        take so many from all over the corpus

    Returns
    -------
    finite tf.data.Dataset as that of `masked_batches`

    Raises
    ------
    ValueError
        if the corpus has too few tokens for one sequence, or was turned into tokens by another tokenizer
    """
    cache.check(tokenizer)
    masking = masking or Masking()
    plan = _Packing(cache, batch_size, length, masking.at_texts)
    rows = plan.rows(0)
    batch_size = plan.batch_size = min(batch_size, len(rows))
    available = len(rows) // batch_size
    if max_batches is not None and max_batches < 1:
        raise ValueError(f"max_batches={max_batches}: at least 1")
    taken = available if max_batches is None else min(max_batches, available)
    chosen = np.linspace(0, available - 1, taken).round().astype(np.int64)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for batch in chosen:
            pieces = cache.read_rows(rows[batch * batch_size : (batch + 1) * batch_size], length - 2)
            yield pieces[None], np.array([[seed % (2**31), batch % (2**31)]], np.int32)

    batches = _masked(blocks, plan, tokenizer, masking, 1)
    return batches.apply(tf.data.experimental.assert_cardinality(taken))


def num_sequences(cache: TokenCache, length: int, masking: Masking) -> int:
    """Count the sequences of one pass over the corpus."""
    return len(_Packing(cache, 1, length, masking.at_texts).rows(0))


class _Packing:
    """Where sequences begin."""

    def __init__(self, cache: TokenCache, batch_size: int, length: int, at_texts: bool) -> None:
        if batch_size < 1 or length < 8:
            raise ValueError(f"batch_size={batch_size}, length={length}: at least 1 sequence of 8 tokens")
        self.batch_size, self.length, self._content = batch_size, length, length - 2
        if cache.num_tokens < self._content:
            raise ValueError(
                f"the corpus has {cache.num_tokens} tokens in {cache.num_texts} texts: too few for one sequence of "
                f"{length}; give more text, or a smaller length"
            )
        self._num_tokens = cache.num_tokens
        self._fixed = _text_pieces(cache, self._content) if at_texts else None

    def rows(self, offset: int) -> np.ndarray:
        """Give the starts of one pass's pieces, in order: int64 [number]; those at texts are the same in each pass."""
        if self._fixed is not None:
            return self._fixed
        return np.arange(offset, self._num_tokens - self._content + 1, self._content)

    def endless_rows(self, random: np.random.Generator) -> Iterator[int]:
        """Yield the starts of all pieces, pass after pass."""
        while True:
            # What is left over at the end of a pass is met in the next, which starts elsewhere.
            spare = self._num_tokens % self._content
            whole = self._num_tokens // self._content
            offset = int(random.integers(0, spare + 1 if whole == 1 else self._content))
            rows = self.rows(offset)
            for row in _shuffled(len(rows), random):
                yield int(rows[row])


def _text_pieces(cache: TokenCache, content: int) -> np.ndarray:
    """Cut each text from its start; what is left of a long one is a piece if it fills half of it."""
    pieces = np.maximum(1, (cache.lengths + content // 2) // content)
    nth = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = np.repeat(np.asarray(cache.starts[:-1]), pieces) + nth * content
    # The last pieces would run beyond the end: they begin a little earlier.
    return np.unique(np.minimum(starts, cache.num_tokens - content))


def _shuffled(number: int, random: np.random.Generator, group: int = 1 << 20) -> Iterator[int]:
    """Shuffle range(number); beyond some 10^6 rows in groups, so that memory does not grow.

    Each group has rows from all over the corpus: a training that ends within one pass has seen a bit of everything.
    """
    stride = -(-number // group)
    for start in range(stride):
        yield from random.permutation(np.arange(start, number, stride)).tolist()


def _masked(blocks: Any, plan: _Packing, tokenizer: TextTokenizer, masking: Masking, block: int) -> tf.data.Dataset:
    rows, length = plan.batch_size, plan.length
    signature = (tf.TensorSpec((block, rows, length - 2), tf.int32), tf.TensorSpec((block, 2), tf.int32))
    hide = _Hide(tokenizer, masking, rows, length)
    batches = tf.data.Dataset.from_generator(blocks, output_signature=signature).unbatch()
    return batches.map(hide, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)


class _Hide:
    """Chooses and hides tokens of one batch, inside `tf.data`."""

    def __init__(self, tokenizer: TextTokenizer, masking: Masking, rows: int, length: int) -> None:
        special = np.zeros(tokenizer.vocab_size, bool)
        special[tokenizer.special_ids] = True
        self._special, self._continues = tf.constant(special), tf.constant(tokenizer.continues_word)
        self._ordinary = tf.constant(tokenizer.ordinary_ids)
        self._mask_id = tokenizer.mask_id
        self._whole_words = masking.whole_words
        self._rows, self._length, self._num_masked = rows, length, masking.num_masked(rows, length)
        self._cls = tf.fill((rows, 1), tokenizer.cls_id)
        self._sep = tf.fill((rows, 1), tokenizer.sep_id)

    def __call__(self, pieces: tf.Tensor, seed: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        tokens = tf.reshape(tf.concat([self._cls, pieces, self._sep], axis=1), [-1])
        seeds = tf.random.split(seed, 3)
        special = tf.gather(self._special, tokens)
        positions, valid = self._choose(tokens, special, seeds[0])
        targets = tf.gather(tokens, positions)
        shown = self._shown(targets, seeds[1], seeds[2])
        hidden = tf.tensor_scatter_nd_update(tokens, positions[:, None], tf.where(valid, shown, targets))
        shape = (self._rows, self._length)
        inputs = {
            "input_ids": tf.reshape(hidden, shape),
            "attention_mask": tf.ones(shape, tf.int32),
            "masked_positions": positions,
        }
        return inputs, targets, tf.cast(valid, tf.float32)

    def _choose(self, tokens: tf.Tensor, special: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Give the positions with the highest random scores, ascending, and which of them may be hidden."""
        score = tf.random.stateless_uniform((self._rows * self._length,), seed)
        if self._whole_words:
            # All pieces of a word share the score of its first. A special token is no word's first piece.
            after_special = tf.concat([[True], special[:-1]], axis=0)
            first = ~tf.gather(self._continues, tokens) | after_special
            word = tf.cumsum(tf.cast(first, tf.int32)) - 1
            score = tf.gather(tf.boolean_mask(score, first), word)
        score = tf.where(special, -1.0, score)
        chosen, positions = tf.math.top_k(score, self._num_masked)
        valid = chosen >= 0
        if self._whole_words:
            # The last word may have been cut: then its pieces stay as they are.
            last = tf.gather(word, positions[-1])
            taken = tf.reduce_sum(tf.cast(tf.gather(word, positions) == last, tf.int32))
            cut = taken < tf.reduce_sum(tf.cast((word == last) & ~special, tf.int32))
            valid &= ~(cut & (tf.gather(word, positions) == last))
        order = tf.argsort(positions)
        return tf.gather(positions, order), tf.gather(valid, order)

    def _shown(self, targets: tf.Tensor, kind_seed: tf.Tensor, other_seed: tf.Tensor) -> tf.Tensor:
        """Replace 80 % by the mask and 10 % by any token; leave 10 % as they are."""
        kind = tf.random.stateless_uniform((self._num_masked,), kind_seed)
        other = tf.random.stateless_uniform((self._num_masked,), other_seed, 0, len(self._ordinary), tf.int32)
        shown = tf.where(kind < _SHOWN_AS_MASK + _SHOWN_AS_OTHER, tf.gather(self._ordinary, other), targets)
        return tf.where(kind < _SHOWN_AS_MASK, self._mask_id, shown)
