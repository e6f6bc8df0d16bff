"""Arms that rotate over pretrained networks, and what is paired out of a comparison's cells."""

import numpy as np
import pytest

from auxtask.evaluation.arms import rotated_arm
from auxtask.evaluation.comparison import Comparison, Examples
from auxtask.evaluation.verdicts import paired_right

NAMES = ("a", "b")
POOL = Examples(np.arange(20), np.arange(20) % 2, NAMES)
TEST = Examples(np.arange(20, 30), np.arange(10) % 2, NAMES)


def always(label: int):
    return lambda train, test, seed: np.eye(2)[np.full(len(test), label)]


def test_draws_go_round_over_the_arms_and_right_answers_are_paired() -> None:
    arms = {"scratch": always(0), "turns": rotated_arm([always(0), always(1)], 5, seed=3)}
    results = Comparison(
        arms, (4,), 5, TEST, pool=POOL, per_class=False, seed=3, metric="accuracy", pretrainings=2
    ).run()  # fmt: skip
    given = [results.predictions[f"turns-4-draw{draw}"]["prediction"][0] for draw in range(5)]
    assert given == [0, 1, 0, 1, 0]
    odd = np.where(TEST.labels == 1, 1, -1)
    np.testing.assert_array_equal(paired_right(results, "turns", 4), [0 * odd, odd, 0 * odd, odd, 0 * odd])
    assert any("2 pretrainings, in turn" in note for note in results.notes)


def test_fewer_draws_of_one_arm_leave_those_that_both_have() -> None:
    arms = {"scratch": always(0), "costly": always(1)}
    results = Comparison(
        arms, (4,), 3, TEST, pool=POOL, per_class=False, metric="accuracy", arm_draws={"costly": 2}
    ).run()  # fmt: skip
    assert results.right("scratch", 4).shape == (3, 10)
    assert paired_right(results, "costly", 4).shape == (2, 10)
    with pytest.raises(ValueError, match="no cell of arm 'probe'"):
        results.right("probe", 4)


def test_a_rotation_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="no arm"):
        rotated_arm([], 3)
    with pytest.raises(ValueError, match="none of the 2 draws"):
        rotated_arm([always(0)], 2)(POOL, TEST.items, 12345)
