"""What every recipe shows of its comparison: rows, predictions, notes, figures, table and sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from auxtask.runs.figures import plot_curves, plot_freeze_map, plot_mistakes
from auxtask.runs.results_figure import plot_results
from auxtask.runs.whole_files import write_json

if TYPE_CHECKING:
    import numpy as np

    from auxtask.evaluation.results import Results
    from auxtask.runs.folder import Run
    from auxtask.transfer.fine_tuning import FineTuning


def keep_thawing(run: Run, tuned: FineTuning) -> None:
    """Keep what a training that thawed layers did, of several the last, for `report_comparison` to draw.

    Its ledger becomes `ledger.json` and its epochs `history.json`, at once: a run that is resumed does not train again
    what it has trained.

    Parameters
    ----------
    run : Run
    tuned : FineTuning
        One that never thawed anything leaves no trace.
    """
    if len({row["phase"] for row in tuned.ledger.rows}) > 1:
        tuned.ledger.save(run.folder / "ledger.json")
        write_json(run.folder / "history.json", tuned.history)


def report_comparison(run: Run, results: Results, beside: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Add a comparison to a run's result, and print its table and what was gained.

    Where `keep_thawing` has kept a training, its curves and freeze map are drawn.

    Parameters
    ----------
    run : Run
    results : Results
        Of `Comparison.run`.
    beside : mapping of title to (mapping of arm to text), optional
        See `Results.table`.
    """
    run.add_rows(results.rows)
    run.save_predictions(results.predictions)
    for text in results.notes:
        run.note(text)
    variant = results.rows[0].get("variant")
    run.figure(f"results {variant}" if variant else "results", plot_results(results.rows, results.metric))
    if (run.folder / "history.json").exists():
        epochs, ledger = (json.loads((run.folder / name).read_text()) for name in ("history.json", "ledger.json"))
        run.figure("thaw", plot_curves(epochs, "training, with the moments of thaw"))
        run.figure("freeze map", plot_freeze_map(ledger))
    run.print(results.table(beside))
    run.finding(results.sentence())


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
