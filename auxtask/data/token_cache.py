"""`TokenCache`: a corpus as one long file of token numbers, read piece by piece."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from auxtask.data.corpora import Corpus
from auxtask.data.tokenizer import TextTokenizer, in_parts
from auxtask.data.whole_paths import whole_folder

_FORMAT = 1
_TOKENS_AT_ONCE = 1 << 20


class TokenCache:
    """Texts as token numbers on disk, one after the other, each followed by the separator token.

    Made by `write`; `open` reads one again. Files: `tokens.bin` (uint16, or uint32 where the vocabulary needs it, ready
    for `numpy.memmap`), `starts.bin` (int64 [num_texts + 1], where each text begins), `about.json`. Tokens are read
    by position and not mapped: pages of a mapped file count as the process' memory, which then grows with the corpus.

    Attributes
    ----------
    folder : Path
    num_texts, num_tokens : int
        Tokens include one separator per text.
    dtype : numpy.dtype
    num_empty : int
        Texts left out because nothing was in them.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        about = _read_about(self.folder)
        self.dtype = np.dtype(about["dtype"])
        self.num_texts, self.num_tokens = int(about["num_texts"]), int(about["num_tokens"])
        self.num_empty = int(about["num_empty"])
        self._about = about
        sizes = {"tokens.bin": self.num_tokens * self.dtype.itemsize, "starts.bin": (self.num_texts + 1) * 8}
        for name, size in sizes.items():
            file = self.folder / name
            if not file.is_file() or file.stat().st_size != size:
                raise ValueError(f"{file}: missing or not {size} bytes long; remove {self.folder} to write it anew")

    @classmethod
    def write(cls, folder: str | Path, corpus: Corpus, tokenizer: TextTokenizer) -> TokenCache:
        """Tokenise a corpus into a folder, or open what stands there already for the same texts and tokenizer.

        Memory does not grow with the corpus; a process that is killed leaves no half-written cache.

        Raises
        ------
        ValueError
            if the corpus holds no text
        """
        place = Path(folder)
        key = {"format": _FORMAT, "corpus": corpus.fingerprint(), "tokenizer": tokenizer.fingerprint()}
        try:
            cache = cls(place)
            if {name: cache._about.get(name) for name in key} == key:
                return cache
        except (FileNotFoundError, ValueError):
            pass
        dtype = np.dtype(np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32)
        with whole_folder(place) as unfinished:
            num_texts, num_tokens = _write_tokens(unfinished, corpus, tokenizer, dtype)
            if not num_texts:
                raise ValueError(f"{corpus.name}: the corpus is empty")
            counts = {"num_texts": num_texts, "num_tokens": num_tokens, "num_empty": corpus.num_empty or 0}
            about = {**key, "name": corpus.name, "dtype": dtype.name, **counts}
            if place.is_dir():
                # Its files are replaced one by one: without this one, a reader in between finds no cache at all.
                (place / "about.json").unlink(missing_ok=True)
            (unfinished / "about.json").write_text(json.dumps(about, indent=2) + "\n")
            if place.is_dir():
                for name in ("tokens.bin", "starts.bin"):
                    os.replace(unfinished / name, place / name)
        return cls(place)

    def __repr__(self) -> str:
        return f"TokenCache({self.num_texts} texts, {self.num_tokens} tokens)"

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each text begins, and where the last one ends: int64 [num_texts + 1], memory-mapped."""
        return np.memmap(self.folder / "starts.bin", np.int64, "r")

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each text without its separator: int64 [num_texts]."""
        return np.diff(self.starts) - 1

    def check(self, tokenizer: TextTokenizer) -> None:
        """Refuse another tokenizer than the one whose token numbers these are; ValueError."""
        if self._about["tokenizer"] != tokenizer.fingerprint():
            raise ValueError(f"{self.folder}: these texts were turned into tokens by another tokenizer")

    def fingerprint(self) -> str:
        """Give what identifies texts and tokenizer."""
        return f"{self._about['corpus']}-{self._about['tokenizer']}"

    def read(self, start: int, count: int) -> np.ndarray:
        """Give up to `count` tokens from a position on: int32."""
        size = self.dtype.itemsize
        content = os.pread(self._file, max(0, count) * size, start * size)
        return np.frombuffer(content, self.dtype).astype(np.int32)

    def read_rows(self, starts: np.ndarray, length: int) -> np.ndarray:
        """Give pieces of one length from several positions: int32 [len(starts), length].

        Raises
        ------
        ValueError
            if a piece goes beyond the end
        """
        starts = np.asarray(starts, np.int64)
        if len(starts) and not 0 <= starts.min() <= starts.max() <= self.num_tokens - length:
            raise ValueError(f"pieces of {length} tokens at {starts.min()} to {starts.max()} of {self.num_tokens}")
        rows = np.empty((len(starts), length), self.dtype)
        size = self.dtype.itemsize
        for row, start in zip(rows, starts.tolist(), strict=True):
            os.preadv(self._file, [row], start * size)
        return rows.astype(np.int32)

    def blocks(self) -> Iterator[np.ndarray]:
        """Give all tokens in order, some 10^6 at a time: int32."""
        for start in range(0, self.num_tokens, _TOKENS_AT_ONCE):
            yield self.read(start, _TOKENS_AT_ONCE)

    @cached_property
    def _file(self) -> int:
        return os.open(self.folder / "tokens.bin", os.O_RDONLY)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # Bound as a default: when Python ends, the module's own names may be gone already.
        if "_file" in self.__dict__:
            close(self.__dict__.pop("_file"))


def _write_tokens(folder: Path, corpus: Corpus, tokenizer: TextTokenizer, dtype: np.dtype) -> tuple[int, int]:
    num_texts = num_tokens = 0
    separator = np.array([tokenizer.sep_id], np.int32)
    with (folder / "tokens.bin").open("wb") as tokens, (folder / "starts.bin").open("wb") as starts:
        starts.write(np.zeros(1, np.int64).tobytes())
        for batch in in_parts(corpus):
            encoded = tokenizer.encode(batch, frame=False)
            ends = num_tokens + np.cumsum([len(one) + 1 for one in encoded], dtype=np.int64)
            tokens.write(np.concatenate([part for one in encoded for part in (one, separator)]).astype(dtype).tobytes())
            starts.write(ends.tobytes())
            num_texts, num_tokens = num_texts + len(batch), int(ends[-1])
        for file in (tokens, starts):
            file.flush()
            os.fsync(file.fileno())
    return num_texts, num_tokens


def _read_about(folder: Path) -> dict:
    try:
        about = json.loads((folder / "about.json").read_text())
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder}: no token cache here (expected about.json)") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f"{folder / 'about.json'}: damaged; remove {folder} to write it anew") from None
    if about.get("format") != _FORMAT:
        raise ValueError(f"{folder}: a token cache of another version; remove it to write it anew")
    return about
