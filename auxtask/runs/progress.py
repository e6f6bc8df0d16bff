"""Progress with rate and time left: Rich bars on a terminal, an occasional plain line elsewhere.

One board per run draws every bar, because a terminal can hold only one live display: the bar of a training stands
under the bar of the cells it belongs to.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from auxtask.framework import keras

SECONDS_BETWEEN_LINES = 15.0
SECONDS_BETWEEN_DRAWINGS = 0.1


def write_duration(seconds: float) -> str:
    """Write a duration for people: `0:07`, `12:30`, `1:02:03`."""
    whole = int(round(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def write_rate(rate: float, unit: str) -> str:
    """Write units per second for people: `1,250 photos/s`, `9.5 photos/s`, or what slow ones take, `28.5 s each`."""
    if rate < 1:
        return f"{1 / rate:,.1f} s each"
    return f"{rate:,.1f} {unit}/s" if rate < 100 else f"{rate:,.0f} {unit}/s"


class ProgressTask:
    """One bar: `with board.task("cells", total=60) as task: task.advance()`.

    Parameters
    ----------
    board : ProgressBoard
        Where it is drawn.
    label : str
        What is going on.
    total : int or None
        How many items there will be; None where that is not known.
    unit : str
        What is counted, plural: the rate is in units per second, or in seconds.
    """

    def __init__(self, board: ProgressBoard, label: str, total: int | None, unit: str) -> None:
        self.board = board
        self.label = label
        self.total = total
        self.unit = unit
        self.done = 0
        self.detail = ""
        self._began = self._drawn = time.perf_counter()
        # The first step traces and compiles: the rate is counted from the first advance on.
        self._first: tuple[float, int] | None = None
        self.bar: Any = None

    @property
    def rate(self) -> float | None:
        """Units per second since the first advance; None before the second."""
        if self._first is None or self.done <= self._first[1]:
            return None
        return (self.done - self._first[1]) / max(time.perf_counter() - self._first[0], 1e-9)

    @property
    def seconds(self) -> float:
        """Seconds since the task began."""
        return time.perf_counter() - self._began

    def update(self, done: int, total: int, detail: str = "") -> None:
        """Say how many of how many are done: the form in which `Comparison.run(progress)` tells it."""
        self.total = total
        self.advance(done - self.done, detail)

    def advance(self, amount: int = 1, detail: str = "") -> None:
        """Count `amount` more items; `detail` (the loss, say) stands beside the bar."""
        self.done += amount
        self.detail = detail or self.detail
        now = time.perf_counter()
        if self._first is None and self.done:
            self._first = (now, self.done)
        if now - self._drawn >= SECONDS_BETWEEN_DRAWINGS:
            self._drawn = now
            self.board.draw(self)

    def describe(self) -> str:
        """Say in one line how far it is, how fast, and how long it will take."""
        of = f"/{self.total:,}" if self.total else ""
        parts = [f"{self.label}: {self.done:,}{of} {self.unit}"]
        if self.rate is not None:
            parts.append(write_rate(self.rate, self.unit))
            if self.total and self.total > self.done:
                parts.append(f"{write_duration((self.total - self.done) / self.rate)} left")
        if self.detail:
            parts.append(self.detail)
        return ", ".join(parts)

    def close(self) -> None:
        """Take the bar away; leave a line if the task was long enough to be of interest."""
        self.board.close(self)

    def __enter__(self) -> ProgressTask:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class ProgressBoard:
    """Draws all tasks of a run on one console.

    Parameters
    ----------
    console : rich.console.Console
        A console that is no terminal gets plain lines, at most one in `SECONDS_BETWEEN_LINES`.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Progress | None = None
        self._open: list[ProgressTask] = []
        self._last_line = time.perf_counter()

    def task(self, label: str, total: int | None = None, unit: str = "steps") -> ProgressTask:
        """Begin a task and draw it."""
        task = ProgressTask(self, label, total, unit)
        self._open.append(task)
        if self.console.is_terminal:
            if self._live is None:
                self._live = self._start()
            task.bar = self._live.add_task("", total=total, label=label, facts="")
        return task

    def _start(self) -> Progress:
        from rich.progress import BarColumn, Progress, TextColumn

        live = Progress(
            TextColumn("{task.fields[label]}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}", style="dim", markup=False),
            console=self.console,
            transient=True,
            refresh_per_second=5,
        )
        live.start()
        return live

    def draw(self, task: ProgressTask) -> None:
        """Show where `task` is."""
        if self._live is not None:
            facts = task.describe().removeprefix(task.label + ": ")
            self._live.update(task.bar, completed=task.done, total=task.total, facts=facts)
        elif time.perf_counter() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._write(task.describe())

    def close(self, task: ProgressTask) -> None:
        """End `task`; the last one takes the live display with it."""
        if task not in self._open:
            return
        self._open.remove(task)
        if self._live is not None:
            self._live.remove_task(task.bar)
            if not self._open:
                self._live.stop()
                self._live = None
        if task.seconds >= SECONDS_BETWEEN_LINES:
            self._write(f"{task.describe()} in {write_duration(task.seconds)}")

    def close_all(self) -> None:
        """End every task: the run is over, or was interrupted."""
        for task in list(self._open):
            self.close(task)

    def _write(self, line: str) -> None:
        self._last_line = time.perf_counter()
        self.console.print(line, markup=False, highlight=False)


