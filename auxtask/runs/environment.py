"""What a run ran on: versions, commit, machine, seed. Reads the installed packages' metadata; imports none of them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

PACKAGES = [
    "auxtask",
    "tensorflow",
    "tf-keras",
    "transformers",
    "tensorflow-addons",
    "datasets",
    "numpy",
    "scipy",
    "scikit-learn",
    "pillow",
    "h5py",
    "safetensors",
    "tokenizers",
    "pydantic",
    "typer",
    "rich",
    "matplotlib",
    "jinja2",
]


def describe_environment(seed: int, source: Path | None = None) -> dict[str, Any]:
    """Describe the process's surroundings as plain JSON values.

    Parameters
    ----------
    seed : int
        The run's seed.
    source : Path, optional
        The recipe's file; its SHA-256 is recorded, so that an edited recipe can be told from the first.
    """
    return {
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seed": seed,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "recipe_sha256": hashlib.sha256(source.read_bytes()).hexdigest() if source else None,
        **_commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory_bytes": _memory_bytes(),
        },
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _commit() -> dict[str, Any]:
    """Return the checkout's commit, and whether it was changed since; null for an installed wheel."""
    checkout = Path(__file__).resolve().parents[2]
    top = _git(checkout, "rev-parse", "--show-toplevel")
    # A wheel installed inside somebody else's repository must not report that repository's commit.
    if top is None or Path(top).resolve() != checkout:
        return {"commit": None, "changed_since_commit": None}
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    return {"commit": _git(checkout, "rev-parse", "--verify", "HEAD"), "changed_since_commit": bool(changes)}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: platform knows what there is to know
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
