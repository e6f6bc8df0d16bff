"""Names people (or anything else) in photos: a backbone and one linear layer, ready for use."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from auxtask.backbones.allow_list import CustomLayers
from auxtask.backbones.atomic_folder import DESCRIPTION, atomic_folder
from auxtask.backbones.description import read_description, read_tensors, write_description
from auxtask.backbones.embedding import embed
from auxtask.backbones.saving import load_backbone, save_backbone
from auxtask.backbones.untrusted_file import reading
from auxtask.data.images import read_photos
from auxtask.framework import keras

PHOTO_CLASSIFIER = "photo_classifier"
HEAD = "head.safetensors"
BACKBONE = "backbone"
_PHOTOS_AT_ONCE = 512  # so that a folder of any length fits in memory

Paths = Sequence[str | os.PathLike[str]]


class PhotoClassifier:
    """Scores photos with `embedding @ kernel + bias`.

    Parameters
    ----------
    backbone : keras.Model
        Input [n, size, size, 3], 0 to 255; output [n, d].
    kernel : float32 [d, c]
    bias : float32 [c]
    names : sequence of c different str
    views : dict
        `size`: photos are cut to their middle square and read at this side, in pixels;
        `crops`, `mirror`: the views over which `embed` averages.

    Raises
    ------
    ValueError
        Shapes, names and views do not fit.
    """

    def __init__(
        self,
        backbone: keras.Model,
        kernel: np.ndarray,
        bias: np.ndarray,
        names: Sequence[str],
        views: Mapping[str, Any],
    ) -> None:
        self.backbone = backbone
        self.kernel = np.asarray(kernel, np.float32)
        self.bias = np.asarray(bias, np.float32)
        self.names = tuple(names)
        self.views = _checked_views(views)
        _check_shapes(backbone, self.kernel, self.bias, self.names)

    def predict(self, paths: Paths) -> list[str]:
        """Name each photo.

        Parameters
        ----------
        paths : sequence of path

        Returns
        -------
        list of str
            One name per path, in order.

        Raises
        ------
        FileNotFoundError, ValueError
            A photo is missing or cannot be read; the text names it.
        """
        return [self.names[best] for best in self.scores(paths).argmax(axis=1)]

    def scores(self, paths: Paths) -> np.ndarray:
        """Score each photo for each name.

        Parameters
        ----------
        paths : sequence of path

        Returns
        -------
        float32 [n, c]
            Unbounded scores (logits), columns in the order of `names`.
        """
        if isinstance(paths, str | os.PathLike):
            raise ValueError(f"paths={os.fspath(paths)!r}: expected a list of paths, got one path")
        paths = list(paths)
        parts: list[np.ndarray] = [np.zeros((0, len(self.names)), np.float32)]
        for start in range(0, len(paths), _PHOTOS_AT_ONCE):
            photos = read_photos(paths[start : start + _PHOTOS_AT_ONCE], self.views["size"])
            images = np.asarray(photos.images)
            crops, mirror = self.views["crops"], self.views["mirror"]
            embeddings = embed(self.backbone, images, crops=crops, mirror=mirror)
            parts.append(embeddings @ self.kernel + self.bias)
        return np.concatenate(parts).astype(np.float32)

    def save(self, folder: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None) -> None:
        """Save to a folder, which appears whole or not at all.

        Parameters
        ----------
        folder : path
            A new or empty folder, or an earlier save, which is replaced.
        provenance : dict, optional
            Where the classifier comes from; plain JSON.
        """
        head = safetensors.numpy.save(
            {"kernel": np.ascontiguousarray(self.kernel), "bias": np.ascontiguousarray(self.bias)}
        )
        description = {
            "kind": PHOTO_CLASSIFIER,
            "names": list(self.names),
            "views": self.views,
            "provenance": dict(provenance or {}),
            "head_sha256": hashlib.sha256(head).hexdigest(),
        }
        with atomic_folder(folder) as partial:
            save_backbone(self.backbone, partial / BACKBONE)
            (partial / HEAD).write_bytes(head)
            write_description(partial, description)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], custom_layers: CustomLayers | None = None) -> PhotoClassifier:
        """Load what `save` saved; scores are equal to the bit.

        Parameters
        ----------
        folder : path
        custom_layers : mapping of name to class, optional
            The backbone's own layer classes.

        Raises
        ------
        FileNotFoundError, ValueError
            As `load_backbone`.
        """
        folder = Path(folder)
        description = read_description(folder)
        with reading(folder / DESCRIPTION, "a photo classifier's description"):
            if description["kind"] != PHOTO_CLASSIFIER:
                raise ValueError(f"describes a {description['kind']}, not a {PHOTO_CLASSIFIER}")
            names, views = description.get("names"), description.get("views")
            if not isinstance(names, list) or not isinstance(views, dict):
                raise ValueError("lacks names or views")
        with reading(folder / HEAD, "a safetensors file"):
            head = read_tensors(folder / HEAD, description.get("head_sha256"))
            if head.keys() != {"kernel", "bias"}:
                raise ValueError("does not hold one kernel and one bias")
        backbone = load_backbone(folder / BACKBONE, custom_layers)
        with reading(folder, "a photo classifier"):
            return cls(backbone, head["kernel"], head["bias"], names, views)


def _checked_views(views: Mapping[str, Any]) -> dict[str, Any]:
    if set(views) != {"size", "crops", "mirror"}:
        given = ", ".join(map(str, views)) or "nothing"
        raise ValueError(f"views: expected size, crops and mirror, got {given}")
    try:
        size, crops = int(views["size"]), tuple(float(crop) for crop in views["crops"])
    except (TypeError, ValueError):
        raise ValueError(f"views: size must be a number and crops a list of numbers, got {dict(views)}") from None
    if not crops or not all(0 < crop <= 1 for crop in crops) or size < 1:
        raise ValueError(f"views: expected size >= 1 and crops in (0, 1], got {size} and {crops}")
    return {"size": size, "crops": crops, "mirror": bool(views["mirror"])}


def _check_shapes(backbone: keras.Model, kernel: np.ndarray, bias: np.ndarray, names: tuple[str, ...]) -> None:
    texts = all(isinstance(name, str) for name in names)
    if not texts or not names or len(set(names)) != len(names):
        raise ValueError("names: expected different strings, at least one")
    shape = getattr(backbone, "output_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2:
        raise ValueError(f"backbone: expected one output [n, d], got {shape}")
    expected = (shape[1], len(names))
    if kernel.shape != expected or bias.shape != expected[1:]:
        raise ValueError(
            f"kernel {list(kernel.shape)} and bias {list(bias.shape)} do not fit a backbone with "
            f"{expected[0]} outputs and {expected[1]} names: expected {list(expected)} and "
            f"[{expected[1]}]"
        )
