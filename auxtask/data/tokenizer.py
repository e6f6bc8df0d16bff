"""`TextTokenizer`: words and pieces of words as numbers; trained here, or a checkpoint's own."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models

from auxtask.data.special_tokens import SPECIAL, read_settings, special_name
from auxtask.data.vocabulary_files import read_vocabulary
from auxtask.data.whole_paths import whole_folder
from auxtask.data.wordpiece import bert_tokenizer, train_wordpiece

# Encodings take some hundred bytes per token until they are cut or written: so many characters at a time, not texts.
_CHARACTERS_AT_ONCE = 1_000_000
# transformers writes 10^30 where no limit is known.
_NO_LIMIT = 1_000_000


class TextTokenizer:
    """Turns texts into numbers of a fixed vocabulary, and back.

    Made by `train` or `load`. Equal to what transformers' fast tokenizer gives for the same files.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Truncation and padding set in it are switched off: here the caller decides.
    settings : mapping, optional
        What else `tokenizer_config.json` said; written again by `save`.

    Attributes
    ----------
    pad_id, unk_id, cls_id, sep_id, mask_id : int
        Numbers of the special tokens.

    Raises
    ------
    ValueError
        The vocabulary lacks one of them.
    """

    def __init__(self, tokenizer: Tokenizer, settings: dict[str, Any] | None = None) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._settings = dict(settings or {})
        self._names = {role: special_name(tokenizer, role, self._settings) for role in SPECIAL}
        ids = {role: tokenizer.token_to_id(name) for role, name in self._names.items()}
        self.pad_id, self.unk_id, self.cls_id = ids["pad"], ids["unk"], ids["cls"]
        self.sep_id, self.mask_id = ids["sep"], ids["mask"]

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int = 8000,
        lowercase: bool = True,
        min_frequency: int = 2,
        max_characters: int = 200_000_000,
    ) -> TextTokenizer:
        """Train a WordPiece vocabulary as BERT's.

        Parameters
        ----------
        texts
            read twice, as a stream: once for the letters in them
        vocab_size
            at most so many tokens; a small corpus gives fewer
        lowercase
            also strips accents
        min_frequency
            pairs seen less often are not joined
        max_characters
            reading stops here: more text changes a vocabulary little, and its different words would fill the memory

        Raises
        ------
        ValueError
            if there is no text, or a setting is out of range

        Notes
        -----
        The same texts always give the same vocabulary, unlike the library's own training.
        """
        if vocab_size < 100:
            raise ValueError(f"vocab_size={vocab_size}: at least 100, since letters take their part")
        if min_frequency < 1:
            raise ValueError(f"min_frequency={min_frequency}: at least 1")
        if iter(texts) is texts:
            raise ValueError("texts are read twice: give a list or a Corpus, not an iterator")
        vocabulary = train_wordpiece(texts, vocab_size, lowercase, min_frequency, max_characters)
        return cls(bert_tokenizer(vocabulary, lowercase), {"do_lower_case": lowercase})

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> TextTokenizer:
        """Read the tokenizer of a checkpoint's folder: `tokenizer.json`, else BERT's or RoBERTa's vocabulary files.

        BERT's is `vocab.txt`, RoBERTa's are `vocab.json` and `merges.txt`. Nothing is unpickled.

        Raises
        ------
        FileNotFoundError
            if the folder has none of them
        ValueError
            if a file is damaged, or lacks a special token
        """
        place = Path(folder)
        settings = read_settings(place / "tokenizer_config.json")
        file = place / "tokenizer.json"
        if not file.is_file():
            return cls(read_vocabulary(place, settings), settings)
        try:
            return cls(Tokenizer.from_file(str(file)), settings)
        except Exception as error:  # the Rust library raises plain Exception
            raise ValueError(f"{file}: cannot be used ({error})") from None

    def save(self, folder: str | os.PathLike[str], max_length: int = 512) -> Path:
        """Write the JSON files from which `load` and transformers' `AutoTokenizer` read it again.

        The folder may exist and hold other files (a model); each file appears whole. `max_length` is what transformers
        cuts texts to, special tokens included; the shorter one counts, if the checkpoint said another.
        """
        place = Path(folder)
        settings = {
            "tokenizer_class": "BertTokenizerFast" if self._is_wordpiece else "PreTrainedTokenizerFast",
            **self._settings,
            "model_max_length": min(max_length, self.max_length or max_length),
            **{f"{role}_token": name for role, name in self._names.items()},
        }
        with whole_folder(place) as unfinished:
            self._tokenizer.save(str(unfinished / "tokenizer.json"))
            for name, content in (
                ("tokenizer_config.json", settings),
                ("special_tokens_map.json", {f"{role}_token": name for role, name in self._names.items()}),
            ):
                text = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True)
                (unfinished / name).write_text(text + "\n", "utf-8")
            if self._is_wordpiece:
                tokens = sorted(self._tokenizer.get_vocab(), key=self._tokenizer.token_to_id)
                (unfinished / "vocab.txt").write_text("\n".join(tokens) + "\n", "utf-8")
        return place

    def __repr__(self) -> str:
        return f"TextTokenizer({self.vocab_size} tokens)"

    @property
    def vocab_size(self) -> int:
        """Size of an embedding that has a row for each token: the highest number plus 1."""
        return max(self._tokenizer.get_vocab().values()) + 1

    @property
    def max_length(self) -> int | None:
        """Longest input the checkpoint says it takes, special tokens included; None if it does not say."""
        limit = self._settings.get("model_max_length")
        return int(limit) if isinstance(limit, int | float) and limit < _NO_LIMIT else None

    @cached_property
    def special_ids(self) -> np.ndarray:
        """Numbers of all special tokens, int32, sorted: never masked and never put in for a word."""
        added = self._tokenizer.get_added_tokens_decoder()
        ids = {number for number, token in added.items() if token.special}
        ids |= {self._tokenizer.token_to_id(name) for name in self._names.values()}
        # Places that BERT's vocabularies keep free never occur in a text.
        ids |= {number for token, number in self._tokenizer.get_vocab().items() if token.startswith("[unused")}
        return np.array(sorted(ids), np.int32)

    @cached_property
    def ordinary_ids(self) -> np.ndarray:
        """Numbers of all other tokens, int32, sorted."""
        ids = np.fromiter(self._tokenizer.get_vocab().values(), np.int32)
        return np.setdiff1d(ids, self.special_ids)

    @cached_property
    def continues_word(self) -> np.ndarray:
        """Whether each token goes on with the word before it: bool [vocab_size]."""
        continues = np.zeros(self.vocab_size, bool)
        vocabulary = self._tokenizer.get_vocab()
        byte_level = not self._is_wordpiece
        for token, number in vocabulary.items():
            # WordPiece marks what goes on, byte-level BPE (RoBERTa) what follows a space.
            continues[number] = not token.startswith("Ġ") if byte_level else token.startswith("##")
        continues[self.special_ids] = False
        return continues

    def token(self, number: int) -> str:
        """Give a token as written in the vocabulary; ValueError for a number that has none."""
        token = self._tokenizer.id_to_token(int(number))
        if token is None:
            raise ValueError(f"no token has the number {number}; there are {self.vocab_size}")
        return token

    def encode(self, texts: Sequence[str], frame: bool = True) -> list[np.ndarray]:
        """Turn texts into numbers, at full length.

        Parameters
        ----------
        frame
            with the special tokens that begin and end an input

        Returns
        -------
        int32 arrays, one per text
        """
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=frame)
        return [np.array(one.ids, np.int32) for one in encoded]

    def decode(self, ids: Sequence[int] | np.ndarray, skip_special: bool = True) -> str:
        """Turn numbers into text."""
        return self._tokenizer.decode([int(one) for one in ids], skip_special_tokens=skip_special)

    def fingerprint(self) -> str:
        """Give 32 hex digits that change with the vocabulary and the rules, whatever folder they are in."""
        return hashlib.blake2b(self._tokenizer.to_str().encode(), digest_size=16).hexdigest()

    def check_fits(self, num_embeddings: int, name: str = "the model") -> None:
        """Refuse a model whose embedding has too few rows (more are fine: some are padded to a round number).

        Raises
        ------
        ValueError
            giving both sizes
        """
        if self.vocab_size > num_embeddings:
            raise ValueError(
                f"the tokenizer does not fit {name}: it has {self.vocab_size} tokens, the model's vocabulary "
                f"{num_embeddings}; take the tokenizer that was saved with the model"
            )

    @property
    def _is_wordpiece(self) -> bool:
        return isinstance(self._tokenizer.model, models.WordPiece)


def in_parts(texts: Iterable[str]) -> Iterator[list[str]]:
    """Give texts by lists of about a million characters, as memory allows to encode them."""
    part: list[str] = []
    characters = 0
    for text in texts:
        part.append(text)
        characters += len(text)
        if characters >= _CHARACTERS_AT_ONCE:
            yield part
            part, characters = [], 0
    if part:
        yield part
