"""Intervals against scipy.stats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from auxtask.evaluation.statistics import paired_differences, t_interval

VALUES = st.lists(st.floats(-1, 1), min_size=2, max_size=12)


@given(VALUES, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_is_scipys(values: list[float], level: float) -> None:
    mean, low, high = t_interval(values, level)
    spread = stats.sem(values)
    assert mean == pytest.approx(np.mean(values))
    if len(set(values)) == 1:
        assert low is None and high is None
    elif spread > 0:  # of differences too small for its squares scipy gives nan
        expected = stats.t.interval(level, len(values) - 1, loc=np.mean(values), scale=spread)
        assert (low, high) == pytest.approx(expected)


def test_one_value_has_no_interval_nor_have_several_that_are_alike() -> None:
    assert t_interval([0.25]) == t_interval([0.25, 0.25, 0.25]) == (0.25, None, None)


@given(VALUES)
def test_differences_are_paired_over_the_draws_that_both_have(values: list[float]) -> None:
    assert paired_differences(values, values) == [0.0] * len(values)
    assert paired_differences(values, [0.5]) == [values[0] - 0.5]
    assert paired_differences(values[:1], [*values, 0.0]) == [0.0]


@pytest.mark.parametrize("values", [[], [[0.1, 0.2]], [0.1, np.nan]])
def test_values_without_an_interval_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="an interval needs"):
        t_interval(values)


def test_other_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="level"):
        t_interval([0.1, 0.2], level=95)
    with pytest.raises(ValueError, match="no pair"):
        paired_differences([], [0.1])
