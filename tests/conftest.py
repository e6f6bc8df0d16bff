"""What every test gets: real data only where AUXTASK_DATA names them, and no run folder in the checkout."""

import os

# Read when `datasets` and `huggingface_hub` are imported: no test may ask the real hub.
os.environ["HF_HUB_OFFLINE"] = "1"

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A busy machine is no failure: nothing here may depend on how long an example takes.
settings.register_profile("auxtask", deadline=None)
settings.load_profile("auxtask")

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("AUXTASK_DATA"):
        return
    skip = pytest.mark.skip(reason="needs real data: set AUXTASK_DATA")
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def own_numbers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a module's RANDOM begin anew in each test: none sees other numbers because others ran before it."""
    if hasattr(request.module, "RANDOM"):
        monkeypatch.setattr(request.module, "RANDOM", np.random.default_rng(1))


@pytest.fixture
def data_root() -> Path:
    """Return the folder that AUXTASK_DATA names (tests marked `data` only)."""
    return Path(os.environ["AUXTASK_DATA"])
