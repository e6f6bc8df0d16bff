"""The grid of arms, budgets and draws: paired, nested, resumable, and blind to test labels."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from auxtask.evaluation.comparison import Arm, Comparison, Examples, Outcome, Results
from auxtask.evaluation.crossed import crossed_mean

NAMES = ("ann", "bob", "cy")


def embedded(num_each: tuple[int, ...], seed: int, spread: float = 1.0) -> Examples:
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(3), num_each))
    return Examples(np.eye(3)[labels] + spread * generator.normal(size=(len(labels), 3)), labels, NAMES)


POOL, TEST = embedded((8, 9, 10), seed=1), embedded((5, 20, 15), seed=2)


def nearest_mean(train: Examples, test_items: np.ndarray, seed: int) -> np.ndarray:
    means = np.stack([train.items[train.labels == c].mean(axis=0) for c in range(3)])
    return -((test_items[:, None] - means) ** 2).sum(axis=-1)


def guess(train: Examples, test_items: np.ndarray, seed: int) -> Outcome:
    scores = np.random.default_rng([seed, len(train)]).normal(size=(len(test_items), 3))
    return Outcome(scores, {"train_rank1": 0.5})


ARMS = {"scratch": guess, "probe": nearest_mean}


def compare(arms: dict[str, Any] | None = None, **settings_: Any) -> Comparison:
    given_ = {"budgets": [1, 3], "draws": 4, "test": TEST, "pool": POOL} | settings_
    return Comparison(ARMS if arms is None else arms, **given_)


class KeptInMemory:
    """As a run folder: only arrays survive, without pickle."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, np.ndarray]] = {}

    def cell(self, key: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        if key not in self.kept:
            arrays = compute()
            assert all(type(a) is np.ndarray and not a.dtype.hasobject for a in arrays.values())
            self.kept[key] = arrays
        return self.kept[key]


def plain(results: Results) -> list[dict[str, Any]]:
    return [row for row in results.rows if row["metric"] != "seconds"]


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sets(st.integers(1, 8), min_size=1, max_size=3), st.booleans())
def test_draws_are_paired_over_arms_and_nested_in_the_budget(seed: int, budgets: set[int], per_class: bool) -> None:
    seen: dict[str, list[tuple[int, tuple[bytes, ...]]]] = {"one": [], "two": []}

    def watch(name: str) -> Any:
        def arm(train: Examples, test_items: np.ndarray, seed: int) -> np.ndarray:
            seen[name].append((seed, tuple(item.tobytes() for item in train.items)))
            return nearest_mean(POOL, test_items, seed)

        return arm

    arms = {name: watch(name) for name in seen}
    grid = compare(arms, budgets=list(budgets), draws=2, seed=seed, per_class=per_class, baseline=None)
    grid.run()
    assert seen["one"] == seen["two"]
    for draw in range(2):
        cells = seen["one"][draw * len(budgets) : (draw + 1) * len(budgets)]
        assert len({arm_seed for arm_seed, _ in cells}) == 1
        for (_, few), (_, many) in zip(cells, cells[1:], strict=False):
            assert set(few) < set(many)
    assert seen["one"][0][0] != seen["one"][-1][0]


def test_every_arm_is_tested_on_the_same_items_and_cannot_change_them() -> None:
    def spoil(train: Examples, test_items: np.ndarray, seed: int) -> np.ndarray:
        np.testing.assert_array_equal(test_items, TEST.items)
        test_items[:] = 0
        return nearest_mean(train, test_items, seed)

    with pytest.raises(ValueError, match="cell spoil-1-draw0: .*read-only"):
        compare({"spoil": spoil}, baseline=None).run()