def progress_callback(
    board: ProgressBoard, label: str, total: int | None, items_per_step: int, unit: str
) -> keras.callbacks.Callback:
    """Make the Keras callback that draws one bar per `fit`.

    Parameters
    ----------
    total : int or None
        Steps of the whole `fit`, where Keras cannot know them (an endless dataset without `steps_per_epoch`).
    items_per_step : int
        The batch size: the bar counts items, so that its rate is in items per second.
    """
    from auxtask.framework import keras

    class ProgressBar(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            # Without this, Keras turns every step's loss into a Python number, and waits for the device.
            self._supports_tf_logs = True
            self.bar: ProgressTask | None = None

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if self.bar is None:
                steps, epochs = self.params.get("steps"), self.params.get("epochs") or 1
                # A budget in minutes asks for more epochs than it can need: the end is not known then.
                expected = steps * (epochs - epoch) if steps and epochs < 1_000_000 else total
                items = expected * items_per_step if expected else None
                self.bar = board.task(label, items, unit)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if self.bar is not None:
                self.bar.advance(items_per_step)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if self.bar is not None and logs:
                shown = {name: float(value) for name, value in list(logs.items())[:4]}
                numbers = " ".join(f"{name} {value:.3g}" for name, value in shown.items())
                self.bar.detail = f"epoch {epoch + 1} {numbers}"
                board.draw(self.bar)

        def on_train_end(self, logs: Any = None) -> None:
            if self.bar is not None:
                self.bar.close()
                self.bar = None

    return ProgressBar()


def metrics_callback(log: Callable[..., None], label: str) -> keras.callbacks.Callback:
    """Make the Keras callback that hands each epoch's metrics to `log(label=, epoch=, loss=, …)`."""
    from auxtask.framework import keras

    class MetricsLog(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            log(label=label, epoch=epoch, **{name: float(value) for name, value in (logs or {}).items()})

    return MetricsLog()


def tensorboard_callback(folder: Path) -> keras.callbacks.Callback:
    """Make the Keras callback that writes each epoch's metrics where TensorBoard finds them.

    Keras' own callback needs the `tensorboard` package, which TensorFlow 2.21 no longer brings along; its event
    files are TFRecords of `Event` messages (tensorflow/core/util/event.proto), and those TensorFlow can write.
    """
    from auxtask.framework import keras, tf

    class TensorBoardScalars(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            folder.mkdir(parents=True, exist_ok=True)
            self.writer = tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{time.time_ns()}"))
            first = tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2")
            self.writer.write(first.SerializeToString())

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            values = [
                tf.compat.v1.Summary.Value(tag=name, simple_value=float(value)) for name, value in (logs or {}).items()
            ]
            event = tf.compat.v1.Event(wall_time=time.time(), step=epoch, summary=tf.compat.v1.Summary(value=values))
            self.writer.write(event.SerializeToString())
            self.writer.flush()

        def on_train_end(self, logs: Any = None) -> None:
            self.writer.close()

    return TensorBoardScalars()
