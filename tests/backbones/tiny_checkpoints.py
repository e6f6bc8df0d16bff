"""Tiny random checkpoints of the four families, made and saved by transformers itself: the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from auxtask.backbones.checkpoint_export import save_for_transformers
from auxtask.backbones.language import language_backbone
from auxtask.framework import keras, transformers
from auxtask.transfer.weights import weights_by_path
from tests.transfer.models import shaken

FAMILIES = ("bert", "roberta", "distilbert", "electra")
_SIZES = {"vocab_size": 40, "max_position_embeddings": 16, "initializer_range": 0.3}
_BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


def config(family: str, **changes: Any) -> Any:
    """Settings of a tiny model, with `changes`."""
    if family == "distilbert":
        made = transformers.DistilBertConfig
        own = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24}
    else:
        made = {
            "bert": transformers.BertConfig,
            "roberta": transformers.RobertaConfig,
            "electra": transformers.ElectraConfig,
        }[family]
        own = {**_BERT, "type_vocab_size": 1 if family == "roberta" else 2}
    if family == "electra":
        own["embedding_size"] = 8
    return made(**{**_SIZES, **own, **changes})


def reference(family: str, task: str = "Model", seed: int = 0, **changes: Any) -> Any:
    """A model of transformers' own (`task`: Model, ForMaskedLM, …) with weights that no initialiser gives."""
    name = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert", "electra": "Electra"}[family]
    model = getattr(transformers, f"TF{name}{task}")(config(family, **changes))
    model.build_in_name_scope()  # plain `build` gives names that transformers itself does not load again
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.normal(0.0, 0.3, weight.shape))
    return model


def saved(family: str, folder: Path, task: str = "Model", safe: bool = False, **changes: Any) -> Any:
    """A reference model, saved in `folder` as `tf_model.h5`, or TensorFlow's safetensors."""
    model = reference(family, task, **changes)
    model.save_pretrained(folder, safe_serialization=safe)
    return model


def batch(padding: str = "right", family: str = "bert", num_types: int = 1) -> dict[str, np.ndarray]:
    """Three texts of 9, 5 and 1 tokens; what pads is RoBERTa's 1 or 0."""
    rng = np.random.default_rng(3)
    ids = rng.integers(2, 40, (3, 9)).astype("int32")
    mask = np.array([[1] * 9, [1] * 5 + [0] * 4, [1] + [0] * 8], "int32")
    if padding == "left":
        mask = mask[:, ::-1].copy()
    ids[mask == 0] = 1 if family == "roberta" else 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if num_types > 1:
        inputs["token_type_ids"] = rng.integers(0, num_types, ids.shape).astype("int32") * mask
    return inputs


def hidden_states(model: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What transformers' model computes: after the embeddings, and after each layer."""
    return [np.asarray(h) for h in model(inputs, output_hidden_states=True).hidden_states]


def backbone(family: str = "bert", **settings: Any) -> keras.Model:
    """A chain of ours with the same settings, and weights that no initialiser gives."""
    return shaken(language_backbone(config(family), **settings))


def exported(family: str, folder: Path) -> keras.Model:
    """A chain of ours, saved in `folder` for transformers."""
    model = backbone(family)
    save_for_transformers(model, folder)
    return model


def state(model: keras.Model) -> dict[str, bytes]:
    """Every weight by path, as bytes."""
    return {path: weight.numpy().tobytes() for path, weight in weights_by_path(model).items()}
