"""Language models as a chain: equal to transformers' own, and at home in reuse, freeze, fine_tune, cuts and saving."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auxtask.backbones.language import language_backbone, language_model
from auxtask.backbones.language_config import LanguageConfig
from auxtask.backbones.pooling import pooled
from auxtask.backbones.saving import load_backbone, save_backbone
from auxtask.framework import keras, tf
from auxtask.transfer.cloning import reuse
from auxtask.transfer.cutting import cuts
from auxtask.transfer.fine_tuning import fine_tune
from auxtask.transfer.freezing import freeze
from auxtask.transfer.groups import layer_groups
from auxtask.transfer.plans import Phase
from tests.backbones.tiny_checkpoints import FAMILIES, backbone, batch, config, hidden_states, saved, state

GROUPS = ["embeddings", "layer0", "layer1"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: Any) -> dict[str, Any]:
    """For each family a saved checkpoint's folder and the model of transformers that wrote it."""
    made = {}
    for family in FAMILIES:
        folder = tmp_path_factory.mktemp(family)
        made[family] = (folder, saved(family, folder))
    return made


def steps(model: Any, inputs: Any, count: int = 2) -> None:
    optimizer = keras.optimizers.SGD(0.1)
    for _ in range(count):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(inputs, training=True) - 0.3) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))


# --- equal to transformers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_every_hidden_state_equals_transformers_own(checkpoints: Any, family: str) -> None:
    folder, original = checkpoints[family]
    chain = language_model(folder)
    model = keras.Model(chain.inputs, [chain.get_layer(name).output for name in GROUPS])
    for padding in ("right", "left"):
        inputs = batch(padding, family)
        for ours, expected in zip(model(inputs), hidden_states(original, inputs), strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-6)
    for ours, expected in zip(model.predict(inputs, verbose=0), hidden_states(original, inputs), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "electra"])
