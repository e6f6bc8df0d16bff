"""People as classes of pictures: photos of faces for recipes that classify images."""

from __future__ import annotations

from pathlib import Path

from auxtask.data.faces import FaceData
from auxtask.data.image_data import ImageData
from auxtask.data.labelled_images import LabelledImages
from auxtask.data.splits import fixed_test_half


def lfw_image_data(root: str | Path, size: int = 64, least: int = 40, seed: int = 0) -> ImageData:
    """Read Labeled Faces in the Wild: people with many photos are the classes, photos of all others have no label.

    Parameters
    ----------
    root
        A data root with `faces/lfw/<person>/<photo>`.
    size
        Side of the photos, in pixels.
    least
        Photos of a person that make a class; half of them are tested.
    seed
        Draws which photos are tested.

    Raises
    ------
    FileNotFoundError, ValueError
        There are no such photos, a file cannot be read, or too few people have that many.
    """
    everyone = FaceData.lfw(root, size)
    known, others = everyone.with_at_least(least), everyone.with_at_most(least - 1)
    photos = LabelledImages(known.images(), known.labels, tuple(known.people))
    train, test = fixed_test_half(photos.labels, seed, names=photos.names)
    read = ImageData("lfw", photos.take(train), photos.take(test), others.images(), tuple(everyone.notes))
    return read.without_test_copies()
