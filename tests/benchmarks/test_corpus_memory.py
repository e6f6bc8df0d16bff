"""The benchmark of memory measures both auxiliary tasks, each in processes of its own."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import auxtask as at
from tests.running import parts_of


class Told:
    """A run that keeps what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.add_rows, self.note = self.rows.extend, self.notes.append

    @contextmanager
    def stage(self, name: str, **_: Any) -> Any:
        yield self

    progress = stage

    def print(self, text: str) -> None:
        pass

    def update(self, *_: Any) -> None:
        pass


def test_each_task_is_an_arm_and_each_round_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, run, folders = parts_of("corpus_memory", "benchmarks"), Told(tmp_path), []

    def peak_memory(task: str, file: Path, folder: Path, steps: int) -> float:
        folders.append(folder)
        return {"masked_words": 100.0, "same_document": 200.0}[task] * (1.05 if file.stem == "large" else 1)

    monkeypatch.setitem(own, "peak_memory", peak_memory)
    own["main"](own["Config"](megabytes=1, rounds=2), run)
    assert [row["arm"] for row in run.rows] == ["masked_words", "same_document"]
    assert all(row["values"] == pytest.approx([1.05, 1.05]) for row in run.rows)
    assert len(set(folders)) == len(folders) == 8  # no process finds what another one wrote
    assert run.notes[3] == "same_document, large: 10 MB of text, peak 210 MB (median of 2 rounds)"


@pytest.mark.parametrize("task", ["masked_words", "same_document"])
def test_a_task_trains_on_the_corpus(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, make, made = parts_of("corpus_memory", "benchmarks"), at.language_backbone, []
    monkeypatch.setattr(at, "language_backbone", lambda *a, **k: made.append(make(*a, **k)) or made[-1])
    corpus = at.Corpus.open(own["write_corpus"](tmp_path / "small.jsonl", 0.1))
    tokenizer = at.TextTokenizer.train(corpus, vocab_size=500)
    own["pretrain"](task, at.TokenCache.write(tmp_path / "tokens", corpus, tokenizer), tokenizer, "3steps")
    start = make("tiny", tokenizer.vocab_size, seed=0).get_weights()
    assert any((one != other).any() for one, other in zip(made[0].get_weights(), start, strict=True))


def test_bad_input_is_named_in_one_line(tmp_path: Path) -> None:
    own = parts_of("corpus_memory", "benchmarks")
    with pytest.raises(ValueError, match="task='guess': expected masked_words or same_document"):
        own["pretrain"]("guess", None, None, "1steps")
    with pytest.raises(ValueError, match=r"same_document, nowhere.jsonl: .*nowhere") as refusal:
        own["peak_memory"]("same_document", tmp_path / "nowhere.jsonl", tmp_path / "tokens", 1)
    assert "\n" not in str(refusal.value)
