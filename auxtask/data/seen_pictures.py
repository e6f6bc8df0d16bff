"""Which pictures a network has learned from, in a form that a saved backbone can carry."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from auxtask.data.images import photo_digest

_BYTES = 8  # of each picture's digest: that two of a million pictures share them by chance is a matter of 1 in 10^7

_MOST = 500_000  # pictures: a description may not grow without bound


def seen_record(images: np.ndarray) -> str | None:
    """Give text of 11 letters per picture from which `were_seen` knows them again, whatever their order.

    None where there are more than 500,000.
    """
    return None if len(images) > _MOST else base64.b64encode(np.sort(_digests(images)).tobytes()).decode()


def pictures_record(images: np.ndarray) -> dict[str, Any]:
    """Give what a saved model's provenance says, under "data", of the pictures that it learned from.

    Parameters
    ----------
    images : uint8 [n, height, width, channels]
        As the model takes them.

    Examples
    --------
    >>> at.save_backbone(backbone, "folder", {"data": at.pictures_record(images)})
    """
    return {"num_images": len(images), "shape": list(images.shape[1:]), "pictures": seen_record(images)}


def were_seen(record: str, images: np.ndarray) -> np.ndarray:
    """Tell which pictures, of the same size and channels, are in a record, byte by byte: bool [n].

    Raises
    ------
    ValueError
        The record is damaged.
    """
    try:
        digests = np.frombuffer(base64.b64decode(record, validate=True), np.uint64)
    except ValueError as error:
        raise ValueError(f"the record of pictures that were seen is damaged: {error}") from error
    return np.isin(_digests(images), digests)


def _digests(images: np.ndarray) -> np.ndarray:
    content = b"".join(photo_digest(np.ascontiguousarray(image).data)[:_BYTES] for image in images)
    return np.frombuffer(content, np.uint64)
