"""What holds for every auxiliary task; the table of tasks is in `small_tasks`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auxtask.backbones.saving import load_backbone, save_backbone
from auxtask.data.text_batches import EncodedTexts
from auxtask.tasks.auxiliary_task import AuxiliaryTask
from auxtask.tasks.checking import check_task
from auxtask.tasks.rbm import Rbm
from auxtask.transfer.cloning import reuse
from auxtask.transfer.fine_tuning import fine_tune
from auxtask.transfer.freezing import freeze
from auxtask.transfer.groups import layer_groups
from auxtask.transfer.plans import Phase
from tests.tasks.small_tasks import TASKS, WORDS, text
from tests.transfer.models import same_bits


def values(model: Any) -> list[np.ndarray]:
    return [np.copy(weight) for weight in model.get_weights()]


def some_input(backbone: Any, number: int = 12) -> Any:
    """Inputs for the part that is kept, of two classes."""
    if len(backbone.inputs) == 1:
        return np.random.default_rng(0).uniform(0, 255, (number, *backbone.input_shape[1:])).astype("float32")
    texts = [" ".join(np.roll(WORDS, i)[:8]) for i in range(number)]
    return EncodedTexts(texts, text()[0], 16).padded(np.arange(number))


def labels_for(model: Any, x: Any) -> np.ndarray:
    shape = np.shape(model.predict(x, verbose=0))[:-1]
    return np.arange(int(np.prod(shape))).reshape(shape) % 2


@pytest.fixture(scope="module", params=sorted(TASKS))
def pretrained(request) -> tuple[AuxiliaryTask, Any, Any]:
    task, data = TASKS[request.param]()
    # The sizes that a maker chose are the defaults of its `pretrain`, but for the tasks whose `pretrain` takes them.
    sizes = {name: getattr(task, name) for name in ("people", "singles") if hasattr(task, name)}
    sizes = {"documents": 8} if request.param == "same_document" else sizes
    before = values(task.kept)
    validation = {"validation": None} if request.param == "same_pair" else {}
    kept = task.pretrain(data, budget="3steps", learning_rate=1e-2, warmup=0.0, **sizes, **validation)
    return task, kept, before


def test_what_is_kept_is_the_trained_backbone_with_its_groups(pretrained) -> None:
    task, kept, before = pretrained
    assert kept is task.kept
    assert any((new != old).any() for new, old in zip(values(kept), before, strict=True))
    assert len(layer_groups(kept)) >= (1 if isinstance(task, Rbm) else 2)


def test_the_record_says_what_was_done(pretrained) -> None:
    task, _, _ = pretrained
    record = task.pretraining.provenance
    assert record["task"] == type(task).__name__
    assert record["settings"]["budget"] == "3steps" and record["settings"]["seed"] == 0
    assert task.pretraining.history[-1]["step"] == 3
    sizes = {**record, **record["settings"]}
    assert sizes.get("batch_size") or sizes.get("people")


def test_saved_and_loaded_it_is_equal_to_the_bit(pretrained, tmp_path) -> None:
    task, kept, _ = pretrained
    save_backbone(kept, tmp_path / "backbone", task.pretraining.provenance)
    loaded = load_backbone(tmp_path / "backbone")
    assert layer_groups(loaded).names == layer_groups(kept).names
    x = some_input(kept)
    assert same_bits(loaded(x, training=False), kept(x, training=False))


def test_frozen_and_fine_tuned_the_ledger_is_clean_and_the_source_unchanged(pretrained) -> None:
    _, kept, _ = pretrained
    before = values(kept)
    model = reuse(kept, head=2, seed=0)
    freeze(model, upto=layer_groups(kept).names[-1])
    x = some_input(kept)
    frozen = Phase(epochs=1, learning_rate=1e-2, frozen_upto=layer_groups(kept).names[-1])
    thawed = Phase(epochs=1, learning_rate=1e-2)
    result = fine_tune(model, (x, labels_for(model, x)), plan=[frozen, thawed], batch_size=6)
    rows = [row for row in result.ledger.rows if row["group"] != "head"]
    assert {row["frozen"] for row in rows} == {True, False}
    assert not any(row["changed"] for row in rows if row["frozen"])
    assert any(row["changed"] for row in rows if not row["frozen"])
    assert all((new == old).all() for new, old in zip(values(kept), before, strict=True))


@pytest.mark.parametrize("name", sorted(TASKS))
def test_nothing_is_wrong_with_it_and_the_check_leaves_no_trace(name) -> None:
    task, data = TASKS[name]()
    before = values(task)
    check_task(task, data)
    after = values(task)[: len(before)]  # a task may make weights when it first sees data
    assert all((new == old).all() for new, old in zip(after, before, strict=True))
    x = some_input(task.kept)
    assert same_bits(reuse(task.kept)(x, training=False), task.kept(x, training=False))  # nor does a layer remember
