"""Finding photos and whose they are: folders, CSV tables, Labeled Faces in the Wild."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from auxtask.data.images import PHOTO_SUFFIXES, Photos
from auxtask.data.table_header import refuse_other_delimiter, require_column


def list_folder(
    path: str | Path, kind: str = "person", skip: Sequence[str] = ()
) -> tuple[list[str], list[Path], list[str]]:
    """Find the photos of a folder `<person>/<photo>`.

    Parameters
    ----------
    path
        the folder
    kind
        what its sub-folders stand for, for messages
    skip
        sub-folders that are passed over

    Returns
    -------
    owners, files : person (or class) and path of each photo, sorted
    notes : what was passed over

    Raises
    ------
    FileNotFoundError, ValueError
        if the folder is missing, or holds no photos
    """
    folder = Path(path)
    expected = f"(expected {folder.name}/<{kind}>/<photo>)"
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "no such folder"
        raise FileNotFoundError(f"{folder}: {what} {expected}")
    owners: list[str] = []
    files: list[Path] = []
    empty: list[str] = []
    others: Counter[str] = Counter()
    astray = sum(map(_is_photo_name, folder.iterdir()))  # of nobody, or deeper than one level
    for person in sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != "." and p.name not in skip):
        entries = sorted(p for p in person.iterdir() if p.name[0] != ".")
        photos = [p for p in entries if _is_photo_name(p)]
        others.update(p.suffix for p in entries if p.suffix.lower() not in PHOTO_SUFFIXES and p.is_file())
        astray += sum(path.parent != person and _is_photo_name(path) for path in person.rglob("*"))
        owners += [person.name] * len(photos)
        files += photos
        if not photos:
            empty.append(person.name)
    if not files:
        raise ValueError(f"{folder}: holds no photos {expected}")
    _refuse_other_encodings(files)
    notes = [f"{folder}: no photos in {some(empty)}"] if empty else []
    notes += _passed_over(folder, others)
    if astray:
        notes.append(f"{folder}: {astray} photos passed over, which do not lie in {folder.name}/<{kind}>/ itself")
    return owners, files, notes


def list_photos(folder: Path) -> tuple[list[Path], list[str]]:
    """Find the photos of a folder in any depth, sorted, and say what was passed over; none where there is no folder."""
    files = [path for path in _files_below(folder, set()) if path.name[0] != "."]
    others = Counter(path.suffix for path in files if not _is_photo_name(path))
    photos = sorted(path for path in files if _is_photo_name(path))
    _refuse_other_encodings(photos)
    return photos, _passed_over(folder, others)


def _files_below(folder: Path, above: set[Path]) -> Iterator[Path]:
    """Give files in any depth, but not in hidden folders, which hold copies; links are followed, once round."""
    here = folder.resolve()
    if not folder.is_dir() or here in above:
        return
    for path in folder.iterdir():
        if not path.is_dir():
            yield path
        elif path.name[0] != ".":
            yield from _files_below(path, above | {here})


def _passed_over(folder: Path, others: Counter[str]) -> list[str]:
    """Say how many files have other suffixes (counted in `others`) than photos have."""
    if not others:
        return []
    suffixes = some(suffix or "no suffix" for suffix in sorted(others))
    return [f"{folder}: {others.total()} files passed over ({suffixes}; read are {', '.join(PHOTO_SUFFIXES)})"]


def _refuse_other_encodings(files: Iterable[Path]) -> None:
    for file in files:
        try:
            str(file).encode()
        except UnicodeEncodeError:
            raise ValueError(f"{os.fsencode(file)!r}: this name is not UTF-8 (an old archive?); rename it") from None


def list_manifest(csv_path: str | Path) -> tuple[list[str], list[Path]]:
    """Find the photos of a CSV with columns `path` (relative to the CSV's folder) and `person`."""
    table = Path(csv_path)
    owners, files = [], []
    for number, row in read_table(table, ("path", "person")):
        owners.append(row["person"])
        files.append(photo_of_row(table, number, row["path"]))
    return owners, files


def read_table(table: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV with a header.

    Returns
    -------
    (row number as a spreadsheet shows it: the header is row 1, column -> text) of each row

    Raises
    ------
    FileNotFoundError, ValueError
        if the file is missing, is no text, is divided by semicolons, lacks a column or has it twice, or has no rows; or
        if a quote is not closed, a field is empty, or a row has more fields than the header
    """
    if not table.is_file():
        raise FileNotFoundError(f"{table}: no such file")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            refuse_other_delimiter(file.readline(), ",", columns, str(table))
            file.seek(0)
            reader = csv.DictReader(file, skipinitialspace=True, strict=True)
            present = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = present
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{table}: is not a CSV text file ({error})") from None
    for name in columns:
        require_column(name, present, str(table), "; its first line must name the columns")
        if present.count(name) > 1:
            raise ValueError(f"{table}: {present.count(name)} columns are called {name!r}")
    if not rows:
        raise ValueError(f"{table}: has a header but no rows")
    cleaned = []
    for number, row in rows:
        if extra := row.get(None):  # where DictReader puts what has no column
            raise ValueError(f"{table}, row {number}: a field too many, {extra[0]!r}; quote texts that have commas")
        fields = {name: (row[name] or "").strip() for name in columns}
        for name in columns:
            if not fields[name]:
                raise ValueError(f"{table}, row {number}: nothing in column {name!r}")
        cleaned.append((number, fields))
    return cleaned


def photo_of_row(table: Path, number: int, name: str) -> Path:
    """Resolve a photo named in a table; FileNotFoundError gives the row."""
    file = table.parent / name
    if not file.is_file():
        raise FileNotFoundError(f"{table}, row {number}: no such photo: {name}")
    return file


def lfw_folder(root: str | Path) -> Path:
    """Find the folder of Labeled Faces in the Wild under a data root (or the root itself)."""
    folder = Path(root) / "faces" / "lfw"
    if folder.is_dir():
        return folder
    if Path(root).is_dir() and next(Path(root).glob("*/*_0001.jpg"), None):
        return Path(root)
    raise FileNotFoundError(f"{root}: no Labeled Faces in the Wild here (expected faces/lfw/)")


def lfw_protocol_lines(root: str | Path, name: str) -> list[list[str]]:
    """Give the tab-separated fields of a file of the official protocol, without its first line."""
    file = lfw_folder(root).parent / "lfw-protocol" / name
    if not file.is_file():
        raise FileNotFoundError(f"{file}: a file of the official protocol is missing")
    return [line.split("\t") for line in file.read_text().splitlines()[1:] if line.strip()]


def copies_to_drop(
    source: str,
    owners: Sequence[str],
    files: Sequence[str],
    digests: Sequence[bytes],
    twice: str = "under two people's names",
) -> list[int]:
    """Find photos that stand twice.

    Returns
    -------
    positions of photos that repeat an earlier one of the same person: a copy among the test
    photos would make the test a memory game

    Raises
    ------
    ValueError
        if the same photo has two owners; `twice` says so in words
    """
    first: dict[bytes, int] = {}
    copies = []
    for position, digest in enumerate(digests):
        other = first.setdefault(digest, position)
        if other == position:
            continue
        if owners[other] != owners[position]:
            raise ValueError(
                f"{source}: the same photo stands {twice}, {owners[other]!r} and "
                f"{owners[position]!r}: {files[other]} and {files[position]}"
            )
        copies.append(position)
    return copies


def refuse_unread(source: str | Path, owners: Sequence[str], kept: Iterable[int], kind: str) -> None:
    """Raise ValueError if no photo of somebody could be read: skipping bad photos must not skip a person or a class.

    Parameters
    ----------
    source
        for the message
    owners
        of all photos
    kept
        positions of those that could be read
    kind
        what an owner is
    """
    counts = Counter(owners)
    left = {owners[i] for i in kept}
    for owner in sorted(counts.keys() - left) if left else ():
        raise ValueError(
            f"{source}: none of the {counts[owner]} photos of {owner!r} can be read; mend them, or take this {kind} out"
        )


def reading_notes(source: str, photos: Photos, size: int) -> list[str]:
    """Say what was skipped and resized, once each."""
    notes = []
    if photos.skipped:
        reasons = some([reason for _, reason in photos.skipped])
        notes.append(f"{source}: {len(photos.skipped)} photos skipped: {reasons}")
    if len(photos.shapes) > 1:
        smallest, largest = (f(photos.shapes, key=lambda s: s[0] * s[1]) for f in (min, max))
        notes.append(
            f"{source}: photos come in {len(photos.shapes)} sizes, from {smallest[0]}x{smallest[1]}"
            f" to {largest[0]}x{largest[1]}; the middle square of each is resized to {size}x{size}"
        )
    return notes


def some(items: Iterable[str], shown: int = 3) -> str:
    """List the first few and count the rest."""
    items = list(items)
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    return ", ".join(items[:shown]) + more


def _is_photo_name(path: Path) -> bool:
    # A link to nowhere is a photo that cannot be read, which is said when it is to be.
    return path.suffix.lower() in PHOTO_SUFFIXES and path.name[0] != "." and not path.is_dir()
