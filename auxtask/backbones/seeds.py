"""Seeds of start weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def seed_stream(seed: int | None) -> Iterator[int | None]:
    """Yield a seed for each layer, the same ones for the same `seed`; None for ever if that is None."""
    random = None if seed is None else np.random.default_rng(seed)
    while True:
        yield None if random is None else int(random.integers(2**31))
