from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from auxtask.data.cooccurrence import cooccurrence_vectors
from auxtask.data.corpora import Corpus
from auxtask.data.drawn_texts import draw_pool
from auxtask.data.masking import Masking, _shuffled, held_out_batches, masked_batches, num_sequences
from auxtask.data.text_spans import DocumentSpans
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.data.unigram import unigram_baseline

ROWS, LENGTH = 8, 32


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    # A small vocabulary cuts many words into pieces.
    return TextTokenizer.train(draw_pool(300, seed=0), vocab_size=300)


@pytest.fixture(scope="module")
def cache(tmp_path_factory, tokenizer: TextTokenizer) -> TokenCache:
    return TokenCache.write(tmp_path_factory.mktemp("cache") / "train", draw_pool(300, seed=1), tokenizer)


def taken(batches, number: int) -> list:
    return [(({k: v.numpy() for k, v in x.items()}), y.numpy(), w.numpy()) for x, y, w in batches.take(number)]


def originals(inputs: dict, targets: np.ndarray) -> np.ndarray:
    ids = inputs["input_ids"].ravel().copy()
    ids[inputs["masked_positions"]] = targets
    return ids.reshape(inputs["input_ids"].shape)


@pytest.mark.parametrize("whole_words", [False, True])
def test_shapes_are_static_and_targets_are_what_stood_there(cache, tokenizer, whole_words: bool) -> None:
    masking = Masking(whole_words=whole_words)
    batches = masked_batches(cache, tokenizer, ROWS, LENGTH, masking)
    number = masking.num_masked(ROWS, LENGTH)
    assert number == round(0.15 * ROWS * (LENGTH - 2))
    spec, target, weight = batches.element_spec
    assert spec["input_ids"].shape == spec["attention_mask"].shape == (ROWS, LENGTH)
    assert spec["masked_positions"].shape == target.shape == weight.shape == (number,)
    stream = cache.read(0, cache.num_tokens)
    windows = {row.tobytes() for row in np.lib.stride_tricks.sliding_window_view(stream, LENGTH - 2)}
    for inputs, targets, weights in taken(batches, 5):
        ids = originals(inputs, targets)
        assert (ids[:, 0] == tokenizer.cls_id).all() and (ids[:, -1] == tokenizer.sep_id).all()
        assert all(np.ascontiguousarray(row[1:-1]).tobytes() in windows for row in ids)
        assert (np.diff(inputs["masked_positions"]) > 0).all() and (inputs["attention_mask"] == 1).all()
        assert not np.isin(targets[weights == 1], tokenizer.special_ids).any()
        unweighted = inputs["masked_positions"][weights == 0]
        assert (inputs["input_ids"].ravel()[unweighted] == targets[weights == 0]).all()


def test_four_fifths_become_the_mask_and_a_tenth_another_word(cache, tokenizer) -> None:
    kinds: Counter = Counter()
    for inputs, targets, weights in taken(masked_batches(cache, tokenizer, 64, 64), 10):
        assert (weights == 1).all()
        shown = inputs["input_ids"].ravel()[inputs["masked_positions"]]
        kinds["mask"] += int((shown == tokenizer.mask_id).sum())
        kinds["same"] += int((shown == targets).sum())
        kinds["other"] += int(((shown != targets) & (shown != tokenizer.mask_id)).sum())
        assert not np.isin(shown[shown != tokenizer.mask_id], tokenizer.special_ids).any()
    total = sum(kinds.values())  # 5,950: standard deviations of 0.5 and 0.4 points
    assert kinds["mask"] / total == pytest.approx(0.8, abs=0.02)
    assert kinds["same"] / total == pytest.approx(0.1, abs=0.02)
    assert kinds["other"] / total == pytest.approx(0.1, abs=0.02)


def test_every_place_of_a_sequence_is_masked_as_often(cache, tokenizer) -> None:
    counts = np.zeros(LENGTH)
    for inputs, _, _ in taken(masked_batches(cache, tokenizer, 64, LENGTH), 20):
        counts += np.bincount(inputs["masked_positions"] % LENGTH, minlength=LENGTH)
    assert counts[[0, -1]].tolist() == [0, 0]
    expected = counts[1:-1].mean()
    # Separators within sequences are not masked: the count of a place differs a little with them.
    assert np.abs(counts[1:-1] - expected).max() < 6 * np.sqrt(expected)


