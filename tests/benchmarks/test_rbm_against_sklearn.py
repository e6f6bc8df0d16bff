"""The benchmark of RBMs chooses its rates without a test digit."""

from __future__ import annotations

import dataclasses

import numpy as np

import auxtask as at
from tests.running import parts_of


class Notes:
    """What a run is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_rate_is_chosen_by_training_digits_that_are_held_out() -> None:
    digits, shown, run = at.ImageData.digits(), [], Notes()

    def train(data: at.ImageData, rate: float, seed: int) -> tuple[float, float, float]:
        shown.append((data, seed))
        return 1 - abs(rate - 0.1), 0.0, 0.0

    own = parts_of("rbm_against_sklearn", "benchmarks")
    assert own["best_rate"](run, "auxtask", train, digits, 2) == 0.1
    assert len(shown) == 2 * len(own["RATES"]) and "rate 0.1, by" in run.notes[0]
    assert {seed for _, seed in shown} == {own["SEARCH_SEED"], own["SEARCH_SEED"] + 1}
    tested = set(digits.test.digests())
    for data, _ in shown[:1]:
        assert not tested & {*data.train.digests(), *data.test.digests()}
        assert not set(data.train.digests()) & set(data.test.digests())
        assert len(data.train) + len(data.test) == len(digits.train)


def test_both_sides_learn_features_that_tell_digits() -> None:
    digits, own = at.ImageData.digits(), parts_of("rbm_against_sklearn", "benchmarks")
    few = dataclasses.replace(digits, train=digits.train.take(np.arange(400)), test=digits.test.take(np.arange(200)))
    for side in ("ours", "theirs"):
        accuracy, *speeds = own[side](few, 0.1, 0, 30, 4)
        assert accuracy > 0.7 and min(speeds) > 0, side
