"""The layers of BERT and its kin, each with a config of plain numbers, so that chains of them copy, cut and save.

They compute what transformers' TF layers compute, in the same order of operations. Those cannot be used themselves:
Keras can neither clone nor save them, and they would tie every saved model to one version of transformers.

The attention mask travels twice: as an explicit tensor (`AttentionBias`), on which attention depends, and as Keras'
implicit mask, by which a head that averages over positions, or a loss per token, leaves out the padding.
"""

from __future__ import annotations

from typing import Any

from auxtask.backbones.language_config import ACTIVATIONS
from auxtask.framework import keras, tf

L = keras.layers


def _initializer(stddev: float) -> Any:
    return keras.initializers.TruncatedNormal(stddev=stddev)


def activate(x: Any, hidden_act: str) -> Any:
    """Apply an activation, by its name in transformers (a key of `ACTIVATIONS`)."""
    name, approximate = ACTIVATIONS[hidden_act]
    if name == "gelu":
        return keras.activations.gelu(x, approximate=approximate)
    return keras.activations.get(name)(x)


class AttentionBias(keras.layers.Layer):
    """From a 0/1 mask, int [n, t], to what is added to attention's scores, float [n, 1, 1, t]: 0, or `value`."""

    def __init__(self, value: float = -10000.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = value

    def call(self, attention_mask: Any) -> Any:
        """Bias, in the layer's compute dtype."""
        dtype = tf.as_dtype(self.compute_dtype)
        kept = tf.cast(attention_mask, dtype)[:, None, None, :]
        return (1 - kept) * tf.constant(max(self.value, dtype.min), dtype)

    def get_config(self) -> dict[str, Any]:
        """Plain numbers."""
        return {**super().get_config(), "value": self.value}


class TextEmbeddings(keras.layers.Layer):
    """From token numbers to vectors: words, positions and token types, summed and normalised.

    Parameters
    ----------
    family : str
        In whose form the model is written for transformers.
    vocab_size, embedding_size, hidden_size, max_positions, num_token_types : int
        Where `embedding_size` is not `hidden_size`, a linear layer follows.
    pad_token_id : int
    positions_follow_padding : bool
        Count positions over what is no padding, from `pad_token_id + 1` on (RoBERTa), instead of all from 0.
    dropout, epsilon, initializer_range : float
    """

    def __init__(
        self,
        family: str,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        max_positions: int,
        num_token_types: int = 0,
        pad_token_id: int = 0,
        positions_follow_padding: bool = False,
        dropout: float = 0.1,
        epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.family, self.vocab_size, self.hidden_size = family, vocab_size, hidden_size
        self.embedding_size, self.max_positions = embedding_size, max_positions
        self.num_token_types, self.pad_token_id = num_token_types, pad_token_id
        self.positions_follow_padding = positions_follow_padding
        self.dropout, self.epsilon, self.initializer_range = dropout, epsilon, initializer_range
        self.word = self._table(vocab_size, "word")
        self.position = self._table(max_positions, "position")
        if num_token_types:
            self.token_type = self._table(num_token_types, "token_type")
        self.norm = L.LayerNormalization(epsilon=epsilon, name="norm")
        self.drop = L.Dropout(dropout, name="drop")
        if embedding_size != hidden_size:
            self.project = L.Dense(hidden_size, kernel_initializer=_initializer(initializer_range), name="project")

    def _table(self, rows: int, name: str) -> Any:
        initializer = _initializer(self.initializer_range)
        return L.Embedding(rows, self.embedding_size, embeddings_initializer=initializer, name=name)

    @property
    def max_length(self) -> int:
        """Tokens in the longest text."""
        return self.max_positions - (self.pad_token_id + 1 if self.positions_follow_padding else 0)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Embed.

        Parameters
        ----------
        inputs : list of int [n, t]
            Token numbers, attention mask (only for `compute_mask`) and, if given, token types (else all are 0).

        Returns
        -------
        float [n, t, hidden_size]
        """
        ids = inputs[0]
        if ids.shape[1] is not None and ids.shape[1] > self.max_length:
            raise ValueError(
                f"texts of {ids.shape[1]} tokens; this model takes at most {self.max_length}: shorten them"
            )
        h = self.word(ids) + self.position(self._positions(ids))
        if self.num_token_types:
            # One row stands for all, where no text has a second part.
            h += self.token_type(inputs[2] if len(inputs) > 2 else tf.zeros((1, 1), "int32"))
        h = self.drop(self.norm(h), training=training)
        return h if self.embedding_size == self.hidden_size else self.project(h)

    def _positions(self, ids: Any) -> Any:
        if not self.positions_follow_padding:
            return tf.range(tf.shape(ids)[1])[None, :]
        kept = tf.cast(ids != self.pad_token_id, "int32")
        return tf.cumsum(kept, axis=1) * kept + self.pad_token_id

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Keras' implicit mask, bool [n, t]: the attention mask."""
        return tf.cast(inputs[1], "bool")

    def get_config(self) -> dict[str, Any]:
        """Plain numbers and names."""
        names = (
            "family vocab_size embedding_size hidden_size max_positions num_token_types pad_token_id "
            "positions_follow_padding dropout epsilon initializer_range"
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names.split()}}


class TransformerBlock(keras.layers.Layer):
    """Self-attention and a feed-forward network, each added to its input and then normalised (Vaswani et al., 2017).

    Parameters
    ----------
    hidden_size, num_heads, intermediate_size : int
    hidden_act : str
        A key of `ACTIVATIONS`.
    dropout, attention_dropout : float
        On the outputs of both halves, and on attention's weights.
    drops_attention_output, scales_queries : bool
        As in `Family`.
    epsilon, initializer_range : float
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        intermediate_size: int,
        hidden_act: str = "gelu",
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        drops_attention_output: bool = True,
        scales_queries: bool = False,
        epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if hidden_act not in ACTIVATIONS:
            raise ValueError(f"hidden_act={hidden_act!r}: expected one of {', '.join(ACTIVATIONS)}")
        self.supports_masking = True  # the implicit mask passes through unchanged
        self.hidden_size, self.num_heads, self.intermediate_size = hidden_size, num_heads, intermediate_size
        self.hidden_act, self.dropout, self.attention_dropout = hidden_act, dropout, attention_dropout
        self.drops_attention_output, self.scales_queries = drops_attention_output, scales_queries
        self.epsilon, self.initializer_range = epsilon, initializer_range
        self.query, self.key, self.value = (self._dense(hidden_size, name) for name in ("query", "key", "value"))
        self.attention_drop = L.Dropout(attention_dropout, name="attention_drop")
        self.attention_output = self._dense(hidden_size, "attention_output")
        self.attention_norm = L.LayerNormalization(epsilon=epsilon, name="attention_norm")
        self.intermediate = self._dense(intermediate_size, "intermediate")
        self.feed_forward = self._dense(hidden_size, "feed_forward")
        self.output_norm = L.LayerNormalization(epsilon=epsilon, name="output_norm")
        self.drop = L.Dropout(dropout, name="drop")

    def _dense(self, units: int, name: str) -> Any:
        return L.Dense(units, kernel_initializer=_initializer(self.initializer_range), name=name)

    def call(self, h: Any, attention_bias: Any, training: Any = None) -> Any:
        """One layer.

        Parameters
        ----------
        h : float [n, t, hidden_size]
        attention_bias : float [n, 1, 1, t]

        Returns
        -------
        float [n, t, hidden_size]
        """
        attended = self.attention_output(self._attend(h, attention_bias, training))
        if self.drops_attention_output:
            attended = self.drop(attended, training=training)
        h = self.attention_norm(attended + h)
        widened = activate(self.intermediate(h), self.hidden_act)
        return self.output_norm(self.drop(self.feed_forward(widened), training=training) + h)

    def _attend(self, h: Any, attention_bias: Any, training: Any) -> Any:
        width = self.hidden_size // self.num_heads
        query, key, value = (self._heads(dense(h), width) for dense in (self.query, self.key, self.value))
        if self.scales_queries:
            scores = tf.matmul(query * tf.math.rsqrt(tf.cast(width, h.dtype)), key, transpose_b=True)
        else:
            scores = tf.matmul(query, key, transpose_b=True) / tf.sqrt(tf.cast(width, h.dtype))
        weights = self.attention_drop(tf.nn.softmax(scores + attention_bias), training=training)
        mixed = tf.transpose(tf.matmul(weights, value), (0, 2, 1, 3))
        return tf.reshape(mixed, tf.shape(h))

    def _heads(self, x: Any, width: int) -> Any:
        """[n, t, d] to [n, heads, t, d / heads]."""
        shape = tf.shape(x)
        return tf.transpose(tf.reshape(x, (shape[0], shape[1], self.num_heads, width)), (0, 2, 1, 3))

    def get_config(self) -> dict[str, Any]:
        """Plain numbers and names."""
        names = (
            "hidden_size num_heads intermediate_size hidden_act dropout attention_dropout drops_attention_output "
            "scales_queries epsilon initializer_range"
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names.split()}}
