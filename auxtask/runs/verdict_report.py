"""What a recipe says of many paired comparisons: a verdict on each, as table, figure and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from auxtask.evaluation.verdicts import CALLS, Verdict, count_calls, verdict_table, verdicts
from auxtask.runs.transfer_figures import plot_verdicts

if TYPE_CHECKING:
    from auxtask.runs.folder import Run


def report_verdicts(
    run: Run,
    differences: Mapping[str, np.ndarray],
    title: str,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    pretrainings: int = 1,
) -> list[Verdict]:
    """Call each comparison helped, no evidence or harmed: table, figure, rows of the result, findings with all names.

    Rows are `verdicts` (how many were called what) and, of each comparison, its adjusted p and the gain in points that
    could have been detected, see `Verdict`.

    Parameters
    ----------
    run : Run
    differences : mapping of name to float [num_draws, num_test]
        As `paired_right` gives. With fewer than two draws no verdict is possible, and that is said.
    title : str
        What is compared with what.
    more : mapping of column to mapping of name to text, optional
        See `verdict_table`.
    pretrainings : int
        See `verdicts`.
    """
    enough = {name: table for name, table in differences.items() if len(table) > 1}
    if not enough:
        run.note(f"no verdict on {title}: it takes two seeds or more, and an arm beside the baseline")
        return []
    given = verdicts(enough, pretrainings=pretrainings)
    run.figure("verdicts", plot_verdicts(given, title))
    run.print(verdict_table(given, title, more))
    run.add_rows(_rows(given))
    known = [each.detectable for each in given if each.detectable is not None]
    power = f"{100 * float(np.median(known)):.2f} points (median, with probability 80 %)" if known else "nothing"
    kinds = "seeds and test items" if pretrainings == 1 else f"seeds, {pretrainings} pretrainings and test items"
    run.finding(f"Verdicts on {title}, {count_calls(given)}.")
    run.note(f"verdicts: {kinds} count as random, false discovery rate 5 %; so many seeds could have detected {power}")
    for call in ("helped", "harmed"):
        if names := [each.name for each in given if each.called == call]:
            run.finding(f"{call.capitalize()}: {', '.join(names)}.")
    return given


def _rows(given: Sequence[Verdict]) -> list[dict[str, Any]]:
    counts = [{"arm": call, "metric": "verdicts", "mean": sum(v.called == call for v in given)} for call in CALLS]
    p_values = [{"arm": each.name, "metric": "adjusted_p", "mean": each.adjusted} for each in given]
    detectable = [
        {"arm": each.name, "metric": "detectable_points", "mean": 100 * each.detectable}
        for each in given
        if each.detectable is not None
    ]
    return [*counts, *p_values, *detectable]