def test_rows_have_the_schema_of_result_json_and_are_unique() -> None:
    results = compare(chosen={1: "probe", 3: "probe"}, variant="digits").run()
    keys = ["arm", "budget", "budget_unit", "metric", "variant", "mean", "low", "high", "values"]
    assert all(list(row) == keys for row in results.rows)
    unique = {(r["arm"], r["budget"], r["metric"], r["variant"]) for r in results.rows}
    assert len(unique) == len(results.rows)
    assert json.loads(json.dumps(results.rows)) == results.rows
    assert {type(row["mean"]) for row in results.rows} == {float}
    alike = [len(set(row["values"])) == 1 and "_minus_" not in row["metric"] for row in results.rows]
    assert all(
        row[end] is None for row, same in zip(results.rows, alike, strict=True) if same for end in ("low", "high")
    )
    assert {type(row["low"]) for row in results.rows if len(set(row["values"])) > 1} == {float}
    metrics = {(r["arm"], r["metric"]) for r in results.rows}
    both = {"rank1", "rank1_per_person", "seconds"}
    gained = {"rank1_minus_scratch", "rank1_per_person_minus_scratch"}
    assert metrics == {
        *(("scratch", m) for m in both | {"train_rank1"}),
        *(("probe", m) for m in both | gained),
        *(("chosen", m) for m in both | gained),
    }
    assert {r["budget_unit"] for r in results.rows} == {"photos per person"}
    assert all("variant" not in row for row in compare().run().rows)


def test_values_are_scikit_learns_and_intervals_scipys() -> None:
    grid = compare(budget_unit="labels")
    row = grid.run().row("probe", 3)
    per_person = grid.run().row("probe", 3, "rank1_per_person")
    for draw in range(4):
        scores = nearest_mean(POOL.take(grid.drawn(3, draw)), TEST.items, 0)
        assert row["values"][draw] == accuracy_score(TEST.labels, scores.argmax(1))
        assert per_person["values"][draw] == pytest.approx(balanced_accuracy_score(TEST.labels, scores.argmax(1)))
    interval = stats.t.interval(0.95, 3, np.mean(row["values"]), stats.sem(row["values"]))
    assert (row["low"], row["high"]) == pytest.approx(interval)


def test_differences_are_paired_by_draw() -> None:
    results = compare().run()
    probe, scratch = results.row("probe", 1)["values"], results.row("scratch", 1)["values"]
    difference = results.row("probe", 1, "rank1_minus_scratch")
    assert difference["values"] == pytest.approx(np.subtract(probe, scratch))
    table = results.right("probe", 1).astype(float) - results.right("scratch", 1)
    assert (difference["low"], difference["high"]) == pytest.approx(crossed_mean(table).interval())
    balanced = results.row("probe", 1, "rank1_per_person_minus_scratch")
    assert balanced["mean"] == pytest.approx(np.mean(balanced["values"]))
    assert balanced["low"] < balanced["mean"] < balanced["high"]


def test_a_difference_on_few_test_items_is_not_shown_by_draws_that_agree() -> None:
    def right_on(share: float) -> Arm:
        """Right on the first part of the test items, whatever the labels drawn."""

        def arm(train: Examples, items: np.ndarray, seed: int) -> np.ndarray:
            wrong = np.arange(len(items)) >= share * len(items)
            return np.eye(3)[(TEST.labels + wrong) % 3]

        return arm

    results = compare({"scratch": right_on(0.5), "probe": right_on(0.6)}, chosen={1: "probe", 3: "probe"}).run()
    row = results.row("chosen", 1, "rank1_minus_scratch")
    differences = (results.right("probe", 1).astype(float) - results.right("scratch", 1))[0]
    assert len(set(row["values"])) == 1  # so that only test items are random
    assert (row["low"], row["high"]) == pytest.approx(
        stats.t.interval(0.95, len(differences) - 1, differences.mean(), stats.sem(differences))
    )


def test_arms_that_differ_on_every_item_alike_have_no_interval() -> None:
    arms = {"scratch": lambda *_: np.eye(3)[(TEST.labels + 1) % 3], "probe": lambda *_: np.eye(3)[TEST.labels]}
    results = compare(arms, budgets=[3], chosen={3: "probe"}).run()
    row = results.row("probe", 3, "rank1_minus_scratch")
    assert (row["mean"], row["low"], row["high"]) == (1.0, None, None)
    assert "No gain or loss is shown over scratch: +100.0 points" in results.sentence()


