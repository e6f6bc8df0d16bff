"""Texts of one topic each: its other words tell which words may be hidden or put in, frequency tells nothing."""

from __future__ import annotations

import numpy as np

TOPICS = ["ship wave salt shore sail", "tree leaf moss bark root", "street shop lamp bus door"]


def sentences(number: int, seed: int) -> list[str]:
    """Give texts of 22 words each, the topics in turn."""
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(TOPICS[i % 3].split(), 22)) for i in range(number)]
