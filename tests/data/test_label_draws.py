"""Draws of labels are nested in the budget, balanced over classes and the same for one seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auxtask.data.splits import draw_labels, draw_seed

SEEDS = st.integers(0, 2**31 - 1)


def pool_of(counts: list[int], seed: int) -> tuple[np.ndarray, list[str]]:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    return labels, [f"person {i}" for i in range(len(counts))]


@given(st.lists(st.integers(5, 9), min_size=2, max_size=5), SEEDS, st.booleans(), st.data())
def test_a_smaller_budget_is_contained_in_a_larger(
    counts: list[int], seed: int, per_class: bool, data: st.DataObject
) -> None:
    labels, names = pool_of(counts, seed)
    most = 5 if per_class else 5 * len(counts)
    small, large = sorted(data.draw(st.tuples(st.integers(1, most), st.integers(1, most))))
    few = draw_labels(labels, names, small, seed, per_class)
    many = draw_labels(labels, names, large, seed, per_class)
    np.testing.assert_array_equal(many[: len(few)], few)
    assert len(set(many)) == len(many)


@given(st.lists(st.integers(4, 9), min_size=2, max_size=5), SEEDS, st.integers(1, 4))
def test_a_budget_per_class_is_exact_and_is_the_total_of_whole_rounds(
    counts: list[int], seed: int, budget: int
) -> None:
    labels, names = pool_of(counts, seed)
    drawn = draw_labels(labels, names, budget, seed)
    assert np.bincount(labels[drawn]).tolist() == [budget] * len(counts)
    total = draw_labels(labels, names, budget * len(counts), seed, per_class=False)
    np.testing.assert_array_equal(total, drawn)


@given(st.lists(st.integers(4, 9), min_size=2, max_size=5), SEEDS, st.data())
def test_a_total_budget_is_balanced_to_one(counts: list[int], seed: int, data: st.DataObject) -> None:
    labels, names = pool_of(counts, seed)
    budget = data.draw(st.integers(1, 4 * len(counts)))
    drawn = draw_labels(labels, names, budget, seed, per_class=False)
    each = np.bincount(labels[drawn], minlength=len(counts))
    assert each.sum() == budget
    assert each.max() - each.min() <= 1


def test_every_example_and_every_class_order_gets_its_turn() -> None:
    labels, names = pool_of([6, 6, 6], seed=0)
    drawn = [draw_labels(labels, names, 1, draw_seed(0, d), per_class=False) for d in range(200)]
    assert set(np.concatenate(drawn)) == set(range(18))


def test_draws_differ_and_are_repeatable() -> None:
    labels, names = pool_of([20, 20], seed=0)
    first, again, other = (draw_labels(labels, names, 5, draw_seed(3, d)) for d in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)
    assert 0 <= draw_seed(3, 0) < 2**31


def test_a_class_with_too_few_examples_is_named() -> None:
    labels, names = pool_of([5, 2, 5], seed=0)
    with pytest.raises(ValueError, match="3 photos is more than .* person 1 has 2 of 3 needed"):
        draw_labels(labels, names, 3, 0, unit="photos")
    with pytest.raises(ValueError, match="person 1 has 2 of 3"):
        draw_labels(labels, names, 9, 0, per_class=False)
    with pytest.raises(ValueError, match=r"person 0 .* person 2 has 5 of 7 needed$"):
        draw_labels(labels, names, 7, 0)
