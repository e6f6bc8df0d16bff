"""The closing sentence says what a paired t-test says, in either direction, and claims nothing without evidence."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from auxtask.evaluation.gain_gap import gap_sentence

RANDOM = np.random.default_rng(0)
REACHED = {"conv": 0.995, "dense": 0.98}


@pytest.mark.parametrize(
    ("shift", "said"), [(0.03, "dense nets transfer worse"), (-0.03, "dense nets transfer better"), (0, "not shown")]
)
def test_the_sentence_follows_the_paired_interval(shift: float, said: str) -> None:
    dense = RANDOM.normal(0.01, 0.005, 10)
    conv = dense + RANDOM.normal(shift, 0.005, 10)
    sentence = gap_sentence({"conv": conv.tolist(), "dense": dense.tolist()}, "seeds", REACHED)
    assert said in sentence and "over 10 seeds" in sentence
    low, high = ttest_rel(conv, dense).confidence_interval()
    assert f"{100 * low:+.2f} to {100 * high:+.2f}" in sentence
    assert f"conv nets {100 * conv.mean():+.2f} points" in sentence
    assert "brought conv nets 99.50 % and dense nets 98.00 %" in sentence


def test_one_seed_proves_nothing_and_odd_input_is_refused() -> None:
    assert "nothing follows" in gap_sentence({"conv": [0.1], "dense": [0.0]}, "seeds", REACHED)
    with pytest.raises(ValueError, match="not paired"):
        gap_sentence({"conv": [0.1, 0.2], "dense": [0.0]}, "seeds", REACHED)
    with pytest.raises(ValueError, match="two networks"):
        gap_sentence({"conv": [0.1]}, "seeds", {"conv": 0.9})
    with pytest.raises(ValueError, match="gains are of conv"):
        gap_sentence({"conv": [0.1]}, "seeds", REACHED)
