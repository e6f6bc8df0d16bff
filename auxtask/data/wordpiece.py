"""BERT's tokenizer: its rules round a vocabulary, and training such a vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from auxtask.data.special_tokens import SPECIAL

# Every sign of a large corpus would else get a number: characters of all scripts, emoji, … Where more than so many are
# needed to write nearly all of the text (Chinese, Japanese), there are more.
_MOST_LETTERS, _NEARLY_ALL = 1000, 0.9995


def bert_tokenizer(
    vocabulary: dict[str, int], lowercase: bool, strip_accents: bool | None = None, split_chinese: bool = True
) -> Tokenizer:
    """Put BERT's rules round a WordPiece vocabulary.

    Parameters
    ----------
    vocabulary
        each token's number
    lowercase
        also strips accents, unless `strip_accents` says otherwise
    strip_accents
        None: as `lowercase`
    split_chinese
        each Chinese character is a word

    Raises
    ------
    ValueError
        if [CLS] or [SEP] is not in it
    """
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL["unk"]))
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=lowercase, strip_accents=strip_accents, handle_chinese_chars=split_chinese
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([name for name in SPECIAL.values() if name in vocabulary])
    cls, sep = SPECIAL["cls"], SPECIAL["sep"]
    for name in (cls, sep):
        if name not in vocabulary:
            raise ValueError(f"no {name} in the vocabulary")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(name, vocabulary[name]) for name in (cls, sep)],
    )
    return tokenizer


def train_wordpiece(
    texts: Iterable[str], vocab_size: int, lowercase: bool, min_frequency: int, max_characters: int
) -> dict[str, int]:
    """Train a vocabulary; see `TextTokenizer.train`.

    Left alone, the library numbers the letters within words in the order of a hash map that changes from process to
    process, and breaks ties between pairs by these numbers. Here they are given beforehand, in the order of the
    alphabet, under the name of special tokens; so the texts are read once more.

    Raises
    ------
    ValueError
        if there is no text
    """
    rules = bert_tokenizer({name: number for number, name in enumerate(SPECIAL.values())}, lowercase)
    letters = _letters(_first_characters(texts, max_characters), rules, vocab_size // 4)
    if not letters:
        raise ValueError("the corpus is empty: no text to train a tokenizer on")
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[*SPECIAL.values(), *letters, *(f"##{letter}" for letter in letters)],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    rules.model = models.WordPiece(unk_token=SPECIAL["unk"])
    rules.train_from_iterator(_first_characters(texts, max_characters), trainer)
    return rules.get_vocab()


def _letters(texts: Iterable[str], rules: Tokenizer, most: int) -> list[str]:
    """Give the commonest characters that are left of texts after normalising, in the order of their numbers."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    normalised: Counter[str] = Counter()
    for character, count in sorted(counts.items()):
        for letter in rules.normalizer.normalize_str(character):
            if not letter.isspace():
                normalised[letter] += count
    commonest = sorted(normalised, key=lambda letter: (-normalised[letter], letter))
    written = np.cumsum([normalised[letter] for letter in commonest])
    needed = int(np.searchsorted(written, _NEARLY_ALL * normalised.total())) + 1
    return sorted(commonest[: min(most, max(_MOST_LETTERS, needed))])


def _first_characters(texts: Iterable[str], limit: int) -> Iterator[str]:
    left = limit
    for text in texts:
        if left <= 0:
            return
        yield text[:left]
        left -= len(text)
