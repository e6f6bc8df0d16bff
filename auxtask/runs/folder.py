"""A run and its folder: what a recipe's `main(config, run)` is handed, and everything it leaves behind."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from auxtask.runs.progress import ProgressBoard, ProgressTask
from auxtask.runs.whole_files import (
    drop_cut_line,
    plain_json,
    read_npz,
    whole_file,
    write_json,
    write_npz,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from rich.console import Console

    from auxtask.framework import keras

STATUSES = ("running", "finished", "interrupted", "failed")
LOCK = ".lock"
ROW_KEYS = ("arm", "budget", "budget_unit", "metric", "mean", "low", "high", "values")


class Run:
    """One run of a recipe.

    Parameters
    ----------
    folder : Path
        An existing folder that this run may write to (see `auxtask.runs.opening`).
    config : dataclass instance
        The recipe's settings.
    recipe : str
        The recipe's name.
    seed : int
        For everything random; parts of a program add to it.
    data_root : Path, optional
        Where real data lie (`--data-root`, `AUXTASK_DATA`); None on the embedded defaults.
    console : rich.console.Console, optional
        Where tables, notes and progress appear.
    earlier : mapping, optional
        The `result.json` of the interrupted run that this one resumes: its seconds are added to, its notes and figures
        kept; what it has found is to be found again, from all cells.
    lock : open file, optional
        Keeps other processes out of the folder until the run is finished.

    Attributes
    ----------
    rows : list of dict
        As in `result.json`.
    findings : list of str
        What the run has shown: first in its report.
    notes : list of str
        What a reader of the result must know.
    seconds : dict of str to float
        Time spent by stage.
    figures : dict of str to Path
        PNG files by name.
    """

    def __init__(
        self,
        folder: Path,
        config: Any,
        *,
        recipe: str,
        seed: int = 0,
        data_root: Path | None = None,
        console: Console | None = None,
        earlier: Mapping[str, Any] | None = None,
        lock: IO[str] | None = None,
    ) -> None:
        if console is None:
            from rich.console import Console

            console = Console()
        self.folder = folder
        self.config = config
        self.recipe = recipe
        self.seed = seed
        self.data_root = data_root
        self.console = console
        self._lock = lock
        self.status = "running"
        self.rows: list[dict[str, Any]] = []
        self._earlier_rows: list[dict[str, Any]] = list((earlier or {}).get("rows", []))
        self.findings: list[str] = []
        self.notes: list[str] = list((earlier or {}).get("notes", []))
        self.seconds: dict[str, float] = dict((earlier or {}).get("seconds", {}))
        drawn = sorted((folder / "figures").glob("*.png")) if earlier else []
        self.figures: dict[str, Path] = {path.stem: path for path in drawn}
        self._board = ProgressBoard(console)
        self._predictions: dict[str, Any] = {}
        self._began = time.perf_counter()
        if earlier:
            drop_cut_line(folder / "metrics.jsonl")
            self.log(resumed=True)  # a training that was cut off begins anew below this line

    def required_data_root(self, setting: str, layout: str) -> Path:
        """Give the data root, or refuse `setting`, which needs it, with the files that are expected there.

        Raises
        ------
        ValueError
            There is none.

        Examples
        --------
        >>> run.required_data_root("dataset=imdb", "text/imdb")
        """
        if self.data_root is None:
            raise ValueError(f"{setting} needs --data-root DIR (or AUXTASK_DATA) with DIR/{layout}")
        return self.data_root

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a part of the program: its seconds are added under `name`, also when it fails."""
        self.console.print(name, style="bold", markup=False, highlight=False)
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            self.write_result()

    def log(self, **numbers: Any) -> None:
        """Append one line to `metrics.jsonl`: the numbers, and the seconds since the start. NaN becomes null."""
        row = {"time": round(time.perf_counter() - self._began, 3), **numbers}
        line = json.dumps(plain_json(row), allow_nan=False, ensure_ascii=False) + "\n"
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(line)

    def finding(self, text: str) -> None:
        """Keep a sentence that says what the run has shown, and print it."""
        self.findings.append(text)
        self.console.print(text, style="bold", markup=False, highlight=False)

    def note(self, text: str) -> None:
        """Keep a sentence for the result's reader, and print it; a note said before is not repeated."""
        if text not in self.notes:
            self.notes.append(text)
            self.console.print(f"note: {text}", markup=False, highlight=False)

    def print(self, renderable: Any) -> None:
        """Print text, as it is, or any Rich renderable (a table) above the progress bars."""
        self.console.print(renderable, markup=False, highlight=False)

    def add_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to the result.

        Parameters
        ----------
        rows : sequence of mapping
            Keys `arm`, `budget` (int or None), `budget_unit`, `metric`, `mean`, `low`, `high`, `values`, and
            optionally `variant`. Keys beside `arm`, `metric` and `mean` may be left out: null, or `[mean]`.

        Raises
        ------
        ValueError
            For an unknown or missing key, a budget that is no integer, or a second row with the same
            (arm, budget, metric, variant).
        """
        self.rows = checked_rows([*self.rows, *rows])

    def figure(self, name: str, figure: Figure) -> Path:
        """Write a matplotlib figure to `figures/<name>.png` and into the report."""
        folder = self.folder / "figures"
        folder.mkdir(exist_ok=True)
        path = folder / f"{_file_name(name)}.png"
        with whole_file(path) as file:
            figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
        self.figures[name] = path
        return path

    def cell(self, key: str, compute: Callable[[], Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """Return the arrays of a finished cell, computing them only if the folder does not hold them yet.

        Parameters
        ----------
        key : str
            Names the cell: arm, budget and draw.
        compute : callable
            Without arguments; returns arrays by name (no Python objects).
        """
        folder = self.folder / "cells"
        folder.mkdir(exist_ok=True)
        path = folder / f"{_file_name(key)}.npz"
        if path.exists():
            try:
                return read_npz(path)
            except Exception:  # what a damaged zip file raises is anybody's guess
                self.note(f"the kept cell {key} could not be read and was computed again")
        write_npz(path, compute())
        return read_npz(path)

    def keep_to(self, what: str, fingerprint: str) -> None:
        """Refuse to go on (--resume) with other data than the run began with: kept cells would not fit them.

        Parameters
        ----------
        what : str
            The data, in the plural: "texts".
        fingerprint : str
            Changes whenever they do.

        Raises
        ------
        ValueError
            The run began with another fingerprint.
        """
        if str(self.cell(f"used-{what}", lambda: {what: fingerprint})[what]) != fingerprint:
            raise ValueError(f"these are not the {what} that this run began with: start a new run folder")

    def save_predictions(self, predictions: Mapping[str, Any]) -> Path:
        """Write `predictions.npz`: arrays by name, or by cell and name (`cell/name`), beside those saved before."""
        for key, value in predictions.items():
            flat = {f"{key}/{k}": v for k, v in value.items()} if isinstance(value, Mapping) else {key: value}
            self._predictions.update(flat)
        path = self.folder / "predictions.npz"
        write_npz(path, self._predictions)
        return path

    def progress(self, label: str, total: int | None = None, unit: str = "steps") -> ProgressTask:
        """Begin a progress bar: `with run.progress("cells", 60, "cells") as bar: bar.advance()`."""
        return self._board.task(label, total, unit)

    def callbacks(
        self, total: int | None = None, label: str = "training", *, items_per_step: int = 1, unit: str = "steps"
    ) -> list[keras.callbacks.Callback]:
        """Return Keras callbacks for one training: progress bar, `metrics.jsonl`, TensorBoard.

        Parameters
        ----------
        total : int, optional
            Steps in all; needed only where Keras cannot know them.
        label : str
            Names the training on the bar, in `metrics.jsonl` and under `tensorboard/`.
        items_per_step : int
            The batch size; with `unit="photos"` the bar then shows photos per second.
        unit : str
            What is counted, plural.
        """
        from auxtask.runs.progress import metrics_callback, progress_callback, tensorboard_callback

        return [
            progress_callback(self._board, label, total, items_per_step, unit),
            metrics_callback(self.log, label),
            tensorboard_callback(self.folder / "tensorboard" / _file_name(label)),
        ]

    def result(self) -> dict[str, Any]:
        """Return what `result.json` holds.

        Until a run that is resumed finishes, rows that it has not made anew are those of the earlier run.
        """
        made = {_row_key(row) for row in self.rows}
        kept = [] if self.status == "finished" else [row for row in self._earlier_rows if _row_key(row) not in made]
        return {
            "recipe": self.recipe,
            "status": self.status,
            "seconds": {name: round(seconds, 3) for name, seconds in self.seconds.items()},
            "rows": [*self.rows, *kept],
            "findings": self.findings,
            "notes": self.notes,
        }

    def write_result(self) -> None:
        """Write `result.json`, whole."""
        write_json(self.folder / "result.json", self.result())

    def finish(self, status: str, error: BaseException | None = None) -> None:
        """End the run: bars away, `result.json` with its status, `report.html`.

        Parameters
        ----------
        status : {"finished", "interrupted", "failed"}
            How it ended.
        error : BaseException, optional
            What failed; its traceback is kept in `error.txt`.
        """
        self._board.close_all()
        self.status = status
        if error is None:
            (self.folder / "error.txt").unlink(missing_ok=True)  # of an earlier try
        else:
            with whole_file(self.folder / "error.txt") as file:
                file.write("".join(traceback.format_exception(error)).encode())
        self.write_result()
        from auxtask.runs.report import write_report

        write_report(self)
        if self._lock is not None:
            (self.folder / LOCK).unlink(missing_ok=True)
            self._lock.close()


def checked_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return result rows with every key present and in order; see `Run.add_rows` for what is refused."""
    complete, seen = [], set()
    for row in rows:
        unknown = set(row) - {*ROW_KEYS, "variant"}
        missing = {"arm", "metric", "mean"} - set(row)
        if unknown or missing:
            what = f"unknown {sorted(unknown)}" if unknown else f"missing {sorted(missing)}"
            raise ValueError(f"a result row has keys {', '.join(ROW_KEYS)} and variant: {what} in {dict(row)}")
        filled = {**dict.fromkeys(ROW_KEYS), "values": [row["mean"]], **row}
        filled = plain_json(filled)
        if isinstance(filled["budget"], bool) or not isinstance(filled["budget"], int | None):
            raise ValueError(f"a result row's budget is an integer or null, not {row['budget']!r}")
        key = _row_key(filled)
        if key in seen:
            raise ValueError(f"two result rows for (arm, budget, metric, variant) = {key}")
        seen.add(key)
        complete.append(filled)
    return complete


def _row_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("arm", "budget", "metric", "variant"))


def _file_name(name: str) -> str:
    """Turn any name into one file name, different names into different ones."""
    quoted = urllib.parse.quote(name, safe=" =,+")
    if len(quoted) > 120:
        quoted = quoted[:100] + "-" + hashlib.sha256(name.encode()).hexdigest()[:12]
    return quoted.replace(".", "%2E") if quoted.startswith(".") else quoted
