"""Filling blanks: the likeliest words where a text has `[MASK]`, and sentences of held-out text to try it on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import tf

if TYPE_CHECKING:
    from auxtask.tasks.masked_words import MaskedWords

_BLANK = "[MASK]"
_FEWEST_TOKENS, _MOST_TOKENS = 5, 24


@dataclass(frozen=True)
class FilledBlank:
    """A sentence with a blank, what stood there, and what was guessed.

    Attributes
    ----------
    text, answer : str
    guesses : list of (word, probability)
        The likeliest first.
    """

    text: str
    answer: str
    guesses: list[tuple[str, float]]

    def __str__(self) -> str:
        guessed = ", ".join(f"{word} {probability:.0%}" for word, probability in self.guesses)
        return f"{self.text} ({self.answer}): {guessed}"


@dataclass(frozen=True)
class HiddenSentence:
    """A framed sentence with one token hidden: `ids` int32 [t]."""

    ids: np.ndarray
    text: str
    answer: str


def fill_blank(lm: MaskedWords | str | os.PathLike[str], text: str, top: int = 5) -> list[list[tuple[str, float]]]:
    """Give the likeliest words for each blank of a text.

    Parameters
    ----------
    lm : MaskedWords, or name or path of a checkpoint
        A checkpoint needs the head that guesses words: see `MaskedWords.save_for_transformers`.
    text : str
        With `[MASK]` for each blank (whatever the tokenizer calls it).
    top : int
        Words per blank.

    Returns
    -------
    list of list of (word, probability)
        One list per blank, the likeliest word first.

    Raises
    ------
    ValueError
        There is no blank, the text is too long for the model, or the checkpoint has no such head.

    Examples
    --------
    >>> fill_blank("bert-base-uncased", "What [MASK] you saying?", top=1)
    [[('are', 0.98)]]
    """
    from auxtask.tasks.masked_words import MaskedWords

    if isinstance(lm, str | os.PathLike):
        lm = MaskedWords.from_checkpoint(lm)
    if not isinstance(lm, MaskedWords):
        raise ValueError(
            f"lm is a {type(lm).__name__}: expected a MaskedWords task or a checkpoint with its head; a backbone alone "
            "guesses no words"
        )
    return lm.guesses(text, top)


def in_mask_token(tokenizer: TextTokenizer, text: str) -> str:
    """Write `[MASK]` as this tokenizer does; ValueError for what is no text."""
    if not isinstance(text, str):
        raise ValueError(f"text is a {type(text).__name__}: expected one text with {_BLANK} in it")
    return text.replace(_BLANK, tokenizer.token(tokenizer.mask_id))


def fill(task: MaskedWords, ids: np.ndarray, top: int) -> list[list[tuple[str, float]]]:
    """Give the likeliest words at the hidden tokens of one framed text, int32 [t].

    Raises
    ------
    ValueError
        None is hidden, or `top` is below 1.
    """
    tokenizer = task.tokenizer
    positions = np.flatnonzero(ids == tokenizer.mask_id)
    if not len(positions):
        raise ValueError(f"no {tokenizer.token(tokenizer.mask_id)} in {tokenizer.decode(ids)!r}")
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise ValueError(f"top={top!r}: expected a whole number of at least 1")
    inputs = {
        "input_ids": tf.constant([ids], tf.int32),
        "attention_mask": tf.ones((1, len(ids)), tf.int32),
        "masked_positions": tf.constant(positions, tf.int32),
    }
    # A table may have more rows than the tokenizer has words.
    rows = tf.nn.softmax(task(inputs)).numpy()[:, : tokenizer.vocab_size]
    ranked = rows.copy()
    ranked[:, tokenizer.special_ids] = -1  # [CLS] is no word
    best = np.argsort(-ranked, axis=1)[:, : min(top, len(tokenizer.ordinary_ids))]
    return [[(_word(tokenizer, int(i)), float(row[i])) for i in chosen] for row, chosen in zip(rows, best, strict=True)]


def hidden_sentences(cache: TokenCache, tokenizer: TextTokenizer, number: int, length: int) -> list[HiddenSentence]:
    """Choose sentences from all over a corpus and hide one whole word of each, always the same ones.

    Parameters
    ----------
    number : int
        At most so many; texts that are too short are passed over.
    length : int
        Most tokens in each, the frame included.
    """
    wanted = np.flatnonzero(cache.lengths >= _FEWEST_TOKENS)
    # Some texts have no sentence with a whole word in it: look at a few more than are needed.
    spread = np.linspace(0, len(wanted) - 1, 4 * number) if len(wanted) else np.zeros(0)
    places = np.unique(spread.round().astype(int))
    order = sorted(range(len(places)), key=lambda i: (i % 4, i))
    found: list[HiddenSentence] = []
    for i in order:
        one = _hidden_sentence(cache, tokenizer, int(wanted[places[i]]), min(_MOST_TOKENS, length - 2))
        if one is not None and len(found) < number:
            found.append(one)
    return found


def _hidden_sentence(cache: TokenCache, tokenizer: TextTokenizer, text: int, most: int) -> HiddenSentence | None:
    start, end = (int(one) for one in cache.starts[text : text + 2])
    ids = cache.read(start, min(end - 1 - start, most))
    stops = [i for i, one in enumerate(ids) if tokenizer.token(int(one)) in (".", "!", "?") and i >= _FEWEST_TOKENS - 1]
    ids = ids[: stops[0] + 1] if stops else ids
    continues = tokenizer.continues_word[ids]
    special = np.isin(ids, tokenizer.special_ids)
    whole = ~continues & ~np.append(continues[1:], False) & ~special
    words = [i for i in np.flatnonzero(whole) if _word(tokenizer, int(ids[i])).isalpha()]
    if not words:
        return None
    place = words[int(np.random.default_rng(text).integers(len(words)))]
    hidden = ids.copy()
    hidden[place] = tokenizer.mask_id
    shown = tokenizer.decode(hidden, skip_special=False).replace(tokenizer.token(tokenizer.mask_id), _BLANK)
    framed = np.concatenate([[tokenizer.cls_id], hidden, [tokenizer.sep_id]]).astype(np.int32)
    return HiddenSentence(framed, shown, _word(tokenizer, int(ids[place])))


def _word(tokenizer: TextTokenizer, number: int) -> str:
    return tokenizer.decode([number], skip_special=False).strip() or tokenizer.token(number)
