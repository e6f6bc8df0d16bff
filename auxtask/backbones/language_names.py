"""Weights of a chain under the names and in the layout that PyTorch's checkpoints have."""

from __future__ import annotations

from typing import Any

import numpy as np

from auxtask.backbones.language_config import FAMILIES
from auxtask.backbones.language_layers import TextEmbeddings, TransformerBlock
from auxtask.backbones.pooling import FirstTokenPooler
from auxtask.framework import keras, tf
from auxtask.transfer.graph import read_graph
from auxtask.transfer.grouping import leaves_of_calls

# Attribute of our layer -> what PyTorch's name says.
_EMBEDDINGS = {
    "word": "embeddings.word_embeddings",
    "position": "embeddings.position_embeddings",
    "token_type": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
    "project": "embeddings_project",
}
_BLOCK = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "feed_forward": "output.dense",
    "output_norm": "output.LayerNorm",
}
_DISTILBERT_BLOCK = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "attention_output": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "intermediate": "ffn.lin1",
    "feed_forward": "ffn.lin2",
    "output_norm": "output_layer_norm",
}


def language_layers(model: keras.Model) -> tuple[TextEmbeddings, list[TransformerBlock], FirstTokenPooler | None]:
    """Find a chain's layers in a model, which may have more (pooling, a head) or be what `reuse` left of one.

    Raises
    ------
    ValueError
        It has not exactly one layer of embeddings, or no transformer layer.
    """
    leaves = _leaves(model)
    embeddings = _only_embeddings(model, leaves)
    blocks = [leaf for leaf in leaves if isinstance(leaf, TransformerBlock)]
    poolers = [leaf for leaf in leaves if isinstance(leaf, FirstTokenPooler)]
    if not blocks:
        raise ValueError(f"model {model.name!r} is no language model of ours: it has no TransformerBlock layer")
    return embeddings, blocks, poolers[0] if poolers else None


def text_embeddings(model: keras.Model) -> TextEmbeddings:
    """Find the layer that takes a text's tokens, in a language model or in whatever is left of one.

    Raises
    ------
    ValueError
        There is none, or more than one.
    """
    return _only_embeddings(model, _leaves(model))


def _leaves(model: keras.Model) -> list[Any]:
    return list(leaves_of_calls(read_graph(model).calls).values())


def _only_embeddings(model: keras.Model, leaves: list[Any]) -> TextEmbeddings:
    found = [leaf for leaf in leaves if isinstance(leaf, TextEmbeddings)]
    if len(found) != 1:
        raise ValueError(
            f"model {model.name!r} is no language model of ours: it has {len(found)} TextEmbeddings layers"
        )
    return found[0]


def pytorch_weights(model: keras.Model) -> dict[str, tf.Variable]:
    """Give a chain's weights by PyTorch's names, without the prefix of a model with a head (`bert.`)."""
    embeddings, blocks, pooler = language_layers(model)
    rules = FAMILIES[embeddings.family]
    names = _DISTILBERT_BLOCK if embeddings.family == "distilbert" else _BLOCK
    found = _weights(embeddings, _EMBEDDINGS)
    for number, block in enumerate(blocks):
        found |= _weights(block, {own: f"{rules.blocks}.{number}.{name}" for own, name in names.items()})
    if pooler is not None:
        found |= _weights(pooler, {"dense": "pooler.dense"})
    return found


def to_keras(name: str, array: np.ndarray) -> np.ndarray:
    """Turn a weight from PyTorch's layout into Keras' (and back): the matrices of linear layers are transposed."""
    is_table = name.endswith("_embeddings.weight")
    return array.T if array.ndim == 2 and not is_table else array


def _weights(layer: Any, names: dict[str, str]) -> dict[str, tf.Variable]:
    found = {}
    for attribute, name in names.items():
        part = getattr(layer, attribute, None)
        if isinstance(part, keras.layers.Embedding):
            found[f"{name}.weight"] = part.embeddings
        elif isinstance(part, keras.layers.LayerNormalization):
            found |= {f"{name}.weight": part.gamma, f"{name}.bias": part.beta}
        elif part is not None:
            found |= {f"{name}.weight": part.kernel, f"{name}.bias": part.bias}
    return found
