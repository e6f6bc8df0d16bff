"""`FaceData`: photos of people, who is on them, and how both are split."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from auxtask.data.drawn_faces import draw_photos
from auxtask.data.images import OnBad, check_size
from auxtask.data.photo_sources import (
    copies_to_drop,
    lfw_folder,
    lfw_protocol_lines,
    list_folder,
    list_manifest,
    reading_notes,
    refuse_unread,
)
from auxtask.data.photo_store import PhotoStore
from auxtask.data.splits import draw_labels, first_items
from auxtask.framework import tf

LfwPeople = Literal["all", "view1_train", "view1_test"]
_LFW_LISTS = {
    "all": "",
    "view1_train": "peopleDevTrain.txt",
    "view1_test": "peopleDevTest.txt",
}


class FaceData:
    """Photos with the name of the person on each. Immutable; parts of it share one photo cache.

    Made by `from_folder`, `from_manifest`, `lfw` or `drawn`.

    Attributes
    ----------
    people : names, sorted
    labels : int32 [num_photos], index into `people`
    photos : one path (or, where drawn, name) per photo
    size : side of the square photos, in pixels
    notes : what was skipped or changed while reading, one sentence each
    """

    def __init__(
        self,
        people: Sequence[str],
        labels: np.ndarray,
        rows: np.ndarray,
        store: PhotoStore,
        notes: Sequence[str] = (),
    ) -> None:
        self.people = tuple(people)
        self.labels = np.asarray(labels, np.int32)
        self.labels.flags.writeable = False
        self.size = store.size
        self.notes = list(notes)
        self._rows = np.asarray(rows, np.int64)
        self._store = store

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        size: int = 80,
        on_bad: OnBad = "raise",
        memory_limit: str | int = "2GB",
    ) -> FaceData:
        """Read a folder that holds one folder of photos per person.

        Parameters
        ----------
        path
            folder with `<person>/<photo>`; hidden files and files that are no photos by their
            suffix are passed over
        size
            side to which photos are resized (after cutting the middle square), in pixels
        on_bad
            "raise" or "skip" photos that cannot be read
        memory_limit
            photos are kept decoded if all fit into this, else they stay on disk

        Raises
        ------
        FileNotFoundError
            if the folder is missing
        ValueError
            if it holds fewer than two people, a damaged photo, or one photo under two names
        """
        owners, files, notes = list_folder(path)
        return cls._read(str(path), owners, files, size, on_bad, memory_limit, notes)

    @classmethod
    def from_manifest(
        cls,
        csv_path: str | Path,
        size: int = 80,
        on_bad: OnBad = "raise",
        memory_limit: str | int = "2GB",
    ) -> FaceData:
        """Read a CSV with the columns `path` (relative to the CSV's folder) and `person`.

        Raises
        ------
        FileNotFoundError
            if the CSV or a photo it names is missing; the message gives the row
        ValueError
            if a column is missing, a row is empty, and as `from_folder`
        """
        owners, files = list_manifest(csv_path)
        return cls._read(str(csv_path), owners, files, size, on_bad, memory_limit, [])

    @classmethod
    def lfw(
        cls,
        root: str | Path,
        size: int = 80,
        people: LfwPeople = "all",
        memory_limit: str | int = "2GB",
    ) -> FaceData:
        """Read Labeled Faces in the Wild (Huang et al. 2007).

        Parameters
        ----------
        root
            a data root with `faces/lfw/<person>/<photo>`, or that folder itself
        size
            side to which photos are resized, in pixels
        people
            "all", or the people of one side of View 1 (`faces/lfw-protocol/peopleDev*.txt`)
        memory_limit
            as `from_folder`
        """
        if people not in _LFW_LISTS:
            raise ValueError(f"people={people!r}: valid are {', '.join(map(repr, _LFW_LISTS))}")
        data = cls.from_folder(lfw_folder(root), size, memory_limit=memory_limit)
        listed = _LFW_LISTS[people]
        return data.select(row[0] for row in lfw_protocol_lines(root, listed)) if listed else data

    @classmethod
    def drawn(
        cls,
        num_people: int,
        photos_per_person: int,
        seed: int = 0,
        size: int = 64,
        name_prefix: str = "drawn",
    ) -> FaceData:
        """Draw people who do not exist, under changing pose, light, expression and background.

        Parameters
        ----------
        num_people, photos_per_person
            how many
        seed
            other seeds give other people (and other photos)
        size
            side of the square photos, in pixels
        name_prefix
            people are called `<name_prefix>-0001`, …; give every seed its own prefix
            where data sets meet, since people are compared by name
        """
        if num_people < 1 or photos_per_person < 1:
            raise ValueError(f"num_people={num_people}, photos_per_person={photos_per_person}: at least 1 each")
        check_size(size)
        digits = max(4, len(str(num_people)))
        people = [f"{name_prefix}-{i + 1:0{digits}d}" for i in range(num_people)]
        images = draw_photos(num_people, photos_per_person, seed=seed, size=size)
        names = [f"{p}/{j + 1:04d}" for p in people for j in range(photos_per_person)]
        labels = np.repeat(np.arange(num_people), photos_per_person)
        return cls(people, labels, np.arange(len(names)), PhotoStore.from_images(names, images))

    @classmethod
    def _read(
        cls,
        source: str,
        owners: Sequence[str],
        files: Sequence[Path],
        size: int,
        on_bad: OnBad,
        memory_limit: str | int,
        notes: Sequence[str],
    ) -> FaceData:
        store, photos = PhotoStore.from_files(files, size, on_bad, memory_limit)
        refuse_unread(source, owners, photos.kept, "person")
        kept = [owners[i] for i in photos.kept]
        copies = copies_to_drop(source, kept, store.names, store.digests)
        rows = np.setdiff1d(np.arange(len(kept)), copies)
        people = sorted({kept[row] for row in rows})
        if len(people) < 2:
            who = f"one person only ({people[0]})" if people else "no photo that can be read"
            raise ValueError(f"{source}: holds {who}; telling people apart needs at least two")
        index = {name: label for label, name in enumerate(people)}
        labels = np.array([index[kept[row]] for row in rows])
        order = np.argsort(labels, kind="stable")
        all_notes = [*notes, *reading_notes(source, photos, size)]
        if copies:
            all_notes.append(f"{source}: {len(copies)} copies of a person's own photo left out")
        return cls(people, labels[order], rows[order], store, all_notes)

    def __repr__(self) -> str:
        where = "in memory" if self._store.cached else "on disk"
        return f"FaceData({self.num_people} people, {self.num_photos} photos, {where})"

    def __len__(self) -> int:
        return self.num_photos

    @property
    def num_people(self) -> int:
        """How many people there are."""
        return len(self.people)

    @property
    def num_photos(self) -> int:
        """How many photos there are."""
        return len(self.labels)

    @property
    def counts(self) -> np.ndarray:
        """Photos per person, int64 [num_people]."""
        return np.bincount(self.labels, minlength=self.num_people)

    @property
    def photos(self) -> tuple[str, ...]:
        """One path (or, where drawn, name) per photo."""
        return tuple(self._store.names[row] for row in self._rows)

    @property
    def digests(self) -> tuple[bytes, ...]:
        """16 bytes per photo that two photos share exactly when they look the same at this size, to the last pixel."""
        return tuple(self._store.digests[row] for row in self._rows)

    def images(self, indices: np.ndarray | Sequence[int] | None = None) -> np.ndarray:
        """Give photos as uint8 [n, size, size, 3]: all, or those of the indices."""
        return self._store.read(self._rows if indices is None else self._rows[np.asarray(indices)])

    def load(self, indices: tf.Tensor) -> tf.Tensor:
        """Give photos from inside a `tf.data` pipeline.

        Parameters
        ----------
        indices
            int [n] tensor

        Returns
        -------
        uint8 [n, size, size, 3]: gathered from the cache, or decoded in parallel from the files
        """
        return self._store.load(tf.gather(tf.constant(self._rows), indices))

    def select(self, people: Iterable[str]) -> FaceData:
        """Keep these people; ValueError names one who is not there, and the closest name."""
        wanted = set(people)
        for name in sorted(wanted - set(self.people)):
            close = difflib.get_close_matches(name, self.people, 1)
            hint = f"; the closest is {close[0]!r}" if close else ""
            raise ValueError(f"no person called {name!r} among {self.num_people}{hint}")
        if not wanted:
            raise ValueError(f"no people left of {self.num_people}")
        return self._keep(np.array([name in wanted for name in self.people]))

    def subset(self, indices: np.ndarray | Sequence[int]) -> FaceData:
        """Keep these photos, in this order; `people` stays whole, so labels stay comparable."""
        indices = np.asarray(indices)
        return FaceData(self.people, self.labels[indices], self._rows[indices], self._store, self.notes)

    def with_at_least(self, k: int) -> FaceData:
        """Keep the people with k photos or more."""
        return self._keep_counts(self.counts >= k, f"{k} photos or more")

    def with_at_most(self, k: int) -> FaceData:
        """Keep the people with k photos or fewer."""
        return self._keep_counts(self.counts <= k, f"{k} photos or fewer")

    def split_people(self, fraction: float, seed: int) -> tuple[FaceData, FaceData]:
        """Split by person: no person is on both sides.

        Parameters
        ----------
        fraction
            share of the people held out; the same share of those with one photo and of
            those with more, so that both sides have pairs
        seed
            other seeds give other splits

        Returns
        -------
        rest, held_out
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction={fraction}: must lie between 0 and 1")
        random = np.random.default_rng(seed)
        held = np.zeros(self.num_people, bool)
        for stratum in (self.counts > 1, self.counts <= 1):
            members = random.permutation(np.flatnonzero(stratum))
            held[members[: round(fraction * len(members))]] = True
        if held.all() or not held.any():
            raise ValueError(f"fraction={fraction} of {self.num_people} people leaves one side empty")
        return self._keep(~held), self._keep(held)

    def draw(self, k: int, seed: int) -> np.ndarray:
        """Draw k photos of each person, nested in k; see `splits.draw_labels`."""
        return draw_labels(self.labels, self.people, k, seed, unit="photos per person")

    def examples(self, people: Sequence[str]) -> np.ndarray:
        """Give the first photo of each of these people: uint8 [n, size, size, 3]."""
        return self.images(first_items(self.labels, self.people, people))

    def fingerprint(self, in_order: bool = False) -> str:
        """Give 32 hex digits that change with any photo, name or size, and `in_order` with the photos' order too."""
        people = (self.people[label].encode() for label in self.labels)
        entries = [b"%s\0%s" % pair for pair in zip(people, self.digests, strict=True)]
        if not in_order:
            entries.sort()
        content = b"\n".join([str(self.size).encode(), *entries])
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    def _keep_counts(self, kept: np.ndarray, what: str) -> FaceData:
        if not kept.any():
            raise ValueError(
                f"none of {self.num_people} people has {what}: they have {self.counts.min()} to {self.counts.max()}"
            )
        return self._keep(kept)

    def _keep(self, kept: np.ndarray) -> FaceData:
        new_label = np.cumsum(kept) - 1
        photos = np.flatnonzero(kept[self.labels])
        people = [name for name, keep in zip(self.people, kept, strict=True) if keep]
        return FaceData(people, new_label[self.labels[photos]], self._rows[photos], self._store, self.notes)
