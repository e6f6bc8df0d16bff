"""Pooling over a text's tokens, padding left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auxtask.backbones.language import language_backbone
from auxtask.backbones.pooling import MaskedPooling, pooled
from auxtask.backbones.saving import load_backbone, save_backbone
from auxtask.backbones.text_features import check_tokenizer, pooled_upper_layers
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras
from auxtask.transfer.cloning import reuse
from auxtask.transfer.groups import layer_groups
from tests.backbones.tiny_checkpoints import batch, config, state
from tests.transfer.models import shaken

HIDDEN = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32") - 5.0


@pytest.mark.parametrize(("mask", "tokens"), [([1, 1, 1, 0], slice(0, 3)), ([0, 0, 1, 1], slice(2, 4))])
def test_each_kind_is_what_it_says_over_the_tokens_alone(mask: list[int], tokens: slice) -> None:
    masks = np.array([mask, [1, 1, 1, 1]], "int32")
    own = HIDDEN[0, tokens]
    for pooling, expected in (("mean", own.mean(0)), ("max", own.max(0)), ("cls", own[0])):
        np.testing.assert_allclose(MaskedPooling(pooling)([HIDDEN, masks])[0], expected, rtol=1e-6)


def test_a_text_without_tokens_gives_zeros() -> None:
    nothing = np.zeros((2, 4), "int32")
    for pooling in ("mean", "max"):
        assert not np.any(MaskedPooling(pooling)([HIDDEN, nothing]))


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_padding_more_changes_nothing(pooling: str) -> None:
    model = pooled(shaken(language_backbone(config("bert"))), pooling)
    inputs = batch()
    longer = {name: np.pad(value, ((0, 0), (0, 5))) for name, value in inputs.items()}
    np.testing.assert_allclose(model(inputs), model(longer), atol=1e-5)


def test_pooling_shares_the_backbones_layers_and_keeps_its_groups() -> None:
    backbone = shaken(language_backbone(config("bert")))
    model = pooled(backbone)
    assert model.output_shape == (None, 16)
    assert state(model) == state(backbone)
    assert model.get_layer("layer0") is backbone.get_layer("layer0")
    assert layer_groups(model).names == layer_groups(backbone).names
    assert list(layer_groups(reuse(model, head=2)).names)[-1] == "head"


def test_berts_own_pooler_makes_room() -> None:
    backbone = shaken(language_backbone(config("bert"), pooler=True))
    model, inputs = pooled(backbone, "mean"), batch()
    assert "pooler" not in layer_groups(model).names
    np.testing.assert_array_equal(model(inputs), pooled(reuse(backbone, upto="layer1"))(inputs))


@pytest.mark.parametrize(("size", "upper"), [("mini", ("layer2", "layer3")), ("tiny", ("layer1",))])
def test_upper_layers_are_pooled_side_by_side_and_that_can_be_saved(size: str, upper: tuple, tmp_path: Path) -> None:
    backbone = shaken(language_backbone(size, 50, seed=0))
    inputs = batch()
    each = [pooled(reuse(backbone, upto=name)).predict(inputs, verbose=0) for name in upper]
    model = pooled_upper_layers(backbone)
    found = model.predict(inputs, verbose=0)
    np.testing.assert_allclose(found, np.concatenate(each, axis=1), atol=1e-6)
    save_backbone(model, tmp_path / "saved", {})
    np.testing.assert_array_equal(load_backbone(tmp_path / "saved").predict(inputs, verbose=0), found)


def test_what_cannot_be_pooled_is_refused() -> None:
    with pytest.raises(ValueError, match="mean, cls, max"):
        pooled(language_backbone(config("bert")), "average")
    with pytest.raises(ValueError, match="no input attention_mask"):
        pooled(keras.Sequential([keras.Input((4, 3)), keras.layers.Dense(2)]))
    with pytest.raises(ValueError, match=r"\[n, t, d\]"):
        pooled(pooled(language_backbone(config("bert"))))


def test_a_tokenizer_of_another_model_is_refused() -> None:
    """By what numbers tell: more tokens than vectors, far fewer, or another padding where positions count by it."""
    tokenizer = TextTokenizer.train(["the film was good", "a bad film", "quick brown foxes jump"] * 3, vocab_size=100)
    size = tokenizer.vocab_size
    for fitting in (size, size + 2):
        check_tokenizer(tokenizer, language_backbone(config("bert"), vocab_size=fitting))
    for another, said in ((size - 1, "does not fit mine: it has"), (2 * size, "far fewer than the model's")):
        with pytest.raises(ValueError, match=said):
            check_tokenizer(tokenizer, language_backbone(config("bert"), vocab_size=another), "mine")
    with pytest.raises(ValueError, match="padding is token 0, the model's 1"):
        check_tokenizer(tokenizer, language_backbone(config("roberta"), vocab_size=size))
