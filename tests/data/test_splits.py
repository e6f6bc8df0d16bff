import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxtask.data.splits import fixed_test_half, nested_draw

counts_of_people = st.lists(st.integers(4, 12), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(counts_of_people, st.integers(0, 9))
def test_larger_draws_contain_smaller_ones_and_are_balanced(counts: list[int], seed: int) -> None:
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    draws = {k: nested_draw(labels, k, seed) for k in (1, 3, 4)}
    for k, drawn in draws.items():
        assert np.bincount(labels[drawn]).tolist() == [k] * len(counts)
        assert len(set(drawn)) == len(drawn)
    assert set(draws[1]) < set(draws[3]) <= set(draws[4])


def test_the_seed_decides() -> None:
    labels = np.repeat(np.arange(10), 10)
    assert (nested_draw(labels, 3, 5) == nested_draw(labels, 3, 5)).all()
    assert (nested_draw(labels, 3, 5) != nested_draw(labels, 3, 6)).any()


def test_too_few_photos_name_the_people_and_what_they_have() -> None:
    with pytest.raises(ValueError, match="5 photos .* Bo has 2, Cy has 1"):
        nested_draw(np.repeat([0, 1, 2], [6, 2, 1]), 5, 0, names=("Ann", "Bo", "Cy"))


@settings(max_examples=40, deadline=None)
@given(counts_of_people, st.integers(0, 9))
def test_half_of_each_persons_photos_is_set_aside(counts: list[int], seed: int) -> None:
    labels = np.random.default_rng(2).permutation(np.repeat(np.arange(len(counts)), counts))
    pool, test = fixed_test_half(labels, seed)
    assert sorted([*pool, *test]) == list(range(len(labels)))
    assert np.bincount(labels[test]).tolist() == [count // 2 for count in counts]


def test_a_capped_pool_leaves_three_for_the_test_and_ten_to_learn_from() -> None:
    counts = [10, 12, 13, 19]
    labels = np.repeat(np.arange(4), counts)
    pool, test = fixed_test_half(labels, 0, max_pool=10)
    assert np.bincount(labels[pool]).tolist() == [7, 9, 10, 10]
    assert np.bincount(labels[test]).tolist() == [3, 3, 3, 9]


def test_nobody_is_left_without_a_photo_to_learn_from() -> None:
    with pytest.raises(ValueError, match="Bo has 1"):
        fixed_test_half(np.array([0, 0, 1]), 0, names=("Ann", "Bo"))
    with pytest.raises(ValueError, match="4 photos .* label 0 has 3"):
        fixed_test_half(np.array([0, 0, 0]), 0, max_pool=10)
    with pytest.raises(ValueError, match="fraction"):
        fixed_test_half(np.array([0, 0]), 0, fraction=1.0)
