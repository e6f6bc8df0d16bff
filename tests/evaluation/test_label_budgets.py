"""Numbers of labels: all that is asked for or an error, of what is usual as much as can be had."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import auxtask as at

NAMES = ("cat", "dog", "hen")


def test_what_is_asked_for_is_given() -> None:
    assert at.label_budgets([30, 6], [9], [40, 10, 25], NAMES) == (6, 30)
    assert at.label_budgets([2, 10], [9], [40, 10, 25], NAMES, per_class=True) == (2, 10)


def test_of_the_usual_numbers_those_that_the_data_allow() -> None:
    assert at.label_budgets([], [1, 3, 20], [40, 10, 25], NAMES) == (3, 20)
    assert at.label_budgets([], [1, 3, 20], [40, 10, 25], NAMES, least=3) == (20,)
    assert at.label_budgets([], [1, 3, 7, 20], [40, 10, 25], NAMES, per_class=True) == (1, 3, 7)


def test_where_a_usual_number_is_beyond_the_data_all_of_them_are_used_too() -> None:
    assert at.label_budgets([], [1, 3, 20, 100], [40, 10, 25], NAMES) == (3, 20, 30)
    assert at.label_budgets([], [1, 3, 20, 100], [40, 10, 25], NAMES, per_class=True) == (1, 3, 10)
    assert at.label_budgets([], [3, 21, 100], [40, 10, 25], NAMES) == (3, 21)  # hardly more than that


def test_if_none_of_them_fits_as_many_as_there_are() -> None:
    assert at.label_budgets([], [100, 200], [40, 10, 25], NAMES) == (30,)


@pytest.mark.parametrize(
    ("asked", "settings", "error"),
    [
        ([31], {}, r"labels=31: at most 30 can be drawn .* rarest class, dog, there are 10"),
        ([11], {"per_class": True, "option": "budgets"}, r"budgets=11: at most 10 .* dog"),
        ([8], {"least": 3}, r"labels=8: too few for 3 classes, .* at least 3 of each are needed: 9 or more"),
        ([2], {"least": 3, "per_class": True}, r"labels=2: too few"),
        ([], {"least": 11}, r"at least 11 of each class must be labelled, but .* dog, there are 10"),
    ],
)
def test_what_cannot_be_drawn_is_refused(asked: list[int], settings: dict[str, object], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        at.label_budgets(asked, [9], [40, 10, 25], NAMES, **settings)  # type: ignore[arg-type]


def test_of_data_that_stand_in_what_they_lack_is_left_out_unless_they_lack_all_of_it() -> None:
    assert at.label_budgets([6, 31, 30], [9], [40, 10, 25], NAMES, drop=True) == (6, 30)
    with pytest.raises(ValueError, match="labels=31: at most 30"):
        at.label_budgets([31, 99], [9], [40, 10, 25], NAMES, drop=True)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=5), st.integers(1, 3))
def test_whatever_is_given_can_be_drawn_with_enough_of_each_class(counts: list[int], least: int) -> None:
    names = [f"class {i}" for i in range(len(counts))]
    if min(counts) < least:
        return
    labels = np.repeat(np.arange(len(counts)), counts)
    for budget in at.label_budgets([], (1, 5, 20, 100), counts, names, least=least):
        drawn = at.LabelledImages(np.zeros((len(labels), 1, 1, 1), np.uint8), labels, tuple(names)).balanced(budget, 0)
        assert np.bincount(labels[drawn], minlength=len(counts)).min() >= least