def test_whole_words_are_hidden_whole_or_not_at_all(cache, tokenizer) -> None:
    pieces = 0
    for inputs, targets, weights in taken(masked_batches(cache, tokenizer, ROWS, LENGTH, Masking(0.3, True)), 20):
        ids = originals(inputs, targets).ravel()
        hidden = np.zeros(len(ids), bool)
        hidden[inputs["masked_positions"][weights == 1]] = True
        for place in np.flatnonzero(tokenizer.continues_word[ids]):
            # The first piece of a row may go on with a word of the piece before: it stands alone here.
            if not np.isin(ids[place - 1], tokenizer.special_ids):
                assert hidden[place] == hidden[place - 1]
                pieces += hidden[place]
        assert (weights == 0).sum() < 12, "at most one word, the last, no longer fits"
    assert pieces > 100


def test_a_seed_gives_the_same_batches_and_another_one_others(cache, tokenizer) -> None:
    first, again, other = (taken(masked_batches(cache, tokenizer, ROWS, LENGTH, seed=s), 3) for s in (0, 0, 1))
    for (a, _, _), (b, _, _), (c, _, _) in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a["input_ids"], b["input_ids"])
        assert (a["input_ids"] != c["input_ids"]).any()


def test_the_next_pass_cuts_the_texts_elsewhere(cache, tokenizer) -> None:
    number = cache.num_tokens // (ROWS * (LENGTH - 2))
    rows = [row.tobytes() for inputs, targets, _ in taken(masked_batches(cache, tokenizer, ROWS, LENGTH), 2 * number)
            for row in originals(inputs, targets)]  # fmt: skip
    first, second = set(rows[: number * ROWS]), set(rows[number * ROWS :])
    assert len(first & second) < len(first) / 4


def test_a_pass_meets_nearly_every_token(cache, tokenizer) -> None:
    number = cache.num_tokens // (ROWS * (LENGTH - 2))
    seen = np.concatenate([originals(x, y)[:, 1:-1].ravel() for x, y, _ in
                           taken(masked_batches(cache, tokenizer, ROWS, LENGTH), number)])  # fmt: skip
    stream = cache.read(0, cache.num_tokens)
    missing = Counter(stream.tolist()) - Counter(seen.tolist())
    assert sum(missing.values()) < (ROWS + 2) * LENGTH


def test_held_out_batches_are_the_same_each_time_and_end(cache, tokenizer) -> None:
    batches = held_out_batches(cache, tokenizer, ROWS, LENGTH)
    rows = cache.num_tokens // (LENGTH - 2)
    assert len(batches) == rows // ROWS
    one, two = taken(batches, -1), taken(batches, -1)
    assert len(one) == len(batches)
    for (a, b, c), (d, e, f) in zip(one, two, strict=True):
        assert (a["input_ids"] == d["input_ids"]).all() and (b == e).all() and (c == f).all()
    stream = np.concatenate([originals(x, y)[:, 1:-1].ravel() for x, y, _ in one])
    assert stream.tolist() == cache.read(0, len(stream)).tolist()
    assert len(held_out_batches(cache, tokenizer, ROWS, LENGTH, max_batches=3)) == 3
    assert len(held_out_batches(cache, tokenizer, 10**6, LENGTH)) == 1


def test_the_unigram_loss_is_the_cross_entropy_of_shares(tmp_path: Path, cache, tokenizer) -> None:
    held_out = TokenCache.write(tmp_path / "held", draw_pool(20, seed=9), tokenizer)
    train_ids, held_ids = ([i for i in c.read(0, c.num_tokens).tolist() if i > 4] for c in (cache, held_out))
    counts = Counter(train_ids)
    total = len(train_ids) + len(tokenizer.ordinary_ids)
    losses = [-np.log((counts[i] + 1) / total) for i in held_ids]
    baseline = unigram_baseline(cache, held_out, tokenizer)
    assert baseline.loss == pytest.approx(np.mean(losses))
    commonest = counts.most_common(1)[0][0]
    assert baseline.accuracy == pytest.approx(held_ids.count(commonest) / len(held_ids))
    unknown = TokenCache.write(tmp_path / "unknown", Corpus.of(["\u4e00 \u4e01"]), tokenizer)
    with pytest.raises(ValueError, match="holds no token that may be masked"):
        unigram_baseline(cache, unknown, tokenizer)


