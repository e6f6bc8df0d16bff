"""Rows of a text and a label column, before they are split and their labels numbered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from auxtask.data.corpora import checked_text
from auxtask.data.labelled_texts import LabelledTexts, class_names, is_unlabelled, label_name
from auxtask.data.photo_sources import some
from auxtask.data.text_sources import Row, load_hub, read_rows, rows_of_dataset


@dataclass
class TextRows:
    """What a table with texts and labels held.

    Attributes
    ----------
    source : where it was read
    texts, labels : str and label name of each labelled row
    names : the classes, in order
    unlabelled : texts of the rows without a label
    num_empty : rows left out because there was no text
    """

    source: str
    texts: list[str]
    labels: list[str]
    names: tuple[str, ...]
    unlabelled: list[str] = field(default_factory=list)
    num_empty: int = 0

    def notes(self) -> list[str]:
        """Say what was left out."""
        notes = []
        if self.num_empty:
            notes.append(f"{self.source}: {self.num_empty} empty texts left out")
        if self.unlabelled:
            notes.append(f"{self.source}: {len(self.unlabelled)} texts without a label, none of them tested")
        return notes


def collect_rows(
    source: str,
    rows: Iterable[Row],
    names: Sequence[str] | None = None,
    clean: Callable[[str], str] | None = None,
) -> TextRows:
    """Sort rows (number, (text, label)) into labelled, unlabelled and empty ones.

    Parameters
    ----------
    names
        what labels that are whole numbers from 0 on mean; below 0 then means unlabelled, as in `datasets`

    Raises
    ------
    ValueError
        for a text that is none, a label that is several, or one outside of `names`, with its line; for two `names`
        that are one
    """
    names = None if names is None else [label_name(name) for name in names]
    if names is not None and len(set(names)) < len(names):
        raise ValueError(f"{source}: of the classes {', '.join(map(repr, names))} two have the same name")
    texts: list[str] = []
    labels: list[str] = []
    unlabelled: list[str] = []
    empty = 0
    for number, (text, label) in rows:
        text = checked_text(text, source, number)
        if not text.strip():
            empty += 1
            continue
        if not isinstance(label, Hashable):
            kind = type(label).__name__
            raise ValueError(f"{source}, line {number}: the label is a {kind}, {label!r:.40}; a text has one label")
        text = clean(text) if clean is not None else text
        if is_unlabelled(label) or (names is not None and isinstance(label, int) and label < 0):
            unlabelled.append(text)
            continue
        if names is not None:
            if not isinstance(label, int) or label >= len(names):
                raise ValueError(f"{source}, line {number}: label {label!r} is none of the {len(names)} classes")
            label = names[label]
        texts.append(text)
        labels.append(label_name(label))
    return TextRows(source, texts, labels, tuple(names or class_names(labels)), unlabelled, empty)


def rows_in_file(
    path: str | Path,
    text: str,
    label: str,
    names: Sequence[str] | None = None,
    clean: Callable[[str], str] | None = None,
) -> TextRows:
    """Read a file's texts and labels; see `text_sources.read_rows` and `collect_rows`."""
    return collect_rows(str(path), read_rows(path, [text, label]), names, clean)


@dataclass
class DatasetParts:
    """What a dataset of the `datasets` library holds.

    Attributes
    ----------
    name : what it is called
    train : rows to learn from
    test : rows to test on; None: to be split off
    pool : a dataset of texts without labels, or None
    notes : which splits were taken for what, where that is not plain
    """

    name: str
    train: TextRows
    test: TextRows | None = None
    pool: Any = None
    notes: list[str] = field(default_factory=list)


