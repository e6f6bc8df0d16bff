"""`TextData`: texts to classify, split once into training and test, and an unlabelled pool."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from auxtask.data.corpora import Corpus
from auxtask.data.drawn_texts import draw_pool, draw_reviews
from auxtask.data.labelled_texts import LabelledTexts, class_notes
from auxtask.data.photo_sources import some
from auxtask.data.text_rows import TextRows, dataset_parts, join_rows, rows_in_file, split_rows, to_labelled

# folder and files under a data root, and what its class numbers mean
_KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "imdb": ("Large Movie Review Dataset (Maas et al. 2011)", ("negative", "positive")),
    "ag_news": ("AG News topics (Zhang et al. 2015)", ("World", "Sports", "Business", "Sci/Tech")),
    "sst2": ("Stanford Sentiment Treebank, two classes (Socher et al. 2013)", ("negative", "positive")),
}


class TextData:
    """Texts with classes, in memory, and an unlabelled pool that is read as a stream. Immutable.

    Made by `imdb`, `ag_news`, `sst2`, `from_file`, `from_dataset` or `drawn`.

    Attributes
    ----------
    name : str
        What it is called in tables.
    train, test : LabelledTexts
        With the same `names`.
    names : tuple of str
        The classes.
    unlabelled : Corpus
        To pretrain on; without a pool of its own, the training texts without their labels.
    notes : list of str
        What was left out or is unusual, one sentence each.
    """

    def __init__(
        self,
        name: str,
        train: LabelledTexts,
        test: LabelledTexts,
        unlabelled: Corpus | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        if train.names != test.names:
            raise ValueError(f"{name}: training and test texts have different class names")
        self.name, self.train, self.test = name, train, test
        self.names = train.names
        _check_enough(name, train, test)
        self.unlabelled = unlabelled or Corpus.of(list(train.texts), f"{name}, training texts without their labels")
        self.notes = [*notes, *(f"{name}: {note}" for note in class_notes(train, test))]

    @classmethod
    def imdb(cls, root: str | Path) -> TextData:
        """Read the Large Movie Review Dataset (Maas et al. 2011) with its unlabelled pool.

        Line breaks, stored as HTML (`<br />`), are read as spaces.

        Parameters
        ----------
        root
            data root with `text/imdb/{train,test,unlabelled}.jsonl.gz`, each line with `text` and, but for the last,
            `label` (0 negative, 1 positive)

        Raises
        ------
        FileNotFoundError
            naming the file that is missing
        """
        return cls._known("imdb", root, without_breaks)

    @classmethod
    def ag_news(cls, root: str | Path) -> TextData:
        """Read AG News (Zhang et al. 2015): four topics, `text/ag_news/{train,test}.jsonl.gz` under a data root."""
        return cls._known("ag_news", root)

    @classmethod
    def sst2(cls, root: str | Path) -> TextData:
        """Read the Stanford Sentiment Treebank (Socher et al. 2013): `text/sst2/{train,test}.jsonl.gz`."""
        return cls._known("sst2", root)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        text: str = "text",
        label: str = "label",
        test: str | Path | None = None,
        unlabelled: str | Path | Corpus | None = None,
        test_fraction: float = 0.5,
        seed: int = 0,
    ) -> TextData:
        """Read a CSV, JSON-lines or parquet file with a column of texts and one of labels.

        Rows without a label go to the unlabelled pool; rows without a text are counted and left out.

        Parameters
        ----------
        path
            see `text_sources.read_rows`
        text, label
            names of the columns; labels may be words or numbers
        test
            a second file to test on. None sets `test_fraction` of each class aside, after leaving out exact copies
            of earlier texts, which would otherwise stand on both sides
        unlabelled
            file, folder or hub name to pretrain on, or a Corpus; None takes the training texts and the rows
            without a label
        test_fraction, seed
            see `test`; the seed draws which texts they are

        Raises
        ------
        FileNotFoundError, ValueError
            as `read_rows`; if there are fewer than two classes, or a class has too few texts
        """
        rows = rows_in_file(path, text, label)
        tested = rows_in_file(test, text, label) if test is not None else None
        return cls._from_rows(str(path), rows, tested, _opened(unlabelled, text), test_fraction, seed)

    @classmethod
    def from_dataset(
        cls,
        source: Any,
        text: str = "text",
        label: str = "label",
        config: str | None = None,
        unlabelled: str | Path | Corpus | None = None,
        test_fraction: float = 0.5,
        seed: int = 0,
    ) -> TextData:
        """Take a dataset of the `datasets` library.

        Parameters
        ----------
        source
            `datasets.Dataset` (split as by `from_file`), `datasets.DatasetDict`, or a hub name or folder for
            `datasets.load_dataset`. Of several splits, "train" is learned from, "test" (else "validation") tested
            on; "unsupervised" or "unlabelled" is the pool. Names of classes come from a ClassLabel column
        config
            where a hub name stands for several data sets
        text, label, unlabelled, test_fraction, seed
            as `from_file`

        Raises
        ------
        FileNotFoundError, ValueError
            as `text_sources.load_hub` and `from_file`
        """
        parts = dataset_parts(source, text, label, config)
        own = _opened(unlabelled, text)
        if own is None and parts.pool is not None:
            own = Corpus.of_dataset(parts.pool, text, f"{parts.name}, unlabelled")
        return cls._from_rows(parts.name, parts.train, parts.test, own, test_fraction, seed, parts.notes)

    @classmethod
    def drawn(
        cls, num_train: int = 4000, num_test: int = 2000, num_unlabelled: int = 20_000, seed: int = 0
    ) -> TextData:
        """Draw short reviews that no one wrote, half of them praise: see `drawn_texts`.

        The sentiment is told by many synonyms, so that a bag of words knows little after 20 labels; other seeds give
        other reviews.
        """
        train, labels = draw_reviews(num_train, [seed, 0])
        test, test_labels = draw_reviews(num_test, [seed, 1])
        names = ("negative", "positive")
        return cls(
            "drawn",
            LabelledTexts(np.array(train, object), labels, names),
            LabelledTexts(np.array(test, object), test_labels, names),
            draw_pool(num_unlabelled, [seed, 2]),
            ["these reviews are drawn by a program, made for the purpose: no one wrote them"],
        )

    @classmethod
    def _known(cls, name: str, root: str | Path, clean: Any = None) -> TextData:
        title, names = _KNOWN[name]
        folder = Path(root) / "text" / name
        files = {part: folder / f"{part}.jsonl.gz" for part in ("train", "test", "unlabelled")}
        for part in ("train", "test"):
            if not files[part].is_file():
                raise FileNotFoundError(f"{root}: no {title} here (expected text/{name}/{part}.jsonl.gz)")
        train, test = (rows_in_file(files[part], "text", "label", names, clean) for part in ("train", "test"))
        pool = Corpus.open(files["unlabelled"], clean=clean) if files["unlabelled"].is_file() else None
        return cls(name, to_labelled(train, names), to_labelled(test, names), pool, train.notes() + test.notes())

    @classmethod
    def _from_rows(
        cls, name: str, rows: TextRows, test: TextRows | None, pool: Corpus | None, fraction: float, seed: int,
        notes: Sequence[str] = (),
    ) -> TextData:  # fmt: skip
        notes = [*notes, *rows.notes()]
        names = rows.names if test is None else join_rows(rows, test)
        met = {*rows.labels, *(test.labels if test is not None else ())}
        if unmet := [one for one in names if one not in met]:
            notes.append(f"{name}: no text of the class {some(unmet)}, which is left out")
            names = tuple(one for one in names if one in met)
            rows = replace(rows, names=names)
        if test is None:
            train, tested, split_notes = split_rows(rows, fraction, seed)
            notes += split_notes
        else:
            train, tested = to_labelled(rows, names), to_labelled(test, names)
            notes += test.notes()
        if pool is None and rows.unlabelled:
            pool = Corpus.of([*train.texts, *rows.unlabelled], f"{name}, without labels")
        return cls(name, train, tested, pool, notes)

    def with_unlabelled(self, pool: Corpus) -> TextData:
        """Give the same labelled texts with another unlabelled pool."""
        other = copy(self)
        other.unlabelled = pool
        return other

    def __repr__(self) -> str:
        return f"TextData({self.name}: {len(self.train)} + {len(self.test)} texts, {len(self.names)} classes)"

    def fingerprint(self, in_order: bool = False) -> str:
        """Give 32 hex digits that change with any text, label or name of training and test; the pool has its own.

        `in_order` they change with the order too.
        """
        sides = f"{self.train.fingerprint(in_order)}{self.test.fingerprint(in_order)}"
        return hashlib.blake2b(sides.encode(), digest_size=16).hexdigest()


def without_breaks(text: str) -> str:
    """Read HTML's line breaks as spaces: each would cost four tokens and mean nothing."""
    return text.replace("<br />", " ")


def _opened(source: str | Path | Corpus | None, column: str) -> Corpus | None:
    return source if source is None or isinstance(source, Corpus) else Corpus.open(source, column)


def _check_enough(name: str, train: LabelledTexts, test: LabelledTexts) -> None:
    if not len(train) or not len(test):
        raise ValueError(f"{name}: no {'test' if len(train) else 'training'} text with a label")
    present = [one for one, count in zip(train.names, train.counts, strict=True) if count]
    if len(present) < 2:
        raise ValueError(f"{name}: the training texts have one class only ({some(present)}); nothing to tell apart")
