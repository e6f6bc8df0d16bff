"""`ImageData`: pictures to learn from, pictures to test on, and pictures without labels."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from auxtask.data.fashion_files import FASHION_NAMES, download_fashion, fashion_mnist_folder, read_fashion_part
from auxtask.data.images import OnBad, fit_images, photo_digest, read_photos
from auxtask.data.labelled_images import LabelledImages
from auxtask.data.photo_sources import copies_to_drop, list_folder, list_photos, reading_notes, refuse_unread
from auxtask.data.splits import fixed_test_half

UNLABELLED = "unlabelled"


@dataclass(frozen=True, eq=False)
class ImageData:
    """Pictures, split into training and test, with a pool of others without labels.

    Attributes
    ----------
    name : str
    train, test : LabelledImages
        The same classes in the same order, pictures of the same size.
    unlabelled : uint8 [n, height, width, channels]
        May be empty.
    notes : tuple of str
        What was skipped, dropped or changed while reading, one sentence each.
    """

    name: str
    train: LabelledImages
    test: LabelledImages
    unlabelled: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that both sides fit."""
        if self.train.names != self.test.names:
            raise ValueError(f"{self.name}: training has the classes {self.train.names}, test {self.test.names}")
        shapes = {self.train.images.shape[1:], self.test.images.shape[1:], self.unlabelled.shape[1:]}
        if len(shapes) > 1:
            raise ValueError(f"{self.name}: pictures of different shapes: {sorted(shapes)}")

    def __repr__(self) -> str:
        return (
            f"ImageData({self.name}: {len(self.train):,} + {len(self.test):,} images of {self.shape}, "
            f"{len(self.names)} classes, {len(self.unlabelled):,} unlabelled)"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The classes."""
        return self.train.names

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every picture."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    def fingerprint(self, in_order: bool = False) -> str:
        """Give 32 hex digits that change with any picture, label or name, or the side it is on.

        `in_order` they change with the order of pictures too, on which the numbers depend by which items are kept.
        """
        spare = [photo_digest(image.tobytes()) for image in self.unlabelled]
        sides = f"{self.train.fingerprint(in_order)}{self.test.fingerprint(in_order)}".encode()
        return hashlib.blake2b(sides + b"".join(spare if in_order else sorted(spare)), digest_size=16).hexdigest()

    def only(self, names: Sequence[str]) -> ImageData:
        """Keep these classes on both sides, see `LabelledImages.only`; the unlabelled pictures stay."""
        return self._changed(lambda part: part.only(names))

    def without(self, names: Sequence[str]) -> ImageData:
        """Drop these classes on both sides, see `LabelledImages.without`; the unlabelled pictures stay."""
        return self._changed(lambda part: part.without(names))

    def fitted_to(self, shape: tuple[int, int, int]) -> ImageData:
        """Give every picture this height, width (the same) and number of channels, and note what that changes.

        Raises
        ------
        ValueError
            Sides that differ, or channels other than 1 and 3.
        """
        height, width, channels = shape
        if height != width:
            raise ValueError(f"{self.name}: pictures become squares, not {height} x {width}")
        notes = [] if self.shape[:2] == shape[:2] else [f"{self.name}: pictures resized to {height} x {width}"]
        is_grey = bool((self.train.images == self.train.images[..., :1]).all())  # files are read as colours anyhow
        if channels == 3 and is_grey:
            notes.append(f"{self.name}: the pictures are grey, the network takes colours: grey is repeated")
        if channels == 1 and not is_grey:
            notes.append(f"{self.name}: the pictures have colours, the network takes grey ones: colour is dropped")

        def fitted(part: LabelledImages) -> LabelledImages:
            return dataclasses.replace(part, images=fit_images(part.images, height, channels))

        unlabelled = fit_images(self.unlabelled, height, channels)
        return dataclasses.replace(
            self, train=fitted(self.train), test=fitted(self.test), unlabelled=unlabelled, notes=(*self.notes, *notes)
        )

    def without_test_copies(self) -> ImageData:
        """Drop what equals a test picture, byte by byte, from training and from the unlabelled; a note counts it."""
        tested = set(self.test.digests())
        train, unlabelled = (
            np.array([photo_digest(image.tobytes()) not in tested for image in images], bool)
            for images in (self.train.images, self.unlabelled)
        )
        if train.all() and unlabelled.all():
            return self
        notes = [
            f"{self.name}: {int((~fresh).sum())} {what} images dropped that are test images too"
            for what, fresh in (("training", train), ("unlabelled", unlabelled))
            if not fresh.all()
        ]
        return dataclasses.replace(
            self,
            train=self.train.take(np.flatnonzero(train)),
            unlabelled=self.unlabelled[unlabelled],
            notes=(*self.notes, *notes),
        )

    def _changed(self, change: Callable[[LabelledImages], LabelledImages]) -> ImageData:
        return dataclasses.replace(self, train=change(self.train), test=change(self.test))

    @classmethod
    def fashion_mnist(cls, root: str | Path | None = None, download: bool = False) -> ImageData:
        """Read Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 60,000 + 10,000 grey images [28, 28, 1] of 10 classes.

        Parameters
        ----------
        root
            a data root with the four official files in `images/fashion_mnist/`; without them, those of Debian's
            package `dataset-fashion-mnist` are read
        download
            whether Keras may download them if neither is there

        Raises
        ------
        FileNotFoundError
            if there are none (and none may be, or could be, downloaded)
        ValueError
            if a file is damaged or of another data set, naming it
        """
        folder = fashion_mnist_folder(root)
        if folder is not None:
            parts = {part: read_fashion_part(folder, part) for part in ("train", "test")}
        elif download:
            parts = download_fashion()
        else:
            wanted = Path(root or "DATA_ROOT") / "images" / "fashion_mnist"
            raise FileNotFoundError(
                f"no Fashion-MNIST: expected {wanted}/train-images-idx3-ubyte.gz and the other three official files "
                "(--data-root or AUXTASK_DATA names the data root), or Debian's package dataset-fashion-mnist"
            )
        train, test = (LabelledImages(*parts[part], FASHION_NAMES) for part in ("train", "test"))
        return cls("fashion_mnist", train, test, _none_like(train)).without_test_copies()

    @classmethod
    def digits(cls, test_fraction: float = 0.4, seed: int = 0) -> ImageData:
        """Take scikit-learn's digits: 1,797 grey images [8, 8, 1] of the digits "0" to "9", bundled with it.

        Parameters
        ----------
        test_fraction
            share of each digit's images that is tested
        seed
            draws which they are
        """
        from sklearn.datasets import load_digits

        found: Any = load_digits()
        images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., None]
        everything = LabelledImages(images, found.target, tuple(map(str, range(10))))
        train, test = fixed_test_half(everything.labels, seed, test_fraction, names=everything.names)
        digits = cls("digits", everything.take(train), everything.take(test), _none_like(everything))
        return digits.without_test_copies()

    @classmethod
    def small(cls, name: str = "auto", root: str | Path | None = None, seed: int = 0) -> ImageData:
        """Give the pictures that recipes learn from where nobody gives others.

        Parameters
        ----------
        name
            "fashion_mnist" (downloaded if it must be), "digits", or "auto": Fashion-MNIST if its files are found,
            else digits, which a note says
        root
            see `fashion_mnist`
        seed
            see `digits`

        Raises
        ------
        FileNotFoundError, ValueError
            if the name is none of these, or as `fashion_mnist`
        """
        if name not in ("auto", "fashion_mnist", "digits"):
            raise ValueError(f"name={name!r}: expected auto, fashion_mnist or digits")
        wanted = name == "fashion_mnist"
        if wanted or (name == "auto" and fashion_mnist_folder(root) is not None):
            return cls.fashion_mnist(root, download=wanted)
        note = "scikit-learn's digits, 8 x 8 pixels; for Fashion-MNIST give a data root with its files: --data-root"
        digits = cls.digits(seed=seed)
        return dataclasses.replace(digits, notes=(note, *digits.notes))

    @classmethod
    def from_folder(
        cls, path: str | Path, size: int = 64, test_fraction: float = 0.5, on_bad: OnBad = "raise", seed: int = 0
    ) -> ImageData:
        """Read a folder with one sub-folder of pictures per class, and `unlabelled/`, in any depth, without classes.

        Of copies, of a file or of what it shows once decoded and resized, one is kept.

        Parameters
        ----------
        path
            the folder
        size
            side of the squares to which the middle of each picture is resized, in pixels
        test_fraction
            share of each class that is set aside to test on
        on_bad
            "raise" stops at a file that cannot be read, "skip" leaves such files out and says so
        seed
            draws which pictures are tested

        Raises
        ------
        FileNotFoundError, ValueError
            if the folder is missing or holds no pictures, a class has too few or is called almost like `unlabelled`,
            one picture stands in two classes, or a file cannot be read, naming it
        """
        folder = Path(path)
        owners, files, notes = list_folder(folder, "class", skip=(UNLABELLED,))
        if alike := {name for name in owners if name.lower() in (UNLABELLED, "unlabeled")}:
            raise ValueError(f"{folder / min(alike)}: pictures without labels belong in {UNLABELLED}/, spelt like that")
        photos = read_photos(files, size, on_bad)
        refuse_unread(folder, owners, photos.kept, "class")
        images, kept = photos.images, [owners[i] for i in photos.kept]
        assert images is not None
        names = tuple(sorted(set(kept)))
        if len(names) < 2:
            raise ValueError(f"{folder}: one class only ({', '.join(names) or 'none'}); nothing to tell apart")
        listed = [str(files[i]) for i in photos.kept]
        copies = copies_to_drop(str(folder), kept, listed, photos.digests, "as two classes")
        rows = np.setdiff1d(np.arange(len(kept)), copies)
        notes += reading_notes(str(folder), photos, size)
        notes += [f"{folder}: {len(copies)} exact copies of other images dropped"] if copies else []
        labels, files_of = np.array([names.index(kept[i]) for i in rows]), tuple(listed[i] for i in rows)
        everything = LabelledImages(images[rows], labels, names, files_of)
        train, test = fixed_test_half(everything.labels, seed, test_fraction, names=names, kind="class")
        # Only now, so that which pictures are tested depends on the files alone, whatever the size.
        owners, listed, pixels = ([each[i] for i in rows] for each in (kept, listed, photos.pixel_digests))
        again = copies_to_drop(str(folder), owners, listed, pixels, "as two classes")
        notes += [f"{folder}: {len(again)} images dropped that show the same as another file"] if again else []
        train, test = (_without(part, again, everything, folder) for part in (train, test))
        free, passed_over = list_photos(folder / UNLABELLED)
        others = read_photos(free, size, on_bad)
        assert others.images is not None
        notes += passed_over
        notes += reading_notes(str(folder / UNLABELLED), others, size)
        read = cls(folder.name, everything.take(train), everything.take(test), others.images, tuple(notes))
        return read.without_test_copies()


def _without(rows: np.ndarray, dropped: list[int], images: LabelledImages, folder: Path) -> np.ndarray:
    """Leave rows out; each class must keep one."""
    left = rows[~np.isin(rows, dropped)]
    if missing := sorted(set(range(len(images.names))) - set(images.labels[left])):
        raise ValueError(f"{folder / images.names[missing[0]]}: too few different pictures to learn from and to test")
    return left


def _none_like(images: LabelledImages) -> np.ndarray:
    return np.zeros((0, *images.images.shape[1:]), np.uint8)
