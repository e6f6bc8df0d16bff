"""Vectors from elsewhere in a language model's table of words."""

from __future__ import annotations

import numpy as np
import pytest

import auxtask as at


def test_rows_are_set_at_the_tables_usual_length_and_zero_rows_stay() -> None:
    backbone = at.language_backbone("tiny", 50, seed=0)
    table = backbone.get_layer("embeddings").word
    before = table.embeddings.numpy()
    vectors = np.random.default_rng(0).normal(size=before.shape).astype(np.float32)
    vectors[3] = 0
    at.set_word_vectors(backbone, vectors)
    after = table.embeddings.numpy()
    np.testing.assert_array_equal(after[3], before[3])
    usual = np.linalg.norm(before, axis=1).mean()
    np.testing.assert_allclose(np.linalg.norm(np.delete(after, 3, 0), axis=1), usual, rtol=1e-5)
    cosine = (after[7] @ vectors[7]) / np.linalg.norm(after[7]) / np.linalg.norm(vectors[7])
    assert cosine == pytest.approx(1.0, abs=1e-5)


def test_another_shape_numbers_that_are_not_finite_and_other_models_are_refused() -> None:
    backbone = at.language_backbone("tiny", 50, seed=0)
    with pytest.raises(ValueError, match=r"\[50, 128\].*\[50, 64\]"):
        at.set_word_vectors(backbone, np.zeros((50, 64), np.float32))
    with pytest.raises(ValueError, match="finite"):
        at.set_word_vectors(backbone, np.full((50, 128), np.nan, np.float32))
    with pytest.raises(ValueError):
        at.set_word_vectors(at.conv_backbone(seed=0), np.zeros((50, 128), np.float32))
