"""Texts to classify as batches: encoded once, sorted by length, in a few static shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from auxtask.data.tokenizer import TextTokenizer, in_parts
from auxtask.framework import tf

Keep = Literal["head", "head_tail"]
# Lengths are rounded up to these shares of a power of two: padding costs at most a third, and 8 to 512 tokens need no
# more than a dozen shapes.
_STEPS = (1.0, 1.5)


class EncodedTexts:
    """Texts as token numbers, framed by the special tokens and cut to a greatest length.

    Has what `identity_batches` and `SameIdentity` ask of data (`labels`, `load`), with classes for people: the task
    "same label or not?".

    Parameters
    ----------
    texts : sequence of str
    tokenizer : TextTokenizer
    max_length : int
        Tokens, special ones included; what is beyond is cut off.
    labels : int [n], optional
        Class of each text.
    keep : "head" or "head_tail"
        Of longer texts, the beginning; or a quarter from the beginning and the rest from the end (Sun et al. 2019,
        "How to fine-tune BERT for text classification", take 128 and 382 of 510).

    Attributes
    ----------
    lengths : int64 [n]
        Tokens of each text after cutting.
    keep : "head" or "head_tail"
        As given.
    num_truncated : int
        Texts that were cut.
    notes : list of str
        Says so, once.

    Raises
    ------
    ValueError
        No text, or a setting is out of range.
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokenizer: TextTokenizer,
        max_length: int = 256,
        labels: np.ndarray | Sequence[int] | None = None,
        keep: Keep = "head",
    ) -> None:
        if isinstance(texts, str) or not len(texts):
            raise ValueError("texts must be a list of at least one text")
        if max_length < 3 or keep not in ("head", "head_tail"):
            raise ValueError(f"max_length={max_length}, keep={keep!r}: at least 3 tokens, 'head' or 'head_tail'")
        self.max_length, self.keep, self._pad = max_length, keep, tokenizer.pad_id
        self.num_truncated = 0
        pieces: list[np.ndarray] = []
        for part in in_parts(texts):
            for ids in tokenizer.encode(part):
                self.num_truncated += len(ids) > max_length
                pieces.append(_cut(ids, max_length, keep))
        self._keep(pieces, labels)
        self.notes: list[str] = []
        if self.num_truncated:
            what = "their beginning" if keep == "head" else "a quarter from the beginning, the rest from the end"
            self.notes.append(
                f"{self.num_truncated} of {len(pieces)} texts are longer than {max_length} tokens: cut ({what} is kept)"
            )

    def __len__(self) -> int:
        """Count the texts."""
        return len(self.lengths)

    def take(
        self,
        indices: np.ndarray | Sequence[int],
        labels: np.ndarray | Sequence[int] | None = None,
        max_length: int | None = None,
    ) -> EncodedTexts:
        """Give the texts at these positions, in this order, without encoding them again.

        Parameters
        ----------
        indices
            int [b]
        labels
            int [b], classes of the new; None takes those that the texts have
        max_length
            cut to so many tokens, in the same way; None leaves them as they are

        Raises
        ------
        ValueError
            no index, labels of another number, a length below 3 or above that of these texts
        """
        where = np.asarray(indices, np.int64)
        longest = self.max_length if max_length is None else max_length
        if not len(where) or not 3 <= longest <= self.max_length:
            raise ValueError(
                f"{len(where)} texts of {longest} tokens: at least one text, 3 to {self.max_length} tokens"
            )
        new = object.__new__(EncodedTexts)
        new.max_length, new.keep, new._pad, new.num_truncated, new.notes = longest, self.keep, self._pad, 0, []
        ends = self._starts + self.lengths
        pieces = [_cut(self._tokens[self._starts[i] : ends[i]], longest, self.keep) for i in where]
        new._keep(pieces, self.labels[where] if labels is None else labels)
        return new

    def _keep(self, pieces: list[np.ndarray], labels: np.ndarray | Sequence[int] | None) -> None:
        self.lengths = np.array([len(piece) for piece in pieces], np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._tokens = np.concatenate(pieces)
        self.labels = np.zeros(len(pieces), np.int64) if labels is None else np.asarray(labels, np.int64)
        if self.labels.shape != self.lengths.shape:
            raise ValueError(f"{len(pieces)} texts, but labels of shape {self.labels.shape}")

    def padded(self, indices: np.ndarray | Sequence[int], length: int | None = None) -> dict[str, np.ndarray]:
        """Give texts as a rectangle.

        Parameters
        ----------
        indices
            int [b]
        length
            its width; None takes the longest of these texts

        Returns
        -------
        `input_ids` and `attention_mask`, int32 [b, length]

        Raises
        ------
        ValueError
            if a text is longer
        """
        indices = np.asarray(indices, np.int64)
        lengths = self.lengths[indices]
        longest = int(lengths.max()) if len(lengths) else 0
        width = longest if length is None else length
        if longest > width:
            raise ValueError(f"a text of {longest} tokens does not go into {width}")
        mask = np.arange(width) < lengths[:, None]
        ids = np.full(mask.shape, self._pad, np.int32)
        where = self._starts[indices][:, None] + np.arange(width)
        ids[mask] = self._tokens[where[mask]]
        return {"input_ids": ids, "attention_mask": mask.astype(np.int32)}

    def load(self, indices: tf.Tensor) -> dict[str, tf.Tensor]:
        """Give texts from inside a `tf.data` pipeline, all padded to the longest of the data set.

        Parameters
        ----------
        indices
            int64 [b] tensor

        Returns
        -------
        `input_ids` and `attention_mask`, int32 [b, length]
        """
        width = rounded_length(int(self.lengths.max()), self.max_length)

        def read(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            batch = self.padded(chosen, width)
            return batch["input_ids"], batch["attention_mask"]

        return token_tensors(read, indices, width)


def token_tensors(
    read: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], indices: tf.Tensor, width: int
) -> dict[str, tf.Tensor]:
    """Call `read`, which gives token numbers and mask, int32 [b, width] each, from inside a `tf.data` pipeline."""
    ids, mask = tf.numpy_function(read, [indices], (tf.int32, tf.int32), stateful=False)
    shape = [indices.shape[0], width]
    return {"input_ids": tf.ensure_shape(ids, shape), "attention_mask": tf.ensure_shape(mask, shape)}


def rounded_length(length: int, max_length: int) -> int:
    """Round a length up to one of a few: 8, 12, 16, 24, 32, 48, …, but not beyond the model's."""
    width = next(int(step * 2**power) for power in range(3, 63) for step in _STEPS if step * 2**power >= length)
    return max(length, min(width, max_length))


def length_sorted_batches(
    texts: EncodedTexts, tokens_per_batch: int = 8192, max_batch_size: int = 256
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Give all texts once, the longest first, in batches of about the same number of tokens.

    The longest come first so that memory runs out at once or never.

    Parameters
    ----------
    texts
        see there
    tokens_per_batch
        padding included; a batch has one text at least
    max_batch_size
        texts per batch at most

    Yields
    ------
    indices : int64 [b], into the texts
    inputs : `input_ids` and `attention_mask`, int32 [b, one of the lengths of `rounded_length`]
    """
    for indices, width in _batches(texts, np.arange(len(texts)), tokens_per_batch, max_batch_size):
        yield indices, texts.padded(indices, width)


def training_batches(texts: EncodedTexts, batch_size: int, seed: int = 0, pool: int = 50) -> tf.data.Dataset:
    """Make one pass per iteration of shuffled batches of texts of similar length.

    All texts are shuffled, cut into pools of `pool` batches, sorted by length within a pool, and the batches
    shuffled; each iteration does so anew.

    Parameters
    ----------
    texts
        with labels
    batch_size
        texts per batch; the last may have fewer
    seed
        the same seed gives the same passes
    pool
        larger pools pad less and mix less

    Returns
    -------
    tf.data.Dataset of (`input_ids` and `attention_mask` int32 [b, length], labels int64 [b])
    """
    if batch_size < 1 or pool < 1:
        raise ValueError(f"batch_size={batch_size}, pool={pool}: at least 1 each")
    random = np.random.default_rng(seed)

    def batches() -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        """Yield one pass, in an order of its own."""
        order = random.permutation(len(texts))
        for first in range(0, len(order), batch_size * pool):
            part = order[first : first + batch_size * pool]
            part = part[np.argsort(texts.lengths[part], kind="stable")]
            cuts = np.arange(0, len(part), batch_size)
            for cut in random.permutation(cuts):
                indices = part[cut : cut + batch_size]
                width = rounded_length(int(texts.lengths[indices].max()), texts.max_length)
                yield texts.padded(indices, width), texts.labels[indices]

    ids = tf.TensorSpec((None, None), tf.int32)
    signature = ({"input_ids": ids, "attention_mask": ids}, tf.TensorSpec((None,), tf.int64))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    full, rest = divmod(len(texts), batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(full + (rest > 0))).prefetch(2)


def _batches(
    texts: EncodedTexts, indices: np.ndarray, tokens_per_batch: int, max_batch_size: int
) -> Iterator[tuple[np.ndarray, int]]:
    if tokens_per_batch < 1 or max_batch_size < 1:
        raise ValueError(f"tokens_per_batch={tokens_per_batch}, max_batch_size={max_batch_size}: at least 1 each")
    order = indices[np.argsort(-texts.lengths[indices], kind="stable")]
    widths = np.array([rounded_length(int(length), texts.max_length) for length in texts.lengths[order]])
    for width in np.unique(widths)[::-1].tolist():
        same = order[widths == width]
        size = max(1, min(max_batch_size, tokens_per_batch // width))
        for first in range(0, len(same), size):
            yield same[first : first + size], width


def _cut(ids: np.ndarray, max_length: int, keep: Keep) -> np.ndarray:
    """Shorten, keeping the special token at each end."""
    if len(ids) <= max_length:
        return ids
    tail = 1 if keep == "head" else max(1, max_length - max_length // 4)
    return np.concatenate([ids[: max_length - tail], ids[len(ids) - tail :]])
