"""The closing sentence says what its interval says, in either direction, and claims nothing without evidence."""

from itertools import combinations

import numpy as np
import pytest

from auxtask.evaluation.class_pairs import pairs_mean
from auxtask.evaluation.crossed import crossed_mean
from auxtask.evaluation.gain_gap import gap_over_pairs, gap_over_seeds

REACHED = {"conv": 0.995, "dense": 0.98}


def tables(shift: float, networks: float = 0.0) -> dict[str, np.ndarray]:
    """Gains of 12 draws on 400 items, of three networks in turn, of which one has luck of its own."""
    random = np.random.default_rng(0)
    dense = random.normal(0.01, 0.05, (12, 400))
    luck = networks * np.array([1.0, 0.0, -1.0])[np.arange(12) % 3, None]
    return {"conv": dense + random.normal(shift, 0.05, (12, 400)) + luck, "dense": dense}


@pytest.mark.parametrize(
    ("shift", "said"), [(0.03, "dense nets transfer worse"), (-0.03, "dense nets transfer better"), (0, "not shown")]
)
def test_the_sentence_follows_the_crossed_interval(shift: float, said: str) -> None:
    gains = tables(shift)
    sentence = gap_over_seeds(gains, REACHED, 3)
    assert said in sentence and "over 12 seeds, 400 test images and 3 pretrainings" in sentence
    low, high = crossed_mean(gains["conv"] - gains["dense"], 3).interval()
    assert f"{100 * low:+.2f} to {100 * high:+.2f}" in sentence
    assert f"conv nets {100 * gains['conv'].mean():+.2f} points" in sentence
    assert "brought conv nets 99.50 % and dense nets 98.00 %" in sentence


def test_luck_of_a_pretrained_network_is_no_gain_of_its_kind() -> None:
    gains = tables(0.03, networks=0.04)
    assert "not shown" in gap_over_seeds(gains, REACHED, 3)
    told = gap_over_seeds(gains, REACHED)  # as if draws were independent
    assert "transfer worse" in told and "share one pretraining: of others nothing" in told
    assert "share one" not in gap_over_seeds(gains, REACHED, 3)


def test_one_seed_proves_nothing_and_odd_input_is_refused() -> None:
    one = {name: table[:1] for name, table in tables(0.1).items()}
    assert "of 1 seed, 400 test images and 3 pretrainings there is no interval" in gap_over_seeds(one, REACHED, 3)
    with pytest.raises(ValueError, match="not paired"):
        gap_over_seeds({"conv": np.zeros((2, 3)), "dense": np.zeros((3, 3))}, REACHED, 3)
    with pytest.raises(ValueError, match="two networks"):
        gap_over_seeds({"conv": np.zeros((2, 3))}, {"conv": 0.9})
    with pytest.raises(ValueError, match="gains are of conv"):
        gap_over_seeds({"conv": np.zeros((2, 3))}, REACHED, 3)


def of_pairs(random: np.random.Generator, names: str, of_class: float, rest: float, mean: float = 0.0):
    """Values of all pairs, to which each class contributes its own."""
    own = dict(zip(names, of_class * random.normal(size=len(names)), strict=True))
    return {(a, b): mean + own[a] + own[b] + rest * random.normal() for a, b in combinations(names, 2)}


def test_over_pairs_the_sentence_follows_the_interval_that_knows_of_shared_classes() -> None:
    dense = of_pairs(np.random.default_rng(1), "abcdefghij", 0.0, 0.005, 0.01)
    conv = {pair: gain + 0.03 for pair, gain in dense.items()}
    for pair, more in of_pairs(np.random.default_rng(2), "abcdefghij", 0.002, 0.005).items():
        conv[pair] += more
    sentence = gap_over_pairs({"conv": conv, "dense": dense}, REACHED)
    _, low, high = pairs_mean({pair: conv[pair] - dense[pair] for pair in conv})
    assert "dense nets transfer worse" in sentence
    assert f"over 45 pairs of 10 classes: {100 * low:+.2f} to {100 * high:+.2f}" in sentence
    some = {name: dict(list(own.items())[:3]) for name, own in (("conv", conv), ("dense", dense))}
    assert "of 3 pairs of 4 classes there is no interval, so nothing follows" in gap_over_pairs(some, REACHED)
    with pytest.raises(ValueError, match="not paired"):
        gap_over_pairs({"conv": conv, "dense": some["dense"]}, REACHED)


@pytest.mark.parametrize(("of_class", "rest"), [(1.0, 0.5), (0.3, 1.0), (0.0, 1.0)])
def test_the_interval_over_pairs_holds_the_truth_as_often_as_it_says(of_class: float, rest: float) -> None:
    random = np.random.default_rng(3)
    held = []
    for _ in range(600):
        _, low, high = pairs_mean(of_pairs(random, "abcdefghij", of_class, rest, 0.3))
        assert low is not None and high is not None
        held.append(low <= 0.3 <= high)
    assert 0.92 <= np.mean(held) <= 0.985


def test_the_components_are_those_of_a_table_by_hand() -> None:
    # Each class contributes its own and nothing is left: the mean's error is twice that of the classes' mean.
    own = {"a": 0.0, "b": 1.0, "c": 4.0, "d": 7.0}
    mean, low, high = pairs_mean({(x, y): own[x] + own[y] for x, y in combinations(own, 2)})
    error = 2 * np.std(list(own.values()), ddof=1) / 4**0.5
    assert mean == pytest.approx(6.0) and low is not None and high is not None
    assert (high - low) / 2 == pytest.approx(3.182446 * error, rel=1e-5)  # Student's t of 3 degrees


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "finite values"),
        ({("a", "b"): np.nan}, "finite values"),
        ({("a", "a"): 1.0}, "different pairs"),
        ({("a", "b"): 1.0, ("b", "a"): 2.0}, "different pairs"),
    ],
)
def test_values_that_are_not_of_pairs_are_refused(values, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pairs_mean(values)