def test_one_sentence_is_too_little_and_settings_are_checked(tmp_path: Path, cache, tokenizer) -> None:
    sentence = TokenCache.write(tmp_path / "one", Corpus.of(["The hotel was great."]), tokenizer)
    for make in (masked_batches, held_out_batches):
        with pytest.raises(ValueError, match=r"tokens in 1 texts: too few for one sequence of 128"):
            make(sentence, tokenizer)
    with pytest.raises(ValueError, match="share=1"):
        Masking(1)
    with pytest.raises(ValueError, match="length=4"):
        masked_batches(cache, tokenizer, length=4)


def test_tokens_of_another_tokenizer_are_refused(cache) -> None:
    other = TextTokenizer.train(Corpus.of(["other words make another vocabulary"] * 3), vocab_size=100)
    said = "turned into tokens by another tokenizer"
    with pytest.raises(ValueError, match=said):
        masked_batches(cache, other, 4, 16)
    with pytest.raises(ValueError, match=said):
        held_out_batches(cache, other, 4, 16)
    with pytest.raises(ValueError, match=said):
        unigram_baseline(cache, cache, other)
    with pytest.raises(ValueError, match=said):
        cooccurrence_vectors(cache, other, 8)
    with pytest.raises(ValueError, match=said):
        DocumentSpans(cache, other)


def test_a_corpus_of_hardly_one_sequence_still_works(tmp_path: Path, tokenizer) -> None:
    small = TokenCache.write(tmp_path / "small", Corpus.of(["the hotel was great " * 3]), tokenizer)
    length = small.num_tokens + 1
    (batch,) = taken(masked_batches(small, tokenizer, 2, length), 1)
    assert batch[0]["input_ids"].shape == (2, length)


def test_sequences_can_begin_where_texts_begin(cache, tokenizer) -> None:
    length = 10
    inputs, targets, _ = next(iter(masked_batches(cache, tokenizer, 16, length, Masking(at_texts=True), seed=1)))
    ids = inputs["input_ids"].numpy()
    where = np.unravel_index(inputs["masked_positions"].numpy(), ids.shape)
    ids[where] = targets.numpy()
    starts = [cache.read(int(start), int(count)) for start, count in zip(cache.starts, cache.lengths, strict=False)]
    allowed = {tuple(text[i : i + 3]) for text in starts for i in range(0, len(text), length - 2)}
    begun = [tuple(row[1:4]) for row in ids]
    assert np.mean([begin in allowed for begin in begun]) > 0.9  # the last ones begin a little before a text


def test_held_out_sequences_begin_at_texts_too(cache, tokenizer) -> None:
    texts = [cache.read(int(start), int(count)) for start, count in zip(cache.starts, cache.lengths, strict=False)]
    allowed = {tuple(text[i : i + 3]) for text in texts for i in range(0, len(text), 8)}
    shares = []
    for at_texts in (False, True):
        begun = []
        for inputs, targets, _ in held_out_batches(cache, tokenizer, 4, 10, Masking(at_texts=at_texts)):
            ids = inputs["input_ids"].numpy()
            ids[np.unravel_index(inputs["masked_positions"].numpy(), ids.shape)] = targets.numpy()
            begun += [tuple(row[1:4]) for row in ids]
        shares.append(np.mean([begin in allowed for begin in begun]))
    assert shares[1] > 0.9 > shares[0]


@pytest.mark.parametrize("at_texts", [False, True])
def test_a_pass_has_as_many_sequences_as_are_counted(cache, tokenizer, at_texts: bool) -> None:
    masking = Masking(at_texts=at_texts)
    once = held_out_batches(cache, tokenizer, 1, 12, masking)
    assert num_sequences(cache, 12, masking) == len(list(once))


def test_a_pass_over_a_large_corpus_begins_all_over_it() -> None:
    rows = list(_shuffled(1000, np.random.default_rng(0), group=100))
    assert sorted(rows) == list(range(1000)) and rows != sorted(rows)
    assert np.bincount(np.array(rows[:100]) // 100).tolist() == [10] * 10
    assert list(islice(_shuffled(5, np.random.default_rng(0), group=10), 9)) != list(range(5))