def test_draws_of_all_there_is_show_nothing_of_other_draws() -> None:
    small = POOL.take(np.concatenate([np.flatnonzero(POOL.labels == label)[:4] for label in range(3)]))
    results = compare(pool=small, budgets=[2, 4]).run()
    assert (results.row("probe", 4)["low"], results.row("probe", 4)["high"]) == (None, None)
    assert results.row("probe", 2)["low"] is not None
    assert [note for note in results.notes if "every draw takes the same items" in note and "at 4 " in note]


def test_an_arm_may_have_fewer_draws_and_is_paired_with_the_first_ones() -> None:
    results = compare(arm_draws={"scratch": 2}, chosen={1: "probe", 3: "scratch"}).run()
    assert len(results.row("probe", 1)["values"]) == 4
    assert len(results.row("scratch", 1)["values"]) == 2
    assert results.row("probe", 1, "rank1_minus_scratch")["values"] == pytest.approx(
        np.subtract(results.row("probe", 1)["values"][:2], results.row("scratch", 1)["values"])
    )
    assert results.row("chosen", 3)["values"] == results.row("scratch", 3)["values"]
    assert any("4; scratch 2" in note for note in results.notes)


def test_an_arm_may_run_at_some_budgets_only_and_is_compared_where_it_does() -> None:
    calls = []

    def costly(train: Examples, test_items: np.ndarray, seed: int) -> np.ndarray:
        calls.append(len(train))
        return nearest_mean(train, test_items, seed)

    arms = {**ARMS, "tuned": costly}
    results = compare(arms, arm_budgets={"tuned": [3]}, arm_draws={"tuned": 2}).run()
    assert calls == [9, 9]
    assert {row["budget"] for row in results.rows if row["arm"] == "tuned"} == {3}
    assert results.row("tuned", 3)["values"] == results.row("probe", 3)["values"][:2]
    gain = results.row("tuned", 3, "rank1_minus_scratch")["values"]
    assert gain == pytest.approx(
        np.subtract(results.row("tuned", 3)["values"], results.row("scratch", 3)["values"][:2])
    )
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(results.table())
    (line,) = [line for line in console.export_text().splitlines() if "tuned" in line and "│" in line]
    assert line.split("│")[2].strip() == "" and line.split("│")[3].strip() != ""


def test_a_baseline_that_does_not_run_everywhere_gives_differences_where_it_does() -> None:
    results = compare(arm_budgets={"scratch": [1]}, chosen={1: "probe", 3: "probe"}).run()
    assert {row["budget"] for row in results.rows if "minus" in row["metric"]} == {1}
    assert "at 1 photos" in results.sentence() and "at 3 photos" not in results.sentence()
    results.table()


def test_a_choice_is_made_among_the_arms_that_run_there_and_kept_like_a_cell() -> None:
    asked: list[tuple[int, tuple[str, ...]]] = []

    def choose(budget: int, train: Examples, running: tuple[str, ...]) -> str:
        asked.append((budget, running))
        return running[-1]

    run = KeptInMemory()
    arms = {**ARMS, "tuned": nearest_mean}
    options = {"arm_budgets": {"tuned": [3]}, "arm_draws": {"tuned": 2}, "chosen": choose, "run": run}
    results = compare(arms, **options).run()
    assert [running[-1] for budget, running in asked if budget == 3] == ["tuned", "tuned", "probe", "probe"]
    assert {running for budget, running in asked if budget == 1} == {("scratch", "probe")}
    assert len(results.row("chosen", 3)["values"]) == 4
    assert results.picks[3] == ("tuned", "tuned", "probe", "probe")
    assert compare(arms, **options).run().picks == results.picks and len(asked) == 8
    with pytest.raises(ValueError, match="cell chosen-1-draw0.*no arm 'tuned' among scratch, probe"):
        compare(arms, **{**options, "run": None, "chosen": lambda *_: "tuned"}).run()


def test_a_choice_that_is_left_out_is_not_asked_for() -> None:
    def never(*_: Any) -> str:
        raise AssertionError("asked")

    results = compare(only=["probe"], chosen=never).run()
    assert results.picks == {} and {row["arm"] for row in results.rows} == {"probe"}


