import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from auxtask.data import token_cache
from auxtask.data import tokenizer as token_parts
from auxtask.data.corpora import Corpus
from auxtask.data.drawn_texts import draw_pool
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer

TEXTS = ["the hotel was great", "", "a room", "the hotel was a great great hotel"]


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return TextTokenizer.train(draw_pool(200, seed=0), vocab_size=600)


def test_texts_stand_one_after_the_other_each_with_its_separator(tmp_path: Path, tokenizer: TextTokenizer) -> None:
    cache = TokenCache.write(tmp_path / "cache", Corpus.of(TEXTS), tokenizer)
    encoded = tokenizer.encode([text for text in TEXTS if text], frame=False)
    expected = np.concatenate([np.append(ids, tokenizer.sep_id) for ids in encoded])
    assert (cache.num_texts, cache.num_tokens, cache.num_empty) == (3, len(expected), 1)
    assert cache.read(0, 10**6).tolist() == expected.tolist()
    assert np.concatenate(list(cache.blocks())).tolist() == expected.tolist()
    assert cache.lengths.tolist() == [len(ids) for ids in encoded]
    for start, ids in zip(cache.starts, encoded, strict=False):
        assert cache.read(start, len(ids)).tolist() == ids.tolist()
    assert cache.read_rows(np.array([2, 0]), 3).tolist() == [expected[2:5].tolist(), expected[:3].tolist()]
    with pytest.raises(ValueError, match="pieces of 3 tokens"):
        cache.read_rows(np.array([cache.num_tokens - 2]), 3)


def test_numpy_maps_the_file_as_it_is(tmp_path: Path, tokenizer: TextTokenizer) -> None:
    cache = TokenCache.write(tmp_path / "cache", Corpus.of(TEXTS), tokenizer)
    assert cache.dtype == np.uint16
    mapped = np.memmap(cache.folder / "tokens.bin", cache.dtype, "r")
    assert mapped.tolist() == cache.read(0, cache.num_tokens).tolist()


def test_it_is_written_again_only_for_other_texts_or_another_tokenizer(
    tmp_path: Path, tokenizer: TextTokenizer
) -> None:
    file = tmp_path / "cache" / "tokens.bin"

    def is_written(texts: list[str], by: TextTokenizer) -> bool:
        if file.exists():
            os.utime(file, ns=(0, 0))
        TokenCache.write(tmp_path / "cache", Corpus.of(texts), by)
        return file.stat().st_mtime_ns > 0

    assert is_written(TEXTS, tokenizer)
    assert not is_written(TEXTS, tokenizer)
    assert is_written(TEXTS[2:], tokenizer) and TokenCache(tmp_path / "cache").num_texts == 2
    assert is_written(TEXTS[2:], TextTokenizer.train(TEXTS, vocab_size=100))
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]


def test_a_failed_writing_leaves_nothing(tmp_path: Path, tokenizer: TextTokenizer) -> None:
    def broken():
        yield from TEXTS
        raise RuntimeError("disk pulled out")

    with pytest.raises(RuntimeError, match="pulled out"):
        TokenCache.write(tmp_path / "cache", Corpus("broken", broken, lambda: b""), tokenizer)
    with pytest.raises(ValueError, match="nothing here: the corpus is empty"):
        TokenCache.write(tmp_path / "cache", Corpus.of([" "], "nothing here"), tokenizer)
    assert not list(tmp_path.iterdir())


def test_damaged_caches_are_named_or_written_anew(tmp_path: Path, tokenizer: TextTokenizer) -> None:
    corpus, place = Corpus.of(TEXTS), tmp_path / "cache"
    whole = TokenCache.write(place, corpus, tokenizer).read(0, 100).tolist()
    with (place / "tokens.bin").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match="tokens.bin: missing or not"):
        TokenCache(place)
    assert TokenCache.write(place, corpus, tokenizer).read(0, 100).tolist() == whole
    (place / "about.json").write_text("{")
    with pytest.raises(ValueError, match="about.json: damaged"):
        TokenCache(place)
    assert TokenCache.write(place, corpus, tokenizer).read(0, 100).tolist() == whole
    with pytest.raises(FileNotFoundError, match="no token cache here"):
        TokenCache(tmp_path)


def test_a_larger_corpus_takes_no_more_memory(tmp_path: Path, tokenizer: TextTokenizer, monkeypatch) -> None:
    monkeypatch.setattr(token_parts, "_CHARACTERS_AT_ONCE", 50_000)
    monkeypatch.setattr(token_cache, "_TOKENS_AT_ONCE", 10_000)

    def peak(num_texts: int) -> int:
        corpus = Corpus("many", lambda: ("the hotel was great " * 100 for _ in range(num_texts)), lambda: b"")
        tracemalloc.start()
        cache = TokenCache.write(tmp_path / str(num_texts), corpus, tokenizer)
        for block in cache.blocks():
            block.sum()
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(10)
    assert peak(1000) < 1.1 * peak(100)
