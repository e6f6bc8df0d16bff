"""Principal components as scikit-learn's PCA finds them, from the reference rows alone."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from auxtask.evaluation.principal_components import principal_components

ROWS = np.random.default_rng(0).normal(size=(60, 3, 2, 1)) * np.arange(1, 7).reshape(3, 2, 1)


def test_coordinates_equal_scikit_learns_up_to_their_signs() -> None:
    flat = ROWS.reshape(60, -1)
    expected = PCA(4, whiten=True).fit(flat[:40]).transform(flat)
    found = principal_components(ROWS, 40, 4)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-3, atol=1e-4)


def test_on_the_reference_coordinates_are_uncorrelated_of_variance_1_and_the_first_vary_most() -> None:
    found = principal_components(ROWS, 40, 4)
    np.testing.assert_allclose(np.cov(found[:40], rowvar=False), np.eye(4), atol=1e-4)
    centred = ROWS.reshape(60, -1)[:40] - ROWS.reshape(60, -1)[:40].mean(0)
    largest = np.linalg.eigvalsh(np.cov(centred, rowvar=False))[::-1][:4]
    # By the coordinates pixels are told again: each direction's share of their variance is its eigenvalue.
    shares = ((centred.T @ found[:40] / 39) ** 2).sum(0)
    np.testing.assert_allclose(shares, largest, rtol=1e-3)


def test_pixels_that_never_change_in_the_reference_give_no_component() -> None:
    rows = ROWS.copy()
    rows[:40, 0] = 0  # two of six pixels are the same in the reference, and not afterwards
    assert principal_components(rows, 40).shape == (60, 4)


@pytest.mark.parametrize(("reference", "components"), [(1, 2), (61, 2), (40, 0)])
def test_numbers_out_of_range_are_refused(reference, components) -> None:
    with pytest.raises(ValueError, match="num_reference"):
        principal_components(ROWS, reference, components)
