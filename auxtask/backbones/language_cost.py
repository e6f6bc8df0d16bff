"""What a language model costs: its matrix products, counted by formula."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from auxtask.backbones.language_names import language_layers
from auxtask.framework import keras


@dataclass(frozen=True)
class Matmul:
    """A product [rows, inner] x [inner, columns], done `times` times; `weights`: by a matrix of the model's."""

    rows: int
    inner: int
    columns: int
    times: int = 1
    weights: bool = True

    @property
    def flops(self) -> float:
        """Multiplications and additions."""
        return 2.0 * self.rows * self.inner * self.columns * self.times


def encoder_matmuls(backbone: keras.Model, batch_size: int, length: int) -> list[Matmul]:
    """Count the products of a forward pass over `batch_size` texts of `length` tokens.

    Parameters
    ----------
    backbone : keras.Model
        From `language_model`; a pooler is left out.
    batch_size, length : int

    Raises
    ------
    ValueError
        It is no language model.
    """
    embeddings, blocks, _ = language_layers(backbone)
    tokens = batch_size * length
    found = []
    if embeddings.embedding_size != embeddings.hidden_size:
        found.append(Matmul(tokens, embeddings.embedding_size, embeddings.hidden_size))
    for block in blocks:
        found += block_matmuls(batch_size, length, block.hidden_size, block.intermediate_size, block.num_heads)
    return found


def block_matmuls(batch_size: int, length: int, width: int, intermediate: int, num_heads: int) -> list[Matmul]:
    """Count the products of one transformer layer."""
    tokens, head = batch_size * length, width // num_heads
    return [
        Matmul(tokens, width, width, 4),
        Matmul(tokens, width, intermediate),
        Matmul(tokens, intermediate, width),
        Matmul(length, head, length, batch_size * num_heads, weights=False),
        Matmul(length, length, head, batch_size * num_heads, weights=False),
    ]


def training_flops(matmuls: Iterable[Matmul]) -> float:
    """Give the operations of a training step: the backward pass has two products for each forward one."""
    return 3.0 * sum(one.flops for one in matmuls)