def dataset_parts(source: Any, text: str, label: str, config: str | None) -> DatasetParts:
    """Find what is learned from, tested on and read without labels; see `TextData.from_dataset`.

    Raises
    ------
    FileNotFoundError, ValueError
        as `load_hub`; if there is no split to learn from
    """
    name = str(source) if isinstance(source, str | Path) else f"a datasets.{type(source).__name__}"
    if isinstance(source, str | Path):
        source = load_hub(name, config)
    if not isinstance(source, dict):
        return DatasetParts(name, _rows_of(source, name, text, label))
    if "train" not in source:
        raise ValueError(f"{name}: no split called 'train' (there are: {', '.join(source)})")
    parts = DatasetParts(name, _rows_of(source["train"], f"{name}, split train", text, label))
    # Competitions publish test texts without labels: then the validation texts are tested on, or a part of training.
    tested = ""
    for split in ("test", "validation"):
        if split in source and parts.test is None:
            parts.test = _rows_to_test(source[split], f"{name}, split {split}", text, label, parts.train.labels)
            tested = "" if parts.test is None else split
    if not tested:
        parts.notes.append(f"{name}: no test or validation split with labels: tested on a part of train")
    elif tested != "test":
        parts.notes.append(f"{name}: no test split with labels: tested on {tested}")
    pool = next((split for split in ("unsupervised", "unlabelled") if split in source), "")
    if pool:
        parts.pool = source[pool]
        next(rows_of_dataset(parts.pool, [text], f"{name}, split {pool}"), None)  # is there such a column?
    unused = [split for split in source if split not in ("train", tested, pool)]
    if unused:
        parts.notes.append(f"{name}: splits that are not used: {', '.join(unused)}")
    return parts


def join_rows(rows: TextRows, test: TextRows) -> tuple[str, ...]:
    """Give the classes of both."""
    return rows.names if rows.names == test.names else class_names([*rows.names, *test.names])


def to_labelled(rows: TextRows, names: Sequence[str]) -> LabelledTexts:
    """Number the labels by their place in `names`."""
    index = {name: number for number, name in enumerate(names)}
    return LabelledTexts(np.array(rows.texts, object), np.array([index[one] for one in rows.labels]), tuple(names))


def split_rows(rows: TextRows, fraction: float, seed: int) -> tuple[LabelledTexts, LabelledTexts, list[str]]:
    """Set a share of each class aside for the test, after leaving out copies of earlier texts.

    Returns
    -------
    train, test, notes

    Raises
    ------
    ValueError
        if a class has a single text, naming it, or there is one class only
    """
    if not 0 < fraction < 1:
        raise ValueError(f"test_fraction={fraction}: must lie between 0 and 1")
    first: dict[str, int] = {}
    for position, text in enumerate(rows.texts):
        first.setdefault(" ".join(text.split()), position)
    texts, labels = ([column[i] for i in first.values()] for column in (rows.texts, rows.labels))
    copies = len(rows.texts) - len(texts)
    counts = Counter(labels)
    if len(set(rows.labels)) == 1:
        raise ValueError(f"{rows.source}: the labels are all the same ({labels[0]}); nothing to tell apart")
    if len(counts) == 1:
        raise ValueError(f"{rows.source}: all texts but of {labels[0]} are copies of others; nothing to tell apart")
    short = [name for name in rows.names if counts[name] == 1]
    if short:
        raise ValueError(
            f"{rows.source}: too few texts: {some(short)} has a single one, and each class needs one to learn from "
            "and one to test on"
        )
    whole = to_labelled(TextRows(rows.source, texts, labels, rows.names), rows.names)
    random = np.random.default_rng(seed)
    tested = np.zeros(len(whole), bool)
    for label in range(len(whole.names)):
        members = random.permutation(np.flatnonzero(whole.labels == label))
        tested[members[: min(max(1, round(fraction * len(members))), len(members) - 1)]] = len(members) > 1
    notes = [f"{rows.source}: {copies} copies of an earlier text left out"] if copies else []
    others = [i for i, text in enumerate(rows.texts) if rows.labels[i] != rows.labels[first[" ".join(text.split())]]]
    if others:
        one = " ".join(rows.texts[others[0]].split())
        notes.append(
            f"{rows.source}: {len(others)} of them under another label than the first, which counts: {one[:40]!r} is "
            f"{rows.labels[first[one]]}, and {rows.labels[others[0]]} too"
        )
    return whole.take(np.flatnonzero(~tested)), whole.take(np.flatnonzero(tested)), notes


def _rows_of(dataset: Any, name: str, text: str, label: str) -> TextRows:
    features = getattr(dataset, "features", None) or {}
    names = getattr(features.get(label), "names", None)
    return collect_rows(name, rows_of_dataset(dataset, [text, label], name), names)


def _rows_to_test(dataset: Any, name: str, text: str, label: str, learned: Sequence[str]) -> TextRows | None:
    """Read a split; None where its labels are kept secret: no such column, or all -1, which no `learned` one is."""
    if label not in (getattr(dataset, "column_names", None) or [label]):
        return None
    rows = _rows_of(dataset, name, text, label)
    secret = set(rows.labels) == {"-1"} and "-1" not in learned
    return None if secret or not rows.texts else rows
