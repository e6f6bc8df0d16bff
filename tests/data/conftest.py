"""Small photo folders to read, and a cache of `datasets` for each test of texts."""

from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

MakeFolder = Callable[..., Path]
WritePhoto = Callable[..., Path]


def _write_photo(path: Path, seed: int, shape: tuple[int, int] = (20, 20)) -> Path:
    """Write a JPEG of noise: every seed gives other bytes."""
    pixels = np.random.default_rng(seed).integers(0, 255, (shape[1], shape[0], 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)
    return path


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Return a function that writes `<person>/<photo>` for a given number of photos per person."""

    def make(name: str = "faces", **counts: int) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for who, (person, count) in enumerate(counts.items()):
            for photo in range(count):
                _write_photo(folder / person / f"{photo + 1:02d}.jpg", 100 * who + photo)
        return folder

    return make


@pytest.fixture
def write_photo() -> WritePhoto:
    """Return a function (path, seed, (width, height)) that writes one photo of noise."""
    return _write_photo


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `datasets` keep nothing beyond this test."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
