"""Small folders of drawn people."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from auxtask.data.drawn_faces import draw_photos


def write_people(folder: Path, prefix: str, num_people: int, num_photos: int, seed: int) -> Path:
    photos = draw_photos(num_people, num_photos, seed=seed, size=64)
    for i, photo in enumerate(photos):
        person = folder / f"{prefix} {i // num_photos}"
        person.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(person / f"{i % num_photos}.jpg", quality=95)
    return folder


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("people")
    return write_people(folder / "mine", "Mine", 4, 6, seed=1), write_people(folder / "others", "Other", 40, 2, seed=2)
