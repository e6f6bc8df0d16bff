"""The head that guesses words: reused from checkpoints of all families, equal to transformers' own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auxtask.backbones.checkpoint_export import save_for_transformers
from auxtask.backbones.language import language_model
from auxtask.backbones.language_names import to_keras
from auxtask.backbones.masked_head import head_weights, masked_head
from auxtask.framework import tf, transformers
from tests.backbones.tiny_checkpoints import FAMILIES, batch, saved


def logits(model: Any, head: Any, inputs: dict[str, np.ndarray]) -> np.ndarray:
    hidden = model(inputs)
    rows = tf.reshape(hidden, (-1, hidden.shape[-1]))
    words = head(rows, model.get_layer("embeddings").word.embeddings)
    return np.asarray(words).reshape(*hidden.shape[:2], -1)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("safe", [False, True], ids=["h5", "safetensors"])
def test_log_odds_equal_transformers_own(tmp_path: Any, family: str, safe: bool) -> None:
    original, inputs = saved(family, tmp_path, "ForMaskedLM", safe), batch(family=family)
    model = language_model(tmp_path)
    head, found = masked_head(model, tmp_path)
    assert found
    np.testing.assert_allclose(logits(model, head, inputs), original(inputs).logits, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_exported_head_loads_in_transformers(tmp_path: Any, family: str) -> None:
    saved(family, tmp_path / "first", "ForMaskedLM")
    model, inputs = language_model(tmp_path / "first"), batch(family=family)
    head, _ = masked_head(model, tmp_path / "first")
    extra = {name: to_keras(name, weight.numpy()) for name, weight in head_weights(head, family).items()}
    save_for_transformers(model, tmp_path / "second", extra=extra)
    loaded = transformers.TFAutoModelForMaskedLM.from_pretrained(tmp_path / "second")
    np.testing.assert_allclose(loaded(inputs).logits, logits(model, head, inputs), atol=2e-5)


def test_the_checkpoints_activation_is_used(tmp_path: Any) -> None:
    original = saved("bert", tmp_path, "ForMaskedLM", hidden_act="gelu_new")
    model = language_model(tmp_path)
    head, _ = masked_head(model, tmp_path)
    np.testing.assert_allclose(logits(model, head, batch()), original(batch()).logits, atol=2e-5)


@pytest.mark.parametrize(("family", "task"), [("bert", "Model"), ("electra", "ForPreTraining")])
def test_a_checkpoint_without_such_a_head_gives_an_untrained_one(tmp_path: Any, family: str, task: str) -> None:
    saved(family, tmp_path, task)
    head, found = masked_head(language_model(tmp_path), tmp_path)
    assert not found
    assert not tf.reduce_any(head.bias != 0)


def test_a_head_of_another_model_is_refused(tmp_path: Any) -> None:
    saved("bert", tmp_path / "small", "ForMaskedLM")
    saved("bert", tmp_path / "wide", "ForMaskedLM", hidden_size=32)
    with pytest.raises(ValueError, match="its head is not this model's"):
        masked_head(language_model(tmp_path / "wide"), tmp_path / "small")
