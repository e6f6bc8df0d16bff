"""The report: one file, everything in it, nothing in it that runs."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from auxtask.runs.opening import open_run
from auxtask.runs.report import is_fraction, main_table, tables_of, write_cell, write_number
from auxtask.runs.results_figure import plot_results

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
    rank1, auc = tables_of([*ROWS, AUC]).values()
    assert (rank1.title, rank1.columns, auc.columns) == ("rank1, %", ("3 photos", "10 photos"), ("",))
    assert rank1.lines == (("chosen", ("50.0 [40.0, 61.0]", "50.0 [40.0, 61.0]")),)


def row(arm: str, budget: int, metric: str, mean: float, **more: object) -> dict:
    return {"arm": arm, "budget": budget, "budget_unit": "labels", "metric": metric, "mean": mean} | more


def test_the_main_table_is_of_what_is_compared_with_the_gains_of_what_was_chosen() -> None:
    rows = [
        AUC,
        *(row(arm, n, "accuracy", mean) for arm, mean in (("scratch", 0.5), ("chosen", 0.75)) for n in (9, 3)),
        row("scratch", 3, "accuracy", 0.25, variant="dense"),
        row("probe", 3, "accuracy_minus_scratch", 0.5),
        row("chosen", 3, "accuracy_minus_scratch", 0.25),
        row("chosen", 3, "accuracy_per_class_minus_scratch", 0.25),
    ]
    table = main_table(rows)
    assert (table.title, table.columns) == ("accuracy, %", ("3 labels", "9 labels"))
    assert table.lines == (
        ("scratch", ("50.0", "50.0")), ("chosen", ("75.0", "75.0")), ("chosen - scratch", ("+25.0", "")),
    )  # fmt: skip
    assert main_table([AUC]) is None  # nothing is compared


def test_of_many_variants_each_has_a_line_of_the_main_table() -> None:
    def pair(name: str, budget: int = 200) -> list[dict]:
        return [
            row("scratch", budget, "accuracy", 0.5, variant=name),
            row("tuned", budget, "accuracy", 0.75, variant=name),
            row("tuned", budget, "accuracy_minus_scratch", 0.25, variant=name),
        ]

    table = main_table([*pair("coat+shirt"), *pair("bag+shirt")])
    assert table.columns == ("scratch", "tuned", "tuned - scratch")
    assert table.lines == tuple((name, ("50.0", "75.0", "+25.0")) for name in ("coat+shirt", "bag+shirt"))
    assert "tuned, 20 labels" in main_table([*pair("coat+shirt"), *pair("coat+shirt", 20)]).columns


def test_findings_come_first_and_what_was_not_compared_last(tmp_path: Path) -> None:
    run = open_run(tmp_path, Config(), recipe="toy", console=Console(file=io.StringIO()))
    run.note("a note")
    run.add_rows([AUC, row("tuned", 3, "accuracy", 0.5), row("tuned", 3, "accuracy_minus_scratch", 0.25)])
    run.finding("it <helped>")
    run.finish("finished")
    text = (tmp_path / "report.html").read_text()
    places = [text.index(part) for part in ("it &lt;helped&gt;", "tuned - scratch", "all figures", "auc, %", "a note")]
    assert places == sorted(places)


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
    assert write_cell(AUC | {"low": 0.7, "high": 1.1}) == "90.0 [70.0, 100.0]"  # no quality is beyond 100 %
    assert write_cell(row("a", 1, "accuracy_minus_b", 0.9, low=0.7, high=1.1)) == "+90.0 [+70.0, +110.0]"
    assert is_fraction("eer") and not is_fraction("photos_per_second")
