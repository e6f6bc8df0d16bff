"""The crossed interval against scikit-free slow formulas, a bootstrap, and simulations with a known truth."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auxtask.evaluation.crossed import crossed_mean, draws_mean
from auxtask.evaluation.statistics import t_interval


def simulated(random: np.random.Generator, shape: tuple[int, int], stds: tuple[float, float, float], mean: float = 0):
    """A table with known components: draws, items, rest."""
    draws, items = shape
    return (
        mean
        + stds[0] * random.normal(size=(draws, 1))
        + stds[1] * random.normal(size=(1, items))
        + stds[2] * random.normal(size=shape)
    )


def slow_error(table: np.ndarray) -> float:
    """Unbiased error of the mean from U-statistics: products of entries that share a draw, an item, or neither."""
    draws, items = table.shape
    sums = {"both": [], "draw": [], "item": [], "none": []}
    for r, s in itertools.product(range(draws), repeat=2):
        for i, j in itertools.product(range(items), repeat=2):
            kind = {(True, True): "both", (True, False): "draw", (False, True): "item"}.get((r == s, i == j), "none")
            sums[kind].append(table[r, i] * table[s, j])
    both, draw, item, none = (np.mean(sums[kind]) for kind in ("both", "draw", "item", "none"))
    of_draws, of_items = draw - none, item - none
    return (of_draws / draws + of_items / items + (both - none - of_draws - of_items) / (draws * items)) ** 0.5


def test_components_are_those_of_the_slow_formula() -> None:
    table = simulated(np.random.default_rng(0), (6, 9), (1.0, 0.7, 0.5), 0.3)
    found = crossed_mean(table)
    assert found.draw_variance > 0 and found.item_variance > 0
    assert found.error == pytest.approx(slow_error(table), rel=1e-9)
    assert found.mean == pytest.approx(table.mean())


def test_the_pigeonhole_bootstrap_agrees() -> None:
    random = np.random.default_rng(1)
    table = simulated(random, (20, 200), (0.5, 2.0, 0.5))
    means = []
    for _ in range(2000):
        rows, columns = (random.multinomial(n, np.full(n, 1 / n)) for n in table.shape)
        means.append(rows @ table @ columns / table.size)
    assert crossed_mean(table).error == pytest.approx(np.std(means), rel=0.1)


def test_equal_items_leave_the_t_interval_over_draws() -> None:
    values = np.random.default_rng(2).normal(size=8)
    found = crossed_mean(np.repeat(values[:, None], 5, axis=1))
    np.testing.assert_allclose(found.interval(), t_interval(values)[1:])


def test_equal_draws_leave_the_t_interval_over_items_however_many_draws() -> None:
    values = np.random.default_rng(3).normal(size=30)
    for num_draws in (2, 50):
        found = crossed_mean(np.repeat(values[None], num_draws, axis=0))
        np.testing.assert_allclose(found.interval(), t_interval(values)[1:])


@pytest.mark.parametrize(
    ("shape", "stds"),
    [
        ((10, 200), (0.05, 0.3, 0.3)), ((5, 50), (0.3, 0.3, 1.0)), ((20, 100), (0, 1, 0.2)), ((8, 100), (0.3, 0, 1)),
        ((2, 100), (0.3, 0.3, 0.5)), ((3, 100), (0.3, 0.3, 0.5)), ((3, 200), (0.05, 0.3, 0.3)),
    ],
)  # fmt: skip
def test_the_interval_holds_the_truth_as_often_as_it_says(shape, stds) -> None:
    random = np.random.default_rng(4)
    held = [low <= 0.3 <= high for low, high in (
        crossed_mean(simulated(random, shape, stds, 0.3)).interval() for _ in range(1000)
    )]  # fmt: skip
    assert 0.93 <= np.mean(held) <= 0.985


@pytest.mark.parametrize("num_draws", [2, 3, 5])
def test_a_few_draws_that_happen_to_lie_close_are_no_proof(num_draws: int) -> None:
    random = np.random.default_rng(13)
    p_values = [crossed_mean(_equally_good(random, num_draws)).p_value() for _ in range(1500)]
    assert np.mean(np.less(p_values, 0.05)) < 0.07 and np.mean(np.less(p_values, 0.001)) < 0.004


def _equally_good(random: np.random.Generator, num_draws: int, num_items: int = 300) -> np.ndarray:
    """Two models that are right equally often, in the mean over draws, which make both better or worse."""
    ease, luck = random.normal(1.5, 1, num_items), random.normal(0, 0.3, (2, num_draws, 1))
    ours, theirs = (random.random((num_draws, num_items)) < 1 / (1 + np.exp(-(ease + own))) for own in luck)
    return ours.astype(float) - theirs


def test_rare_differences_between_right_and_wrong_do_not_fool_it() -> None:
    # As in truth: 1 % of the items are hard, and each model gets half of those right.
    random = np.random.default_rng(5)
    wrong_calls = 0
    for _ in range(500):
        chance = np.where(random.random(1000) < 0.02, 0.5, 1.0)
        ours, theirs = (random.random((10, 1000)) < chance for _ in range(2))
        wrong_calls += crossed_mean(ours.astype(float) - theirs).p_value() < 0.05
    assert wrong_calls / 500 < 0.08


def test_an_interval_over_draws_alone_would_miss_the_truth() -> None:
    random = np.random.default_rng(6)
    tables = [simulated(random, (10, 100), (0.05, 1.0, 0.3), 0.3) for _ in range(300)]
    naive = [low <= 0.3 <= high for _, low, high in (t_interval(table.mean(axis=1)) for table in tables)]
    assert np.mean(naive) < 0.7


def sharing(random: np.random.Generator, num_draws: int, stds: tuple[float, float, float, float], networks: int = 3):
    """Draws that go round over a few pretrained networks, each with a chance of its own."""
    chance = stds[0] * random.normal(size=networks)
    return simulated(random, (num_draws, 100), stds[1:]) + chance[np.arange(num_draws) % networks][:, None]


def test_draws_that_share_networks_are_not_taken_as_independent() -> None:
    random = np.random.default_rng(8)
    tables = [sharing(random, 20, (0.1, 0.05, 0.3, 0.5)) for _ in range(600)]
    told = [crossed_mean(table, 3).interval() for table in tables]
    untold = [crossed_mean(table).interval() for table in tables]
    holds = [np.mean([low <= 0 <= high for low, high in given]) for given in (told, untold)]
    assert holds[0] > 0.89 and holds[1] < 0.85  # three networks are few: nearly 95 %, and far better than without


def test_networks_that_do_not_differ_change_little_and_one_for_each_draw_nothing() -> None:
    random = np.random.default_rng(9)
    held = [crossed_mean(sharing(random, 21, (0, 0.1, 0.3, 0.5)), 3).interval() for _ in range(400)]
    assert np.mean([low <= 0 <= high for low, high in held]) < 0.99
    table = simulated(random, (5, 40), (1, 1, 1))
    assert crossed_mean(table, 5) == crossed_mean(table) == crossed_mean(table, 1)
    with pytest.raises(ValueError, match="pretrainings"):
        crossed_mean(table, 0)


def test_the_shared_part_is_that_of_statistics_by_hand() -> None:
    # Balanced, equal items: the mean's variance is then that of the networks' means over their number.
    values = np.array([3.0, 0.0, -3.0, 3.2, 0.1, -2.9, 2.9, -0.1, -3.1])
    found = crossed_mean(np.repeat(values[:, None], 4, axis=1), 3)
    by_network = [values[i::3].mean() for i in range(3)]
    assert found.error == pytest.approx(np.std(by_network, ddof=1) / 3**0.5, rel=0.02)
    (within, _), (between, most) = found.of_draws
    assert (within, between) == (6, 2) and most > 0.99 * found.error**2


def test_a_mean_over_draws_counts_shared_networks_and_is_else_students() -> None:
    values = [3.0, 0.0, -3.0, 3.2, 0.1, -2.9, 2.9, -0.1, -3.1]
    assert draws_mean(values) == t_interval(values)
    assert draws_mean(values[:1], 3) == (3.0, None, None)
    np.testing.assert_allclose(draws_mean(values[:3], 3), t_interval(values[:3]))  # a network for each draw
    mean, low, high = draws_mean(values, 3)
    by_network = [np.mean(values[i::3]) for i in range(3)]
    assert mean == pytest.approx(0.0111, abs=1e-3) and low is not None and high is not None
    assert high - low > 0.9 * np.ptp(t_interval(by_network)[1:]) > 2 * np.ptp(t_interval(values)[1:])


def test_the_detectable_mean_is_found_four_times_in_five() -> None:
    random, shape, stds = np.random.default_rng(7), (10, 100), (0.1, 0.5, 0.5)
    truth = (stds[0] ** 2 / 10 + stds[1] ** 2 / 100 + stds[2] ** 2 / 1000) ** 0.5
    typical = np.median([crossed_mean(simulated(random, shape, stds)).detectable() for _ in range(200)])
    assert 2.8 * truth < typical < 3.2 * truth
    found = [crossed_mean(simulated(random, shape, stds, typical)).p_value() < 0.05 for _ in range(600)]
    assert 0.75 < np.mean(found) < 0.86


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(-2, 2), st.floats(0.1, 10))
def test_shifting_and_scaling_the_table_shifts_and_scales_the_interval(seed: int, shift: float, scale: float) -> None:
    table = simulated(np.random.default_rng(seed), (4, 6), (1, 1, 1))
    (low, high), found = crossed_mean(table).interval(), crossed_mean(shift + scale * table)
    np.testing.assert_allclose(found.interval(), (shift + scale * low, shift + scale * high), atol=1e-9)


def test_no_difference_at_all_is_no_evidence() -> None:
    found = crossed_mean(np.zeros((3, 5)))
    assert found.p_value() == 1.0 and found.interval() == (None, None)


def test_of_entries_that_are_all_alike_nothing_follows_however_large_they_are() -> None:
    found = crossed_mean(np.full((2, 2), 0.1))
    assert found.p_value() == 1.0 and found.interval() == (None, None) and found.detectable() is None


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_the_p_value_is_the_level_whose_interval_ends_at_0(scale: float) -> None:
    table = scale + simulated(np.random.default_rng(10), (4, 30), (0.3, 0.5, 1.0))
    found = crossed_mean(table)
    p_value = found.p_value()
    assert min(map(abs, found.interval(1 - p_value))) == pytest.approx(0, abs=1e-6 * scale)
    values = np.random.default_rng(11).normal(scale, 1, size=6)
    students = stats.ttest_1samp(values, 0).pvalue
    assert crossed_mean(np.repeat(values[:, None], 3, axis=1)).p_value() == pytest.approx(students)


def test_a_p_value_too_small_to_be_computed_is_small_and_no_error() -> None:
    table = 1e9 + simulated(np.random.default_rng(12), (40, 50), (0.1, 0.1, 0.1))
    assert 0 < crossed_mean(table).p_value() < 1e-50


@pytest.mark.parametrize(
    ("table", "said"),
    [(np.zeros((1, 5)), "at least 2 draws"), (np.zeros(5), "at least 2"), (np.full((3, 3), np.nan), "finite")],
)
def test_tables_that_say_nothing_are_refused(table: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        crossed_mean(table)


def test_levels_outside_their_range_are_refused() -> None:
    found = crossed_mean(np.eye(3))
    with pytest.raises(ValueError, match="level"):
        found.interval(1.0)
    with pytest.raises(ValueError, match="power"):
        found.detectable(power=0)
