"""Writes a language model as a folder that plain transformers loads, under TensorFlow and under PyTorch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy

from auxtask.backbones.atomic_folder import atomic_folder
from auxtask.backbones.language_config import LanguageConfig
from auxtask.backbones.language_names import language_layers, pytorch_weights, to_keras
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)


def save_for_transformers(
    model: keras.Model,
    folder: str | os.PathLike[str],
    tokenizer: TextTokenizer | str | os.PathLike[str] | None = None,
    extra: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Save a language model as `AutoModel.from_pretrained` and `TFAutoModel.from_pretrained` load it.

    The weights get PyTorch's names and layout, which both sides read. What of the model is no part of the chain
    (pooling, a classifier) is left out; a chain cut short by `reuse` gives a shorter model.

    Parameters
    ----------
    model : keras.Model
        From `language_model` or `language_backbone`, or made of one.
    folder : path
        A new or empty folder; it appears whole or not at all.
    tokenizer : TextTokenizer or path, optional
        Saved beside; of a path (a checkpoint's folder), the tokenizer's files are copied.
    extra : mapping of str to array, optional
        Weights of a head (say, masked words'), by PyTorch's names and in PyTorch's layout, written as they are.

    Raises
    ------
    ValueError
        The model is none of ours, the tokenizer does not fit it, the folder holds other files, or `extra` names a
        weight of the chain.
    """
    config = language_config(model)
    if isinstance(tokenizer, str | os.PathLike):
        TextTokenizer.load(Path(tokenizer)).check_fits(config.vocab_size)
    elif tokenizer is not None:
        tokenizer.check_fits(config.vocab_size)
    tensors = {name: to_keras(name, variable.numpy()) for name, variable in pytorch_weights(model).items()}
    taken = sorted(tensors.keys() & (extra or {}).keys())
    if taken:
        raise ValueError(f"extra: {taken[0]} is a weight of the model itself")
    # Beside a head, the base model's weights stand under its name.
    prefix = f"{config.family}." if extra else ""
    tensors = {f"{prefix}{name}": array for name, array in tensors.items()} | dict(extra or {})
    # safetensors writes memory as it lies, so a transposed view would come out untransposed.
    content = {name: np.ascontiguousarray(array, np.float32) for name, array in tensors.items()}
    with atomic_folder(folder) as partial:
        config.to_transformers().save_pretrained(partial)
        safetensors.numpy.save_file(content, partial / "model.safetensors", metadata={"format": "pt"})
        if isinstance(tokenizer, TextTokenizer):
            tokenizer.save(partial, config.max_length)
        elif tokenizer is not None:
            _copy_tokenizer(Path(tokenizer), partial)


def language_config(model: keras.Model) -> LanguageConfig:
    """Read a model's sizes and settings from its layers.

    Raises
    ------
    ValueError
        It has no layers of a language model, or they do not fit one config.
    """
    embeddings, blocks, _ = language_layers(model)
    settings = [{k: v for k, v in block.get_config().items() if k not in ("name", "trainable")} for block in blocks]
    if any(one != settings[0] for one in settings):
        raise ValueError(
            f"the layers of {model.name!r} differ in their settings, which no config of transformers can say"
        )
    block = blocks[0]
    width = embeddings.embedding_size
    return LanguageConfig(
        embeddings.family,
        embeddings.vocab_size,
        embeddings.hidden_size,
        len(blocks),
        block.num_heads,
        block.intermediate_size,
        hidden_act=block.hidden_act,
        embedding_size=None if width == embeddings.hidden_size else width,
        max_positions=embeddings.max_positions,
        num_token_types=embeddings.num_token_types,
        dropout=block.dropout,
        attention_dropout=block.attention_dropout,
        epsilon=block.epsilon,
        initializer_range=block.initializer_range,
        pad_token_id=embeddings.pad_token_id,
    )


def _copy_tokenizer(source: Path, target: Path) -> None:
    for name in _TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
