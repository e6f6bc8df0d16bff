"""The one grid: arms x label budgets x label draws, tested on the same items.

Every recipe's claim rests on this. Draws are paired over arms and nested in the budget, test items
are fixed before labels are drawn, and no arm and no choice of an arm ever sees a test label.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from auxtask.data.splits import draw_labels, draw_seed
from auxtask.evaluation.argument_checks import checked_budgets, refuse_unknown, whole_number
from auxtask.evaluation.arms import Arm, Outcome, call_arm
from auxtask.evaluation.classification import predictions_from, rank1
from auxtask.evaluation.examples import Examples, fingerprint, refuse_shared
from auxtask.evaluation.results import METRICS, Cell, Results

__all__ = ["Arm", "Comparison", "Examples", "Outcome", "Results"]


FILE_NAME = re.compile(r"\w[\w.+-]*")  # cell keys become file names

Chosen = Mapping[int, str] | Callable[[int, Examples, tuple[str, ...]], str]
"""The arm to claim at a budget: named beforehand, or picked among those that run there, from labelled examples alone.
"""


class KeepsCells(Protocol):
    """A run that keeps what was computed under a key and gives it back the next time."""

    def cell(self, key: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Give the arrays kept under `key`, computing and keeping them if there are none."""


class Comparison:
    """Compare ways to get a model at several label budgets.

    Parameters
    ----------
    arms : mapping of str to Arm
        Each is called with the labelled examples, the test items (read-only, no labels) and a
        seed that belongs to the draw, the same for every arm and budget.
    budgets : sequence of int
        Labels per class or, if not `per_class`, in all (balanced over the classes).
    draws : int
        How often labels are drawn.
    test : Examples
    pool : Examples
        What labels are drawn from; the same classes as `test`, no item in common.
    budget_unit : str
        What a budget counts; only shown.
    baseline : str, sequence of str, or None
        The arms that the others are compared with, draw by draw; the first one opens the table's sentence.
    chosen : mapping of budget to arm, or callable (budget, train, arms) -> arm, optional
        Its cells are copied to the arm `chosen`, which carries the claim. A callable is asked for
        each draw, told the arms that run at this budget and draw, and must name one of them; its
        answers are kept like cells.
    metric : "rank1" or "accuracy"
        The name of the mean over items (the mean over classes comes along, as
        `rank1_per_person` or `accuracy_per_class`).
    arm_draws : mapping of arm to int, optional
        Fewer draws than `draws` for arms that are costly: the first ones.
    arm_budgets : mapping of arm to sequence of int, optional
        Some of `budgets` only, for arms that are costly.
    full_test : Examples, optional
        A larger test set, on which `full_test_arms` are scored too: the metric
        `accuracy_full_test` (or `rank1_full_test`). It may hold the items of `test`.
    full_test_arms : sequence of arm names
        See `full_test`.
    only : sequence of arm names, optional
        Restricts `arms`. With "chosen" in it, arms that a mapping names are added, and a callable chooses among the
        others named here (among all, if "chosen" stands alone); without it, a callable is not asked.
    per_class : bool
        See `budgets`.
    variant : str, optional
        Goes into each row and cell key, where one run holds several comparisons.
    pretrainings : int
        Over how many pretrained networks the arms rotate (see `rotated_arm`): intervals
        allow for what they differ in.
    seed : int
        Of the draws.
    run : object with `cell(key, compute)`, optional
        Keeps finished cells, which are then not computed again.

    Raises
    ------
    ValueError
        An unknown arm, a budget beyond the pool, a class with too few examples, items shared by
        pool and test, classes that differ, or an arm that is chosen where it does not run: always
        before any arm is called.
    """

    def __init__(
        self,
        arms: Mapping[str, Arm],
        budgets: Sequence[int],
        draws: int,
        test: Examples,
        *,
        pool: Examples,
        budget_unit: str = "photos per person",
        baseline: str | Sequence[str] | None = "scratch",
        chosen: Chosen | None = None,
        metric: str = "rank1",
        arm_draws: Mapping[str, int] | None = None,
        arm_budgets: Mapping[str, Sequence[int]] | None = None,
        full_test: Examples | None = None,
        full_test_arms: Sequence[str] = (),
        only: Sequence[str] | None = None,
        per_class: bool = True,
        variant: str | None = None,
        pretrainings: int = 1,
        seed: int = 0,
        run: KeepsCells | None = None,
    ) -> None:
        self.budgets = checked_budgets(budgets)
        self.draws, self.seed, self.per_class = whole_number("draws", draws), seed, per_class
        self.pool, self.test, self.budget_unit, self.variant = pool, test, budget_unit, variant
        self.full_test, self.full_test_arms = full_test, frozenset(full_test_arms) if full_test else frozenset()
        self.metric, self.chosen, self.keeper = metric, chosen, run
        self.baselines = (baseline,) if isinstance(baseline, str) else tuple(baseline or ())
        self.pretrainings = whole_number("pretrainings", pretrainings)
        self.all_arms = dict(arms)
        self.arm_draws = {name: self.draws for name in arms} | dict(arm_draws or {})
        self.arm_budgets = {name: self.budgets for name in arms} | {
            name: tuple(some) for name, some in (arm_budgets or {}).items()
        }
        self._check_names(only, full_test_arms)
        self._check_chosen()
        self._asks = callable(chosen) and (only is None or "chosen" in only)
        self.arms = {name: arms[name] for name in arms if name in self._active(only)}
        if not any(self.arm_budgets[name] for name in self.arms):
            raise ValueError(f"{', '.join(self.arms)} run at none of the budgets {', '.join(map(str, self.budgets))}")
        tests = (test,) if full_test is None else (test, full_test)
        if any(one.names != pool.names for one in tests):
            raise ValueError("pool and test must have the same classes in the same order")
        for one in tests:
            refuse_shared(pool, one)
        self.data = fingerprint(pool, *tests)
        self._drawn = {
            (budget, draw): draw_labels(pool.labels, pool.names, budget, draw_seed(seed, draw), per_class, budget_unit)
            for budget in self.budgets
            for draw in range(self.draws)
        }

    def drawn(self, budget: int, draw: int) -> np.ndarray:
        """Give the pool indices that are labelled in this draw, the same for every arm."""
        return self._drawn[budget, draw]

    def running(self, budget: int, draw: int) -> tuple[str, ...]:
        """Give the arms that run at this budget and draw."""
        return tuple(name for name in self.arms if draw < self.arm_draws[name] and budget in self.arm_budgets[name])

    def run(self, progress: Callable[[int, int, str], None] | None = None) -> Results:
        """Compute the cells that are not kept yet, and give the results of all.

        Parameters
        ----------
        progress : callable, optional
            Told (cells done, cells in all, key of the next or "") before each cell and at the end.
            What a callable `chosen` is asked counts as a cell.

        Raises
        ------
        ValueError, TypeError, OSError, MemoryError, RuntimeError
            An arm failed or returned something else than scores. The message starts with the
            cell's key; cells that were finished stay kept.
        """
        cells = [
            Cell(arm, budget, draw, self.variant)
            for draw in range(self.draws)
            for budget in self.budgets
            for arm in self.running(budget, draw)
        ]
        asked = [
            Cell("chosen", budget, draw, self.variant)
            for budget in self.budgets
            for draw in range(self.draws)
            if self._asks and self.running(budget, draw)
        ]
        finished: dict[Cell, dict[str, np.ndarray]] = {}
        for done, cell in enumerate([*asked, *cells]):
            if progress is not None:
                progress(done, len(asked) + len(cells), cell.key)
            finished[cell] = self._finish(cell)
        if progress is not None:
            progress(len(finished), len(finished), "")
        picks, notes = self._picks({cell: str(finished.pop(cell)["chosen"]) for cell in asked})
        return Results(
            finished,
            self.test.labels,
            self.test.names,
            budgets=self.budgets,
            budget_unit=self.budget_unit,
            metric=self.metric,
            baselines=[name for name in self.baselines if name in self.arms],
            picks=picks,
            index=self.test.index,
            notes=notes,
            pretrainings=self.pretrainings,
        )

    def _finish(self, cell: Cell) -> dict[str, np.ndarray]:
        if self.keeper is None:
            return self._compute(cell)
        arrays = self.keeper.cell(cell.key, lambda: self._compute(cell))
        train = self.drawn(cell.budget, cell.draw)
        if str(arrays["data"]) != self._stamp(cell) or not np.array_equal(arrays["train"], train):
            raise ValueError(f"cell {cell.key} was kept from other data, labels, seed or arm: start a new run folder")
        return arrays

    def _stamp(self, cell: Cell) -> str:
        """Give what a kept cell is checked by: its data, and names that its key may run together."""
        return f"{self.data} {cell.variant or ''} {cell.arm}"

    def _compute(self, cell: Cell) -> dict[str, np.ndarray]:
        if cell.arm == "chosen":
            return self._ask(cell)
        train = self.drawn(cell.budget, cell.draw)
        seed = draw_seed(self.seed, cell.draw)
        items, full = self.test.items, self.full_test if cell.arm in self.full_test_arms else None
        if full is not None:
            items = np.concatenate([items, full.items])
        try:
            scores, metrics = call_arm(self.arms[cell.arm], self.pool.take(train), items, seed)
            prediction = predictions_from(scores)
        except Exception as error:
            raise _named(error, cell) from error
        if full is not None:
            metrics[f"{self.metric}_full_test"] = rank1(prediction[len(self.test) :], full.labels)
            scores, prediction = scores[: len(self.test)], prediction[: len(self.test)]
        return {
            "data": np.array(self._stamp(cell)),
            "train": train,
            "prediction": prediction,
            "score": scores[np.arange(len(scores)), prediction].astype(np.float64),
            **{f"metric_{name}": np.array(value) for name, value in metrics.items()},
        }

    def _ask(self, cell: Cell) -> dict[str, np.ndarray]:
        """Have the arm of a draw named, by its labelled examples alone."""
        assert callable(self.chosen)
        train, running = self.drawn(cell.budget, cell.draw), self.running(cell.budget, cell.draw)
        try:
            name = self.chosen(cell.budget, self.pool.take(train), running)
            refuse_unknown("arm", [name], running)
        except Exception as error:
            raise _named(error, cell) from error
        return {"data": np.array(self._stamp(cell)), "train": train, "chosen": np.array(name)}

    def _check_names(self, only: Sequence[str] | None, full_test_arms: Sequence[str]) -> None:
        arms = self.all_arms
        for name in arms:
            if not FILE_NAME.fullmatch(name) or name == "chosen":
                raise ValueError(f"{name!r} cannot name an arm: use letters, digits, _ . + -")
        if self.variant is not None and not FILE_NAME.fullmatch(self.variant):
            raise ValueError(f"{self.variant!r} cannot name a variant: use letters, digits, _ . + -")
        refuse_unknown("metric", [self.metric], METRICS)
        refuse_unknown("arm", only or (), [*arms, *(["chosen"] if self.chosen else [])])
        for named in (self.arm_draws, self.arm_budgets, full_test_arms):
            refuse_unknown("arm", named, arms)
        refuse_unknown("baseline", self.baselines, arms)
        for name, count in self.arm_draws.items():
            if whole_number(f"arm_draws[{name!r}]", count) > self.draws:
                raise ValueError(f"arm_draws[{name!r}] is {count}, more than the {self.draws} draws")
        for some in self.arm_budgets.values():
            refuse_unknown("budget", some, self.budgets)
        if not arms or (only is not None and not len(only)):
            raise ValueError("a comparison needs at least one arm")

    def _check_chosen(self) -> None:
        """Refuse arms named beforehand that do not exist or do not run."""
        if not isinstance(self.chosen, Mapping):
            return
        refuse_unknown("arm", self.chosen.values(), self.all_arms)
        refuse_unknown("budget", self.budgets, self.chosen)
        for budget in self.budgets:
            if budget not in self.arm_budgets[self.chosen[budget]]:
                raise ValueError(f"{self.chosen[budget]} is chosen at {budget} {self.budget_unit}, where it is not run")

    def _active(self, only: Sequence[str] | None) -> set[str]:
        if only is None or (set(only) == {"chosen"} and not isinstance(self.chosen, Mapping)):
            return set(self.all_arms)
        active = set(only) - {"chosen"}
        if "chosen" in only and isinstance(self.chosen, Mapping):
            active |= {self.chosen[budget] for budget in self.budgets}
        return active

    def _picks(self, asked: Mapping[Cell, str]) -> tuple[dict[int, tuple[str, ...]], list[str]]:
        """By budget, the chosen arm of each draw; notes on budgets whose arm was not run."""
        picks: dict[int, tuple[str, ...]] = {}
        notes: list[str] = []
        for budget in self.budgets:
            names = self._named_beforehand(budget) or tuple(asked[cell] for cell in asked if cell.budget == budget)
            left_out = sorted(set(names) - set(self.arms))
            if left_out:
                notes.append(
                    f"no row `chosen` at {budget} {self.budget_unit}: "
                    f"{', '.join(left_out)} was chosen but left out of the arms"
                )
            elif names:
                picks[budget] = names
        return picks, notes

    def _named_beforehand(self, budget: int) -> tuple[str, ...]:
        if not isinstance(self.chosen, Mapping):
            return ()
        name = self.chosen[budget]
        return (name,) * self.arm_draws[name]


def _named(error: Exception, cell: Cell) -> Exception:
    """Give the error again, with the cell's key; of a plain type, so that any can be made."""
    for kind in (ValueError, TypeError, OSError, MemoryError):
        if isinstance(error, kind):
            return kind(f"cell {cell.key}: {error}")
    return RuntimeError(f"cell {cell.key}: {type(error).__name__}: {error}")
