"""Checkpoints on disk: every safe form loads, pickles and foreign models are refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import huggingface_hub
import numpy as np
import pytest
import safetensors.numpy

from auxtask.backbones import checkpoint_files
from auxtask.backbones.checkpoint_files import checkpoint_folder, read_checkpoint
from auxtask.backbones.language import language_model
from auxtask.transfer.cloning import reuse
from auxtask.transfer.groups import layer_groups
from tests.backbones.tiny_checkpoints import FAMILIES, batch, exported, hidden_states, saved, state


@pytest.fixture(scope="module")
def bert(tmp_path_factory: Any) -> Path:
    """A folder that one export wrote, for tests that spoil a copy of it."""
    folder = tmp_path_factory.mktemp("bert") / "exported"
    exported("bert", folder)
    return folder


def rewrite(folder: Path, change: Any) -> None:
    """Save the tensors of `model.safetensors` anew as `change` makes them."""
    path = folder / "model.safetensors"
    safetensors.numpy.save_file(change(safetensors.numpy.load_file(path)), path, metadata={"format": "pt"})


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


# --- in ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("task", "safe"), [("Model", True), ("ForMaskedLM", False)])
def test_weights_load_from_both_of_tensorflows_files_with_or_without_a_head(
    tmp_path: Path, family: str, task: str, safe: bool
) -> None:
    original = saved(family, tmp_path, task, safe)
    inputs = batch(family=family)
    model = reuse(language_model(tmp_path), upto="layer1")
    np.testing.assert_allclose(model(inputs), hidden_states(original, inputs)[-1], atol=1e-6)


def test_a_checkpoint_whose_pooler_was_never_saved_has_none(tmp_path: Path) -> None:
    saved("bert", tmp_path, "ForMaskedLM")
    assert "pooler" not in layer_groups(language_model(tmp_path)).names


def test_weights_in_several_files_load(tmp_path: Path) -> None:
    model = exported("bert", tmp_path)
    tensors = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, own in parts.items():
        safetensors.numpy.save_file({name: tensors[name] for name in own}, tmp_path / file)
    index = {"weight_map": {name: file for file, own in parts.items() for name in own}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert state(language_model(tmp_path)) == state(model)


def test_prefixes_old_names_and_half_precision_load(tmp_path: Path) -> None:
    model = exported("bert", tmp_path)

    def as_google_wrote_it(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        renamed = {
            f"bert.{n}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
            for n, t in tensors.items()
        }
        positions = {"bert.embeddings.position_ids": np.arange(16)[None]}
        return {name: tensor.astype(np.float16) for name, tensor in renamed.items()} | positions

    rewrite(tmp_path, as_google_wrote_it)
    inputs = batch()
    np.testing.assert_allclose(language_model(tmp_path)(inputs), model(inputs), atol=2e-2)


def test_a_heads_weights_are_found_whatever_wrote_them(tmp_path: Path) -> None:
    original = saved("bert", tmp_path, "ForMaskedLM")
    checkpoint = read_checkpoint(tmp_path)
    head = original.mlm.predictions
    np.testing.assert_array_equal(checkpoint.find("predictions.bias"), head.bias)
    np.testing.assert_array_equal(
        checkpoint.find("predictions.transform.dense.weight"), head.transform.dense.kernel.numpy().T
    )
    assert checkpoint.find("predictions.nothing") is None


# --- refused ----------------------------------------------------------------------------------------------------------


def refused(folder: Any, *words: str) -> None:
    with pytest.raises(ValueError) as caught:
        language_model(folder)
    text = str(caught.value)
    assert "\n" not in text and str(folder) in text, text
    for word in words:
        assert word in text, text


def test_a_pickle_is_refused_unread_and_the_safe_way_named(bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bert, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    refused(folder, "pickle", "safetensors")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "gpt2"}, ["'gpt2'", "bert, roberta, distilbert, electra"]),
        ({"model_type": None}, ["bert, roberta, distilbert, electra"]),
        ({"is_decoder": True}, ["decoder"]),
        ({"add_cross_attention": True}, ["decoder"]),
        ({"position_embedding_type": "relative_key"}, ["relative_key", "absolute"]),
        ({"pruned_heads": {"0": [1]}}, ["pruned"]),
        ({"hidden_act": "gelu_python"}, ["hidden_act", "gelu_new"]),
        ({"num_attention_heads": 3}, ["num_heads=3"]),
        ({"vocab_size": "many"}, ["vocab_size='many'"]),
        ({"vocab_size": 41}, ["word_embeddings.weight is [40, 16], expected [41, 16]"]),
        ({"num_hidden_layers": 3}, ["encoder.layer.2", "missing"]),
    ],
)
def test_a_model_that_cannot_be_a_chain_is_refused(
    bert: Path, tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    folder = shutil.copytree(bert, tmp_path / "changed")
    edit_config(folder, **changes)
    refused(folder, *words)


def test_a_roberta_with_another_pad_token_is_refused(tmp_path: Path) -> None:
    exported("roberta", tmp_path)
    edit_config(tmp_path, pad_token_id=0)
    refused(tmp_path, "pad_token_id=0", "roberta must have 1")


def test_code_that_a_checkpoint_brings_along_is_not_run(tmp_path: Path) -> None:
    model = exported("bert", tmp_path)
    (tmp_path / "modeling.py").write_text("raise SystemExit('owned')")
    edit_config(tmp_path, auto_map={"AutoModel": "modeling.Model", "AutoConfig": "modeling.Config"})
    assert state(language_model(tmp_path)) == state(model)


def test_damaged_and_missing_files_are_named(bert: Path, tmp_path: Path) -> None:
    refused(tmp_path, "config.json")
    shutil.copytree(bert, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"rubbish")
    refused(tmp_path / "model", "model.safetensors")
    (tmp_path / "model" / "config.json").write_text("[1")
    refused(tmp_path / "model", "config.json")
    (tmp_path / "model" / "model.safetensors").unlink()
    (tmp_path / "model" / "config.json").write_text("{}")
    refused(tmp_path / "model", "no weights", "model.safetensors")


def test_an_index_cannot_point_outside_its_folder(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "a")
    shutil.copytree(bert, tmp_path / "b")
    (tmp_path / "b" / "model.safetensors").unlink()
    index = {"weight_map": {"x": "../a/model.safetensors"}}
    (tmp_path / "b" / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(tmp_path / "b", "outside its folder")


# --- where checkpoints are --------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub in a folder, which gives copies of what the patterns allow, as `snapshot_download` does."""

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        source, target = tmp_path / "hub" / name, tmp_path / "cache" / name
        if not source.is_dir():
            raise OSError(f"404: no repository {name}\nand a second line")
        target.mkdir(parents=True, exist_ok=True)
        for file in huggingface_hub.utils.filter_repo_objects(os.listdir(source), allow_patterns=allow_patterns):
            shutil.copy(source / file, target / file)
        return str(target)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return tmp_path / "hub"


