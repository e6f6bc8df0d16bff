"""The report of a run: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auxtask.runs.progress import write_duration
from auxtask.runs.whole_files import whole_file

if TYPE_CHECKING:
    from auxtask.runs.folder import Run


@dataclass(frozen=True)
class ReportTable:
    """One metric: arms (and variants) down, budgets across; cells are text."""

    metric: str
    budget_unit: str
    budgets: tuple[int | None, ...]
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


def write_cell(row: Mapping[str, Any]) -> str:
    """Write a result row's mean, with its interval if it has one."""
    mean = write_number(row["mean"], row["metric"])
    if row.get("low") is None or row.get("high") is None or row["low"] == row["high"]:
        return mean
    low, high = (write_number(row[end], row["metric"]) for end in ("low", "high"))
    return f"{mean} [{low}, {high}]"


def tables_of(rows: Sequence[Mapping[str, Any]]) -> list[ReportTable]:
    """Arrange result rows as one table per metric, in the order the metrics first appear."""
    tables = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        own = [row for row in rows if row["metric"] == metric]
        budgets = tuple(sorted({row["budget"] for row in own}, key=lambda b: (b is None, b or 0)))
        lines: dict[str, dict[int | None, str]] = {}
        for row in own:
            name = f"{row['arm']} ({row['variant']})" if row.get("variant") else row["arm"]
            lines.setdefault(name, {})[row["budget"]] = write_cell(row)
        unit = next((row["budget_unit"] for row in own if row["budget_unit"]), "")
        cells = tuple((name, tuple(line.get(b, "") for b in budgets)) for name, line in lines.items())
        tables.append(ReportTable(metric, unit, budgets, cells))
    return tables


def write_report(run: Run) -> Path:
    """Write `report.html` into the run's folder: tables, notes, figures (inlined), config, environment; all escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("auxtask.runs", ""), autoescape=True, undefined=StrictUndefined)
    environment.filters["duration"] = write_duration
    text = environment.get_template("report.html.j2").render(
        run=run,
        tables=tables_of(run.result()["rows"]),
        is_fraction=is_fraction,
        figures={name: base64.b64encode(path.read_bytes()).decode() for name, path in run.figures.items()},
        config=json.loads((run.folder / "config.json").read_text()),
        environment=json.loads((run.folder / "environment.json").read_text()),
    )
    path = run.folder / "report.html"
    with whole_file(path) as file:
        file.write(text.encode())
    return path
