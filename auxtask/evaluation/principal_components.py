"""Principal components: the oldest way to get features without labels."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

__all__ = ["principal_components"]


def principal_components(rows: np.ndarray, num_reference: int, num_components: int = 50) -> np.ndarray:
    """Give each row's coordinates along the directions of most variance, each of variance 1 (whitened).

    Parameters
    ----------
    rows : number [n, ...]
        Flattened.
    num_reference : int
        The first so many rows give mean and directions; no test item, and no label is needed.
    num_components : int
        At most; fewer, if the reference has no more.

    Returns
    -------
    float32 [n, num_components]

    Raises
    ------
    ValueError
        Fewer than two reference rows, or no component.
    """
    if not 2 <= num_reference <= len(rows) or num_components < 1:
        raise ValueError(
            f"num_reference={num_reference}, num_components={num_components}: from 2 to {len(rows)}, and at least 1"
        )
    flat = np.asarray(rows, np.float32).reshape(len(rows), -1)
    most = min(num_components, num_reference, flat.shape[1])
    # Of many rows and pixels scikit-learn draws a sketch, which takes seconds where all components take minutes.
    found = PCA(most, whiten=True, random_state=0).fit(flat[:num_reference])
    varies = found.explained_variance_ > 1e-9 * found.explained_variance_.max()
    return np.asarray(found.transform(flat)[:, varies], np.float32)
