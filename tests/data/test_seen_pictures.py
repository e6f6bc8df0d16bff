"""Pictures are known again by their pixels, and others are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auxtask.data import seen_pictures
from auxtask.data.seen_pictures import seen_record, were_seen


@given(st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_just_those_that_were_seen_are_known_again(num: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (12, 5, 4, 3), np.uint8)
    shown = random.permutation(12)[:num]
    record = seen_record(images[shown])
    assert record is not None
    np.testing.assert_array_equal(were_seen(record, images), np.isin(np.arange(12), shown))
    assert record == seen_record(images[shown[::-1]]) and record.isascii()
    assert not were_seen(record, images ^ 1).any()


def test_a_damaged_record_is_refused() -> None:
    images = np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4, 1)
    record = seen_record(images)
    assert record is not None
    for damaged in ("no record", "!" + record, record[:-1], record[:-4], "ä" + record):
        with pytest.raises(ValueError, match="record of pictures that were seen is damaged"):
            were_seen(damaged, images)


def test_of_too_many_there_is_no_record(monkeypatch) -> None:
    images = np.zeros((3, 4, 4, 1), np.uint8)
    monkeypatch.setattr(seen_pictures, "_MOST", 2)
    assert seen_record(images) is None and seen_record(images[:2])