def test_a_larger_test_set_is_scored_for_the_arms_named_and_for_no_other() -> None:
    full = embedded((9, 30, 21), seed=3)
    results = compare(full_test=full, full_test_arms=["probe"], chosen={1: "probe", 3: "scratch"}).run()
    grid = compare()
    expected = [
        accuracy_score(full.labels, nearest_mean(POOL.take(grid.drawn(3, draw)), full.items, 0).argmax(1))
        for draw in range(4)
    ]
    assert results.row("probe", 3, "rank1_full_test")["values"] == expected
    assert results.row("chosen", 1, "rank1_full_test")["values"] == results.row("probe", 1, "rank1_full_test")["values"]
    assert {row["arm"] for row in results.rows if row["metric"] == "rank1_full_test"} == {"probe", "chosen"}
    assert plain(compare().run()) == [
        row for row in plain(compare(full_test=full, full_test_arms=["probe"]).run()) if "full" not in row["metric"]
    ]


def test_one_draw_has_no_interval() -> None:
    results = compare(draws=1, chosen={1: "probe", 3: "probe"}).run()
    assert {(row["low"], row["high"]) for row in results.rows} == {(None, None)}
    assert "no interval" in results.sentence()


def test_finished_cells_are_kept_and_not_computed_again() -> None:
    run, calls = KeptInMemory(), []

    def counted(train: Examples, test_items: np.ndarray, seed: int) -> np.ndarray:
        calls.append(len(train))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return nearest_mean(train, test_items, seed)

    arms = {"scratch": guess, "probe": counted}
    with pytest.raises(KeyboardInterrupt):
        compare(arms, run=run).run()
    assert len(run.kept) == 7
    resumed = compare(arms, run=run).run()
    assert len(calls) == 8 + 1
    again = compare(arms, run=run).run()
    assert len(calls) == 8 + 1
    assert again.rows == resumed.rows
    assert plain(again) == plain(compare().run())
    wider = compare(arms, run=run, budgets=[1, 2, 3], draws=5).run()
    assert len(calls) == 9 + 7
    assert wider.row("probe", 3)["values"][:4] == again.row("probe", 3)["values"]


def test_an_arm_whose_cells_have_the_names_of_another_ones_is_refused() -> None:
    run, arm = KeptInMemory(), ARMS["probe"]
    compare({"self-training": arm}, run=run, variant="simclr", baseline=None, chosen=None).run()
    with pytest.raises(ValueError, match="simclr-self-training-1-draw0 was kept from other data, labels, seed or arm"):
        compare({"training": arm}, run=run, variant="simclr-self", baseline=None, chosen=None).run()


def test_memory_that_is_not_enough_is_said_as_such() -> None:
    def greedy(train: Examples, test: np.ndarray, seed: int) -> np.ndarray:
        raise MemoryError("Unable to allocate 9 GiB")

    with pytest.raises(MemoryError, match="cell greedy-1-draw0: Unable to allocate 9 GiB"):
        compare({"greedy": greedy}, baseline=None, chosen=None).run()


