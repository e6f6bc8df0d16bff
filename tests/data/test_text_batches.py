import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auxtask.data.drawn_texts import draw_reviews
from auxtask.data.identity_batches import identity_batches
from auxtask.data.text_batches import EncodedTexts, length_sorted_batches, rounded_length, training_batches
from auxtask.data.tokenizer import TextTokenizer

TEXTS, LABELS = draw_reviews(200, seed=0)
TEXTS = [" ".join(text.split()[: 3 + 7 * i % 45]) for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return TextTokenizer.train(TEXTS, vocab_size=400)


@pytest.fixture(scope="module")
def encoded(tokenizer) -> EncodedTexts:
    return EncodedTexts(TEXTS, tokenizer, 64, LABELS)


def read_back(batch: dict, row: int) -> list[int]:
    ids, mask = (np.asarray(batch[name])[row] for name in ("input_ids", "attention_mask"))
    size = mask.sum()
    assert mask[:size].all() and (ids[size:] == 0).all()
    return ids[:size].tolist()


def test_texts_are_cut_at_the_greatest_length_and_it_is_said(encoded: EncodedTexts, tokenizer) -> None:
    whole = tokenizer.encode(TEXTS)
    cut = [i for i, ids in enumerate(whole) if len(ids) > 64]
    assert encoded.num_truncated == len(cut) > 0
    assert encoded.notes == [f"{len(cut)} of 200 texts are longer than 64 tokens: cut (their beginning is kept)"]
    assert EncodedTexts(TEXTS, tokenizer, 1000).notes == []
    batch = encoded.padded(range(200))
    for row, ids in enumerate(whole):
        expected = ids.tolist() if len(ids) <= 64 else [*ids[:63], tokenizer.sep_id]
        assert read_back(batch, row) == expected


def test_taken_texts_are_the_same_texts_with_their_labels_or_others_cut_if_asked(encoded: EncodedTexts) -> None:
    taken = encoded.take([6, 2, 6])
    assert [read_back(taken.padded([i]), 0) for i in range(3)] == [read_back(encoded.padded([i]), 0) for i in (6, 2, 6)]
    assert taken.labels.tolist() == LABELS[[6, 2, 6]].tolist() and taken.notes == [] and taken.max_length == 64
    short = encoded.take([6, 2], labels=[1, 0], max_length=12)
    first, whole = read_back(short.padded([0]), 0), read_back(encoded.padded([6]), 0)
    assert len(first) == 12 and first == [*whole[:11], whole[-1]]
    assert short.labels.tolist() == [1, 0] and short.lengths.max() <= short.max_length == 12
    for wrong in ({"indices": []}, {"indices": [0], "max_length": 2}, {"indices": [0], "max_length": 65}):
        with pytest.raises(ValueError, match="at least one text, 3 to 64 tokens"):
            encoded.take(**wrong)
    with pytest.raises(ValueError, match="1 texts, but labels"):
        encoded.take([0], labels=[0, 1])


def test_head_and_tail_of_a_long_text_may_be_kept(tokenizer) -> None:
    text = TEXTS[6] + " " + TEXTS[5]
    ids = tokenizer.encode([text])[0].tolist()
    encoded = EncodedTexts([text], tokenizer, 20, keep="head_tail")
    kept = read_back(encoded.padded([0]), 0)
    assert len(ids) > 20 and kept == ids[:5] + ids[-15:]
    assert "a quarter from the beginning" in encoded.notes[0]
    assert read_back(encoded.take([0], max_length=8).padded([0]), 0) == ids[:2] + ids[-6:]


def test_sorted_batches_hold_each_text_once_in_few_shapes(encoded: EncodedTexts) -> None:
    seen, shapes, filled, size = [], set(), 0, 0
    for indices, batch in length_sorted_batches(encoded, tokens_per_batch=512, max_batch_size=20):
        assert batch["input_ids"].shape == batch["attention_mask"].shape
        rows, width = batch["input_ids"].shape
        assert rows <= 20 and rows * width <= 512 and width == rounded_length(encoded.lengths[indices].max(), 64)
        assert not shapes or width <= min(shapes)
        for row, index in enumerate(indices):
            assert read_back(batch, row) == read_back(encoded.padded([index]), 0)
        seen += indices.tolist()
        shapes.add(width)
        filled, size = filled + batch["attention_mask"].sum(), size + batch["input_ids"].size
    assert sorted(seen) == list(range(200)) and len(shapes) <= 7
    assert filled / size > 0.8


@given(st.integers(1, 600), st.integers(3, 600))
def test_lengths_are_rounded_up_but_not_beyond_the_model(length: int, most: int) -> None:
    length = min(length, most)
    width = rounded_length(length, most)
    assert length <= width <= most
    assert width <= 8 or width <= 1.5 * length
    assert rounded_length(width, most) == width


def test_training_batches_are_one_shuffled_pass_each_time(encoded: EncodedTexts) -> None:
    batches = training_batches(encoded, batch_size=16, seed=3, pool=4)
    assert len(batches) == 13

    def one_pass(dataset) -> list[tuple[list[int], int]]:
        return [(read_back(x, row), int(label)) for x, y in dataset for row, label in enumerate(y)]

    expected = sorted((read_back(encoded.padded([i]), 0), int(LABELS[i])) for i in range(200))
    first, second = one_pass(batches), one_pass(batches)
    assert sorted(first) == sorted(second) == expected and first != second
    assert one_pass(training_batches(encoded, 16, seed=3, pool=4)) == first
    padded = sum(int(np.size(x["input_ids"])) for x, _ in batches)
    unsorted = sum(16 * rounded_length(encoded.lengths[i : i + 16].max(), 64) for i in range(0, 200, 16))
    assert padded < 0.85 * unsorted


def test_labelled_texts_are_identity_data_for_same_label_or_not(encoded: EncodedTexts) -> None:
    batches = identity_batches(encoded.labels, encoded.load, people=2, photos=8, singles=0)
    for items, labels in batches.take(2):
        assert items["input_ids"].shape == (16, 64) and np.bincount(labels).tolist() == [8, 8]
    by_content = {tuple(read_back(encoded.padded([i]), 0)): int(LABELS[i]) for i in range(200)}
    assert all(by_content[tuple(read_back(items, row))] == label for row, label in enumerate(labels.numpy()))


def test_senseless_arguments_are_refused(encoded: EncodedTexts, tokenizer) -> None:
    with pytest.raises(ValueError, match="list of at least one text"):
        EncodedTexts([], tokenizer)
    with pytest.raises(ValueError, match="list of at least one text"):
        EncodedTexts("a text", tokenizer)
    with pytest.raises(ValueError, match="keep='tail'"):
        EncodedTexts(["a"], tokenizer, keep="tail")
    with pytest.raises(ValueError, match="2 texts, but labels of shape"):
        EncodedTexts(["a", "b"], tokenizer, labels=[1])
    with pytest.raises(ValueError, match="does not go into 3"):
        encoded.padded([0, 1, 2], 3)
    with pytest.raises(ValueError, match="batch_size=0"):
        training_batches(encoded, 0)
    with pytest.raises(ValueError, match="tokens_per_batch=0"):
        next(length_sorted_batches(encoded, 0))
