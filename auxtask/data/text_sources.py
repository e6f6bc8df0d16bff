"""Reading texts from files and from `datasets`, one row at a time, with bad rows named by their line."""

from __future__ import annotations

import csv
import glob
import gzip
import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from auxtask.data.one_line import first_line
from auxtask.data.table_header import refuse_other_delimiter, require_column

Row = tuple[int, tuple[Any, ...]]
TEXT_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".parquet")
# Reviews and articles are longer than the 131,072 characters that Python's CSV reader takes for a damaged file.
_LONGEST_FIELD = 1 << 28


def read_rows(path: str | Path, columns: Sequence[str]) -> Iterator[Row]:
    """Read these columns of a file, row by row; nothing else is kept in memory.

    Parameters
    ----------
    path
        `.jsonl` (one JSON object per line), `.csv` or `.tsv` (with a header), `.txt` (one text per line, blank ones
        too; its one column may have any name), each also with `.gz` behind; or `.parquet`
    columns
        which to read, in this order

    Yields
    ------
    (line number, or in parquet row number, from 1; one value per column)

    Raises
    ------
    FileNotFoundError
        if there is no such file
    ValueError
        if a line is no UTF-8, no JSON object, or the CSV is damaged, naming the line; if a column is missing (of
        `.jsonl` the first one in any line, another in all of them) or stands there twice, naming those that exist; if
        the suffix is not known
    """
    file = Path(path)
    if not file.is_file():
        what = "is a folder, not a file" if file.is_dir() else "no such file"
        raise FileNotFoundError(f"{file}: {what}")
    kind = _kind(file)
    if kind == ".parquet":
        yield from _rows_of_parquet(file, columns)
    elif kind == ".txt":
        yield from _lines_of_text(file, columns)
    elif kind in (".csv", ".tsv"):
        yield from _rows_of_table(file, columns, "\t" if kind == ".tsv" else ",")
    else:
        yield from _rows_of_json(file, columns)


def rows_of_dataset(dataset: Iterable[dict[str, Any]], columns: Sequence[str], name: str) -> Iterator[Row]:
    """Read these columns of a `datasets.Dataset` or `IterableDataset`; a missing one is a ValueError as in `read_rows`.

    Other columns (images, say) are not decoded.
    """
    present = getattr(dataset, "column_names", None)
    if present is not None:
        for column in columns:
            require_column(column, present, name)
        select = getattr(dataset, "select_columns", None)
        dataset = select(list(columns)) if select is not None else dataset
    for number, row in enumerate(dataset, 1):
        if present is None:
            for column in columns:
                require_column(column, row, f"{name}, row {number}")
        yield number, tuple(row[column] for column in columns)


