"""The report of a run: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auxtask.runs.progress import write_duration
from auxtask.runs.whole_files import whole_file

if TYPE_CHECKING:
    from auxtask.runs.folder import Run


@dataclass(frozen=True)
class ReportTable:
    """Text in lines, each with a name in front, under headings."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]


FRACTIONS = ("rank1", "accuracy", "auc", "eer", "tar@", "tpir@")


def is_fraction(metric: str) -> bool:
    """Say whether a metric is a quality between 0 and 1 (or a difference of such), to be shown in percent."""
    return any(metric.removeprefix("train_").startswith(start) for start in FRACTIONS)


def write_number(value: float | None, metric: str) -> str:
    """Write a result for people: percent for qualities, three digits for anything else."""
    if value is None:
        return "–"
    if is_fraction(metric):
        return f"{100 * value:+.1f}" if "_minus_" in metric else f"{100 * value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def shown_interval(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """Give a result row's interval, if it has one; of few draws it may reach beyond where qualities end, and is cut."""
    low, high = row.get("low"), row.get("high")
    if low is None or high is None or low == high:
        return None
    if is_fraction(row["metric"]) and "_minus_" not in row["metric"]:
        return max(low, 0.0), min(high, 1.0)
    return low, high


def write_cell(row: Mapping[str, Any]) -> str:
    """Write a result row's mean, with its interval if it has one."""
    mean, interval = write_number(row["mean"], row["metric"]), shown_interval(row)
    if interval is None:
        return mean
    low, high = (write_number(end, row["metric"]) for end in interval)
    return f"{mean} [{low}, {high}]"


def tables_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, ReportTable]:
    """Arrange result rows as one table per metric, in the order the metrics first appear: arms down, budgets across."""
    by_metric: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_metric.setdefault(row["metric"], []).append(row)
    return {metric: _arranged(metric_title(metric), own, arm_title, _budget) for metric, own in by_metric.items()}


def main_table(rows: Sequence[Mapping[str, Any]]) -> ReportTable | None:
    """Arrange what a comparison is about as one table, with the gains of `chosen`, or of all arms where none is chosen.

    Of many variants (pairs of classes) each has a line, and arms are across. None where nothing is compared.
    """
    compared = [row["metric"].partition("_minus_")[0] for row in rows if "_minus_" in row["metric"]]
    if not compared:
        return None
    metric = compared[0]
    own = [row for row in rows if row["metric"] == metric or row["metric"].startswith(f"{metric}_minus_")]
    if any(row["arm"] == "chosen" for row in own):
        own = [row for row in own if row["metric"] == metric or row["arm"] == "chosen"]
    alone = [row for row in own if not row.get("variant")]
    if alone:
        return _arranged(metric_title(metric), alone, _gain, _budget)
    several = len({row["budget"] for row in own}) > 1

    def column(row: Mapping[str, Any]) -> str:
        return f"{_gain(row)}, {_budget(row)}" if several else _gain(row)

    return _arranged(metric_title(metric), own, lambda row: str(row["variant"]), column)


def _arranged(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    line: Callable[[Mapping[str, Any]], str],
    column: Callable[[Mapping[str, Any]], str],
) -> ReportTable:
    """Put rows under headings, smaller budgets first."""
    by_budget = sorted(rows, key=lambda row: (row["budget"] is None, row["budget"] or 0))
    columns = tuple(dict.fromkeys(map(column, by_budget)))
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        lines.setdefault(line(row), {})[column(row)] = write_cell(row)
    return ReportTable(
        title, columns, tuple((name, tuple(own.get(c, "") for c in columns)) for name, own in lines.items())
    )


def metric_title(metric: str) -> str:
    """Name a metric, with its unit."""
    return f"{metric}, %" if is_fraction(metric) else metric


def arm_title(row: Mapping[str, Any]) -> str:
    """Name the arm of a row, with its variant."""
    return f"{row['arm']} ({row['variant']})" if row.get("variant") else str(row["arm"])


def _gain(row: Mapping[str, Any]) -> str:
    """Name an arm, or what it gained over another."""
    _, _, baseline = row["metric"].partition("_minus_")
    return f"{row['arm']} - {baseline}" if baseline else str(row["arm"])


def _budget(row: Mapping[str, Any]) -> str:
    return "" if row["budget"] is None else f"{row['budget']} {row['budget_unit'] or ''}".strip()


def write_report(run: Run) -> Path:
    """Write `report.html` into the run's folder: findings, tables, figures (inlined), notes; all escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("auxtask.runs", ""), autoescape=True, undefined=StrictUndefined)
    environment.filters["duration"] = write_duration
    rows = run.result()["rows"]
    text = environment.get_template("report.html.j2").render(
        run=run,
        main=main_table(rows),
        tables=tables_of(rows).values(),
        figures={name: base64.b64encode(path.read_bytes()).decode() for name, path in run.figures.items()},
        config=json.loads((run.folder / "config.json").read_text()),
        environment=json.loads((run.folder / "environment.json").read_text()),
    )
    path = run.folder / "report.html"
    with whole_file(path) as file:
        file.write(text.encode())
    return path
