"""A seeded writer of short reviews that no one wrote: texts with labels, and any number without, from no data set.

Each review praises or damns one of five kinds of things in five or six sentences. Its three to ten words of judgement
are drawn from some 300 synonyms of its side, none of them much more common than others (a longer review may have one of
the other side, too); all other words are the same on both sides. So

* all words can be learned: TF-IDF (words and bigrams) with logistic regression on 4,000 labelled reviews is right on
  99.9 % of 2,000 others;
* few labels show few of the words: from 20 labels it is right on 56 %, from 100 on 70 %, from 200 on 82 %;
* which words mean the same stands in the unlabelled texts, since words of one side stand together: the 64 first
  principal components of the TF-IDF vectors of 20,000 unlabelled reviews lift 20 labels to 69 %.

`tests/data/test_drawn_texts.py` measures the first two again.
"""

from __future__ import annotations

import hashlib
import random
import re
from bisect import bisect
from collections.abc import Iterator, Sequence

import numpy as np

from auxtask.data.corpora import Corpus
from auxtask.data.drawn_words import NEGATIVE, POSITIVE, SUBJECTS, as_words

# {s}: what is reviewed, {p} {q}: parts of it, {o}: something beside it, {a} {b}: words of judgement.
_OPENINGS = (
    "This {s} was {a}.",
    "We tried this {s} in {m} and found it {a} and {b}.",
    "A {a} {s}, I must say.",
    "My {f} told me about this {s}: {a}, in a word.",
    "I came to this {s} with my {f} last {m}.",
    "It was my {n} time with a {s} like this one.",
)
_SENTENCES = (
    "The {p} was {a} and the {q} was {b}.",
    "The {p} is {a}, and the {q} is just as {b}.",
    "What a {a} {p}!",
    "I thought the {p} was rather {a}.",
    "Everyone at the {o} called the {p} {a} and {b}.",
    "There is something {a} about the {p}, and about the {q}.",
    "My {f} found the {q} {a}.",
    "With its {a} {p} and {b} {q}, it stays in the mind.",
    "Then there was the {o}, and a {a} {p}.",
)
_FILLERS = (
    "We came on a {d} and left on a {e}.",
    "The {o} stood beside the {p}.",
    "My {f} asked about the {o}, as one does in {m}.",
    "There was a {o} and, of course, a {q}.",
    "I had read about the {p} on the {n} day.",
    "It took about {c} minutes to see the {o}.",
)
_CLOSINGS = (
    "All in all, {a}.",
    "In short: {a} and {b}.",
    "That is all I have to say about the {s}.",
    "My {f} says the same of the {s}.",
    "A {a} {s}, from the {p} to the {q}.",
)
_CHOICES = {
    "m": as_words("January February March April May June July August September October November December"),
    "d": as_words("Monday Tuesday Wednesday Thursday"),
    "e": as_words("Friday Saturday Sunday"),
    "f": as_words("brother sister mother father cousin neighbour friend aunt uncle boss teacher wife husband"),
    "n": as_words("first second third fourth fifth"),
    "c": as_words("five ten fifteen twenty thirty forty fifty"),
}
# From this many words of judgement on, one may be of the other side.
_MIXED_FROM = 5
_MIXED_SHARE = 0.3
# The r-th word of a side is drawn in proportion to 1 / (r + this): some are common, as in any language.
_FLATNESS = 20
_ARTICLES = re.compile(r"\b([Aa]) (?=[aio]|e(?!u)|u(?!s)|hon)")


def _ranked(words: Sequence[str]) -> tuple[list[str], list[float]]:
    """Give the words from the commonest on (in an order that is always the same), and their summed shares."""
    order = np.random.default_rng(0).permutation(len(words))
    up_to = np.cumsum(1 / (np.arange(len(words)) + 1 + _FLATNESS))
    return [words[i] for i in order], (up_to / up_to[-1]).tolist()


_SIDES = (_ranked(NEGATIVE), _ranked(POSITIVE))


def draw_reviews(num_texts: int, seed: int | Sequence[int]) -> tuple[list[str], np.ndarray]:
    """Write short reviews.

    Parameters
    ----------
    num_texts
        how many; half of them, in random order, are praise
    seed
        other seeds give other reviews

    Returns
    -------
    texts : list of str
    labels : int64 [num_texts], 0 for negative, 1 for positive
    """
    if num_texts < 1:
        raise ValueError(f"num_texts={num_texts}: at least 1")
    labels = np.random.default_rng(seed).permutation(np.arange(num_texts) % 2)
    writer = _Writer(seed)
    return [writer.review(label) for label in labels.tolist()], labels.astype(np.int64)


def draw_pool(num_texts: int, seed: int | Sequence[int]) -> Corpus:
    """Give reviews as a corpus, written anew on each pass: any number costs no memory."""
    if num_texts < 1:
        raise ValueError(f"num_texts={num_texts}: at least 1")

    def write() -> Iterator[str]:
        writer = _Writer(seed)
        return (writer.review(writer.below(2)) for _ in range(num_texts))

    about = f"drawn reviews 1, {num_texts}, {seed}".encode()
    return Corpus(f"{num_texts} drawn reviews", write, lambda: hashlib.blake2b(about, digest_size=16).digest())


class _Writer:
    """Writes reviews; Python's own generator, since NumPy's takes ten times as long for one number."""

    def __init__(self, seed: int | Sequence[int]) -> None:
        self._random = random.Random(str(seed)).random
        self._kinds = list(SUBJECTS.values())

    def review(self, label: int) -> str:
        """Write one review: sentences, then words into their gaps."""
        names, parts, others = self._kinds[self.below(len(self._kinds))]
        templates = [self._one(_OPENINGS), *self._several(_SENTENCES, 3), self._one(_CLOSINGS)]
        if self._random() < 0.5:
            templates.insert(1 + self.below(4), self._one(_FILLERS))
        gaps = sum(template.count("{a}") + template.count("{b}") for template in templates)
        words = iter(self._judgements(label, gaps))
        sentences = []
        for template in templates:
            p, q = self._several(parts, 2)
            fills = {"p": p, "q": q, "s": self._one(names), "o": self._one(others)}
            fills |= {key: self._one(choice) for key, choice in _CHOICES.items() if "{" + key + "}" in template}
            fills |= {key: next(words) for key in "ab" if "{" + key + "}" in template}
            sentences.append(template.format(**fills))
        return _ARTICLES.sub(r"\1n ", " ".join(sentences))

    def below(self, end: int) -> int:
        """Draw a whole number from 0 to end - 1."""
        return int(self._random() * end)

    def _judgements(self, label: int, count: int) -> list[str]:
        sides = [label] * count
        if count >= _MIXED_FROM and self._random() < _MIXED_SHARE:
            sides[self.below(count)] = 1 - label
        return [_SIDES[side][0][bisect(_SIDES[side][1], self._random())] for side in sides]

    def _one(self, choices: Sequence[str]) -> str:
        return choices[self.below(len(choices))]

    def _several(self, choices: Sequence[str], count: int) -> list[str]:
        left = list(choices)
        return [left.pop(self.below(len(left))) for _ in range(count)]