def load_hub(name: str, config: str | None = None, split: str | None = None, streaming: bool = False) -> Any:
    """Open a dataset of the Hugging Face hub, or a folder that has the form of one.

    Parameters
    ----------
    name
        hub name ("stanfordnlp/imdb"), a folder of data files, or one that `save_to_disk` wrote
    config
        where a hub name stands for several data sets ("sst2" of "nyu-mll/glue")
    split
        one split; None for all
    streaming
        read rows as they are asked for, and store nothing on disk (hub names and folders of data files)

    Raises
    ------
    FileNotFoundError
        if there is no such folder and the hub has none, or cannot be reached
    ValueError
        if it has no such split or config, or would need code from the hub, which is never run
    """
    import datasets

    # A hub name is "name" or "owner/name": anything else is a path, and the hub need not be waited for.
    if not Path(name).exists() and (Path(name).is_absolute() or name.startswith(".") or name.count("/") > 1):
        raise FileNotFoundError(f"{name}: no such file or folder")
    try:
        if (Path(name) / "state.json").is_file() or (Path(name) / "dataset_dict.json").is_file():
            stored = datasets.load_from_disk(name)
            return stored if split is None or isinstance(stored, datasets.Dataset) else stored[split]
        with _quiet_hub():
            return datasets.load_dataset(name, config, split=split, streaming=streaming)
    except (FileNotFoundError, ConnectionError, OSError) as error:
        raise FileNotFoundError(
            f"{name}: neither a file or folder here nor a dataset that the hub gives ({first_line(error)})"
        ) from None
    except (ValueError, KeyError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        # The message of datasets' own kind is that something went wrong; what it was is the cause.
        raise ValueError(f"{name}: cannot be read as a dataset ({first_line(error.__cause__ or error)})") from None


def _rows_of_parquet(file: Path, columns: Sequence[str]) -> Iterator[Row]:
    import datasets

    try:
        dataset = datasets.load_dataset("parquet", data_files=glob.escape(str(file)), split="train", streaming=True)
        yield from rows_of_dataset(dataset, columns, str(file))
    except Exception as error:  # Arrow's and datasets' own kinds, which do not name the file
        if str(error).startswith(str(file)):
            raise
        raise ValueError(f"{file}: damaged, or no parquet file ({first_line(error)})") from None


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep the hub's retries off the terminal: what is wrong is said once, in the error."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _kind(file: Path) -> str:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    kind = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] == ".gz" else (suffixes or [""])[-1]
    if kind not in TEXT_SUFFIXES:
        raise ValueError(f"{file}: cannot tell what kind of file this is; valid are {', '.join(TEXT_SUFFIXES)}, or .gz")
    return kind


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Decode line by line, so that a wrong byte is found where it stands and only one line is in memory."""
    zipped = file.suffix.lower() == ".gz"
    with gzip.open(file, "rb") if zipped else file.open("rb") as opened:
        number = 0
        try:
            for number, line in enumerate(opened, 1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{file}, line {number}: not UTF-8 (byte 0x{error.object[error.start]:02x} at position "
                f"{error.start + 1}); save the file as UTF-8"
            ) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{file}: damaged after line {number} ({first_line(error)})") from None


def _lines_of_text(file: Path, columns: Sequence[str]) -> Iterator[Row]:
    if len(columns) != 1:
        raise ValueError(f"{file}: a .txt file holds texts only, no column {columns[-1]!r}; use .csv or .jsonl")
    for number, line in _lines(file):
        yield number, (line.rstrip("\r\n"),)


def _rows_of_json(file: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Give rows; all but the first column may be left out of some, as a text without a label has none."""
    met: dict[str, None] = {}  # every key of any row, in their order
    for number, line in _lines(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, lists in lists in lists
            why = getattr(error, "msg", first_line(error))
            raise ValueError(f"{file}, line {number}: not JSON, one object per line ({why})") from None
        if not isinstance(row, dict):
            raise ValueError(f"{file}, line {number}: a JSON {type(row).__name__}, expected one object per line")
        if columns[0] not in row:
            require_column(columns[0], row, f"{file}, line {number}")
        if not met.keys() >= row.keys():
            met |= dict.fromkeys(row)
        yield number, tuple(row.get(column) for column in columns)
    for column in columns if met else ():
        require_column(column, met, str(file))


def _rows_of_table(file: Path, columns: Sequence[str], delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    # strict: a quote that is never closed would swallow every row that follows.
    lines = (line for _, line in _lines(file))
    first = next(lines, "")
    refuse_other_delimiter(first, delimiter, columns, str(file))
    reader = csv.reader(chain([first], lines), delimiter=delimiter, skipinitialspace=True, strict=True)
    begun = 1  # the line in which a row begins: one with a quote that is not closed ends anywhere
    try:
        header = [name.strip() for name in next(reader, [])]
        for column in columns:
            require_column(column, header, str(file), "; its first line must name the columns")
            if header.count(column) > 1:
                raise ValueError(f"{file}: {header.count(column)} columns are called {column!r}; rename all but one")
        where = [header.index(column) for column in columns]
        begun = reader.line_num + 1
        for row in reader:
            if delimiter == "\t" and any("\n" in field and "\t" in field for field in row):
                raise ValueError(
                    f"{file}, lines {begun} to {reader.line_num}: one field, since it begins with a quote, which is "
                    "closed only there; quotes that mean nothing must be doubled within quotes"
                )
            if any(row[len(header) :]):
                raise ValueError(
                    f"{file}, line {reader.line_num}: {len(row)} fields, the header has {len(header)}; texts that hold "
                    f"{delimiter!r} must stand in quotes"
                )
            if row:
                # A row that is cut short lacks its last fields: empty, and treated as such by the caller.
                yield reader.line_num, tuple(row[i] if i < len(row) else "" for i in where)
            begun = reader.line_num + 1
    except csv.Error as error:
        place = f"line {begun}" + (f" (noticed in line {reader.line_num})" if reader.line_num > begun else "")
        raise ValueError(
            f"{file}, {place}: damaged CSV ({error}); a field that begins with a quote "
            "ends with one, and quotes within it are doubled"
        ) from None
