"""Whitening by the within-class covariance: the folded layers equal the formula, and the formula scikit-learn's."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from auxtask.backbones.conv import residual_backbone
from auxtask.backbones.whitening import whiten_embeddings, within_class_covariance
from auxtask.framework import keras

RANDOM = np.random.default_rng(0)
LABELS = np.repeat(np.arange(40), 3)


def trained_like(seed: int = 0) -> keras.Model:
    """A small backbone whose BatchNorm statistics are not those of an untrained one."""
    backbone = residual_backbone(size=16, stages=(4, 8), embedding=6, seed=seed)
    norm = backbone.get_layer("embedding_norm")
    norm.set_weights([RANDOM.uniform(0.5, 2, 6) for _ in range(4)])
    return backbone


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_covariance_is_that_of_linear_discriminant_analysis() -> None:
    rows = RANDOM.normal(size=(len(LABELS), 6)) + LABELS[:, None]
    fitted = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True).fit(rows, LABELS)
    # scikit-learn divides by the number of items, here by the degrees of freedom
    expected = fitted.covariance_ * len(LABELS) / (len(LABELS) - 40)
    np.testing.assert_allclose(within_class_covariance(rows, LABELS), expected, rtol=1e-6)


def test_the_backbone_gives_its_old_embeddings_times_the_whitening_matrix() -> None:
    backbone = trained_like()
    photos = RANDOM.uniform(0, 255, (len(LABELS), 16, 16, 3)).astype("float32")
    before = backbone.predict(photos, verbose=0)
    covariance = within_class_covariance(unit(before), LABELS)
    covariance = 0.7 * covariance + 0.3 * np.trace(covariance) / 6 * np.eye(6)
    variances, directions = np.linalg.eigh(covariance)
    expected = before @ (directions @ np.diag(variances**-0.5) @ directions.T)
    whiten_embeddings(backbone, unit(before), LABELS, strength=1.0, shrinkage=0.3)
    np.testing.assert_allclose(unit(backbone.predict(photos, verbose=0)), unit(expected), atol=2e-5)


def test_strength_0_changes_nothing() -> None:
    backbone = trained_like()
    photos = RANDOM.uniform(0, 255, (9, 16, 16, 3)).astype("float32")
    before = backbone.predict(photos, verbose=0)
    whiten_embeddings(backbone, RANDOM.normal(size=(len(LABELS), 6)), LABELS, strength=0.0)
    np.testing.assert_allclose(backbone.predict(photos, verbose=0), before, atol=1e-5)


def test_full_whitening_leaves_equal_variance_in_every_direction() -> None:
    backbone = trained_like()
    photos = RANDOM.uniform(0, 255, (len(LABELS), 16, 16, 3)).astype("float32")
    whiten_embeddings(backbone, backbone.predict(photos, verbose=0), LABELS, strength=1.0, shrinkage=0.0)
    after = within_class_covariance(backbone.predict(photos, verbose=0), LABELS)
    np.testing.assert_allclose(after / after[0, 0], np.eye(6), atol=2e-3)


def test_bad_input() -> None:
    backbone = trained_like()
    rows = RANDOM.normal(size=(len(LABELS), 6))
    with pytest.raises(ValueError, match="no identity has two"):
        whiten_embeddings(backbone, rows, np.arange(len(LABELS)))
    with pytest.raises(ValueError, match="strength=2"):
        whiten_embeddings(backbone, rows, LABELS, strength=2)
    with pytest.raises(ValueError, match="5 columns, the backbone gives 6"):
        whiten_embeddings(backbone, rows[:, :5], LABELS)
    with pytest.raises(ValueError, match="set shrinkage"):
        whiten_embeddings(backbone, np.zeros_like(rows) + np.arange(120)[:, None], LABELS, shrinkage=0.0)
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="Dense without bias"):
        whiten_embeddings(keras.Model(inputs, keras.layers.Dense(6)(inputs)), rows, LABELS)
