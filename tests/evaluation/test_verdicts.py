"""Verdicts over many comparisons: as many false ones as promised, and the adjustment by hand."""

import numpy as np
import pytest

from auxtask.evaluation.crossed import crossed_mean
from auxtask.evaluation.verdicts import count_calls, verdict_table, verdicts


def table(random: np.random.Generator, mean: float = 0.0, draws: int = 8, items: int = 60) -> np.ndarray:
    return (
        mean
        + 0.05 * random.normal(size=(draws, 1))
        + 0.3 * random.normal(size=(1, items))
        + 0.5 * random.normal(size=(draws, items))
    )


def by_hand(p_values: list[float]) -> list[float]:
    """Benjamini and Hochberg's step-up, one comparison at a time."""
    total = len(p_values)
    ranked = sorted(p_values)
    return [
        min(ranked[k] * total / (k + 1) for k in range(total) if ranked[k] >= value) if total else value
        for value in p_values
    ]


def test_a_clear_gain_helped_a_clear_loss_harmed_and_the_rest_is_open() -> None:
    random = np.random.default_rng(0)
    given = verdicts({"up": table(random, 0.5), "down": table(random, -0.5), "level": table(random)})
    assert {each.name: each.called for each in given} == {
        "up": "helped", "down": "harmed", "level": "no evidence"
    }  # fmt: skip
    assert count_calls(given) == "of 3: 1 helped, 1 no evidence, 1 harmed"
    for each in given:
        assert each.low < each.mean < each.high


def test_p_values_are_adjusted_as_by_hand() -> None:
    random = np.random.default_rng(1)
    tables = {f"pair{i}": table(random, 0.02 * i) for i in range(9)}
    given = verdicts(tables)
    alone = [crossed_mean(one).p_value() for one in tables.values()]
    np.testing.assert_allclose([each.adjusted for each in given], by_hand(alone))
    assert [each.p_value for each in given] == alone


def test_of_what_is_called_at_most_five_per_cent_is_called_wrongly() -> None:
    random = np.random.default_rng(2)
    shares, found = [], 0
    for _ in range(150):
        truths = {f"pair{i}": 0.25 if i < 10 else 0.0 for i in range(45)}
        given = verdicts({name: table(random, mean) for name, mean in truths.items()})
        called = [each for each in given if each.called != "no evidence"]
        wrong = [each for each in called if truths[each.name] == 0 or each.called == "harmed"]
        shares.append(len(wrong) / max(1, len(called)))
        found += len(called) - len(wrong)
    assert np.mean(shares) < 0.07
    assert found / (150 * 10) > 0.8


def test_without_adjustment_there_would_be_false_calls_in_most_families() -> None:
    random = np.random.default_rng(3)
    families = [verdicts({f"pair{i}": table(random) for i in range(45)}) for _ in range(60)]
    alone = [any(each.p_value < 0.05 for each in family) for family in families]
    adjusted = [any(each.called != "no evidence" for each in family) for family in families]
    assert np.mean(alone) > 0.7 and np.mean(adjusted) < 0.15


def test_among_many_comparisons_only_larger_effects_can_be_detected() -> None:
    random = np.random.default_rng(4)
    one = table(random)
    alone = verdicts({"one": one})[0].detectable
    among = verdicts({"one": one, **{f"pair{i}": table(random) for i in range(44)}})[0].detectable
    assert alone == pytest.approx(crossed_mean(one).detectable())
    assert among > 1.3 * alone


def test_the_table_shows_the_best_first_with_what_stands_beside() -> None:
    random = np.random.default_rng(5)
    given = verdicts({"worse": table(random, -0.4), "better": table(random, 0.4)})
    shown = verdict_table(given, "pairs", {"A": {"better": "94.0"}})
    columns = {str(column.header): list(column.cells) for column in shown.columns}
    assert columns["comparison"] == ["better", "worse"]
    assert columns["A"] == ["94.0", ""]
    assert columns["verdict"] == ["helped", "harmed"]


def test_bad_input_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no comparison"):
        verdicts({})
    with pytest.raises(ValueError, match="coat: a crossed interval"):
        verdicts({"coat": np.zeros((1, 3))})
    with pytest.raises(ValueError, match="level"):
        verdicts({"coat": np.zeros((2, 3))}, level=2)
