"""What every recipe shows of its comparison: rows, predictions, notes, figures, table and sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from auxtask.runs.figures import plot_curves, plot_freeze_map, plot_mistakes, plot_results

if TYPE_CHECKING:
    import numpy as np

    from auxtask.evaluation.results import Results
    from auxtask.runs.folder import Run
    from auxtask.transfer.fine_tuning import FineTuning


def report_comparison(
    run: Run,
    results: Results,
    trainings: Sequence[FineTuning] = (),
    beside: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Add a comparison to a run's result, and print its table and what was gained.

    Parameters
    ----------
    run : Run
    results : Results
        Of `Comparison.run`.
    trainings : sequence of FineTuning
        Of the arms that train. Of the last one that thawed layers, curves and the freeze map are drawn, and the
        ledger is kept as `ledger.json`.
    beside : mapping of title to (mapping of arm to text), optional
        See `Results.table`.
    """
    run.add_rows(results.rows)
    run.save_predictions(results.predictions)
    for text in results.notes:
        run.note(text)
    run.figure("results", plot_results(results.rows, results.metric))
    thawed = [each for each in trainings if len({row["phase"] for row in each.ledger.rows}) > 1]
    if thawed:
        run.figure("thaw", plot_curves(thawed[-1].history, "training, with the moments of thaw"))
        run.figure("freeze map", plot_freeze_map(thawed[-1].ledger.rows))
        thawed[-1].ledger.save(run.folder / "ledger.json")
    run.print(results.table(beside))
    run.print(results.sentence())


def report_mistakes(
    run: Run, results: Results, tested: Callable[[list[int]], np.ndarray], example: Callable[[list[str]], np.ndarray]
) -> None:
    """Draw the most confident mistakes of `chosen` at its largest budget, if there are any.

    Parameters
    ----------
    run : Run
    results : Results
        Of `Comparison.run`.
    tested : callable (positions among the test items) -> uint8 [n, s, s, 1 or 3]
    example : callable (class names) -> uint8 [n, s, s, 1 or 3]
        A picture of each class, beside which what was taken for it is drawn.
    """
    mistakes = results.mistakes("chosen", max(results.picks)) if results.picks else []
    if mistakes:
        verdicts = [f"taken for {each.predicted}\nis {each.true}" for each in mistakes]
        left, right = tested([each.item for each in mistakes]), example([each.predicted for each in mistakes])
        run.figure("mistakes", plot_mistakes(left, right, verdicts))
