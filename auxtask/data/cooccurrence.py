"""Word vectors from which words stand together: counted, not trained."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer

# Contexts are smoothed as the sources say: rare words would else be everybody's best partners.
_SMOOTHING = 0.75
# That two words avoid each other tells as much as that they meet (the sources set all below 0 to 0).
_LEAST, _MOST = -2.0, 3.0


def cooccurrence_vectors(
    texts: TokenCache,
    tokenizer: TextTokenizer,
    size: int,
    window: int = 48,
    max_tokens: int = 5_000_000,
    max_words: int = 8000,
    seed: int = 0,
) -> np.ndarray:
    """Give each token a vector such that tokens that stand in the same company have near ones.

    The pointwise mutual information of two tokens within a window, factorised. Sources: Levy and Goldberg,
    "Neural Word Embedding as Implicit Matrix Factorization" (2014); Levy, Goldberg and Dagan, "Improving Distributional
    Similarity" (2015).

    Parameters
    ----------
    texts
        free text; nothing is learned from labels
    tokenizer
        that of the cache
    size
        of the vectors
    window
        texts are cut into pieces of so many tokens; two tokens meet if they stand in one piece, however often
    max_tokens
        of a larger corpus, texts from all over it up to about so many tokens are counted
    max_words
        of a larger vocabulary, the commonest so many get vectors (there are as many numbers as pairs of them)
    seed
        of the factorisation

    Returns
    -------
    float32 [vocab_size, size]
        Length 1; 0 for special tokens and those that met nobody or are too rare. Where there are fewer dimensions than
        `size`, the columns beyond them are 0.

    Raises
    ------
    ValueError
        if a number is out of range, the tokenizer is another one, or no two tokens meet
    """
    for name, value, least in (("size", size, 1), ("window", window, 2), ("max_tokens", max_tokens, 1)):
        if value < least:
            raise ValueError(f"{name}={value}: must be at least {least}")
    texts.check(tokenizer)
    met = _meetings(texts, tokenizer, window, max_tokens)
    often = np.asarray(met.sum(axis=1)).ravel()
    words = np.sort(np.argsort(-often, kind="stable")[:max_words])
    words = words[often[words] > 0]
    if not len(words):
        raise ValueError(f"{texts}: no two tokens stand together")
    from sklearn.utils.extmath import randomized_svd

    found = min(size, len(words) - 1)
    left, strengths, _ = randomized_svd(_mutual_information(met[words][:, words]), found, random_state=seed)
    vectors = np.zeros((tokenizer.vocab_size, size), np.float32)
    vectors[words, :found] = left * np.sqrt(strengths)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _meetings(texts: TokenCache, tokenizer: TextTokenizer, window: int, max_tokens: int) -> sp.csr_matrix:
    """Count in how many windows two tokens stand together: float32 [vocab, vocab], the diagonal 0."""
    ordinary = np.zeros(tokenizer.vocab_size, bool)
    ordinary[tokenizer.ordinary_ids] = True
    met = sp.csr_matrix((tokenizer.vocab_size,) * 2, dtype=np.float32)
    for windows, tokens in _windows(texts, window, max_tokens):
        kept = ordinary[tokens]
        shape = (int(windows[-1]) + 1, tokenizer.vocab_size)
        present = sp.csr_matrix((np.ones(kept.sum(), np.float32), (windows[kept], tokens[kept])), shape)
        present.data[:] = 1.0  # made of sums: a token that stands there twice is there once
        met = met + present.T @ present
    met.setdiag(0)
    met.eliminate_zeros()
    return met.tocsr()


def _windows(texts: TokenCache, window: int, max_tokens: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (number of the window, token) of texts from all over the corpus, some 10^6 tokens at a time."""
    every = max(1, -(-texts.num_tokens // max_tokens))
    starts, lengths = texts.starts[:-1][::every], texts.lengths[::every]
    block = 0
    while block < len(starts):
        last = block + max(1, int(np.searchsorted(np.cumsum(lengths[block:]), 1_000_000)))
        block_texts = zip(starts[block:last].tolist(), lengths[block:last].tolist(), strict=True)
        tokens = [texts.read(start, count) for start, count in block_texts]
        pieces = [np.arange(len(each)) // window for each in tokens]
        offsets = np.cumsum([0, *(int(piece[-1]) + 1 if len(piece) else 0 for piece in pieces)])
        if offsets[-1]:
            numbers = np.concatenate([piece + offset for piece, offset in zip(pieces, offsets[:-1], strict=True)])
            yield numbers, np.concatenate(tokens)
        block = last


def _mutual_information(met: sp.csr_matrix) -> np.ndarray:
    """Give log(P(a, b) / (P(a) P(b))) between bounds, the least for those that never meet: float32 [words, words]."""
    counts = met.toarray()
    of_each = np.maximum(counts.sum(axis=1, dtype=np.float64), 1e-9)
    context = of_each**_SMOOTHING / (of_each**_SMOOTHING).sum()
    with np.errstate(divide="ignore"):
        information = np.log(counts / of_each[:, None]) - np.log(context)[None]
    np.fill_diagonal(information, 0.0)  # of a word with itself nothing was counted
    return np.clip(information, _LEAST, _MOST).astype(np.float32)