def test_token_types_are_an_input_if_asked_for(checkpoints: Any, family: str) -> None:
    folder, original = checkpoints[family]
    inputs = batch(num_types=2)
    model = reuse(language_model(folder, token_types=True), upto="layer1")
    assert model.input_names == ["input_ids", "attention_mask", "token_type_ids"]
    np.testing.assert_allclose(model(inputs), hidden_states(original, inputs)[-1], atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_pooler_is_the_last_group_and_equals_transformers_own(checkpoints: Any, family: str) -> None:
    folder, original = checkpoints[family]
    inputs = batch(family=family)
    model = language_model(folder)
    assert list(layer_groups(model).names) == [*GROUPS, "pooler"]
    np.testing.assert_allclose(model(inputs), original(inputs).pooler_output, atol=1e-6)


@pytest.mark.parametrize("family", ["distilbert", "electra"])
def test_a_family_without_pooler_ends_in_its_last_layer(checkpoints: Any, family: str) -> None:
    assert list(layer_groups(language_model(checkpoints[family][0])).names) == GROUPS


@pytest.mark.parametrize("hidden_act", ["gelu_new", "silu"])
def test_other_activations_equal_transformers_own(tmp_path: Any, hidden_act: str) -> None:
    original = saved("bert", tmp_path, hidden_act=hidden_act)
    inputs = batch()
    model = reuse(language_model(tmp_path), upto="layer1")
    np.testing.assert_allclose(model(inputs), hidden_states(original, inputs)[-1], atol=1e-6)


def test_electra_without_projection_equals_transformers_own(tmp_path: Any) -> None:
    original = saved("electra", tmp_path, embedding_size=16)
    inputs = batch()
    np.testing.assert_allclose(language_model(tmp_path)(inputs), hidden_states(original, inputs)[-1], atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_is_called_as_often_as_in_transformers(checkpoints: Any, family: str, monkeypatch: Any) -> None:
    _, original = checkpoints[family]

    def places(model: Any) -> int:
        return sum(type(layer).__name__ == "Dropout" and layer.rate > 0 for layer in model._flatten_layers())

    calls = []
    monkeypatch.setattr(keras.layers.Dropout, "call", lambda self, x, training=None: calls.append(self.name) or x)
    model = backbone(family)
    calls.clear()
    model(batch(family=family), training=True)
    blocks = sum(layer.name.startswith("layer") for layer in model.layers)
    uses = {"bert": 3, "roberta": 3, "electra": 3, "distilbert": 2}[family]  # per layer, attention's weights included
    assert len(calls) == uses * blocks + 1
    # DistilBERT has one Dropout more per layer that its TF class never calls.
    spare = blocks if family == "distilbert" else 0
    assert places(original) == len(calls) + spare


def test_a_texts_result_does_not_depend_on_how_it_is_padded() -> None:
    model = backbone("roberta")
    short, long = batch("right", "roberta"), batch("left", "roberta")
    long["input_ids"][1, 4:], long["attention_mask"][1] = short["input_ids"][1, :5], long["attention_mask"][1]
    np.testing.assert_allclose(model(short)[1, :5], model(long)[1, 4:], atol=1e-5)


# --- reuse, freeze, fine_tune, cuts ---------------------------------------------------------------------------------


# tests/transfer runs all four families through its own tests; here is only what is particular to them.


def test_a_copy_up_to_a_layer_takes_a_head_and_leaves_the_source_alone() -> None:
    model, inputs = backbone(), batch()
    before = state(model)
    copy = reuse(model, upto="layer0", head=2)
    assert list(layer_groups(copy).names) == ["embeddings", "layer0", "head"]
    steps(copy, inputs)
    assert state(model) == before
    assert state(copy)["layer0/query/kernel"] != before["layer0/query/kernel"]


def test_every_group_ends_at_a_cut() -> None:
    assert [cut.layer for cut in cuts(backbone()) if cut.layer in GROUPS] == GROUPS


def test_fine_tuning_moves_the_head_first_and_then_everything() -> None:
    inputs, labels = batch(), np.array([0, 1, 1])
    model = reuse(backbone(), head=2)
    before = state(model)
    train = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(3)
    result = fine_tune(model, train, plan=[Phase(1, frozen_upto="backbone"), Phase(1, layer_decay=0.5)])
    moved = {path.split("/")[0] for path, value in state(model).items() if value != before[path]}
    assert moved == {*GROUPS, "head"}
    assert {row["group"] for row in result.ledger.rows if row["phase"] == "phase1" and row["changed"]} == {"head"}
    assert [row["phase"] for row in result.history] == ["phase1", "phase2"]


def test_a_frozen_layer_drops_nothing_out() -> None:
    model, inputs = backbone(), batch()
    assert np.abs(model(inputs, training=True) - model(inputs)).max() > 0.01
    freeze(model)
    assert model(inputs, training=True).numpy().tobytes() == model(inputs).numpy().tobytes()


def test_a_head_put_straight_on_the_tokens_leaves_out_the_padding() -> None:
    """A plain average over positions would count it: the implicit mask tells the head."""
    model = reuse(backbone(), head=keras.layers.GlobalAveragePooling1D(name="average"))
    inputs = batch()
    expected = pooled(model_before := backbone(), "mean")(inputs)
    assert state(model) == state(model_before)
    np.testing.assert_allclose(model(inputs), expected, atol=1e-6)


# --- saving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_chain_loads_equal_to_the_bit(family: str, tmp_path: Any) -> None:
    model, inputs = reuse(pooled(backbone(family), "mean"), head=2), batch(family=family)
    freeze(model, upto="layer0")
    save_backbone(model, tmp_path / "saved", kind="model")
    loaded = load_backbone(tmp_path / "saved")
    assert state(loaded) == state(model)
    assert loaded(inputs).numpy().tobytes() == model(inputs).numpy().tobytes()
    assert layer_groups(loaded).names == layer_groups(model).names
    assert layer_groups(loaded)["layer0"].trainable is False
    # What was loaded is as good a chain: it can be cut and trained again.
    steps(reuse(loaded, upto="layer0", head=2), inputs)


# --- untrained ------------------------------------------------------------------------------------------------------


def test_sizes_have_the_layers_and_width_that_they_promise() -> None:
    model = language_backbone("tiny", vocab_size=100)
    assert list(layer_groups(model).names) == GROUPS
    assert model.output_shape == (None, None, 128)
    assert model.get_layer("embeddings").max_length == 512


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_start_untrained_at_the_length_asked_for(family: str) -> None:
    model = language_backbone("tiny", vocab_size=40, family=family, max_length=12)
    assert model.get_layer("embeddings").max_length == 12
    ids = np.full((1, 12), 5, "int32")
    assert np.isfinite(model([ids, np.ones_like(ids)])).all()


def test_the_same_seed_gives_the_same_weights() -> None:
    one, same, other = (language_backbone(config("bert"), seed=seed) for seed in (1, 1, 2))
    assert state(one) == state(same) != state(other)


def test_a_text_longer_than_the_model_takes_is_refused() -> None:
    model = backbone("roberta")
    ids = np.full((1, 15), 5, "int32")  # 16 positions, of which RoBERTa's first two are no word's
    with pytest.raises(ValueError, match="15 tokens.*at most 14"):
        model([ids, np.ones_like(ids)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"size": "big", "vocab_size": 40}, "tiny, mini, small"),
        ({"size": "tiny"}, "vocab_size is needed"),
        ({"size": "tiny", "vocab_size": 0}, "vocab_size=0"),
        ({"size": "tiny", "vocab_size": 40, "family": "bart"}, "bert, roberta, distilbert, electra"),
        ({"size": "tiny", "vocab_size": 40, "family": "electra", "pooler": True}, "electra has none"),
        ({"size": "tiny", "vocab_size": 40, "family": "distilbert", "token_types": True}, "no token types"),
        ({"size": "tiny", "vocab_size": 40, "dropout": 1.0}, r"dropout=1\.0"),
        ({"size": {"model_type": "gpt2"}}, "bert, roberta, distilbert, electra"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        language_backbone(**arguments)


def test_a_config_survives_the_way_through_transformers() -> None:
    for family in FAMILIES:
        made = LanguageConfig.from_transformers(config(family).to_dict())
        assert LanguageConfig.from_transformers(made.to_transformers().to_dict()) == made