@pytest.mark.parametrize("other", [{"seed": 1}, {"test": TEST.take(range(20))}])
def test_cells_kept_from_other_data_or_seed_are_refused(other: dict[str, Any]) -> None:
    run = KeptInMemory()
    compare(run=run).run()
    with pytest.raises(ValueError, match="cell scratch-1-draw0 was kept from other data"):
        compare(run=run, **other).run()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError("loss is nan"), ValueError),
        (FileNotFoundError("no photo"), OSError),
        (TypeError("odd"), TypeError),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "odd"), ValueError),
        (ZeroDivisionError("odd"), RuntimeError),
    ],
)
def test_the_error_of_an_arm_names_the_cell_and_keeps_the_others(raised: Exception, expected: type[Exception]) -> None:
    def fails_at_3(train: Examples, test_items: np.ndarray, seed: int) -> np.ndarray:
        if len(train) == 9:
            raise raised
        return nearest_mean(train, test_items, seed)

    run = KeptInMemory()
    with pytest.raises(expected, match=f"cell probe-3-draw0: .*{re.escape(str(raised))}") as caught:
        compare({"scratch": guess, "probe": fails_at_3}, run=run).run()
    assert caught.value.__cause__ is raised
    assert list(run.kept) == ["scratch-1-draw0", "probe-1-draw0", "scratch-3-draw0"]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.zeros((40, 2)), "scores must be [40, 3], not [40, 2]"),
        (np.zeros(40, int), "not [40]"),
        (np.full((40, 3), np.nan), "item 0 are not all finite"),
        (Outcome(np.zeros((40, 3)), {"rank1": 1.0}), "must not return the metric 'rank1'"),
        (Outcome(np.zeros((40, 3)), {"train_rank1": np.nan}), "must be a finite number"),
    ],
)
def test_what_is_no_outcome_is_refused(returned: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"cell odd-1-draw0: {message}"[:17])) as caught:
        compare({"odd": lambda *_: returned}, baseline=None).run()
    assert message in str(caught.value)


def test_an_arm_may_time_itself() -> None:
    arms = {"scratch": lambda _, items, seed: Outcome(np.eye(3)[TEST.labels], {"seconds": 7.5})}
    row = compare(arms).run().row("scratch", 1, "seconds")
    assert row["values"] == [7.5] * 4


def test_chosen_copies_the_cells_of_the_named_arm_and_says_which() -> None:
    results = compare(chosen={1: "scratch", 3: "probe", 10: "probe"}).run()
    for budget, arm in ((1, "scratch"), (3, "probe")):
        for metric in ("rank1", "rank1_per_person", "seconds"):
            assert results.row("chosen", budget, metric) == results.row(arm, budget, metric) | {"arm": "chosen"}
        assert f"chosen at {budget} photos per person: {arm}, without test labels" in results.notes
    assert results.row("chosen", 1, "rank1_minus_scratch")["values"] == [0.0] * 4
    assert results.mistakes("chosen", 3) == results.mistakes("probe", 3)


def test_a_choosing_callable_sees_only_the_labelled_examples_of_its_draw() -> None:
    asked: list[tuple[int, Examples]] = []

    def choose(budget: int, train: Examples, running: tuple[str, ...]) -> str:
        asked.append((budget, train))
        assert running == ("scratch", "probe")
        return "probe" if len(asked) % 2 else "scratch"

    grid = compare(chosen=choose)
    results = grid.run()
    assert [budget for budget, _ in asked] == [1] * 4 + [3] * 4
    for i, (budget, train) in enumerate(asked):
        np.testing.assert_array_equal(train.items, POOL.items[grid.drawn(budget, i % 4)])
    probe, scratch = results.row("probe", 1)["values"], results.row("scratch", 1)["values"]
    assert results.row("chosen", 1)["values"] == [probe[0], scratch[1], probe[2], scratch[3]]
    assert any("probe in 2 of 4 draws, scratch in 2 of 4 draws" in n for n in results.notes)
    assert not any(r["arm"] == "chosen" and r["metric"] == "train_rank1" for r in results.rows)


def test_no_arm_and_no_choice_depends_on_test_labels() -> None:
    turned = Examples(TEST.items, (TEST.labels + 1) % 3, NAMES)
    asked: list[list[tuple[Any, ...]]] = [[], []]

    def choose(budget: int, train: Examples, running: tuple[str, ...], seen: list[tuple[Any, ...]]) -> str:
        seen.append((budget, train.items.tolist(), train.labels.tolist(), running))
        return running[int(train.items.sum()) % 2]

    one, other = (
        compare(chosen=partial(choose, seen=seen), test=test).run()
        for seen, test in zip(asked, (TEST, turned), strict=True)
    )
    assert asked[0] == asked[1] and len(asked[0]) == 8
    for key in one.predictions.keys() - {"names"}:
        cell = one.predictions[key]
        for name in ("item", "prediction", "score"):
            np.testing.assert_array_equal(other.predictions[key][name], cell[name])
    assert one.picks == other.picks


