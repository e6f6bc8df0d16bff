import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxtask.data.splits import fixed_test_half, has_both_pairs

counts_of_people = st.lists(st.integers(4, 12), min_size=1, max_size=8)


@settings(max_examples=40)
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


@given(st.integers(0, 100), st.lists(st.integers(4, 12), min_size=1, max_size=4))
def test_what_a_smaller_fraction_tests_a_larger_one_tests_too(seed: int, counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    (_, small), (_, large) = (fixed_test_half(labels, seed, fraction) for fraction in (0.25, 0.5))
    assert set(small) <= set(large)


@pytest.mark.parametrize(
    ("labels", "both"),
    [([0, 0, 1], True), ([0, 1, 2], False), ([3, 3, 3], False), ([4], False), ([], False), (["a", "b", "b"], True)],
)
def test_pairs_of_both_kinds_need_two_labels_and_one_twice(labels: list, both: bool) -> None:
    assert has_both_pairs(np.array(labels)) is both
