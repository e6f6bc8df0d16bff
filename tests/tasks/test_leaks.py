"""Targets that stand in the inputs are found; classes that merely look different are not accused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auxtask.tasks.leaks import leaked_targets

random = np.random.default_rng(0)
PICTURES = random.uniform(0, 255, (64, 6, 6, 3)).astype(np.float32)
LABELS = np.arange(64) % 4
ANGLES = random.integers(0, 360, 64)
SMOOTHED = np.where(LABELS % 2, 0.9, 0.1)
BITS = random.integers(0, 2, (64, 30))
DARK = PICTURES + 300.0 * LABELS[:, None, None, None]  # any pixel tells the class, as day and night


@pytest.mark.parametrize(
    ("inputs", "target", "leaks"),
    [
        (PICTURES, PICTURES, True),
        (PICTURES, PICTURES / 255 - 0.5, True),
        (PICTURES, PICTURES[..., :1] * 2, True),
        (PICTURES, PICTURES[:, 1:3, 2:4], True),
        (PICTURES, PICTURES.mean((1, 2, 3)), False),
        (PICTURES, PICTURES[:, 3, 3, 1], True),
        (PICTURES.mean(-1, keepdims=True), PICTURES, False),
        (PICTURES + random.normal(0, 20, PICTURES.shape), PICTURES, False),  # denoising
        (PICTURES * (random.uniform(size=(64, 6, 6, 1)) < 0.5), PICTURES, False),  # masked patches
        (PICTURES, LABELS, False),
        (DARK, LABELS, False),
        ({"picture": PICTURES, "class": np.eye(4)[LABELS] @ np.arange(4.0)}, LABELS, True),
        (PICTURES, random.permutation(64), False),  # as many labels as items
        (np.concatenate([PICTURES.reshape(64, -1), np.eye(4)[LABELS]], 1), LABELS, True),
        (np.concatenate([PICTURES.reshape(64, -1), ANGLES[:, None]], 1), ANGLES, True),  # whole, hardly one twice
        (PICTURES, ANGLES, False),
        (np.concatenate([PICTURES.reshape(64, -1), SMOOTHED[:, None]], 1), SMOOTHED, True),  # two values, not whole
        (PICTURES, SMOOTHED, False),
        (BITS, BITS, True),  # many columns of two values each
        (PICTURES, BITS, False),
        (np.repeat(PICTURES[:8], 2, axis=0), np.repeat(np.arange(8), 2), False),  # too few to accuse anyone
    ],
)
def test_a_target_leaks_or_not(inputs: Any, target: np.ndarray, leaks: bool) -> None:
    assert bool(leaked_targets([(inputs, target)])) is leaks


def test_of_many_classes_a_copy_of_their_one_hot_rows_is_found() -> None:
    labels = np.arange(200) % 20
    rows, inputs = np.eye(20)[labels], random.uniform(size=(200, 10))
    assert leaked_targets([(np.concatenate([inputs, rows], 1), rows)])
    assert leaked_targets([(np.concatenate([inputs, rows], 1), labels)])
    assert not leaked_targets([(inputs, rows)])


def test_weights_are_no_targets() -> None:
    lengths = random.uniform(1, 9, 64)
    assert not leaked_targets([({"picture": PICTURES, "length": lengths}, LABELS, lengths / lengths.mean())])


def test_batches_are_looked_at_together_and_a_batch_without_targets_has_nothing_to_leak() -> None:
    corner = PICTURES.copy()
    corner[:, 0, 0, 0] = LABELS
    parts = [(corner[i : i + 16], LABELS[i : i + 16]) for i in range(0, 64, 16)]
    (sentence,) = leaked_targets(parts)
    assert "batch[0][:, 0, 0, 0]" in sentence
    assert not leaked_targets([PICTURES]) and not leaked_targets([(PICTURES,)])