def test_only_restricts_the_arms_and_chosen_brings_its_own() -> None:
    arms = {"pixels": guess, **ARMS}
    chosen = {1: "probe", 3: "probe"}
    assert compare(arms, only=["probe"]).run().arms == ("probe",)
    assert compare(arms, only=["scratch", "chosen"], chosen=chosen).run().arms == (
        "scratch",
        "probe",
    )
    without = compare(arms, only=["pixels"], chosen=chosen).run()
    assert {row["arm"] for row in without.rows} == {"pixels"}
    assert not any("minus" in row["metric"] for row in without.rows)
    assert any("probe was chosen but left out" in note for note in without.notes)
    assert "no gain is claimed" in without.sentence()


def test_a_choosing_callable_chooses_among_the_arms_that_are_left_and_brings_no_other() -> None:
    seen = set()

    def choose(budget: int, train: Examples, running: tuple[str, ...]) -> str:
        seen.update(running)
        return running[-1]

    arms = {"pixels": guess, **ARMS}
    assert compare(arms, only=["pixels", "probe", "chosen"], chosen=choose).run().arms == ("pixels", "probe")
    assert seen == {"pixels", "probe"}
    assert compare(arms, only=["chosen"], chosen=choose).run().arms == tuple(arms)
    assert seen == set(arms)


def test_restricting_arms_changes_no_value() -> None:
    assert compare(only=["probe"]).run().row("probe", 3) == compare().run().row("probe", 3)


def test_predictions_hold_every_cell_and_need_no_pickle(tmp_path: Any) -> None:
    results = compare(chosen={1: "probe", 3: "probe"}).run()
    np.savez(tmp_path / "predictions.npz", **results.predictions)
    with np.load(tmp_path / "predictions.npz", allow_pickle=False) as kept:
        assert len(kept.files) == 2 * 2 * 4 + 1
        assert kept["names"].tolist() == list(NAMES)
        cell = kept["probe-3-draw2"]
    assert cell.dtype.names == ("item", "label", "prediction", "score")
    np.testing.assert_array_equal(cell["item"], np.arange(40))
    np.testing.assert_array_equal(cell["label"], TEST.labels)
    assert (cell["label"] == cell["prediction"]).mean() == results.row("probe", 3)["values"][2]


def test_predictions_name_items_by_their_index_and_mistakes_by_their_position() -> None:
    test = Examples(TEST.items, TEST.labels, NAMES, index=1000 + np.arange(len(TEST))[::-1])
    results, plain = compare(test=test).run(), compare().run()
    cell = results.predictions["probe-3-draw2"]
    np.testing.assert_array_equal(cell["item"], test.index)
    np.testing.assert_array_equal(cell["label"], TEST.labels)
    assert results.mistakes("probe", 1) == plain.mistakes("probe", 1)


def test_a_variants_predictions_carry_its_own_names() -> None:
    results = compare(variant="digits", only=["probe"]).run()
    assert results.predictions["digits-names"].tolist() == list(NAMES)
    cells = {f"digits-probe-{budget}-draw{draw}" for budget in (1, 3) for draw in range(4)}
    assert set(results.predictions) == {"digits-names", *cells}


def test_mistakes_are_the_wrong_predictions_with_the_highest_scores() -> None:
    grid = compare()
    results = grid.run()
    scores = nearest_mean(POOL.take(grid.drawn(1, 1)), TEST.items, 0)
    wrong = [i for i in range(40) if scores[i].argmax() != TEST.labels[i]]
    expected = sorted(wrong, key=lambda i: -scores[i].max())
    found = results.mistakes("probe", 1, k=3, draw=1)
    assert [m.item for m in found] == expected[:3]
    for mistake in found:
        assert mistake.true == NAMES[TEST.labels[mistake.item]]
        assert mistake.predicted == NAMES[scores[mistake.item].argmax()]
        assert mistake.score == pytest.approx(scores[mistake.item].max())
    assert len(results.mistakes("probe", 1, k=1000, draw=1)) == len(wrong)
    with pytest.raises(ValueError, match="no cell of arm 'probe', budget 2"):
        results.mistakes("probe", 2)


