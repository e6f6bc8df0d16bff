"""`Corpus`: texts that are read anew on every pass and never stand in memory all at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from auxtask.data.text_sources import TEXT_SUFFIXES, load_hub, read_rows, rows_of_dataset


class Corpus:
    """Unlabelled texts, read as a stream; iterating again reads again.

    Made by `open`, `of`, `of_dataset`, `joined` or `wikipedia`.

    Parameters
    ----------
    name : str
        What it is called in messages and reports.
    read : callable () -> iterator of str
        Starts a pass. Each pass must give the same texts in the same order.
    digest : callable () -> bytes
        Changes whenever the texts do.
    inner : sequence of Corpus, optional
        What `read` iterates over: their empty texts count as this one's.

    Attributes
    ----------
    num_texts, num_empty : int or None
        Texts given and empty ones left out in the last complete pass; None before it.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], Iterable[Any]],
        digest: Callable[[], bytes],
        inner: Sequence[Corpus] = (),
    ) -> None:
        self.name = name
        self.num_texts: int | None = None
        self.num_empty: int | None = None
        self._read, self._digest, self._inner = read, digest, tuple(inner)

    @classmethod
    def open(
        cls,
        source: str | Path,
        column: str = "text",
        clean: Callable[[str], str] | None = None,
        config: str | None = None,
        split: str = "train",
    ) -> Corpus:
        """Open a file, a folder or a dataset of the Hugging Face hub.

        Parameters
        ----------
        source
            a file (see `text_sources.read_rows`); a folder of such files, read in the order of their names; a folder
            that `datasets` wrote; or a hub name, read as a stream
        column
            which column holds the text
        clean
            applied to every text; a module's function, whose name becomes part of the fingerprint
        config, split
            of a hub name or a `datasets` folder

        Raises
        ------
        FileNotFoundError, ValueError
            as `read_rows` and `load_hub`; most of them when the reading gets there
        """
        path = Path(source)
        files = _files(path)
        change = clean or _unchanged
        about = f"{column}\0{config}\0{split}\0{change.__module__}.{change.__qualname__}".encode()
        if files:
            if not files[0].is_file():
                raise FileNotFoundError(f"{path}: no such file")
            return cls(
                str(path),
                lambda: (_as_text(row, f, n, change) for f in files for n, row in read_rows(f, [column])),
                lambda: _digest_of(about, (_digest_of_file(f) for f in files)),
            )
        if path.is_file():
            raise ValueError(f"{path}: cannot tell what kind of file this is; valid are {', '.join(TEXT_SUFFIXES)}")
        return cls.of_dataset(load_hub(str(source), config, split, streaming=True), column, str(source), clean)

    @classmethod
    def of_dataset(
        cls,
        dataset: Iterable[dict[str, Any]],
        column: str = "text",
        name: str = "dataset",
        clean: Callable[[str], str] | None = None,
    ) -> Corpus:
        """Read a column of a `datasets.Dataset` or `IterableDataset`, row by row; `column` and `clean` as by `open`."""
        change = clean or _unchanged
        about = f"{column}\0{change.__module__}.{change.__qualname__}".encode()

        def read() -> Iterator[str]:
            for number, row in rows_of_dataset(dataset, [column], name):
                yield _as_text(row, name, number, change)

        # A stream has no fingerprint that survives the process: its texts are the only sure sign.
        return cls(name, read, lambda: _digest_of(about, (str(t).encode(errors="surrogatepass") for t in read())))

    @classmethod
    def of(cls, texts: Sequence[str], name: str = "texts given") -> Corpus:
        """Take texts that are in memory anyway; None is an empty one, anything else a ValueError when it is read."""
        if isinstance(texts, str):
            raise ValueError("a corpus needs a list of texts, not one string")

        def read() -> Iterator[str]:
            return (checked_text(text, name, number) for number, text in enumerate(texts, 1))

        return cls(name, read, lambda: _digest_of(b"", (text.encode() for text in read())))

    @classmethod
    def joined(cls, *corpora: Corpus) -> Corpus:
        """Read one corpus after the other as one."""
        if not corpora:
            raise ValueError("no corpus to join")
        name = " + ".join(corpus.name for corpus in corpora)
        return cls(
            name,
            lambda: (text for corpus in corpora for text in corpus),
            lambda: _digest_of(b"joined", (corpus.fingerprint().encode() for corpus in corpora)),
            corpora,
        )

    @classmethod
    def wikipedia(cls, root: str | Path) -> Corpus:
        """Open the English Wikipedia articles of a data root: `text/wikipedia/articles.jsonl.gz`."""
        path = Path(root) / "text" / "wikipedia" / "articles.jsonl.gz"
        if not path.is_file():
            raise FileNotFoundError(f"{root}: no Wikipedia articles here (expected text/wikipedia/articles.jsonl.gz)")
        return cls.open(path)

    def __repr__(self) -> str:
        return f"Corpus({self.name})"

    def __iter__(self) -> Iterator[str]:
        """Give the texts that are not empty, from the first on."""
        given = empty = 0
        for text in self._read():
            if text.strip():
                given += 1
                yield text
            else:
                empty += 1
        self.num_texts = given
        self.num_empty = empty + sum(corpus.num_empty or 0 for corpus in self._inner)

    def split(self, fraction: float, seed: int = 0) -> tuple[Corpus, Corpus]:
        """Hold texts out, by their content: copies of one text always fall on the same side.

        Parameters
        ----------
        fraction
            share of the texts held out (on average)
        seed
            other seeds give other splits

        Returns
        -------
        rest, held_out : both read as streams
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction={fraction}: must lie between 0 and 1")
        border = int(fraction * 2**64)
        key = seed.to_bytes(8, "little", signed=True)

        def held(text: str) -> bool:
            hashed = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8, key=key)
            return int.from_bytes(hashed.digest(), "little") < border

        about = f"{fraction}\0{seed}"
        return (
            self._filtered(f"{self.name}, rest", f"rest\0{about}", lambda _, text: not held(text)),
            self._filtered(f"{self.name}, held out", f"held\0{about}", lambda _, text: held(text)),
        )

    def sample(self, count: int, seed: int = 0) -> list[str]:
        """Draw texts in one pass, each with the same chance (Vitter's reservoir, 1985); all of them if there are fewer.

        Parameters
        ----------
        count
            at least 1
        seed
            other seeds draw other texts
        """
        if count < 1:
            raise ValueError(f"count={count}: must be at least 1")
        random = np.random.default_rng(seed)
        drawn: list[str] = []
        for position, text in enumerate(self):
            if position < count:
                drawn.append(text)
            elif (place := int(random.integers(position + 1))) < count:
                drawn[place] = text
        return drawn

    def without(self, positions: Iterable[int]) -> Corpus:
        """Leave texts out by their position (empty texts do not count)."""
        dropped = frozenset(positions)
        about = np.array(sorted(dropped), np.int64).tobytes().hex()
        return self._filtered(self.name, about, lambda position, _: position not in dropped)

    def fingerprint(self) -> str:
        """Give 32 hex digits that change with the texts or their order; files are hashed as they are on disk."""
        return self._digest().hex()

    def _filtered(self, name: str, about: str, keep: Callable[[int, str], bool]) -> Corpus:
        return Corpus(
            name,
            lambda: (text for position, text in enumerate(self) if keep(position, text)),
            lambda: _digest_of(about.encode(), [self._digest()]),
            [self],
        )


def _unchanged(text: str) -> str:
    return text


def _as_text(row: tuple[Any, ...], source: str | Path, number: int, clean: Callable[[str], str]) -> str:
    return clean(checked_text(row[0], source, number))


def checked_text(value: Any, source: str | Path, number: int) -> str:
    """Give a cell's text ("" for null); ValueError names the line that holds something else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{source}, line {number}: expected a text, found {type(value).__name__} {str(value)[:40]!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # JSON can spell half of a character, which no tokenizer takes
        raise ValueError(f"{source}, line {number}: {value[error.start]!r} is no character (half of a pair)") from None
    return value


def _files(path: Path) -> list[Path]:
    """List the text files that a path stands for; none if `datasets` has to open it."""
    if path.is_dir():
        if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
            return []
        # A link to nowhere is among them: opening it says so.
        return sorted(file for file in path.iterdir() if not file.is_dir() and _is_text_name(file))
    return [path] if _is_text_name(path) else []


def _is_text_name(file: Path) -> bool:
    name = file.name.lower().removesuffix(".gz")
    return name.endswith(TEXT_SUFFIXES) and not name.startswith(".")


def _digest_of(about: bytes, parts: Iterable[bytes]) -> bytes:
    digest = hashlib.blake2b(about, digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _digest_of_file(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).digest()
