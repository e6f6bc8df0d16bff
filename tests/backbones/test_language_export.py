"""Language models as plain transformers loads them, under TensorFlow and PyTorch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from auxtask.backbones.checkpoint_export import language_config, save_for_transformers
from auxtask.backbones.checkpoint_files import read_checkpoint
from auxtask.backbones.language import language_backbone, language_model
from auxtask.backbones.pooling import pooled
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras, transformers
from auxtask.transfer.cloning import reuse
from tests.backbones.tiny_checkpoints import (
    FAMILIES,
    backbone,
    batch,
    config,
    exported,
    hidden_states,
    saved,
    state,
)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_export_loads_in_transformers_with_equal_hidden_states(tmp_path: Path, family: str) -> None:
    model, inputs = exported(family, tmp_path), batch(family=family)
    loaded = transformers.TFAutoModel.from_pretrained(tmp_path)  # by PyTorch's names and layout
    np.testing.assert_allclose(model(inputs), hidden_states(loaded, inputs)[-1], atol=1e-6)
    assert state(language_model(tmp_path)) == state(model)


def test_a_chain_cut_short_with_pooling_and_head_exports_its_layers(tmp_path: Path) -> None:
    model = reuse(pooled(reuse(backbone(), upto="layer0")), head=2)
    save_for_transformers(model, tmp_path)
    loaded, inputs = transformers.TFAutoModel.from_pretrained(tmp_path), batch()
    assert loaded.config.num_hidden_layers == 1
    np.testing.assert_allclose(
        reuse(model, upto="layer0")(inputs), pooled_by_hand(hidden_states(loaded, inputs)[-1], inputs), atol=1e-6
    )


def pooled_by_hand(hidden: np.ndarray, inputs: dict[str, np.ndarray]) -> np.ndarray:
    mask = inputs["attention_mask"][:, :, None]
    return (hidden * mask).sum(1) / mask.sum(1)


def test_a_head_goes_along_as_transformers_names_it(tmp_path: Path) -> None:
    saved("bert", tmp_path / "first", "ForMaskedLM")
    original = transformers.TFBertForMaskedLM.from_pretrained(tmp_path / "first")
    tensors = read_checkpoint(tmp_path / "first").tensors
    head = {f"cls.{name.split('mlm___cls.')[-1]}": t for name, t in tensors.items() if ".predictions." in name}
    save_for_transformers(language_model(tmp_path / "first"), tmp_path / "second", extra=head)
    loaded, inputs = transformers.TFBertForMaskedLM.from_pretrained(tmp_path / "second"), batch()
    np.testing.assert_allclose(loaded(inputs).logits, original(inputs).logits, atol=1e-5)


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return TextTokenizer.train(["the film was good", "a bad film", "quick brown foxes jump"] * 3, vocab_size=100)


def test_the_tokenizer_goes_along(tmp_path: Path, tokenizer: TextTokenizer) -> None:
    model = language_backbone(config("bert"), vocab_size=tokenizer.vocab_size)
    save_for_transformers(model, tmp_path / "trained", tokenizer)
    save_for_transformers(model, tmp_path / "copied", tmp_path / "trained")
    for folder in (tmp_path / "trained", tmp_path / "copied"):
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        assert theirs("the film was good").input_ids == list(tokenizer.encode(["the film was good"])[0])
        longest = model.get_layer("embeddings").max_length
        assert len(theirs("film " * 600, truncation=True).input_ids) == longest  # or the model would fail


def test_an_export_that_would_not_work_is_refused(tmp_path: Path, tokenizer: TextTokenizer) -> None:
    with pytest.raises(ValueError, match="tokenizer does not fit"):
        save_for_transformers(language_backbone(config("bert"), vocab_size=20), tmp_path / "new", tokenizer)
    with pytest.raises(ValueError, match="no language model of ours"):
        save_for_transformers(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), tmp_path / "new")
    with pytest.raises(ValueError, match="a weight of the model itself"):
        save_for_transformers(backbone(), tmp_path / "new", extra={"encoder.layer.0.output.dense.bias": np.zeros(16)})
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="other files"):
        save_for_transformers(backbone(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_config_is_read_from_the_layers() -> None:
    for family in FAMILIES:
        read = language_config(backbone(family)).to_transformers().to_dict()
        expected = config(family).to_dict()
        assert {name for name in read if read[name] != expected[name]} == set()


_UNDER_PYTORCH = """
import sys, numpy, torch, transformers
data = numpy.load(sys.argv[1] + "/batch.npz")
model = transformers.AutoModel.from_pretrained(sys.argv[1] + "/model").eval()
with torch.no_grad():
    given = {name: torch.tensor(data[name]).long() for name in ("input_ids", "attention_mask")}
    numpy.save(sys.argv[1] + "/out.npy", model(**given).last_hidden_state.numpy())
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("AUXTASK_TORCH_PYTHON"), reason="set AUXTASK_TORCH_PYTHON: it has torch")
@pytest.mark.parametrize("family", FAMILIES)
def test_an_export_loads_under_pytorch_with_equal_hidden_states(tmp_path: Path, family: str) -> None:
    """In a process of its own: PyTorch beside TensorFlow can crash it."""
    model, inputs = exported(family, tmp_path / "model"), batch(family=family)
    np.savez(tmp_path / "batch.npz", **inputs)
    environment = {**os.environ, "USE_TF": "0", "USE_TORCH": "1"}
    command = [os.environ["AUXTASK_TORCH_PYTHON"], "-c", _UNDER_PYTORCH, str(tmp_path)]
    subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    kept = inputs["attention_mask"] > 0
    np.testing.assert_allclose(model(inputs).numpy()[kept], np.load(tmp_path / "out.npy")[kept], atol=1e-5)
