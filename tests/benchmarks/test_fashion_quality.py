"""The search of the lecture's settings is refused at once where it would fail after a Model A."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import auxtask as at
from auxtask.data.fashion_files import FASHION_NAMES
from auxtask.data.image_data import ImageData
from auxtask.data.labelled_images import LabelledImages
from tests.running import parts_of


@pytest.fixture
def search(monkeypatch) -> dict[str, Any]:
    """The benchmark, on pictures of which it has 10 of each class to draw labels from."""
    labels = np.arange(200) % 10
    images = np.random.default_rng(0).integers(0, 256, (2, 200, 28, 28, 1), np.uint8)
    train, test = (LabelledImages(part, labels, FASHION_NAMES) for part in images)
    small = ImageData("fashion_mnist", train, test, images[0, :0])
    monkeypatch.setattr(at.ImageData, "fashion_mnist", lambda root: small)
    return parts_of("fashion_quality", "benchmarks")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"labels": (21,)}, "4 to 20 labels"),
        ({"labels": ()}, "4 to 20 labels"),
        ({"labels": (20,), "seeds": 0}, "one seed or more"),
        ({"labels": (20,), "pairs": "shirt,sandal"}, "not the recipe's own"),
        ({"labels": (20,), "pairs": "coat,pulover"}, "did you mean 'pullover'"),
    ],
)
def test_settings_that_cannot_be_searched_are_refused(search, words: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        search["check"](search["Config"](**words), SimpleNamespace(data_root=None, seed=0))


def test_what_can_be_searched_is_let_through(search) -> None:
    found = search["check"](search["Config"](labels=(20,)), SimpleNamespace(data_root=None, seed=0))
    assert found.names == FASHION_NAMES
