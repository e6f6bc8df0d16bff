from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxtask.data.corpora import Corpus
from auxtask.data.identity_batches import identity_batches
from auxtask.data.text_spans import DocumentSpans
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer

WORDS = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(600)]


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return TextTokenizer.train([" ".join(WORDS)] * 3, vocab_size=3000)


@pytest.fixture(scope="module")
def cache(tmp_path_factory, tokenizer: TextTokenizer) -> TokenCache:
    """Documents of 1 to 120 words, each a token; word number and place tell where a span is from."""
    texts = [" ".join(WORDS[(7 * size + i) % 600] for i in range(size)) for size in range(1, 121)]
    cache = TokenCache.write(tmp_path_factory.mktemp("spans") / "cache", Corpus.of(texts), tokenizer)
    assert cache.lengths.tolist() == list(range(1, 121))
    return cache


def document_of(spans: DocumentSpans, cache: TokenCache, indices: np.ndarray) -> np.ndarray:
    return spans._document[spans.labels[indices]]


@settings(max_examples=60)
@given(length=st.integers(6, 70), least=st.integers(1, 20), seed=st.integers(-5, 2**40), redraw=st.booleans())
def test_spans_lie_in_their_document_are_long_enough_and_disjoint(
    cache, tokenizer, length, least, seed, redraw
) -> None:
    length = max(length, least + 2)
    spans = DocumentSpans(cache, tokenizer, length, least, redraw, seed=seed)
    indices = np.random.default_rng(abs(seed)).permutation(len(spans))
    starts, ends = spans.positions(indices)
    documents = document_of(spans, cache, indices)
    sizes = ends - starts
    assert (sizes >= least).all() and (sizes <= length - 2).all()
    assert (starts >= cache.starts[documents]).all() and (ends <= cache.starts[documents + 1] - 1).all()
    order = np.lexsort((starts, documents))
    same = documents[order][1:] == documents[order][:-1]
    assert (starts[order][1:] >= ends[order][:-1])[same].all()
    long = cache.lengths[documents] >= 2 * (length - 2)
    assert (sizes[long] == length - 2).all()


def test_documents_give_two_items_one_or_none(cache, tokenizer) -> None:
    spans = DocumentSpans(cache, tokenizer, length=32, min_tokens=10)
    assert spans.num_short == 9 and spans.num_documents == 111
    assert np.bincount(spans.labels).tolist() == [1] * 10 + [2] * 101
    few = DocumentSpans(cache, tokenizer, length=32, min_tokens=10, max_documents=20)
    assert few.num_documents == 20 and few._document[[0, -1]].tolist() == [9, 119]


def test_items_are_framed_and_padded(cache, tokenizer) -> None:
    spans = DocumentSpans(cache, tokenizer, length=32, min_tokens=10)
    indices = np.arange(len(spans))[::-1].copy()
    batch = {name: value.numpy() for name, value in spans.load(indices).items()}
    starts, ends = spans.positions(indices)
    for ids, mask, start, end in zip(batch["input_ids"], batch["attention_mask"], starts, ends, strict=True):
        size = end - start
        expected = [tokenizer.cls_id, *cache.read(start, size), tokenizer.sep_id]
        assert ids.tolist() == expected + [tokenizer.pad_id] * (30 - size)
        assert mask.tolist() == [1] * (size + 2) + [0] * (30 - size)


def test_spans_are_redrawn_for_training_and_fixed_for_validation(cache, tokenizer) -> None:
    training, fixed = (DocumentSpans(cache, tokenizer, 32, redraw=redraw) for redraw in (True, False))
    some, others = np.array([100, 150, 151, 200]), np.array([150, 151, 201])
    assert training.positions(some)[0].tolist() == training.positions(some)[0].tolist()
    assert training.positions(some)[0][1:3].tolist() != training.positions(others)[0][:2].tolist()
    assert fixed.positions(some)[0][1:3].tolist() == fixed.positions(others)[0][:2].tolist()
    assert (
        DocumentSpans(cache, tokenizer, 32, seed=1).positions(some)[0].tolist() != training.positions(some)[0].tolist()
    )


def test_starts_are_spread_over_the_whole_document(cache, tokenizer) -> None:
    spans = DocumentSpans(cache, tokenizer, length=22)
    item = len(spans) - 2
    drawn = np.array([spans.positions(np.array([item, item + 1, other]))[0][:2] for other in range(len(spans) - 2)])
    drawn -= cache.starts[-2]
    # Two starts in order, 80 tokens to spare: uniform order statistics have their means at 1/3 and 2/3 of it.
    assert drawn[:, 0].mean() == pytest.approx(80 / 3, abs=6) and drawn[:, 1].mean() == pytest.approx(
        20 + 160 / 3, abs=6
    )
    assert drawn.min() < 5 and drawn.max() > 95


def test_they_go_through_the_same_batches_as_photos_of_people(cache, tokenizer) -> None:
    spans = DocumentSpans(cache, tokenizer, length=32, min_tokens=10)
    batches = identity_batches(spans.labels, spans.load, people=8, photos=2, singles=3)
    assert batches.element_spec[0]["input_ids"].shape == (19, 32)
    first, again = ([b for b in batches.take(3)] for _ in range(2))
    for (items, labels), (same, _) in zip(first, again, strict=True):
        assert np.bincount(labels).max() == 2
        np.testing.assert_array_equal(items["input_ids"], same["input_ids"])


def test_texts_too_short_for_pairs_are_refused(tmp_path: Path, cache, tokenizer) -> None:
    short = TokenCache.write(tmp_path / "short", Corpus.of(["waa wab"] * 5), tokenizer)
    with pytest.raises(ValueError, match="0 of 5 texts have 16 tokens, enough for two spans"):
        DocumentSpans(short, tokenizer)
    alone = TokenCache.write(tmp_path / "alone", Corpus.of(["waa wab wac wad wae waf wag wah " * 4]), tokenizer)
    with pytest.raises(ValueError, match="1 of 1 texts have 16 tokens, enough for two spans"):
        DocumentSpans(alone, tokenizer)
    # One pair has no negatives: its loss is 0, whatever the network.
    texts = ["waa wab wac wad wae waf wag wah " * 4, *["waa wab wac wad wae waf wag wah wai"] * 9]
    with pytest.raises(ValueError, match="1 of 10 texts have 16 tokens"):
        DocumentSpans(TokenCache.write(tmp_path / "one", Corpus.of(texts), tokenizer), tokenizer)
    with pytest.raises(ValueError, match="length=8, min_tokens=8"):
        DocumentSpans(cache, tokenizer, length=8)


def test_the_fingerprint_sees_settings(cache, tokenizer) -> None:
    made = [DocumentSpans(cache, tokenizer, n, max_documents=m, seed=s) for n, m, s in
            ((32, None, 0), (33, None, 0), (32, 50, 0), (32, None, 1))]  # fmt: skip
    assert len({spans.fingerprint() for spans in made}) == 4
