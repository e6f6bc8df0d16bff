"""How fast same-face training is: against explicit pairs, against its own bare step, and against PyTorch.

    auxtask bench same_face_speed
    auxtask bench same_face_speed pytorch=/path/to/an/environment/bin/python     # one with torch installed

Rows are ratios from alternating rounds in one run, so that a noisy machine slows all sides alike:

- `pairs_ratio`: distinct pairs per second of a batch that is encoded once, over those of labelled pairs through
  `fit` (two towers, same network, image size, augmentation and input pipeline);
- `bare_step_ratio`: photos per second of the recipe's own training, input and weight averaging included, over the bare
  training step on one constant batch;
- `pytorch_ratio`: photos per second of the bare step over PyTorch's, channels last.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import auxtask as at

# Network and batch of the recipe for photos.
NETWORK: dict[str, Any] = {"size": 72, "stages": (64, 128, 256), "strides": (2, 2, 2), "stem": 24, "dropout": 0.4}
BATCH: dict[str, Any] = {"people": 48, "photos": 2, "singles": 24}
WARM_UP = 5  # steps that trace and fill buffers, not timed


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    rounds: int = at.option(5, "how often each side is timed, in turn")
    steps: int = at.option(30, "timed steps of each side and round")
    pytorch: str = at.option("", "the Python of an environment with torch; empty: not compared")
    quick: bool = at.option(False, "one round of few steps: to see that everything runs")


def main(config: Config, run: at.Run) -> None:
    """Time the sides in turn, and give the ratios."""
    rounds, steps = (1, 5) if config.quick else (config.rounds, config.steps)
    with run.stage("data"):
        everyone = at.FaceData.drawn(300 if config.quick else 2400, 3, seed=1, size=80, name_prefix="a")
        # A third of the people have one photo only, as in collections of real photos.
        single = everyone.labels >= everyone.num_people * 2 // 3
        several = everyone.subset(np.flatnonzero(~single | (np.arange(len(everyone)) % 3 == 0)))
    backbone = at.residual_backbone(**NETWORK, seed=0)
    task, pair_task = at.SameFace(backbone, margin_weight=1.0), at.SamePair(at.residual_backbone(**NETWORK, seed=0))
    pairs = at.FacePairs.from_faces(everyone, 4000, seed=0)
    measured: dict[str, list[float]] = {"own": [], "bare": [], "pairs": [], "pytorch": []}
    with run.stage("timing"), run.progress("rounds", total=rounds, unit="rounds") as bar:
        for number in range(rounds):
            measured["own"].append(own_steps(task, several, steps))
            measured["bare"].append(bare_steps(task, steps))
            measured["pairs"].append(pair_steps(pair_task, pairs, steps))
            if config.pytorch:
                measured["pytorch"].append(pytorch_steps(config.pytorch, steps))
            bar.update(number + 1, rounds, "")
    own, bare, explicit, torch = (np.array(measured[side]) for side in measured)
    photos_per_batch = at.batch_size(several.labels, **BATCH)
    distinct = distinct_pairs(several, steps) / steps
    pairs_per_batch = photos_per_batch // 2
    ratios = {"pairs_ratio": own * distinct / (explicit * pairs_per_batch), "bare_step_ratio": own / bare}
    if config.pytorch:
        ratios["pytorch_ratio"] = bare / torch
    for metric, values in ratios.items():
        run.add_rows([at.ratio_row("same_face", metric, values)])
        run.print(f"{metric}: {np.mean(values):.2f} (rounds: {', '.join(f'{v:.2f}' for v in values)})")
    for side, values in measured.items():
        if values:
            run.note(f"{side}: {np.median(values) * photos_per_batch:.0f} photos/s (median of {rounds} rounds)")


def own_steps(task: Any, data: at.FaceData, steps: int) -> float:
    """Steps per second of `pretrain` as a recipe calls it."""
    clock = at.StepClock(WARM_UP)
    task.pretrain(data, budget=f"{steps + WARM_UP}steps", **BATCH, callbacks=[clock])
    return clock.steps_per_second


def bare_steps(task: Any, steps: int) -> float:
    """Steps per second of the compiled task's train step on one constant batch."""
    random = np.random.default_rng(0)
    people, singles = BATCH["people"], BATCH["singles"]
    # Those of whom there is one photo come last, and are no class of the margin softmax.
    labels = np.concatenate([np.repeat(np.arange(people), 2), 10_000 + np.arange(singles)]).astype("int32")
    photos = random.uniform(0, 255, (len(labels), 72, 72, 3)).astype("float32")
    clock = at.StepClock(WARM_UP)
    batches = at.as_dataset((photos, labels), len(labels)).cache().repeat()
    task.fit(batches, steps_per_epoch=steps + WARM_UP, epochs=1, callbacks=[clock], verbose=0)
    return clock.steps_per_second


def pair_steps(task: Any, pairs: at.FacePairs, steps: int) -> float:
    """Steps per second of the two-tower task: as many photos in a batch, as explicit pairs."""
    clock = at.StepClock(WARM_UP)
    task.pretrain(
        pairs,
        validation=None,
        budget=f"{steps + WARM_UP}steps",
        batch_size=(2 * BATCH["people"] + BATCH["singles"]) // 2,
        callbacks=[clock],
    )
    return clock.steps_per_second


def distinct_pairs(data: at.FaceData, steps: int) -> int:
    """Count the different pairs of photos that so many batches hold."""
    met = np.zeros((len(data), len(data)), bool)
    batches = at.identity_batches(data.labels, lambda indices: indices, **BATCH)
    for rows, _ in batches.take(steps).as_numpy_iterator():
        met[np.ix_(rows, rows)] = True
    return int(np.triu(met | met.T, 1).sum())


def pytorch_steps(python: str, steps: int) -> float:
    """Steps per second of the same network under PyTorch, in a process of its own."""
    script = Path(__file__).with_name("pytorch_face_step.py")
    return at.pytorch_steps_per_second(python, script, [steps, WARM_UP])


if __name__ == "__main__":
    at.run(main, Config)
