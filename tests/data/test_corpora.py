import json
from collections import Counter
from pathlib import Path

import datasets
import pytest

from auxtask.data.corpora import Corpus

pytestmark = pytest.mark.usefixtures("own_cache")

TEXTS = [f"text {i}" for i in range(400)]


def write_jsonl(path: Path, texts: list[str | None]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def shout(text: str) -> str:
    return text.upper()


def test_each_pass_reads_the_texts_anew_and_counts_empty_ones(tmp_path: Path) -> None:
    corpus = Corpus.open(write_jsonl(tmp_path / "a.jsonl", ["one", " \n", "two", None, ""]), clean=shout)
    assert corpus.num_texts is None
    assert list(corpus) == list(corpus) == ["ONE", "TWO"]
    assert (corpus.num_texts, corpus.num_empty) == (2, 3)
    derived = Corpus.joined(corpus.without([0]), Corpus.of(["three", ""]))
    assert list(derived) == ["TWO", "three"] and (derived.num_texts, derived.num_empty) == (2, 4)


def test_a_folder_is_read_file_by_file_and_corpora_are_joined(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "texts" / "b.jsonl", ["two"])
    write_jsonl(tmp_path / "texts" / "a.jsonl", ["one"])
    (tmp_path / "texts" / "notes.md").write_text("not read")
    folder = Corpus.open(tmp_path / "texts")
    assert list(Corpus.joined(folder, Corpus.of(["three"]))) == ["one", "two", "three"]


def test_folders_of_datasets_are_streamed(tmp_path: Path) -> None:
    data = datasets.Dataset.from_dict({"body": ["one", "two"]})
    data.save_to_disk(tmp_path / "saved")
    (tmp_path / "nested" / "data").mkdir(parents=True)
    data.to_parquet(tmp_path / "nested" / "data" / "train-00000.parquet")
    for folder in ("saved", "nested"):
        corpus = Corpus.open(tmp_path / folder, column="body")
        assert list(corpus) == list(corpus) == ["one", "two"]
        assert corpus.fingerprint() == Corpus.open(tmp_path / folder, column="body").fingerprint()


def test_a_split_by_content_is_disjoint_whole_and_the_same_for_copies() -> None:
    rest, held_out = Corpus.of(TEXTS * 2).split(0.2, seed=1)
    assert set(rest) | set(held_out) == set(TEXTS) and not set(rest) & set(held_out)
    assert len(list(held_out)) == 2 * len(set(held_out))
    assert 50 < len(set(held_out)) < 110  # 80 expected, standard deviation 8
    assert set(Corpus.of(TEXTS).split(0.2, seed=2)[1]) != set(held_out)
    with pytest.raises(ValueError, match="fraction=1"):
        rest.split(1)


def test_texts_are_left_out_by_their_position_among_those_not_empty() -> None:
    assert list(Corpus.of(["a", "", "b", "c"]).without([1])) == ["a", "c"]


def test_the_fingerprint_sees_texts_order_column_and_cleaning(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", ["one", "two"])
    corpus = Corpus.open(file)
    rest, held_out = corpus.split(0.5)
    prints = [c.fingerprint() for c in (corpus, Corpus.open(file, clean=shout), corpus.without([0]), rest, held_out)]
    prints += [corpus.split(0.5, seed=1)[0].fingerprint(), Corpus.joined(corpus, corpus).fingerprint()]
    assert prints[0] == Corpus.open(file).fingerprint()
    write_jsonl(file, ["two", "one"])
    prints.append(Corpus.open(file).fingerprint())
    assert len(set(prints)) == len(prints) == 8


def test_bad_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone.jsonl: no such file"):
        Corpus.open(tmp_path / "gone.jsonl")
    (tmp_path / "a.pdf").write_text("")
    with pytest.raises(ValueError, match=r"a.pdf: cannot tell what kind of file"):
        Corpus.open(tmp_path / "a.pdf")
    (tmp_path / "a.jsonl").write_text('{"text": 5}\n')
    with pytest.raises(ValueError, match=r"a.jsonl, line 1: expected a text, found int '5'"):
        list(Corpus.open(tmp_path / "a.jsonl"))
    with pytest.raises(ValueError, match="not one string"):
        Corpus.of("a text")
    with pytest.raises(ValueError, match="no corpus to join"):
        Corpus.joined()
    with pytest.raises(FileNotFoundError, match="no Wikipedia articles here"):
        Corpus.wikipedia(tmp_path)


def test_a_sample_is_drawn_in_one_pass_with_the_same_chance_for_every_text() -> None:
    corpus = Corpus.of([str(i) for i in range(20)])
    counts = Counter(text for seed in range(2000) for text in corpus.sample(5, seed))
    assert set(counts) == set(corpus) and min(counts.values()) > 400 and max(counts.values()) < 600  # 500 each, sd 19
    assert corpus.sample(5, 3) == corpus.sample(5, 3) != corpus.sample(5, 4)
    assert len(set(corpus.sample(5))) == 5
    assert sorted(corpus.sample(99)) == sorted(corpus)
    with pytest.raises(ValueError, match="count=0"):
        corpus.sample(0)


def test_of_texts_in_memory_none_is_empty_and_what_is_no_text_is_refused() -> None:
    corpus = Corpus.of(["a", None, "b"])  # type: ignore[list-item]
    assert list(corpus) == ["a", "b"] and corpus.num_empty == 1
    with pytest.raises(ValueError, match=r"mine, line 2: expected a text, found float 'nan'"):
        list(Corpus.of(["a", float("nan")], "mine"))  # type: ignore[list-item]


def test_half_of_a_character_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text('{"text": "fine"}\n{"text": "\\ud83d"}\n')
    with pytest.raises(ValueError, match=r"odd\.jsonl, line 2: .*half of a pair"):
        list(Corpus.open(path))


def test_a_link_to_nowhere_among_a_folders_files_is_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "texts" / "a.jsonl", ["one"])
    (tmp_path / "texts" / "b.jsonl").symlink_to(tmp_path / "gone.jsonl")
    with pytest.raises(FileNotFoundError, match=r"b\.jsonl"):
        list(Corpus.open(tmp_path / "texts"))
