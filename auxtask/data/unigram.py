"""The loss of guessing masked words by frequency alone, without context."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer


@dataclass(frozen=True)
class UnigramBaseline:
    """What guessing by frequency alone reaches: a model that learned anything must beat it.

    Attributes
    ----------
    loss : float
        Mean of -log(share of the token in training), in nats, over the held-out tokens that may be masked.
    accuracy : float
        Share of them that are the commonest token of training.
    """

    loss: float
    accuracy: float


def unigram_baseline(train: TokenCache, held_out: TokenCache, tokenizer: TextTokenizer) -> UnigramBaseline:
    """Measure the guess without context; each token of the vocabulary counts as seen once more than it was."""
    for cache in (train, held_out):
        cache.check(tokenizer)
    ordinary = tokenizer.ordinary_ids
    seen, met = (_counts(cache, tokenizer.vocab_size)[ordinary] for cache in (train, held_out))
    if not met.sum():
        raise ValueError(f"{held_out}: holds no token that may be masked")
    log_share = np.log(seen + 1) - np.log((seen + 1).sum())
    return UnigramBaseline(float(-(met * log_share).sum() / met.sum()), float(met[seen.argmax()] / met.sum()))


def _counts(cache: TokenCache, vocab_size: int) -> np.ndarray:
    counts = np.zeros(vocab_size, np.int64)
    for block in cache.blocks():
        counts += np.bincount(block, minlength=vocab_size)
    return counts
