"""A folder is replaced whole: there is no moment without one of its name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from auxtask.backbones import atomic_folder as module
from auxtask.backbones.atomic_folder import DESCRIPTION, atomic_folder


def write(folder: Path, text: str) -> None:
    with atomic_folder(folder) as partial:
        (partial / DESCRIPTION).write_text(json.dumps({"format": "auxtask", "text": text}))


def written(folder: Path) -> str:
    return json.loads((folder / DESCRIPTION).read_text())["text"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere it takes two renames")
def test_whoever_looks_finds_a_whole_folder_while_it_is_replaced(tmp_path: Path) -> None:
    folder, stop, missing, looks = tmp_path / "model", Event(), [], [0]
    write(folder, "0")

    def look() -> None:
        while not stop.is_set():
            looks[0] += 1
            if not (folder / DESCRIPTION).exists():
                missing.append(looks[0])

    watcher = Thread(target=look)
    watcher.start()
    try:
        for number in range(1, 101):
            write(folder, str(number))
    finally:
        stop.set()
        watcher.join()
    assert looks[0] > 100 and missing == []
    assert written(folder) == "100"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_it_is_replaced_also_where_two_folders_cannot_change_places(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_exchanged", lambda one, other: False)
    for text in ("old", "new"):
        write(tmp_path / "model", text)
    assert written(tmp_path / "model") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_and_there_the_old_one_comes_back_where_the_new_one_cannot_come(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_exchanged", lambda one, other: False)
    write(tmp_path / "model", "old")
    replace = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path.suffix == module.PARTIAL_SUFFIX:
            raise OSError(5, "Input/output error")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="Input/output"):
        write(tmp_path / "model", "new")
    assert written(tmp_path / "model") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("description", ['{"title": "my data set"}', "[1]", "no JSON", "[" * 100_000])
def test_a_folder_with_a_description_of_something_else_stays_as_it_is(description: str, tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("path,person\n")
    (tmp_path / DESCRIPTION).write_text(description)
    with pytest.raises(ValueError, match="holds other files; choose an empty or a new folder"):
        write(tmp_path, "new")
    assert (tmp_path / "photos.csv").exists() and (tmp_path / DESCRIPTION).read_text() == description


def test_what_a_user_put_into_an_earlier_save_is_not_removed(tmp_path: Path) -> None:
    write(tmp_path / "model", "old")
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="an earlier save, but notes.txt in it is not"):
        write(tmp_path / "model", "new")
    assert (tmp_path / "model" / "notes.txt").exists() and written(tmp_path / "model") == "old"
