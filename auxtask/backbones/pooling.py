"""From one vector per token to one per text: pooling that honours the attention mask."""

from __future__ import annotations

from typing import Any

from auxtask.framework import keras, tf
from auxtask.transfer.graph import read_graph
from auxtask.transfer.grouping import kept_groups
from auxtask.transfer.groups import set_groups

KINDS = ("mean", "cls", "max")


def pooled(backbone: keras.Model, pooling: str = "mean") -> keras.Model:
    """Put pooling on a language model: one vector per text, to which padding contributes nothing.

    The result stands on the layers of `backbone` itself: training it trains them; to leave them alone, `reuse` first.
    A text without any token gives zeros ("mean", "max").

    Parameters
    ----------
    backbone : keras.Model
        With an input `attention_mask` and an output [n, t, d], as `language_model` gives. BERT's own pooler at its end
        is left out.
    pooling : {"mean", "cls", "max"}
        Over the tokens, or the first of them: [CLS].

    Returns
    -------
    keras.Model
        Output float [n, d]; groups as the backbone's, the pooling with the last of them.

    Raises
    ------
    ValueError
        Another `pooling`, or a backbone of another kind.
    """
    if pooling not in KINDS:
        raise ValueError(f"pooling={pooling!r}: expected one of {', '.join(KINDS)}")
    graph = read_graph(backbone)
    mask = attention_mask_of(backbone)
    hidden = backbone.outputs[0]
    if isinstance(hidden.node.layer, FirstTokenPooler):
        hidden = hidden.node.keras_inputs[0]
    if len(backbone.outputs) > 1 or len(hidden.shape) != 3:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in backbone.outputs)
        raise ValueError(f"{graph.name} puts out {shapes}; pooling needs one vector per token, [n, t, d]")
    output = MaskedPooling(pooling, name="text_pool")([hidden, mask])
    model = keras.Model(backbone._nested_inputs, output, name=backbone.name)
    groups = kept_groups(backbone)
    if groups is not None:
        there = {layer.name for layer in model.layers}
        kept = {name: [path for path in paths if path.split("/")[0] in there] for name, paths in groups.items()}
        set_groups(model, {name: paths for name, paths in kept.items() if paths})
    return model


def attention_mask_of(backbone: keras.Model) -> Any:
    """Give a language model's input that says which tokens are padding; ValueError if it has none."""
    for tensor in backbone.inputs:
        if tensor.node.layer.name == "attention_mask":
            return tensor
    raise ValueError(f"{backbone.name} has no input attention_mask, so which tokens are padding is unknown")


class MaskedPooling(keras.layers.Layer):
    """Mean, maximum or first of the vectors that the mask leaves: [n, t, d] and int [n, t] to [n, d].

    Parameters
    ----------
    pooling : {"mean", "cls", "max"}
    """

    def __init__(self, pooling: str = "mean", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if pooling not in KINDS:
            raise ValueError(f"pooling={pooling!r}: expected one of {', '.join(KINDS)}")
        self.pooling = pooling

    def call(self, inputs: Any) -> Any:
        """Pool.

        Parameters
        ----------
        inputs : list
            Vectors float [n, t, d], mask 0/1 [n, t].
        """
        hidden, mask = inputs
        kept = tf.cast(mask, hidden.dtype)[:, :, None]
        if self.pooling == "mean":
            # One matrix product; vectors of padding may be anything finite.
            total = tf.squeeze(tf.matmul(kept, hidden, transpose_a=True), 1)
            return tf.math.divide_no_nan(total, tf.reduce_sum(kept, axis=1))
        if self.pooling == "max":
            highest = tf.reduce_max(tf.where(kept > 0, hidden, hidden.dtype.min), axis=1)
            return tf.where(tf.reduce_max(kept, axis=1) > 0, highest, tf.zeros_like(highest))
        # Where padding stands on the left, the first token is not the first position.
        return tf.gather(hidden, tf.argmax(mask, axis=1), axis=1, batch_dims=1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: there are no positions left."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Only the kind of pooling."""
        return {**super().get_config(), "pooling": self.pooling}


class FirstTokenPooler(keras.layers.Layer):
    """BERT's pooler: the first position's vector through a linear layer and tanh, [n, t, d] to [n, d]."""

    def __init__(self, hidden_size: int, initializer_range: float = 0.02, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True  # takes it, and hands none on: see compute_mask
        self.hidden_size, self.initializer_range = hidden_size, initializer_range
        initializer = keras.initializers.TruncatedNormal(stddev=initializer_range)
        self.dense = keras.layers.Dense(hidden_size, activation="tanh", kernel_initializer=initializer, name="dense")

    def call(self, h: Any) -> Any:
        """Pooled vectors."""
        return self.dense(h[:, 0])

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: there are no positions left."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            **super().get_config(),
            "hidden_size": self.hidden_size,
            "initializer_range": self.initializer_range,
        }


def token_vectors(backbone: keras.Model) -> keras.Model:
    """Give the model of a language model's vector per token, on the same layers: without its pooler, if it has one.

    Raises
    ------
    ValueError
        Its output is no vector per token: it ends in a pooling or head of another kind.
    """
    end = backbone.output
    history = end._keras_history
    if isinstance(history.layer, FirstTokenPooler):
        end = history.layer._inbound_nodes[history.node_index].keras_inputs[0]
    if len(end.shape) != 3:
        raise ValueError(f"{backbone.name} gives no vector per token: give the language model without pooling or head")
    return backbone if end is backbone.output else keras.Model(backbone.inputs, end, name="token_vectors")
