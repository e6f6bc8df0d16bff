"""`FacePairs`: pairs of photos of which only "same person or not?" is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from auxtask.data.faces import FaceData
from auxtask.data.images import OnBad
from auxtask.data.photo_sources import (
    lfw_folder,
    lfw_protocol_lines,
    photo_of_row,
    read_table,
    reading_notes,
)
from auxtask.data.photo_store import PhotoStore
from auxtask.framework import tf

_YES = ("1", "true", "yes", "same", "y", "t")
_NO = ("0", "false", "no", "different", "n", "f")
_VIEW1 = {"train": "pairsDevTrain.txt", "test": "pairsDevTest.txt"}


class FacePairs:
    """Labelled pairs of photos. Immutable; parts of it share one photo cache.

    Made by `from_csv`, `from_faces` or `lfw_view1`.

    Attributes
    ----------
    left_rows, right_rows : int64 [num_pairs], indices into `photos`
    same : bool [num_pairs]
    photos : one path per photo that occurs (of identical files, the first)
    people : int64 [num_photos], which photos are known to show one person: the official names
        where there are any, else the connected components of the pairs that are `same`
    size : side of the square photos, in pixels
    notes : what was skipped or changed, one sentence each
    """

    def __init__(
        self,
        store: PhotoStore,
        left_rows: np.ndarray,
        right_rows: np.ndarray,
        same: np.ndarray,
        people: np.ndarray,
        notes: Sequence[str] = (),
    ) -> None:
        self._store = store
        self.left_rows = np.asarray(left_rows, np.int64)
        self.right_rows = np.asarray(right_rows, np.int64)
        self.same = np.asarray(same, bool)
        self.people = np.asarray(people, np.int64)
        for array in (self.left_rows, self.right_rows, self.same, self.people):
            array.flags.writeable = False
        self.size = store.size
        self.notes = list(notes)

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        size: int = 80,
        on_bad: OnBad = "raise",
        memory_limit: str | int = "2GB",
    ) -> FacePairs:
        """Read a CSV with the columns `left`, `right` (photos, relative to it) and `same` (1 or 0).

        Raises
        ------
        FileNotFoundError
            if the CSV or a photo is missing; the message gives the row
        ValueError
            if a column is missing, `same` is neither yes nor no, a photo is paired with itself, a
            pair stands there twice with different answers, or no pair is `same` or none is not
        """
        table = Path(path)
        pairs, same, places = [], [], []
        for number, row in read_table(table, ("left", "right", "same")):
            answer = row["same"].lower()
            if answer not in _YES + _NO:
                raise ValueError(f"{table}, row {number}: same={row['same']!r}; valid are 1 and 0")
            pairs.append([photo_of_row(table, number, row[side]) for side in ("left", "right")])
            same.append(answer in _YES)
            places.append(f"{table}, row {number}")
        return cls._read(str(table), pairs, same, places, None, size, on_bad, memory_limit)

    @classmethod
    def from_faces(cls, data: FaceData, num_pairs: int, seed: int = 0) -> FacePairs:
        """Draw pairs of photos of known people, every other one of the same person; a pair may come twice.

        Raises
        ------
        ValueError
            if `num_pairs` is below 2, or nobody has two photos
        """
        if num_pairs < 2:
            raise ValueError(f"num_pairs={num_pairs}: at least 2, one the same and one not")
        random, labels = np.random.default_rng(seed), data.labels
        several = np.flatnonzero(data.counts[labels] > 1)
        if not len(several):
            raise ValueError("no positive pair: each person has one photo only")
        same = np.arange(num_pairs) % 2 == 0
        left = random.choice(several, num_pairs)
        right = np.array(
            [random.choice(_others(labels, row, alike)) for row, alike in zip(left, same, strict=True)], np.int64
        )
        store = PhotoStore.from_images(data.photos, data.images())
        return cls(store, left, right, same, labels, data.notes)

    @classmethod
    def lfw_view1(cls, root: str | Path, part: str, size: int = 80, memory_limit: str | int = "2GB") -> FacePairs:
        """Read the development pairs of Labeled Faces in the Wild (Huang et al. 2007, View 1).

        Parameters
        ----------
        root
            as for `FaceData.lfw`
        part
            "train" (2,200 pairs) or "test" (1,000 pairs, other people)
        """
        if part not in _VIEW1:
            raise ValueError(f"part={part!r}: valid are 'train' and 'test'")
        folder = lfw_folder(root)
        pairs, same, places, owners = [], [], [], {}
        for number, fields in enumerate(lfw_protocol_lines(root, _VIEW1[part]), start=2):
            place = f"{_VIEW1[part]}, line {number}"
            if len(fields) not in (3, 4):
                raise ValueError(f"{place}: expected 3 or 4 fields, found {len(fields)}")
            first, one, second, other = (*fields[:2], *([fields[0]] + fields[2:])[-2:])
            both = []
            for name, index in ((first, one), (second, other)):
                if not index.isdecimal():
                    raise ValueError(f"{place}: expected the number of a photo of {name}, found {index!r}")
                file = folder / name / f"{name}_{int(index):04d}.jpg"
                if not file.is_file():
                    raise FileNotFoundError(f"{place}: no such photo: {file}")
                owners[str(file)] = name
                both.append(file)
            pairs.append(both)
            same.append(len(fields) == 3)
            places.append(place)
        return cls._read(_VIEW1[part], pairs, same, places, owners, size, "raise", memory_limit)

    @classmethod
    def _read(
        cls,
        source: str,
        pairs: Sequence[Sequence[Path]],
        same: Sequence[bool],
        places: Sequence[str],
        owners: dict[str, str] | None,
        size: int,
        on_bad: OnBad,
        memory_limit: str | int,
    ) -> FacePairs:
        files = sorted({str(file) for pair in pairs for file in pair})
        store, photos = PhotoStore.from_files(files, size, on_bad, memory_limit)
        # Two names of one file are one photo: only so can a split keep them on one side.
        first_of: dict[bytes, int] = {}
        row_of = {n: first_of.setdefault(d, i) for i, (n, d) in enumerate(zip(store.names, store.digests, strict=True))}
        rows = np.array([[row_of.get(str(file), -1) for file in pair] for pair in pairs])
        whole = np.flatnonzero((rows >= 0).all(1))
        notes = reading_notes(source, photos, size)
        if len(whole) < len(pairs):
            notes.append(f"{source}: {len(pairs) - len(whole)} pairs skipped with them")
        answers = np.array(same, bool)
        _refuse_contradictions(rows, answers, whole, places)
        rows, answers = rows[whole], answers[whole]
        _need_both_answers(source, answers)
        if owners is None:
            people = _components(len(store.names), rows[answers])
        else:
            people = np.unique([owners[name] for name in store.names], return_inverse=True)[1]
        doubtful = int((people[rows[~answers]][:, 0] == people[rows[~answers]][:, 1]).sum())
        if doubtful:
            notes.append(
                f"{source}: {doubtful} pairs are marked different, but other pairs say that both show one person"
            )
        return cls(store, rows[:, 0], rows[:, 1], answers, people, notes)

    def __len__(self) -> int:
        return len(self.same)

    def __repr__(self) -> str:
        return f"FacePairs({len(self)} pairs, {int(self.same.sum())} of them same)"

    @property
    def photos(self) -> tuple[str, ...]:
        """One path per photo."""
        return self._store.names

    @property
    def left(self) -> tuple[str, ...]:
        """Path of each pair's first photo."""
        return tuple(self._store.names[row] for row in self.left_rows)

    @property
    def right(self) -> tuple[str, ...]:
        """Path of each pair's second photo."""
        return tuple(self._store.names[row] for row in self.right_rows)

    @property
    def components(self) -> np.ndarray:
        """Connected component of each photo in the graph of all pairs, int64 [num_photos]."""
        edges = np.stack([self.left_rows, self.right_rows], 1)
        return _components(len(self._store.names), edges, self.people)

    def images(self, rows: np.ndarray | Sequence[int] | None = None) -> np.ndarray:
        """Give photos as uint8 [n, size, size, 3]: all of `photos`, or those of the rows."""
        every = np.arange(len(self._store.names))
        return self._store.read(every if rows is None else np.asarray(rows))

    def load(self, rows: tf.Tensor) -> tf.Tensor:
        """Give photos (uint8 [n, size, size, 3]) by row from inside a `tf.data` pipeline."""
        return self._store.load(rows)

    def subset(self, indices: np.ndarray | Sequence[int]) -> FacePairs:
        """Keep these pairs, in this order; rows and `people` stay comparable."""
        chosen = np.asarray(indices)
        return FacePairs(
            self._store,
            self.left_rows[chosen],
            self.right_rows[chosen],
            self.same[chosen],
            self.people,
            self.notes,
        )

    def split(self, fraction: float, seed: int) -> tuple[FacePairs, FacePairs]:
        """Split so that no person, and so no photo, is on both sides.

        Whole connected components of the pair graph change sides, so that no pair is lost. Where
        one component holds nearly everything, people change sides instead, and the pairs between
        the sides are left out; `notes` of both says how many.

        Parameters
        ----------
        fraction
            share of the pairs (or, in the second case, of the people) held out
        seed
            other seeds give other splits

        Returns
        -------
        rest, held_out

        Raises
        ------
        ValueError
            if a side would lack pairs that are `same`, or pairs that are not
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction={fraction}: must lie between 0 and 1")
        random = np.random.default_rng(seed)
        held = _held_out(self.components[self.left_rows], fraction, random)
        sides = np.stack([~held, held])
        notes = []
        if not all(_has_both(self.same[side]) for side in sides) or held.mean() < fraction / 2:
            used = np.unique(self.people[[self.left_rows, self.right_rows]])
            away = np.zeros(self.people.max() + 1, bool)
            away[random.permutation(used)[: round(fraction * len(used))]] = True
            left, right = away[self.people[self.left_rows]], away[self.people[self.right_rows]]
            sides = np.stack([~left & ~right, left & right])
            lost = int((left != right).sum())
            notes.append(f"{lost} of {len(self)} pairs join people of both sides and are left out")
        for side, name in zip(sides, ("rest", "held-out part"), strict=True):
            if not _has_both(self.same[side]):
                raise ValueError(
                    f"{len(self)} pairs cannot be split by person: the {name} would lack pairs "
                    "that are the same, or pairs that are not (more people are needed)"
                )
        rest, held_out = (self.subset(np.flatnonzero(side)) for side in sides)
        rest.notes += notes
        held_out.notes += notes
        return rest, held_out


def _components(num_photos: int, edges: np.ndarray, people: np.ndarray | None = None) -> np.ndarray:
    """Number the connected components; photos of one of `people` count as connected."""
    if people is not None:
        first = np.unique(people, return_index=True)[1]
        edges = np.concatenate([edges, np.stack([np.arange(num_photos), first[people]], 1)])
    ones = np.ones(len(edges), np.int8)
    graph = coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(num_photos, num_photos))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _held_out(component: np.ndarray, fraction: float, random: np.random.Generator) -> np.ndarray:
    """Choose whole components until they hold this share of the pairs: bool [num_pairs]."""
    sizes = np.bincount(component)
    held = np.zeros(len(sizes), bool)
    free = round(fraction * len(component))
    for one in random.permutation(np.flatnonzero(sizes)):
        if sizes[one] <= free:
            held[one] = True
            free -= sizes[one]
    return held[component]


def _others(labels: np.ndarray, row: int, alike: bool) -> np.ndarray:
    """Give the photos of the same person but this one, or those of all others."""
    mates = labels == labels[row]
    mates[row] = not alike  # itself is neither a mate nor another
    return np.flatnonzero(mates if alike else ~mates)


def _has_both(same: np.ndarray) -> bool:
    return bool(same.any() and not same.all())


def _need_both_answers(source: str, same: np.ndarray) -> None:
    if not same.any():
        raise ValueError(f"{source}: no positive pair (none is marked the same)")
    if same.all():
        raise ValueError(f"{source}: no negative pair (all are marked the same)")


def _refuse_contradictions(rows: np.ndarray, same: np.ndarray, whole: np.ndarray, places: Sequence[str]) -> None:
    first: dict[tuple[int, int], int] = {}
    for pair in whole:
        low, high = sorted(int(row) for row in rows[pair])
        if low == high:
            raise ValueError(f"{places[pair]}: a photo is paired with itself")
        before = first.setdefault((low, high), int(pair))
        if same[before] != same[pair]:
            raise ValueError(f"{places[pair]}: contradicts {places[before]} about the same pair")
