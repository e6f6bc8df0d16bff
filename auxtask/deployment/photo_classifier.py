"""Names people, or whatever else the classes are, in photos: a backbone and one linear layer, ready for use."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from scipy.special import softmax

from auxtask.backbones.allow_list import CustomLayers
from auxtask.backbones.atomic_folder import DESCRIPTION, atomic_folder
from auxtask.backbones.description import read_description, read_tensors, write_description
from auxtask.backbones.embedding import embed
from auxtask.backbones.saving import load_backbone, save_backbone
from auxtask.data.images import OnBad, fit_images, read_photos
from auxtask.data.untrusted_file import reading
from auxtask.framework import keras

PHOTO_CLASSIFIER = "photo_classifier"
HEAD = "head.safetensors"
BACKBONE = "backbone"
_PHOTOS_AT_ONCE = 512  # so that a folder of any length fits in memory

Photos = Sequence[str | os.PathLike[str]] | np.ndarray


class PhotoClassifier:
    """Scores photos with `embedding @ kernel + bias`.

    Parameters
    ----------
    backbone : keras.Model
        Input [n, size, size, 1 or 3], 0 to 255; output [n, d].
    kernel : float32 [d, c]
    bias : float32 [c]
    names : sequence of c different str
    views : dict
        `size`: photos are cut to their middle square and read at this side, in pixels;
        `crops`, `mirror`: the views over which `embed` averages; `unit` (default True): whether
        embeddings are compared at unit length, see there.

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

    def predict(self, photos: Photos, on_bad: OnBad = "raise") -> list[str | None]:
        """Name each photo.

        Parameters
        ----------
        photos : sequence of path, or uint8 [n, height, width, 1 or 3]
            Grey and colour, of any size: they are made what the backbone takes.
        on_bad : "raise" or "skip"
            "skip" gives None for a file that cannot be read.

        Returns
        -------
        list of str (or None)
            One name per photo, in order.

        Raises
        ------
        FileNotFoundError, ValueError
            A photo is missing or cannot be read; the text names it.
        """
        return [None if np.isnan(row[0]) else self.names[row.argmax()] for row in self.scores(photos, on_bad)]

    def top(self, photos: Photos, num_names: int = 3, on_bad: OnBad = "raise") -> list[list[tuple[str, float]]]:
        """Give each photo's likeliest names with their probabilities, best first (none if it was skipped)."""
        rows = self.probabilities(photos, on_bad)
        best = np.argsort(-rows, axis=1, kind="stable")[:, :num_names]
        return [
            [] if np.isnan(row[0]) else [(self.names[i], float(row[i])) for i in order]
            for row, order in zip(rows, best, strict=True)
        ]

    def probabilities(self, photos: Photos, on_bad: OnBad = "raise") -> np.ndarray:
        """Give the softmax of `scores`: as good as probabilities as the head's scores are good log-odds."""
        return np.asarray(softmax(self.scores(photos, on_bad), axis=1))

    def scores(self, photos: Photos, on_bad: OnBad = "raise") -> np.ndarray:
        """Score each photo for each name.

        Parameters
        ----------
        photos, on_bad
            As `predict` takes them.

        Returns
        -------
        float32 [n, c]
            Unbounded scores (logits), columns in the order of `names`; NaN for a file that was skipped.
        """
        if isinstance(photos, str | os.PathLike):
            raise ValueError(f"paths={os.fspath(photos)!r}: expected a list of paths, got one path")
        if not isinstance(photos, np.ndarray):
            photos = list(photos)
            if odd := [type(photo).__name__ for photo in photos if not isinstance(photo, str | os.PathLike)]:
                raise ValueError(
                    "expected a list of paths, or one uint8 array [n, height, width, channels] of photos of one size, "
                    f"got a list with a {odd[0]} in it"
                )
        found = np.full((len(photos), len(self.names)), np.nan, np.float32)
        views = {name: self.views[name] for name in ("crops", "mirror", "unit")}
        for start in range(0, len(photos), _PHOTOS_AT_ONCE):
            images, kept = self._read(photos[start : start + _PHOTOS_AT_ONCE], on_bad)
            found[start + kept] = embed(self.backbone, images, **views) @ self.kernel + self.bias
        return found

    def _read(self, photos: Photos, on_bad: OnBad) -> tuple[np.ndarray, np.ndarray]:
        """Give photos as the backbone takes them, and which of those given they are."""
        size, channels = self.views["size"], int(self.backbone.input_shape[-1])
        if isinstance(photos, np.ndarray):
            return fit_images(photos, size, channels), np.arange(len(photos))
        read = read_photos(photos, size, on_bad)
        assert read.images is not None
        return fit_images(read.images, size, channels), read.kept

    def save(self, folder: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None) -> None:
        """Save to a folder, which appears whole or not at all.

        Parameters
        ----------
        folder : path
            A new or empty folder, or an earlier save, which is replaced.
        provenance : dict, optional
            Where the classifier comes from; plain JSON. Kept with the backbone inside, too.
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
            save_backbone(self.backbone, partial / BACKBONE, provenance)
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
    views = {"unit": True, **views}  # earlier saves know no other embeddings
    if set(views) != {"size", "crops", "mirror", "unit"}:
        raise ValueError(f"views: expected size, crops and mirror (and unit), got {', '.join(map(str, views))}")
    try:
        size, crops = int(views["size"]), tuple(float(crop) for crop in views["crops"])
    except (TypeError, ValueError):
        raise ValueError(f"views: size must be a number and crops a list of numbers, got {dict(views)}") from None
    if not crops or not all(0 < crop <= 1 for crop in crops) or size < 1:
        raise ValueError(f"views: expected size >= 1 and crops in (0, 1], got {size} and {crops}")
    return {"size": size, "crops": crops, "mirror": bool(views["mirror"]), "unit": bool(views["unit"])}


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