def test_the_table_shows_arms_by_budgets_with_intervals() -> None:
    results = compare(chosen={1: "probe", 3: "probe"}).run()
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(results.table())
    text = console.export_text()
    row = results.row("probe", 3)
    assert f"{100 * row['mean']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" in text
    gain = results.row("chosen", 1, "rank1_minus_scratch")
    assert f"{100 * gain['mean']:+.1f} [{100 * gain['low']:+.1f}, " in text
    for word in ("scratch", "chosen - scratch", "rank1 in % at photos per person", "draws (4)"):
        assert word in text


def test_the_sentence_says_the_gain_its_budget_and_its_interval() -> None:
    arms = {"scratch": guess, "probe": lambda _, items, seed: np.eye(3)[TEST.labels]}
    results = compare(arms, chosen={1: "probe", 3: "probe"}).run()
    said = []
    for budget in (1, 3):
        table = results.right("probe", budget).astype(float) - results.right("scratch", budget)
        low, high = (100 * end for end in crossed_mean(table).interval(0.975))  # of two, so that both hold with 95 %
        points = f"{100 * table.mean():+.1f} points of rank1 at {budget} photos per person"
        said.append(f"{points} (probe; joint 95 % interval {low:+.1f} to {high:+.1f})")
    assert results.sentence() == (f"Over scratch the chosen arm gained {'; '.join(said)}.")


def test_the_sentence_is_honest_where_the_interval_includes_0_or_lies_below() -> None:
    results = compare({"scratch": guess, "probe": guess}, chosen={1: "probe", 3: "probe"}).run()
    assert results.sentence().startswith("No gain or loss is shown over scratch: +0.0 points of rank1 at 1 photos")
    right = {"scratch": lambda *_: np.eye(3)[TEST.labels], "probe": guess}
    worse = compare(right, budgets=[3], chosen={3: "probe"}).run().sentence()
    assert worse.startswith("Over scratch the chosen arm lost -") and "joint" not in worse
    assert "no gain is claimed" in compare().run().sentence()


def test_progress_is_told_before_each_cell_and_at_the_end() -> None:
    told: list[tuple[int, int, str]] = []
    compare(draws=1).run(progress=lambda *state: told.append(state))
    assert told == [
        (0, 4, "scratch-1-draw0"),
        (1, 4, "probe-1-draw0"),
        (2, 4, "scratch-3-draw0"),
        (3, 4, "probe-3-draw0"),
        (4, 4, ""),
    ]


