"""What a comparison found: rows, table, sentence, predictions and mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from auxtask.evaluation.classification import rank1, rank1_per_person
from auxtask.evaluation.crossed import crossed_mean, draws_mean
from auxtask.evaluation.statistics import Interval, paired_differences
from auxtask.evaluation.verdicts import paired_right

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["METRICS", "Cell", "Mistake", "Results"]

METRICS = {"rank1": "rank1_per_person", "accuracy": "accuracy_per_class"}
"""The mean over items, and what the mean over classes is called beside it."""

PREDICTION = np.dtype([("item", "i8"), ("label", "i8"), ("prediction", "i8"), ("score", "f8")])


@dataclass(frozen=True)
class Cell:
    """One arm at one budget and draw."""

    arm: str
    budget: int
    draw: int
    variant: str | None = None

    @property
    def key(self) -> str:
        """A name for it that is also a file name."""
        prefix = "" if self.variant is None else f"{self.variant}-"
        return f"{prefix}{self.arm}-{self.budget}-draw{self.draw}"


class Mistake(NamedTuple):
    """A test item (its position among the test examples), its class, the class predicted, and the score of that."""

    item: int
    true: str
    predicted: str
    score: float


class Results:
    """The finished cells of a comparison, in the forms in which they are reported.

    Attributes
    ----------
    rows : list of dict
        As in `result.json`: arm, budget, budget_unit, metric, (variant,) mean, low, high, values.
        low and high are the 95 % t interval over label draws (and pretrainings, where there are
        several, see `draws_mean`), None with one draw, or where every draw takes all there is and gives the same.
        Differences to the baselines are paired by draw and test item, and their intervals are over both (see
        `crossed_mean`): a difference on a few test items is not known to the last digit, however many draws there are.
    predictions : dict of cell key to structured array [num_test]
        Fields item (where it lies in the data set: the test examples' `index`, or their position
        if they have none), label, prediction (indices into `names`) and score. Beside the cells
        stands `names` itself (with a variant, `<variant>-names`): str [num_classes].
    notes : list of str
        What the rows cannot say: what the interval is over, and which arm `chosen` is.
    names : tuple of str
    """

    def __init__(
        self,
        cells: Mapping[Cell, Mapping[str, np.ndarray]],
        labels: np.ndarray,
        names: tuple[str, ...],
        *,
        budgets: Sequence[int],
        budget_unit: str,
        metric: str,
        baselines: Sequence[str],
        picks: Mapping[int, tuple[str, ...]],
        index: np.ndarray | None = None,
        notes: Sequence[str] = (),
        pretrainings: int = 1,
    ) -> None:
        self.names, self.labels = names, labels
        self._index = np.arange(len(labels)) if index is None else index
        self.budgets, self.budget_unit = tuple(budgets), budget_unit
        self.metric, self.baselines, self.picks = metric, tuple(baselines), dict(picks)
        self._pretrainings = pretrainings
        self._cells = dict(cells)
        self._variant = next(iter(cells)).variant
        self.arms = tuple(dict.fromkeys(cell.arm for cell in cells))
        self._taken = self._all_taken()
        self._values = self._measure()
        self.rows = self._make_rows()
        self.notes = [*self._make_notes(), *notes]
        self.predictions = {cell.key: self._predictions(cell) for cell in cells}
        # No cell has this key: a cell's ends with its budget and draw.
        self.predictions["names" if self._variant is None else f"{self._variant}-names"] = np.array(names)

    def row(self, arm: str, budget: int, metric: str | None = None) -> dict[str, Any]:
        """Give one row; `metric` None is the comparison's own.

        Raises
        ------
        ValueError
            There is no such row.
        """
        metric = metric or self.metric
        for row in self.rows:
            if (row["arm"], row["budget"], row["metric"]) == (arm, budget, metric):
                return row
        raise ValueError(f"there is no row of arm {arm!r}, budget {budget} and metric {metric!r}")

    def table(self, beside: Mapping[str, Mapping[str, str]] | None = None) -> Table:
        """Give a table of arms by budgets, in per cent, with intervals.

        Parameters
        ----------
        beside : mapping of title to (mapping of arm to text), optional
            Columns that follow the arms' names, such as what each one's pretraining cost.
        """
        from rich.table import Table

        table = Table(
            title=f"{self.metric} in % at {self.budget_unit}",
            caption=f"95 % t intervals over {self._what_is_random()}; of differences over test items too",
        )
        table.add_column("arm", no_wrap=True)
        columns = dict(beside or {})
        for title in columns:
            table.add_column(title, justify="right")
        for budget in self.budgets:
            table.add_column(str(budget), justify="right", no_wrap=True)

        def add(name: str, arm: str, metric: str, style: str | None = None) -> None:
            known = (texts.get(name, "") for texts in columns.values())
            table.add_row(name, *known, *self._row_texts(arm, metric), style=style)

        for arm in self.arms:
            add(arm, arm, self.metric)
        if self.picks:
            table.add_section()
            add("chosen", "chosen", self.metric, "bold")
            for baseline in self.baselines:
                add(f"chosen - {baseline}", "chosen", f"{self.metric}_minus_{baseline}")
        return table

    def sentence(self) -> str:
        """Say what the chosen arm gained over each baseline, at which budget, and how sure it is."""
        if not self.picks:
            return "No arm was chosen without test labels, so no gain is claimed."
        if not self.baselines:
            return "There is no baseline among the arms, so no gain is claimed."
        return " ".join(map(self._gain_over, self.baselines))

    def _gain_over(self, baseline: str) -> str:
        metric = f"{self.metric}_minus_{baseline}"
        rows = [row for row in self.rows if (row["arm"], row["metric"]) == ("chosen", metric)]
        if not rows:
            return f"{baseline} was run at none of the budgets, so no gain is claimed."
        # All intervals together hold with 95 % (Bonferroni), or of many budgets one would soon show a gain by luck.
        level = 1 - 0.05 / len(rows)
        found = {row["budget"]: self._difference("chosen", row["budget"], baseline, self.metric, level) for row in rows}
        said: dict[str, list[str]] = {"gained": [], "lost": [], "open": []}
        for budget, (mean, low, high) in found.items():
            kind = "open" if low is None or high is None or low <= 0 <= high else "gained" if low > 0 else "lost"
            said[kind].append(self._gain(budget, mean, low, high, joint=len(rows) > 1))
        # Of the chosen arm, not of pretraining: it may be one that has none, such as pixels.
        parts = [f"{kind} {'; '.join(said[kind])}" for kind in ("gained", "lost") if said[kind]]
        sentence = f"Over {baseline} the chosen arm {', and '.join(parts)}" if parts else ""
        if said["open"]:
            opening = f"no gain or loss is shown {'elsewhere' if parts else f'over {baseline}'}"
            sentence += ("; " if parts else "") + f"{opening}: {'; '.join(said['open'])}"
        return sentence[:1].upper() + sentence[1:] + "."

    def mistakes(self, arm: str, budget: int, k: int = 12, draw: int = 0) -> list[Mistake]:
        """Give the (at most) k wrong predictions with the highest scores, in one draw.

        Raises
        ------
        ValueError
            There is no such cell.
        """
        cell = self._resolve(arm, budget, draw)
        if cell is None:
            raise ValueError(f"there is no cell of arm {arm!r}, budget {budget} and draw {draw}")
        found = self._predictions(cell)
        wrong = np.flatnonzero(found["label"] != found["prediction"])
        worst = wrong[np.argsort(-found["score"][wrong], kind="stable")[:k]]
        return [
            Mistake(int(i), self.names[m["label"]], self.names[m["prediction"]], float(m["score"]))
            for i, m in zip(worst, found[worst], strict=True)
        ]

    def right(self, arm: str, budget: int) -> np.ndarray:
        """Tell which test items were predicted right: bool [num_draws, num_test]; ValueError as for `mistakes`."""
        cells = [self._resolve(arm, budget, draw) for draw in range(self._most_draws())]
        found = [self._cells[cell]["prediction"] == self.labels for cell in cells if cell is not None]
        if not found:
            raise ValueError(f"there is no cell of arm {arm!r} and budget {budget}")
        return np.stack(found)

    def _resolve(self, arm: str, budget: int, draw: int) -> Cell | None:
        """Find the cell behind an arm's name; `chosen` has none of its own."""
        if arm == "chosen":
            names = self.picks.get(budget, ())
            if draw >= len(names):
                return None
            arm = names[draw]
        cell = Cell(arm, budget, draw, self._variant)
        return cell if cell in self._cells else None

    def _predictions(self, cell: Cell) -> np.ndarray:
        arrays = self._cells[cell]
        found = np.empty(len(self.labels), PREDICTION)
        found["item"], found["label"] = self._index, self.labels
        found["prediction"], found["score"] = arrays["prediction"], arrays["score"]
        return found

    def _measure(self) -> dict[tuple[str, int], dict[str, list[float]]]:
        """By (arm, budget): the values over draws of each metric."""
        by_cell = {}
        for cell, arrays in self._cells.items():
            by_cell[cell] = {
                self.metric: rank1(arrays["prediction"], self.labels),
                METRICS[self.metric]: rank1_per_person(arrays["prediction"], self.labels),
            } | {
                name.removeprefix("metric_"): float(value)
                for name, value in arrays.items()
                if name.startswith("metric_")
            }
        measured = {}
        num_draws = self._most_draws()
        for arm in (*self.arms, *(["chosen"] if self.picks else [])):
            for budget in self.budgets:
                found = [self._resolve(arm, budget, draw) for draw in range(num_draws)]
                draws = [by_cell[cell] for cell in found if cell is not None]
                # A metric that only some draws' arms know has no values that could be paired.
                shared = [name for name in (draws[0] if draws else ()) if all(name in d for d in draws)]
                if draws:
                    measured[arm, budget] = {name: [d[name] for d in draws] for name in shared}
        return measured

    def _make_rows(self) -> list[dict[str, Any]]:
        rows = []
        for (arm, budget), metrics in self._values.items():
            for metric, values in metrics.items():
                rows.append(self._make_row(arm, budget, metric, values))
        for (arm, budget), metrics in self._values.items():
            for baseline in self.baselines:
                base = self._values.get((baseline, budget), {})  # a baseline may not run at every budget
                for metric in (self.metric, METRICS[self.metric]) if base and arm != baseline else ():
                    values = paired_differences(metrics[metric], base[metric])
                    interval = self._difference(arm, budget, baseline, metric)
                    rows.append(self._make_row(arm, budget, f"{metric}_minus_{baseline}", values, interval))
        return rows

    def _difference(self, arm: str, budget: int, baseline: str, metric: str, level: float = 0.95) -> Interval:
        """Give the mean paired difference, with an interval over draws (and pretrainings) and test items."""
        table = paired_right(self, arm, budget, baseline)
        if metric == METRICS[self.metric]:  # a mean over classes: an item counts the more, the rarer its class
            counts = np.bincount(self.labels, minlength=len(self.names))
            table = table * (len(self.labels) / (np.count_nonzero(counts) * counts[self.labels]))
        if min(table.shape) < 2:
            return Interval(float(table.mean()), None, None)
        found = crossed_mean(table, self._pretrainings)
        return Interval(found.mean, *found.interval(level))

    def _make_row(
        self, arm: str, budget: int, metric: str, values: list[float], interval: Interval | None = None
    ) -> dict[str, Any]:
        variant = {} if self._variant is None else {"variant": self._variant}
        if interval is None:
            interval = draws_mean(values, self._pretrainings)
            if budget in self._taken and len(set(values)) == 1:
                interval = Interval(interval.mean, None, None)  # of other labels, nothing is known
        mean, low, high = interval
        return {
            "arm": arm,
            "budget": budget,
            "budget_unit": self.budget_unit,
            "metric": metric,
            **variant,
            "mean": mean,
            "low": low,
            "high": high,
            "values": values,
        }

    def _make_notes(self) -> list[str]:
        given = ", one pretraining" if self._pretrainings == 1 else ""
        items = "; of differences over test items too" if self.baselines else ""
        notes = [f"intervals: 95 % t over {self._what_is_random()}{given}{items}"]
        notes += [
            f"at {budget} {self.budget_unit} every draw takes the same items, so nothing shows how much depends on them"
            for budget in sorted(self._taken)
        ]
        for budget, names in self.picks.items():
            counts = Counter(names)
            listed = ", ".join(
                name if len(counts) == 1 else f"{name} in {count} of {len(names)} draws"
                for name, count in counts.most_common()
            )
            notes.append(f"chosen at {budget} {self.budget_unit}: {listed}, without test labels")
        return notes

    def _all_taken(self) -> set[int]:
        """Give the budgets at which several draws took the same labelled items: a budget may be all there is."""
        found = set()
        for budget in self.budgets:
            drawn = {c.draw: a["train"] for c, a in self._cells.items() if c.budget == budget}
            if len(drawn) > 1 and len({np.sort(items).tobytes() for items in drawn.values()}) == 1:
                found.add(budget)
        return found

    def _most_draws(self) -> int:
        return 1 + max(cell.draw for cell in self._cells)

    def _what_is_random(self) -> str:
        shared = f" and {self._pretrainings} pretrainings, in turn" if self._pretrainings > 1 else ""
        return f"label draws ({self._num_draws()}){shared}"

    def _num_draws(self) -> str:
        counts = {arm: 1 + max(c.draw for c in self._cells if c.arm == arm) for arm in self.arms}
        usual = max(counts.values())
        fewer = [f"{arm} {count}" for arm, count in counts.items() if count < usual]
        return f"{usual}; {', '.join(fewer)}" if fewer else str(usual)

    def _row_texts(self, arm: str, metric: str) -> list[str]:
        texts = []
        for budget in self.budgets:
            found = [row for row in self.rows if (row["arm"], row["budget"], row["metric"]) == (arm, budget, metric)]
            texts.append(_per_cent(found[0]) if found else "")
        return texts

    def _gain(self, budget: int, mean: float, low: float | None, high: float | None, joint: bool) -> str:
        arms = "/".join(dict.fromkeys(self.picks[budget]))
        text = f"{100 * mean:+.1f} points of {self.metric} at {budget} {self.budget_unit}"
        if low is None or high is None:
            return f"{text} ({arms}; no interval: one label draw, or all alike)"
        kind = "joint 95 % interval" if joint else "95 % interval"
        return f"{text} ({arms}; {kind} {100 * low:+.1f} to {100 * high:+.1f})"


def _per_cent(row: dict[str, Any]) -> str:
    sign = "+" if "_minus_" in row["metric"] else ""
    text = f"{100 * row['mean']:{sign}.1f}"
    low, high = row["low"], row["high"]
    if low is None:
        return text
    if not sign:  # a share: an interval of few draws may reach beyond what it can be
        low, high = max(low, 0.0), min(high, 1.0)
    return f"{text} [{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"
