"""What a run shows of the trainings of its comparison."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

import auxtask as at
from auxtask.runs.opening import open_run
from auxtask.runs.whole_files import read_npz

LABELS = np.arange(8) % 2
IMAGES = np.random.default_rng(0).integers(0, 255, (8, 8, 8, 1)).astype(np.uint8)
POOL, TEST = (at.Examples(rows, LABELS[rows], ("even", "odd")) for rows in np.split(np.arange(8), 2))


@dataclass(frozen=True)
class Config:
    rate: float = 0.1


def compare(folder: Path, plan: at.Plan, resume: bool, report: bool = True) -> at.Run:
    """Run one arm that trains a network by a plan."""
    run = open_run(folder, Config(), recipe="small", resume=resume, console=Console(file=io.StringIO()))
    arm = at.network_arm(
        at.conv_backbone((8, 8, 1), (8, 16), seed=0), IMAGES, plan, epoch_batches=1, crop=1.0,
        on_tuned=lambda tuned: at.keep_thawing(run, tuned),
    )  # fmt: skip
    results = at.Comparison({"scratch": arm}, [1], 1, TEST, pool=POOL, run=run).run()
    if report:
        at.report_comparison(run, results)
    return run


def test_a_run_killed_before_its_report_still_shows_what_was_frozen(tmp_path: Path) -> None:
    compare(tmp_path / "run", at.Plan.probe_then_tune(2, 1e-2, 1e-3, probe_epochs=1), resume=False, report=False)
    run = compare(tmp_path / "run", at.Plan.probe_then_tune(2, 1e-2, 1e-3, probe_epochs=1), resume=True)
    assert {"thaw", "freeze map"} <= {path.stem for path in run.figures.values()}
    ledger, epochs = (json.loads((run.folder / name).read_text()) for name in ("ledger.json", "history.json"))
    assert {row["phase"] for row in ledger} == {"probe", "tune"}
    assert not any(row["changed"] for row in ledger if row["frozen"])
    assert [row["phase"] for row in epochs] == ["probe", "tune"]


def test_of_trainings_that_thaw_nothing_no_freeze_map_is_drawn(tmp_path: Path) -> None:
    run = compare(tmp_path / "run", at.Plan.full(2, 1e-3), resume=False)
    assert {path.stem for path in run.figures.values()} == {"results"}
    assert not (run.folder / "ledger.json").exists()


def test_two_comparisons_of_one_run_leave_figures_and_predictions_of_both(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", Config(), recipe="small", console=Console(file=io.StringIO()))
    for variant in ("easy", "hard"):
        arm = at.linear_arm(lambda: IMAGES.reshape(len(IMAGES), -1) / 255.0, at.logistic_head)
        comparison = at.Comparison({"pixels": arm}, [1], 1, TEST, pool=POOL, variant=variant, baseline=None)
        at.report_comparison(run, comparison.run())
    assert set(run.figures) == {"results easy", "results hard"}
    kept = read_npz(run.folder / "predictions.npz")
    assert {"easy-pixels-1-draw0", "hard-pixels-1-draw0", "easy-names", "hard-names"} <= set(kept)
