"""Progress: bars on a terminal, occasional lines elsewhere, metrics by epoch, events that TensorBoard reads."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from auxtask.framework import keras, tf
from auxtask.runs import progress
from auxtask.runs.folder import Run
from auxtask.runs.progress import ProgressBoard, write_duration, write_rate


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def board(terminal: bool) -> tuple[ProgressBoard, io.StringIO]:
    text = io.StringIO()
    return ProgressBoard(Console(file=text, force_terminal=terminal, width=100)), text


def test_without_a_terminal_lines_come_seldom_with_rate_and_time_left(clock: list[float]) -> None:
    drawn, text = board(terminal=False)
    with drawn.task("training", total=1000, unit="photos") as task:
        for _ in range(50):
            clock[0] += 1.0
            task.advance(10, detail="loss 0.5")
    lines = text.getvalue().splitlines()
    assert len(lines) == 4  # three in 50 seconds, and the last
    assert lines[0] == "training: 150/1,000 photos, 10.0 photos/s, 1:25 left, loss 0.5"
    assert lines[-1].endswith("in 0:50")


def test_a_total_learned_on_the_way_gives_the_time_left(clock: list[float]) -> None:
    drawn, _ = board(terminal=False)
    with drawn.task("cells", unit="cells") as task:
        for done in range(4):
            task.update(done, 13, f"cell {done}")
            clock[0] += 1.0
        assert task.describe() == "cells: 3/13 cells, 1.5 s each, 0:15 left, cell 3"


def test_a_short_task_says_nothing_without_a_terminal(clock: list[float]) -> None:
    drawn, text = board(terminal=False)
    with drawn.task("cell") as task:
        task.advance()
    assert text.getvalue() == ""


def test_a_terminal_shows_bars_of_nested_tasks_and_is_left_clean() -> None:
    drawn, text = board(terminal=True)
    with drawn.task("cells", total=4) as outer, drawn.task("training", total=2) as inner:
        outer.advance()
        inner.advance()
    assert "cells" in text.getvalue() and "training" in text.getvalue()
    assert drawn._live is None


def test_rates_are_written_for_people() -> None:
    assert [write_rate(rate, "cells") for rate in (1250.4, 9.5, 1.0, 0.5, 1 / 28.5)] == [
        "1,250 cells/s", "9.5 cells/s", "1.0 cells/s", "2.0 s each", "28.5 s each",
    ]  # fmt: skip


def test_durations_are_written_for_people() -> None:
    assert [write_duration(s) for s in (7.4, 750, 3723)] == ["0:07", "12:30", "1:02:03"]


def test_keras_trains_with_a_runs_callbacks(tmp_path: Path) -> None:
    run = Run(tmp_path, None, recipe="toy", console=Console(file=io.StringIO()))
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    callbacks = run.callbacks(label="a/b", items_per_step=4, unit="rows")
    for _ in range(2):  # one list of callbacks, several fits: the phases of a plan
        history = model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["label"], row["epoch"]) for row in rows] == [("a/b", 0), ("a/b", 1)] * 2
    assert rows[-1]["loss"] == pytest.approx(history.history["loss"][-1])
    files = sorted(tmp_path.glob("tensorboard/*/events.out.tfevents.*"))
    assert len(files) == 2
    events = [tf.compat.v1.Event.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(files[-1]))]
    assert events[0].file_version == "brain.Event:2"
    assert [(e.step, e.summary.value[0].tag) for e in events[1:]] == [(0, "loss"), (1, "loss")]
    assert events[-1].summary.value[0].simple_value == pytest.approx(rows[-1]["loss"])
