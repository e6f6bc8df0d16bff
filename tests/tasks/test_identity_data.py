"""Identities are numbered as the loss takes them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from auxtask.tasks.identity_data import most_items_first


def test_identities_are_numbered_anew_those_with_most_items_first() -> None:
    labels = np.array([0, 1, 1, 2, 2, 2, 3, 3])
    assert most_items_first(labels).tolist() == [3, 1, 1, 0, 0, 0, 2, 2]  # ties in the old order


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_items_of_one_identity_stay_together_and_counts_fall(identities: list[int]) -> None:
    labels = np.unique(identities, return_inverse=True)[1]
    anew = most_items_first(labels)
    assert (np.diff(np.bincount(anew)) <= 0).all()
    np.testing.assert_array_equal(anew[:, None] == anew, labels[:, None] == labels)
