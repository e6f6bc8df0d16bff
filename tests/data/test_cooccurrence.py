"""Word vectors counted from which tokens stand together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auxtask.data.cooccurrence import _mutual_information, _windows, cooccurrence_vectors
from auxtask.data.corpora import Corpus
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer

FRUIT, TOOLS = ("apple", "pear", "plum", "quince"), ("hammer", "saw", "drill", "file")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    random = np.random.default_rng(0)
    groups = [FRUIT, TOOLS]
    return Corpus.of([f"the {' and '.join(random.choice(groups[i % 2], 3, replace=False))}" for i in range(400)])


@pytest.fixture(scope="module")
def tokenizer(corpus: Corpus) -> TextTokenizer:
    return TextTokenizer.train(corpus, vocab_size=120)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus, tokenizer: TextTokenizer) -> TokenCache:
    return TokenCache.write(tmp_path_factory.mktemp("tokens") / "all", corpus, tokenizer)


def vectors_of(vectors: np.ndarray, tokenizer: TextTokenizer, words: tuple[str, ...]) -> np.ndarray:
    return np.array([vectors[tokenizer.encode([word])[0][1]] for word in words])


def test_words_in_the_same_company_are_nearer_than_others(cache, tokenizer) -> None:
    vectors = cooccurrence_vectors(cache, tokenizer, 8)
    fruit, tools = (vectors_of(vectors, tokenizer, words) for words in (FRUIT, TOOLS))
    assert vectors.shape == (tokenizer.vocab_size, 8) and vectors.dtype == np.float32
    assert (fruit @ fruit.T).min() > (fruit @ tools.T).max()


def test_rows_have_length_one_or_are_zero_for_tokens_without_company(cache, tokenizer) -> None:
    vectors = cooccurrence_vectors(cache, tokenizer, 6)
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))
    assert not vectors[tokenizer.special_ids].any()


def test_information_is_that_of_the_formula_between_its_bounds() -> None:
    import scipy.sparse as sp

    met = np.array([[0, 6, 2], [6, 0, 0], [2, 0, 0]], np.float32)
    of_each, smooth = met.sum(1), met.sum(1) ** 0.75
    found = _mutual_information(sp.csr_matrix(met))
    assert found[0, 1] == pytest.approx(np.log((6 / of_each[0]) / (smooth[1] / smooth.sum())), abs=1e-6)
    assert found[1, 2] == -2.0 and found[0, 0] == 0.0


def test_the_same_seed_gives_the_same_vectors_and_large_corpora_are_sampled(cache, tokenizer) -> None:
    first, second = (cooccurrence_vectors(cache, tokenizer, 4, max_tokens=900, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    read = sum(len(tokens) for _, tokens in _windows(cache, 48, 900))
    assert 450 < read <= 1000 < cache.num_tokens
    assert (first != cooccurrence_vectors(cache, tokenizer, 4, seed=1)).any()
    few = cooccurrence_vectors(cache, tokenizer, 4, max_words=5)
    assert np.count_nonzero(few.any(axis=1)) <= 5


def test_settings_out_of_range_and_text_without_pairs_are_refused(tmp_path: Path, cache, tokenizer) -> None:
    for setting in ({"size": 0}, {"window": 1}, {"max_tokens": 0}):
        with pytest.raises(ValueError, match=next(iter(setting))):
            cooccurrence_vectors(cache, tokenizer, **{"size": 4, **setting})
    single = TokenCache.write(tmp_path / "single", Corpus.of(["apple", "pear"]), tokenizer)
    assert int(single.lengths.max()) == 1
    with pytest.raises(ValueError, match="stand together"):
        cooccurrence_vectors(single, tokenizer, 4)