def test_a_name_is_fetched_from_the_hub_without_pickles_and_code(hub: Path) -> None:
    model = exported("bert", hub / "someone" / "small")
    (hub / "someone" / "small" / "pytorch_model.bin").write_bytes(b"")
    (hub / "someone" / "small" / "modeling.py").write_text("")
    assert state(language_model("someone/small")) == state(model)
    assert {path.name for path in checkpoint_folder("someone/small").iterdir()} == {"config.json", "model.safetensors"}


def test_what_the_hub_has_only_as_h5_or_pickle(hub: Path) -> None:
    saved("bert", hub / "tensorflow")
    assert layer_groups(language_model("tensorflow")).names[0] == "embeddings"
    (hub / "tensorflow" / "tf_model.h5").rename(hub / "tensorflow" / "pytorch_model.bin")
    shutil.rmtree(hub.parent / "cache")
    refused("tensorflow", "pickle", "safetensors")


def test_a_small_h5_file_that_claims_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    saved("bert", tmp_path / "claims")
    (tmp_path / "claims" / "tf_model.h5").unlink()
    with h5py.File(tmp_path / "claims" / "tf_model.h5", "w") as file:
        file.create_dataset("more", (10**10,), "f4")  # nothing is kept of it
    with pytest.raises(ValueError, match="more claims 40,000,000,000 bytes, more than the file has"):
        language_model(str(tmp_path / "claims"))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"model_type": "gpt2"}', ["'gpt2'", "bert, roberta, distilbert, electra"]),
        ('{"model_type": "bert", "position_embedding_type": "relative_key"}', ["relative_key"]),
        ("[1]", ["not a model's config"]),
        ("{", ["damaged"]),
        (None, ["no config.json"]),
    ],
)
def test_what_can_be_no_chain_is_refused_before_its_weights_are_fetched(
    hub: Path, config: str | None, words: list[str]
) -> None:
    (hub / "someone" / "foreign").mkdir(parents=True)
    (hub / "someone" / "foreign" / "model.safetensors").write_bytes(b"gigabytes")
    if config is not None:
        (hub / "someone" / "foreign" / "config.json").write_text(config)
    refused("someone/foreign", *words)
    fetched = {path.name for path in (hub.parent / "cache" / "someone" / "foreign").iterdir()}
    assert fetched == ({"config.json"} if config is not None else set())


def test_an_unknown_model_is_refused_in_one_line(hub: Path, tmp_path: Path) -> None:
    refused("no/such-model", "no such folder", "404")
    refused(tmp_path / "nowhere", "no such folder")


def test_minilm_is_found_in_its_package_and_never_imported(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "minilm_for_a_test"
    model = exported("bert", package / "model")
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setattr(checkpoint_files, "MINILM_PACKAGE", package.name)
    assert state(language_model("minilm")) == state(model)
    monkeypatch.setattr(checkpoint_files, "MINILM_PACKAGE", "not_installed_at_all")
    other = exported("bert", hub / checkpoint_files.MINILM_ON_HUB)
    assert state(language_model()) == state(other)