@pytest.mark.parametrize("kind", ["images", "strings", "paths"])
def test_items_of_any_kind_reach_the_arms(kind: str) -> None:
    labels = np.arange(12) % 3
    items = {
        "images": np.arange(12 * 48, dtype=np.uint16).astype(np.uint8).reshape(12, 4, 4, 3),
        "strings": np.array([f"text {i}" for i in range(12)]),
        "paths": np.array([f"photo{i}.jpg" for i in range(12)], object),
    }[kind]
    if kind == "images":
        items[:, 0, 0, 0] = np.arange(12)
    everything = Examples(items, labels, NAMES, index=np.arange(12))

    def arm(train: Examples, test_items: np.ndarray, seed: int) -> np.ndarray:
        np.testing.assert_array_equal(test_items, items[6:])
        assert train.items.dtype == items.dtype
        return np.zeros((6, 3))

    results = Comparison(
        {"scratch": arm}, [1, 2], 1, everything.take(range(6, 12)), pool=everything.take(range(6))
    ).run()
    assert results.row("scratch", 2)["mean"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"only": ["prob"]}, "no arm 'prob' among scratch, probe; did you mean 'probe'?"),
        ({"only": ["chosen"]}, "no arm 'chosen'"),
        ({"only": []}, "at least one arm"),
        ({"baseline": "scrath"}, "no baseline 'scrath' among scratch, probe; did you mean"),
        ({"arm_draws": {"prob": 1}}, "no arm 'prob'"),
        ({"arm_draws": {"probe": 5}}, "arm_draws['probe'] is 5, more than the 4 draws"),
        ({"arm_draws": {"probe": 0}}, "arm_draws['probe'] must be a whole number"),
        ({"chosen": {1: "prob", 3: "probe"}}, "no arm 'prob'"),
        ({"chosen": {1: "probe"}}, "no budget 3 among 1"),
        ({"arm_budgets": {"prob": [1]}}, "no arm 'prob'"),
        ({"arm_budgets": {"probe": [2]}}, "no budget 2 among 1, 3"),
        ({"arm_budgets": {"probe": []}, "only": ["probe"]}, "probe run at none of the budgets 1, 3"),
        ({"arm_budgets": {"probe": [3]}, "chosen": {1: "probe", 3: "probe"}}, "chosen at 1 photos per person, where"),
        ({"full_test_arms": ["prob"]}, "no arm 'prob'"),
        ({"full_test": POOL}, "27 test items are also in the pool"),
        ({"metric": "rank-1"}, "no metric 'rank-1' among rank1, accuracy; did you mean 'rank1'"),
        ({"budgets": []}, "budgets must be different and at least one"),
        ({"budgets": [3, 3]}, "not [3, 3]"),
        ({"budgets": [0]}, "a budget must be a whole number of at least 1, not 0"),
        ({"budgets": [True]}, "not True"),
        ({"budgets": [9]}, "9 photos per person is more than the pool holds: ann has 8 of 9"),
        ({"draws": 0}, "draws must be a whole number"),
        ({"test": POOL}, "27 test items are also in the pool"),
        ({"test": Examples(TEST.items, TEST.labels, ("a", "b", "c"))}, "the same classes"),
    ],
)
def test_arguments_that_make_no_comparison_are_refused_before_any_arm_runs(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        compare(**change)


@pytest.mark.parametrize("name", ["chosen", "", "a/b", "../x", "a b"])
def test_names_that_would_not_be_files_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name an arm"):
        compare({name: guess}, baseline=None)
    if name != "chosen":
        with pytest.raises(ValueError, match="cannot name a variant"):
            compare(variant=name)


def test_a_choosing_callable_that_names_no_arm_is_refused_before_any_arm_runs() -> None:
    def never(*_: Any) -> np.ndarray:
        raise AssertionError("an arm was called")

    with pytest.raises(ValueError, match="no arm 'prob'.*did you mean 'probe'"):
        compare({"scratch": never, "probe": never}, chosen=lambda *_: "prob").run()


def test_columns_may_stand_beside_the_arms_names() -> None:
    results = compare({"scratch": guess, "probe": nearest_mean}, draws=2).run()
    table = results.table({"cost": {"probe": "12 s"}})
    assert [column.header for column in table.columns][:2] == ["arm", "cost"]
    assert list(table.columns[1].cells)[:2] == ["", "12 s"]


def test_one_draw_alone_shows_no_gain() -> None:
    arms = {"scratch": guess, "probe": lambda _, items, seed: np.eye(3)[TEST.labels]}
    results = compare(arms, draws=1, chosen={1: "probe", 3: "probe"}).run()
    assert results.sentence().startswith("No gain or loss is shown over scratch: +")
    assert "no interval: one label draw" in results.sentence() and "joint" not in results.sentence()


def test_differences_may_be_taken_to_several_baselines_and_each_has_its_sentence() -> None:
    arms = {"scratch": guess, "words": guess, "probe": nearest_mean}
    results = compare(arms, draws=12, baseline=("words", "scratch"), chosen=lambda *_: "probe").run()
    values = {arm: np.array(results.row(arm, results.budgets[0])["values"]) for arm in arms}
    for name in ("words", "scratch"):
        found = results.row("chosen", results.budgets[0], f"rank1_minus_{name}")["values"]
        assert np.allclose(found, values["probe"] - values[name])
    assert "Over words the chosen arm gained" in results.sentence()
    assert "Over scratch the chosen arm gained" in results.sentence()
