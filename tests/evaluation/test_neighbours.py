"""The vote of the nearest labelled items, against a slow formula."""

import numpy as np
import pytest

from auxtask.evaluation.neighbours import log_neighbours

FEATURES = np.random.default_rng(0).normal(size=(30, 4))
LABELS = np.arange(20) % 3
TRAIN, TEST = np.arange(20), np.arange(20, 30)


def slow(num: int, temperature: float) -> np.ndarray:
    votes = np.full((len(TEST), 3), 0.01)
    for row, i in enumerate(TEST):
        cosine = [FEATURES[i] @ FEATURES[j] / np.linalg.norm(FEATURES[i]) / np.linalg.norm(FEATURES[j]) for j in TRAIN]
        for j in np.argsort(cosine)[::-1][:num]:
            votes[row, LABELS[j]] += np.exp((cosine[j] - max(cosine)) / temperature)
    return np.log(votes / votes.sum(1, keepdims=True))


@pytest.mark.parametrize("num", [1, 5, 100])
def test_votes_equal_the_formula(num) -> None:
    found = log_neighbours(FEATURES, num, temperature=0.2)(TRAIN, LABELS, TEST)
    np.testing.assert_allclose(found, slow(num, 0.2), rtol=1e-6)


def test_a_labelled_item_is_its_own_nearest() -> None:
    assert (log_neighbours(FEATURES, 1)(TRAIN, LABELS, TRAIN).argmax(1) == LABELS).all()


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="num_neighbours=0"):
        log_neighbours(FEATURES, 0)
