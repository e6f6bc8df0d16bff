"""The report: one file, everything in it, nothing in it that runs."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from auxtask.runs.figures import plot_results
from auxtask.runs.opening import open_run
from auxtask.runs.report import is_fraction, tables_of, write_cell, write_number

ROWS = [
    {"arm": "chosen", "budget": b, "budget_unit": "photos", "metric": "rank1", "mean": 0.5, "low": 0.4, "high": 0.61}
    for b in (10, 3)
]
AUC = {"arm": "same_face", "budget": None, "budget_unit": None, "metric": "auc", "mean": 0.9, "low": None, "high": None}


@dataclass(frozen=True)
class Config:
    source: str = "<script>alert(1)</script>"


def test_the_report_needs_nothing_beside_it_and_escapes_what_it_is_told(tmp_path: Path) -> None:
    run = open_run(tmp_path, Config(), recipe="toy", console=Console(file=io.StringIO()))
    run.add_rows([*ROWS, AUC])
    run.note("a <b>note</b>")
    run.figure("results", plot_results(run.rows))
    run.finish("finished")
    text = (tmp_path / "report.html").read_text()
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "a &lt;b&gt;note&lt;/b&gt;" in text
    assert not re.findall(r'(?:src|href)="(?!data:image/png;base64,)', text)
    assert text.count("data:image/png;base64,") == 1
    assert "50.0 [40.0, 61.0]" in text and "90.0" in text


def test_tables_have_arms_down_and_budgets_across_in_order() -> None:
    rank1, auc = tables_of([*ROWS, AUC])
    assert (rank1.metric, rank1.budgets, auc.budgets) == ("rank1", (3, 10), (None,))
    assert rank1.lines == (("chosen", ("50.0 [40.0, 61.0]", "50.0 [40.0, 61.0]")),)


@pytest.mark.parametrize(
    ("metric", "value", "written"),
    [
        ("rank1", 0.875, "87.5"),
        ("train_rank1", 1.0, "100.0"),
        ("rank1_minus_scratch", 0.25, "+25.0"),
        ("tar@far=0.01", 0.5, "50.0"),
        ("pairs_per_second_ratio", 12.345, "12.3"),
        ("pairs", 123456.0, "123,456"),
        ("rank1", None, "–"),
    ],
)
def test_numbers_are_written_for_people(metric: str, value: float | None, written: str) -> None:
    assert write_number(value, metric) == written


def test_an_interval_is_shown_only_where_there_is_one() -> None:
    assert write_cell(AUC) == "90.0"
    assert is_fraction("eer") and not is_fraction("photos_per_second")
