"""Two spans of one text are a pair, other texts the negatives: documents for people, spans for photos."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from auxtask.data.text_batches import token_tensors
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import tf


class DocumentSpans:
    """Items for `identity_batches` and `SameIdentity`: two disjoint token spans per document.

    Item 2d and item 2d + 1 are spans of document d, wherever both are asked for together. A document too short for two
    spans gives one item; one too short even for that gives none.

    Parameters
    ----------
    cache : TokenCache
    tokenizer : TextTokenizer
        That of the cache.
    length : int
        Tokens per span, the special ones at both ends included; shorter texts are padded.
    min_tokens : int
        A span has at least so many, special ones not counted.
    redraw : bool
        Take other spans each time a document comes up (training); otherwise always the same (validation).
    max_documents : int, optional
        Take so many, evenly spread over the corpus: each costs some 100 bytes of memory.
    seed : int

    Attributes
    ----------
    labels : int64 [num_items]
        The document of each item, numbered from 0 on.
    num_short : int
        Documents too short for a span.
    num_pairs : int
        Documents long enough for two spans.
    vocab_size : int
        Of the tokenizer.

    Raises
    ------
    ValueError
        Fewer than two documents are long enough for two spans; the tokenizer is not that of the cache; a setting is out
        of range.
    """

    def __init__(
        self,
        cache: TokenCache,
        tokenizer: TextTokenizer,
        length: int = 64,
        min_tokens: int = 8,
        redraw: bool = True,
        max_documents: int | None = None,
        seed: int = 0,
    ) -> None:
        if min_tokens < 1 or length < min_tokens + 2:
            raise ValueError(f"length={length}, min_tokens={min_tokens}: a span holds min_tokens and 2 special tokens")
        self.length, self._content, self._least = length, length - 2, min_tokens
        cache.check(tokenizer)
        self._cache, self._redraw, self._seed = cache, redraw, seed
        self.vocab_size = tokenizer.vocab_size
        self._cls, self._sep, self._pad = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id
        lengths = cache.lengths
        long_enough = np.flatnonzero(lengths >= min_tokens)
        self.num_short = len(lengths) - len(long_enough)
        if max_documents is not None and max_documents < len(long_enough):
            long_enough = long_enough[np.linspace(0, len(long_enough) - 1, max_documents).round().astype(np.int64)]
        self._document = long_enough
        self._starts, self._sizes = np.asarray(cache.starts[long_enough]), lengths[long_enough]
        spans = np.where(self._sizes >= 2 * min_tokens, 2, 1)
        self.num_pairs = int((spans == 2).sum())
        if self.num_pairs < 2:
            raise ValueError(
                f"{self.num_pairs} of {cache.num_texts} texts have {2 * min_tokens} tokens, enough for two spans, and "
                "'same document or not?' needs several; hidden words (task=masked) can be guessed in short texts too"
            )
        self.labels = np.repeat(np.arange(len(spans)), spans)
        self._half = np.arange(len(self.labels)) - np.repeat(np.cumsum(spans) - spans, spans)

    def __len__(self) -> int:
        """Count the items."""
        return len(self.labels)

    @property
    def num_documents(self) -> int:
        """Count the documents that give at least one span."""
        return len(self._document)

    def load(self, indices: tf.Tensor) -> dict[str, tf.Tensor]:
        """Give spans from inside a `tf.data` pipeline.

        Parameters
        ----------
        indices
            int64 [b] tensor

        Returns
        -------
        `input_ids` and `attention_mask`, int32 [b, length]
        """
        return token_tensors(self._read, indices, self.length)

    def positions(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give where in the cache the spans of these items begin and end: int64 [b] each.

        With `redraw` they depend on which items are asked for together, and on nothing else: batches differ from pass
        to pass, yet the same batches give the same spans, in whatever order threads make them.
        """
        indices = np.asarray(indices, np.int64)
        documents = self.labels[indices]
        u, v = self._uniform(indices, documents)
        size = self._sizes[documents]
        spare = size - 2 * self._content
        # Long: two full spans with the spare tokens before, between and behind them, however they fall.
        room = np.maximum(spare, 0) + 1
        before, upto = (np.floor(x * room).astype(np.int64) for x in (np.minimum(u, v), np.maximum(u, v)))
        # Short: cut once; the spans reach from the cut to both sides.
        cut = self._least + np.floor(u * np.maximum(size - 2 * self._least + 1, 1)).astype(np.int64)
        long = spare >= 0
        first = self._half[indices] == 0
        left = np.where(long, before, np.maximum(cut - self._content, 0))
        right = np.where(long, upto + self._content, cut)
        start = np.where(first, left, right)
        end = np.where(first & ~long, cut, np.minimum(start + self._content, size))
        # A text with room for one span only.
        single = size < 2 * self._least
        end = np.where(single, np.minimum(size, self._content), end)
        start = np.where(single, 0, start)
        return self._starts[documents] + start, self._starts[documents] + end

    def fingerprint(self) -> str:
        """Give 32 hex digits that change with texts, tokenizer or settings."""
        settings = f"{self._cache.fingerprint()}\0{self.length}\0{self._least}\0{self.num_documents}\0{self._seed}"
        return hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()

    def _uniform(self, indices: np.ndarray, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw two numbers in [0, 1) per document of the batch, the same for both of its items."""
        key = indices.tobytes() if self._redraw else b""
        digest = hashlib.blake2b(key, digest_size=8, salt=(self._seed % 2**63).to_bytes(8, "little")).digest()
        mixed = _mix(documents.astype(np.uint64) ^ np.uint64(int.from_bytes(digest, "little")))
        u, v = (np.ldexp((_mix(mixed + np.uint64(k)) >> np.uint64(11)).astype(np.float64), -53) for k in (1, 2))
        return u, v

    def _read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        starts, ends = self.positions(indices)
        ids = np.full((len(starts), self.length), self._pad, np.int32)
        mask = np.zeros_like(ids)
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            size = end - start
            ids[row, 0] = self._cls
            ids[row, 1 : size + 1] = self._cache.read(start, size)
            ids[row, size + 1] = self._sep
            mask[row, : size + 2] = 1
        return ids, mask


def _mix(values: Any) -> np.ndarray:
    """Scramble 64-bit numbers: SplitMix64's finaliser (Steele et al. 2014); overflow is meant."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
