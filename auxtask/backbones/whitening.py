"""Within-class whitening of embeddings, folded into the backbone's last layers."""

from __future__ import annotations

import numpy as np

from auxtask.framework import keras


def whiten_embeddings(
    backbone: keras.Model,
    embeddings: np.ndarray,
    labels: np.ndarray,
    strength: float = 0.5,
    shrinkage: float = 0.2,
) -> None:
    """Make the cosine weigh down the directions in which items of one identity differ.

    The within-class covariance C of the embeddings is shrunk towards a multiple of the identity, and new embeddings
    are the old ones times C^(-strength / 2). That matrix is multiplied into the last linear layer and its BatchNorm,
    so that whatever uses the backbone gains from it at no cost. Source: Hatch, Kajarekar and Stolcke, "Within-class
    covariance normalization for SVM-based speaker recognition" (2006), there with strength 1.

    Parameters
    ----------
    backbone : keras.Model
        Ends in Dense (linear, no bias) and BatchNorm, as `residual_backbone` does; changed in place.
    embeddings : float [n, d]
        Of unit length, from this backbone, of items that are no targets.
    labels : int [n]
        Identity of each; identities with one item say nothing and are passed over.
    strength : float in [0, 1]
        0 changes nothing, 1 whitens fully.
    shrinkage : float in [0, 1]
        Share of the covariance that is replaced by its mean variance in every direction.

    Raises
    ------
    ValueError
        A setting is out of range, no identity has two items, or the backbone ends in something else.
    """
    for name, value in (("strength", strength), ("shrinkage", shrinkage)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}={value}: must lie between 0 and 1")
    dense, norm = _last_layers(backbone)
    covariance = within_class_covariance(embeddings, labels)
    if covariance.shape[0] != dense.units:
        raise ValueError(f"embeddings have {covariance.shape[0]} columns, the backbone gives {dense.units}")
    mean_variance = np.trace(covariance) / len(covariance)
    covariance = (1 - shrinkage) * covariance + shrinkage * mean_variance * np.eye(len(covariance))
    variances, directions = np.linalg.eigh(covariance / mean_variance)
    if variances[0] <= 0:
        raise ValueError("the covariance has no inverse: set shrinkage above 0")
    _multiply(dense, norm, (directions * variances ** (-strength / 2)) @ directions.T)


def within_class_covariance(embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Give the pooled covariance about each identity's own mean: float64 [d, d]."""
    embeddings = np.asarray(embeddings, np.float64)
    _, labels, counts = np.unique(labels, return_inverse=True, return_counts=True)
    freedom = len(labels) - len(counts)
    if freedom < 1:
        raise ValueError("no identity has two items: how items of one identity differ is unknown")
    sums = np.zeros((len(counts), embeddings.shape[1]))
    np.add.at(sums, labels, embeddings)
    rest = embeddings - (sums / counts[:, None])[labels]
    return rest.T @ rest / freedom


def _last_layers(backbone: keras.Model) -> tuple[keras.layers.Dense, keras.layers.BatchNormalization]:
    with_weights = [layer for layer in backbone.layers if layer.weights]
    dense, norm = with_weights[-2:] if len(with_weights) > 1 else (None, None)
    fits = (
        isinstance(dense, keras.layers.Dense)
        and not dense.use_bias
        and dense.activation is keras.activations.linear
        and isinstance(norm, keras.layers.BatchNormalization)
        and norm.scale
        and norm.center
    )
    if not fits:
        raise ValueError("the backbone must end in a linear Dense without bias and a BatchNormalization")
    return dense, norm


def _multiply(dense: keras.layers.Dense, norm: keras.layers.BatchNormalization, matrix: np.ndarray) -> None:
    """Replace `norm(dense(x))` by `norm(dense(x)) @ matrix`; the norm keeps its offset only."""
    kernel = dense.kernel.numpy().astype(np.float64)
    gamma, beta, mean, variance = (value.astype(np.float64) for value in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    ones = np.ones_like(scale)
    dense.set_weights([(kernel * scale) @ matrix])
    norm.set_weights([ones, (beta - mean * scale) @ matrix, 0 * ones, ones - norm.epsilon])
