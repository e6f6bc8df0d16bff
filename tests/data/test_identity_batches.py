from collections import Counter
from itertools import islice

import numpy as np
import pytest

from auxtask.data.identity_batches import batch_size, identity_batches, num_batches_per_epoch
from auxtask.framework import tf

# 10 identities with 2 to 6 items, 5 with one, in mixed order.
COUNTS = [2, 3, 4, 5, 6] * 2 + [1] * 5
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(15), COUNTS))


def batches(num: int, labels: np.ndarray = LABELS, **arguments) -> list[tuple]:
    made = identity_batches(labels, lambda indices: indices, **arguments)
    return [(items.numpy(), identity.numpy()) for items, identity in islice(made, num)]


def test_a_batch_is_people_times_photos_plus_singles() -> None:
    for items, identity in batches(8, people=4, photos=2, singles=3):
        assert (LABELS[items] == identity).all()
        pairs, singles = identity[:8].reshape(4, 2), identity[8:]
        assert (pairs[:, 0] == pairs[:, 1]).all() and len(set(pairs[:, 0])) == 4
        assert len(set(items)) == 11
        assert set(singles) <= set(range(10, 15)) and len(set(singles)) == 3


@pytest.mark.parametrize("people", [2, 3, 4, 7, 10])
def test_an_epoch_meets_each_person_once(people: int) -> None:
    visits = [i for _, y in batches(30, people=people, singles=0) for i in y.reshape(-1, 2)[:, 0]]
    for start in range(0, len(visits) - 9, 10):
        assert sorted(visits[start : start + 10]) == list(range(10))
    steps = num_batches_per_epoch(LABELS, people)
    assert steps == -(-10 // people)
    assert set(visits[: steps * people]) == set(range(10))


def test_photos_of_a_person_are_chosen_evenly_and_without_repetition() -> None:
    labels = np.zeros(5, int)
    labels = np.concatenate([labels, labels + 1])
    seen: Counter = Counter()
    for items, _ in batches(400, labels, people=2, photos=3, singles=0):
        for three in items.reshape(2, 3):
            assert len(set(three)) == 3
            seen[tuple(sorted(three))] += 1
    assert len(seen) == 20  # 5 over 3, for both
    assert min(seen.values()) > 15  # 40 expected of each


def test_people_with_too_few_photos_give_all_and_repeat_some() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    for items, identity in batches(5, labels, people=2, photos=5, singles=4):
        for who, all_items in ((0, {0, 1}), (1, {2, 3, 4})):
            assert set(items[identity == who]) == all_items
            assert (identity == who).sum() == 5


def test_sizes_are_static_and_shrink_with_the_data() -> None:
    data = identity_batches(LABELS, lambda i: i, people=96, singles=48)
    assert data.element_spec[1].shape == (10 * 2 + 5,)
    assert batch_size(LABELS, people=96, singles=48) == 25


def test_the_seed_decides_augmentation_included() -> None:
    def jitter(items: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform(tf.shape(items), seed)

    one, same, other = (batches(4, seed=s, augment=jitter, people=4) for s in (1, 1, 2))
    for first, second in zip(one, same, strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])
    assert any((a[1] != b[1]).any() for a, b in zip(one, other, strict=True))
    assert len({float(items[0]) for items, _ in one}) == 4  # every batch has its own seed


def test_without_a_pair_there_is_nothing_to_learn() -> None:
    for call in (lambda: num_batches_per_epoch(np.arange(7)), lambda: batches(1, np.arange(7))):
        with pytest.raises(ValueError, match="no positive pair: each of the 7 people"):
            call()
    with pytest.raises(ValueError, match="photos=1"):
        batches(1, photos=1)
