"""What benchmarks of speed are computed from."""

import sys
from pathlib import Path

import pytest

from auxtask.runs import speed


def test_steps_after_the_warm_up_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    clock = speed.StepClock(warm_up=2)
    for step, seconds in enumerate((50.0, 9.0, 0.5, 0.5, 0.5, 0.5)):
        clock.on_train_batch_begin(step)
        now[0] += seconds
        clock.on_train_batch_end(step)
    assert clock.steps_per_second == pytest.approx(2.0)


def test_a_script_under_another_python_answers_in_json_and_failing_is_told_by_its_last_line(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import json, sys\nprint(json.dumps({'steps_per_second': float(sys.argv[1]) / 2}))")
    assert speed.pytorch_steps_per_second(sys.executable, script, [5]) == 2.5
    script.write_text("raise SystemExit('first\\nno torch')")
    with pytest.raises(ValueError, match=r"^pytorch=.*: no torch$"):
        speed.pytorch_steps_per_second(sys.executable, script, [5])
