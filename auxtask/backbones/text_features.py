"""One vector per text from every layer of a language model, computed once for all arms and draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from auxtask.backbones.language_names import text_embeddings
from auxtask.backbones.pooling import MaskedPooling, attention_mask_of
from auxtask.data.text_batches import EncodedTexts, length_sorted_batches
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras, tf
from auxtask.transfer.cutting import cuts


def text_features(
    backbone: keras.Model,
    texts: EncodedTexts,
    pooling: str = "mean",
    tokens_per_batch: int = 8192,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, np.ndarray]:
    """Pool the output of every layer group.

    Parameters
    ----------
    backbone : keras.Model
        From `language_model`.
    texts : EncodedTexts
        Made with the backbone's tokenizer.
    pooling : {"mean", "cls", "max"}
        Over each text's tokens, padding left out.
    tokens_per_batch : int
        Texts go through sorted by length, in batches of about this size.
    progress : callable, optional
        Told (texts done, texts in all, "") after each batch.

    Returns
    -------
    dict of group name to float32 [num_texts, d]
        From the input to the output; groups whose output is not one vector per token are left out.

    Raises
    ------
    ValueError
        The backbone is no language model, or a text is longer than it takes.
    """
    names, model = _pooled_groups(backbone, pooling)
    return dict(zip(names, _in_batches(model, texts, tokens_per_batch, progress), strict=True))


def upper_half(layers: Sequence[str]) -> list[str]:
    """Give the upper half of the layers, from the input to the output: of 7 the last 3, of one that one."""
    return list(layers)[-max(1, len(layers) // 2) :]


def pooled_upper_layers(backbone: keras.Model, pooling: str = "mean") -> keras.Model:
    """Put pooling on the upper half of a language model's layer groups: their vectors side by side.

    Parameters
    ----------
    backbone : keras.Model
        From `language_model`; the result stands on its layers.
    pooling : {"mean", "cls", "max"}

    Returns
    -------
    keras.Model
        Output float32 [n, sum of the groups' d], in the order of `text_features`.

    Raises
    ------
    ValueError
        A model of another kind.
    """
    names, model = _pooled_groups(backbone, pooling)
    upper = model.outputs[-len(upper_half(names)) :]
    side_by_side = keras.layers.Concatenate(name="upper_layers")(upper) if len(upper) > 1 else upper[0]
    return keras.Model(model.inputs, side_by_side, name=backbone.name)


def longest_text(backbone: keras.Model) -> int:
    """Give the most tokens, special ones included, that a language model takes; ValueError for another model."""
    return int(text_embeddings(backbone).max_length)


def check_tokenizer(tokenizer: TextTokenizer, backbone: keras.Model, name: str = "the model") -> None:
    """Refuse a tokenizer that a language model was not trained with, as far as numbers tell.

    Parameters
    ----------
    tokenizer : TextTokenizer
    backbone : keras.Model
        From `language_model`.
    name : str
        What the message calls the model.

    Raises
    ------
    ValueError
        The tokenizer has more tokens than the model has vectors, or fewer than nine tenths of them; or another number
        for padding, where the model counts positions by it (RoBERTa); or this is no language model.
    """
    table = text_embeddings(backbone)
    tokenizer.check_fits(int(table.vocab_size), name)
    if tokenizer.vocab_size < 0.9 * table.vocab_size:
        raise ValueError(
            f"the tokenizer does not fit {name}: it has {tokenizer.vocab_size} tokens, far fewer than the model's "
            f"{table.vocab_size}; take the tokenizer that was saved with the model"
        )
    if table.positions_follow_padding and tokenizer.pad_id != table.pad_token_id:
        raise ValueError(
            f"the tokenizer does not fit {name}: its padding is token {tokenizer.pad_id}, the model's "
            f"{table.pad_token_id}, from which positions count"
        )


def traced(model: keras.Model) -> Callable[[dict[str, tf.Tensor]], list[tf.Tensor]]:
    """Trace a text network once for texts of any length: what few texts have just taught runs about as long as that.

    Gives a function from `input_ids` and `attention_mask`, int32 [n, t], to the model's outputs.
    """
    of_any_length = {name: tf.TensorSpec((None, None), tf.int32) for name in ("input_ids", "attention_mask")}

    @tf.function(input_signature=[of_any_length])
    def run(inputs: dict[str, tf.Tensor]) -> list[Any]:
        return list(tf.nest.flatten(model(inputs, training=False)))

    return run


def embed_texts(
    network: keras.Model,
    texts: EncodedTexts,
    tokens_per_batch: int = 8192,
    run: Callable[[dict[str, tf.Tensor]], list[tf.Tensor]] | None = None,
) -> np.ndarray:
    """Run a network that puts out one vector per text (see `pooled`) over texts sorted by length: float32 [n, d].

    `run` is what `traced` made of the network, where it is used again and again; None traces it anew. ValueError for
    texts longer than the network takes.
    """
    (rows,) = _in_batches(network, texts, tokens_per_batch, None, run)
    return rows


def _in_batches(
    model: keras.Model,
    texts: EncodedTexts,
    tokens_per_batch: int,
    progress: Callable[[int, int, str], None] | None,
    run: Callable[[dict[str, tf.Tensor]], list[tf.Tensor]] | None = None,
) -> list[np.ndarray]:
    """Give each output of a model for all texts, in their order; ValueError for texts that it cannot take whole."""
    longest, most = int(np.max(texts.lengths, initial=0)), longest_text(model)
    if longest > most:
        raise ValueError(f"texts of up to {longest} tokens: {model.name} takes at most {most} (max_length= cuts them)")
    run = run or traced(model)
    outputs = [np.zeros((len(texts), tensor.shape[-1]), np.float32) for tensor in model.outputs]
    done = 0
    for indices, inputs in length_sorted_batches(texts, tokens_per_batch):
        for output, rows in zip(outputs, run({k: tf.constant(v) for k, v in inputs.items()}), strict=True):
            output[indices] = rows
        done += len(indices)
        if progress is not None:
            progress(done, len(texts), "")
    return outputs


def _pooled_groups(backbone: keras.Model, pooling: str) -> tuple[list[str], keras.Model]:
    """Give the groups' names, and a model with one pooled output for each."""
    mask = attention_mask_of(backbone)
    outputs: dict[str, Any] = {}
    for cut in cuts(backbone):
        if len(cut.shape) == 3:  # of several cuts in a group, the last one stays
            outputs[cut.group] = MaskedPooling(pooling)([backbone.get_layer(cut.layer).output, mask])
    if not outputs:
        raise ValueError("no layer group of this backbone gives one vector per token: it is no language model")
    return list(outputs), keras.Model(backbone.inputs, list(outputs.values()))
