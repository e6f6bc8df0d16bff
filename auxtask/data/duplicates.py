"""Texts that stand in two places: the same, or nearly, as found by the word sequences they share.

Shingling follows Broder, "On the resemblance and containment of documents" (1997).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from auxtask.data.corpora import Corpus

_TAGS = re.compile(r"<[^<>]{1,20}>")
_WORDS = re.compile(r"\w+")
_SHINGLE = 5
# Sequences that more of the known texts have than this ("this is one of the") tell nothing about which text it is.
_TOO_COMMON = 32
_PRIMES = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93, 1], np.uint64)


@dataclass
class DuplicateReport:
    """How many texts of a stream were found among known ones.

    Attributes
    ----------
    num_texts : texts looked at
    num_exact : equal to a known text but for case, punctuation, spaces and tags
    num_near : others that share at least half of the five-word sequences of the shorter of the two
    pairs : (position in the stream, position among the known texts) of all of these, exact ones first where one
        text has both
    """

    num_texts: int = 0
    num_exact: int = 0
    num_near: int = 0
    pairs: list[tuple[int, int]] = field(default_factory=list, repr=False)

    @property
    def num_duplicates(self) -> int:
        """Count exact and near ones."""
        return self.num_exact + self.num_near

    def sentence(self, where: str, known: str, done: str) -> str:
        """Say it in one sentence, for a table's notes."""
        return (
            f"{self.num_duplicates} of {self.num_texts} {where} also stand in the {known} "
            f"({self.num_exact} the same, {self.num_near} nearly): {done}"
        )


class KnownTexts:
    """Texts to recognise, exactly or nearly, in a stream of any length: memory grows with these texts alone.

    Parameters
    ----------
    texts
        the known ones
    near
        share of the five-word sequences of the shorter text that both must have
    min_shared
        and how many at least: with the default, texts of fewer than 12 words are only compared as wholes

    Raises
    ------
    ValueError
        if a setting is out of range
    """

    def __init__(self, texts: Sequence[str], near: float = 0.5, min_shared: int = 8) -> None:
        if not 0 < near <= 1 or min_shared < 1:
            raise ValueError(f"near={near}, min_shared={min_shared}: a share in (0, 1], and at least 1")
        self._near, self._min_shared = near, min_shared
        self._exact: dict[bytes, int] = {}
        shingles: list[np.ndarray] = []
        for position, text in enumerate(texts):
            words = normalised_words(text)
            self._exact.setdefault(_digest(words or [text.strip()]), position)
            shingles.append(_shingles(words))
        self._index(shingles)
        self._sizes = np.bincount(self._owners, minlength=len(shingles))

    def _index(self, shingles: list[np.ndarray]) -> None:
        """Sort all sequences, so that those of a text are found by bisection, with the texts that have each."""
        owners = np.repeat(np.arange(len(shingles), dtype=np.int32), [len(one) for one in shingles])
        hashes = np.concatenate([np.zeros(0, np.uint64), *shingles])
        order = np.argsort(hashes)
        hashes, owners = hashes[order], owners[order]
        first = np.flatnonzero(np.concatenate([np.ones(min(1, len(hashes)), bool), hashes[1:] != hashes[:-1]]))
        counts = np.diff(np.append(first, len(hashes)))
        rare = counts <= _TOO_COMMON
        distinct = hashes[first]
        self._common, self._distinct = distinct[~rare], distinct[rare]
        self._owners, self._counts = owners[np.repeat(rare, counts)], counts[rare]
        self._first = np.cumsum(self._counts) - self._counts

    def find(self, text: str) -> tuple[int, bool] | None:
        """Look one text up.

        Returns
        -------
        position of the known text that is the same or shares most, and whether it is the same; None if there is none
        """
        words = normalised_words(text)
        same = self._exact.get(_digest(words or [text.strip()]))  # emoji and punctuation are no words
        if same is not None:
            return same, True
        shingles = _shingles(words)
        if len(shingles) < self._min_shared or not len(self._distinct):
            return None
        place = np.searchsorted(self._distinct, shingles)
        place[place == len(self._distinct)] = 0
        hits = place[self._distinct[place] == shingles]
        if len(hits) < self._min_shared:
            return None
        owners = np.concatenate([self._owners[self._first[i] : self._first[i] + self._counts[i]] for i in hits])
        shared = np.bincount(owners)
        own = len(shingles) - int(np.isin(shingles, self._common, assume_unique=True).sum())
        needed = np.maximum(self._min_shared, self._near * np.minimum(own, self._sizes[: len(shared)]))
        # Not only the text that shares most: a short one may stand here whole beside half of a long one.
        found = np.flatnonzero(shared >= needed)
        return (int(found[shared[found].argmax()]), False) if len(found) else None

    def report(self, texts: Iterable[str]) -> DuplicateReport:
        """Look a stream of texts up."""
        report = DuplicateReport()
        for position, text in enumerate(texts):
            report.num_texts += 1
            found = self.find(text)
            if found is not None:
                report.num_exact += found[1]
                report.num_near += not found[1]
                report.pairs.append((position, found[0]))
        return report


def drop_duplicates(corpus: Corpus, tested: Sequence[str] | KnownTexts) -> tuple[Corpus, DuplicateReport]:
    """Take out of a pretraining corpus what is tested on later.

    Parameters
    ----------
    corpus
        read once here, as a stream; later passes leave the same texts out without looking again
    tested
        the test texts

    Returns
    -------
    the corpus without them, and what was found
    """
    known = tested if isinstance(tested, KnownTexts) else KnownTexts(tested)
    report = known.report(corpus)
    return (corpus.without(position for position, _ in report.pairs) if report.pairs else corpus), report


def normalised_words(text: str) -> list[str]:
    """Split a text into words without case, accents' spelling, punctuation and HTML tags."""
    return _WORDS.findall(_TAGS.sub(" ", unicodedata.normalize("NFKC", text)).casefold())


def _digest(words: Sequence[str]) -> bytes:
    return hashlib.blake2b(" ".join(words).encode(errors="surrogatepass"), digest_size=16).digest()


@lru_cache(maxsize=1 << 17)
def _word_hash(word: str) -> int:
    # Not Python's own hash: it changes from process to process, and with it which texts collide.
    return int.from_bytes(hashlib.blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def _shingles(words: Sequence[str]) -> np.ndarray:
    """Hash each sequence of five words; give the different ones, sorted: uint64."""
    if len(words) < _SHINGLE:
        return np.zeros(0, np.uint64)
    hashes = np.fromiter(map(_word_hash, words), np.uint64, len(words))
    windows = np.lib.stride_tricks.sliding_window_view(hashes, _SHINGLE)
    mixed = (windows * _PRIMES).sum(axis=1, dtype=np.uint64)
    mixed ^= mixed >> np.uint64(29)
    return np.unique(mixed * _PRIMES[1])
