import csv
import json
from pathlib import Path

import datasets
import numpy as np
import pytest

from auxtask.data.corpora import Corpus
from auxtask.data.labelled_texts import LabelledTexts, class_names
from auxtask.data.texts import TextData

pytestmark = pytest.mark.usefixtures("own_cache")


def rows_of(**counts: int) -> list[tuple[str, str]]:
    return [(f"{label} text {i}", label) for label, count in counts.items() for i in range(count)]


def write_csv(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("review", "stars"), *rows])
    return path


def read(path: Path, **arguments) -> TextData:
    return TextData.from_file(path, text="review", label="stars", **arguments)


def write_root(root: Path) -> Path:
    folder = root / "text" / "imdb"
    folder.mkdir(parents=True)
    for part in ("train", "test", "unlabelled"):
        rows = [{"text": f"{part} {i}<br /><br />end", "label": i % 2} for i in range(4)]
        lines = "".join(json.dumps(row if part != "unlabelled" else {"text": row["text"]}) + "\n" for row in rows)
        import gzip

        (folder / f"{part}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return root


def test_imdb_is_read_from_a_data_root(tmp_path: Path) -> None:
    data = TextData.imdb(write_root(tmp_path))
    assert data.names == ("negative", "positive") and data.notes == []
    assert data.train.texts.tolist()[1] == "train 1  end" and data.train.labels.tolist() == [0, 1, 0, 1]
    assert data.test.texts[0] == "test 0  end" and list(data.unlabelled)[3] == "unlabelled 3  end"
    with pytest.raises(FileNotFoundError, match=r"no AG News topics .* \(expected text/ag_news/train.jsonl.gz\)"):
        TextData.ag_news(tmp_path)


def test_string_labels_become_sorted_classes_and_a_test_half(tmp_path: Path) -> None:
    data = read(write_csv(tmp_path / "a.csv", rows_of(sad=6, happy=10)))
    assert data.names == ("happy", "sad")
    assert data.train.counts.tolist() == data.test.counts.tolist() == [5, 3]
    for part in (data.train, data.test):
        assert all(text.startswith(part.names[label]) for text, label in zip(part.texts, part.labels, strict=True))
    assert not set(data.train.texts) & set(data.test.texts)
    assert set(data.unlabelled) == set(data.train.texts), "without a pool: the training texts, never the test's"
    again, other = (read(tmp_path / "a.csv", seed=seed) for seed in (0, 1))
    assert again.fingerprint() == data.fingerprint() != other.fingerprint()


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        ([2, 10, 1], ("1", "2", "10")),
        ([1.0, 0.5], ("0.5", "1")),
        ([" b", "a "], ("a", "b")),
        ([True, False], ("False", "True")),
        (["1", "02", "01", "2"], ("01", "1", "02", "2")),  # whatever the order of a set
    ],
)
def test_class_names_are_sorted_as_people_would(values: list, names: tuple[str, ...]) -> None:
    assert class_names(values) == names


def test_rows_without_label_are_the_pool_and_empty_texts_are_counted(tmp_path: Path) -> None:
    rows = [*rows_of(a=4, b=4), ("more text", ""), (" ", "a"), ("", "")]
    data = read(write_csv(tmp_path / "a.csv", rows))
    assert list(data.unlabelled)[-1] == "more text" and len(list(data.unlabelled)) == 5
    assert [note.split(": ")[1] for note in data.notes] == [
        "2 empty texts left out",
        "1 texts without a label, none of them tested",
    ]


def test_copies_do_not_stand_on_both_sides_of_a_split(tmp_path: Path) -> None:
    rows = rows_of(a=10, b=10)
    data = read(write_csv(tmp_path / "a.csv", rows + [(f" {text}  ", label) for text, label in rows]))
    assert len(data.train) + len(data.test) == 20
    assert "20 copies of an earlier text left out" in data.notes[0]


def test_a_text_under_two_labels_keeps_the_first_and_that_is_said(tmp_path: Path) -> None:
    rows = [(text, label) for text, _ in rows_of(a=6) for label in ("sport", "news")]
    rows = [("the only news", "news"), ("more news", "news"), *rows]
    data = read(write_csv(tmp_path / "a.csv", rows))
    assert data.train.counts.sum() + data.test.counts.sum() == 8
    assert "6 copies of an earlier text left out" in data.notes[0]
    assert "6 of them under another label than the first, which counts" in data.notes[1]
    assert "is sport, and news too" in data.notes[1]


def test_a_test_file_of_its_own_is_taken_as_it_is(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "train.csv", rows_of(a=4, b=4, c=1))
    test = write_csv(tmp_path / "test.csv", rows_of(a=2, b=2, d=2))
    data = read(train, test=test, unlabelled=train)
    assert data.names == ("a", "b", "c", "d")
    assert data.train.counts.tolist() == [4, 4, 1, 0] and data.test.counts.tolist() == [2, 2, 0, 2]
    notes = " / ".join(data.notes)
    assert "no training text of d" in notes and "no test text of c" in notes
    assert "the training texts are unbalanced: 4 of a, 1 of c" in notes


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (rows_of(a=5), r"the labels are all the same \(a\); nothing to tell apart"),
        (rows_of(a=5, b=1), "too few texts: b has a single one"),
        ([("same", "a"), ("same", "b"), ("same", "b")], "all texts but of a are copies of others"),
        ([("text", "")], "no training text with a label"),
        ([], "no training text with a label"),
    ],
)
def test_too_little_to_learn_from_is_refused(tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(write_csv(tmp_path / "a.csv", rows))


def test_several_labels_of_one_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine", "label": 1}\n{"text": "good", "label": ["a", "b"]}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl, line 2: the label is a list, \['a', 'b'\]; a text has one label"):
        TextData.from_file(path)


def test_one_class_with_a_test_file_is_refused(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "train.csv", rows_of(a=4))
    with pytest.raises(ValueError, match=r"have one class only \(a\)"):
        read(train, test=write_csv(tmp_path / "test.csv", rows_of(a=2, b=2)))


def test_datasets_bring_their_class_names_and_their_pool(tmp_path: Path) -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    columns = {"text": ["a", "b", "c", "d"], "label": [1, 0, 1, -1]}
    train = datasets.Dataset.from_dict(columns, features=features)
    splits = datasets.DatasetDict(train=train, test=train.select([0, 1]), unsupervised=train.remove_columns("label"))
    for source in (splits, str(tmp_path / "saved")):
        data = TextData.from_dataset(source)
        assert data.names == ("neg", "pos") and data.train.labels.tolist() == [1, 0, 1]
        assert data.test.texts.tolist() == ["a", "b"] and list(data.unlabelled) == ["a", "b", "c", "d"]
        splits.save_to_disk(tmp_path / "saved") if source is splits else None
    with pytest.raises(ValueError, match=r"no split called 'train' \(there are: test\)"):
        TextData.from_dataset(datasets.DatasetDict(test=train))


def test_a_dataset_in_one_piece_is_split_as_a_file(tmp_path: Path) -> None:
    rows = rows_of(a=6, b=6)
    file = write_csv(tmp_path / "a.csv", rows)
    dataset = datasets.Dataset.from_dict({"review": [r[0] for r in rows], "stars": [r[1] for r in rows]})
    data = TextData.from_dataset(dataset, "review", "stars", unlabelled=Corpus.of(["pool"]))
    assert data.fingerprint() == read(file).fingerprint() and list(data.unlabelled) == ["pool"]


def test_hub_names_go_through_load_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for part, rows in (("train", rows_of(a=3, b=3)), ("test", rows_of(a=1, b=1))):
        write_csv(folder / f"{part}.csv", rows)
    data = TextData.from_dataset(str(folder), "review", "stars")
    assert data.train.counts.tolist() == [3, 3] and data.test.counts.tolist() == [1, 1]


def test_balanced_draws_are_nested_and_name_the_class_that_is_too_small() -> None:
    texts = LabelledTexts(np.array([f"t{i}" for i in range(30)], object), np.arange(30) % 3, ("a", "b", "c"))
    small, large = texts.balanced(6, seed=1), texts.balanced(20, seed=1)
    assert large[:6].tolist() == small.tolist() and texts.take(small).counts.tolist() == [2, 2, 2]
    assert texts.most_balanced == 30 and texts.take(range(8)).most_balanced == 6
    with pytest.raises(ValueError, match="a has 10 of 11 needed"):
        texts.balanced(33, seed=0)


def test_the_fingerprint_sees_texts_and_labels_and_order_only_if_asked() -> None:
    def made(texts: list[str], labels: list[int]) -> str:
        return LabelledTexts(np.array(texts, object), np.array(labels), ("no", "yes")).fingerprint()

    assert made(["a", "b"], [0, 1]) == made(["b", "a"], [1, 0])
    one = LabelledTexts(np.array(["a", "b"], object), np.array([0, 1]), ("no", "yes"))
    assert one.fingerprint(in_order=True) != one.take([1, 0]).fingerprint(in_order=True)
    assert len({made(["a", "b"], [0, 1]), made(["a", "b"], [1, 0]), made(["a", "c"], [0, 1]), made(["a"], [0])}) == 4


def test_labels_outside_of_the_names_are_refused() -> None:
    with pytest.raises(ValueError, match="labels from 0 to 2, but 2 classes"):
        LabelledTexts(np.array(["a", "b"], object), np.array([0, 2]), ("no", "yes"))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "train", "test"), [("imdb", 25_000, 25_000), ("ag_news", 14_547, 7600), ("sst2", 6920, 1821)]
)
def test_real_data_have_the_sizes_their_authors_gave(data_root: Path, name: str, train: int, test: int) -> None:
    data = getattr(TextData, name)(data_root)
    assert (len(data.train), len(data.test)) == (train, test) and data.notes == []
    assert len({type(text) for text in data.train.texts}) == 1


def test_of_several_splits_one_with_labels_is_tested_on() -> None:
    rows = {"text": ["good", "bad", "fine", "poor"], "label": [0, 1, 0, 1]}
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["up", "down"])})
    secret = {"text": ["one", "two"], "label": [-1, -1]}
    parts = {"train": rows, "test": secret, "validation": {"text": ["nice", "sad"], "label": [0, 1]}}
    made = datasets.DatasetDict({k: datasets.Dataset.from_dict(v, features=features) for k, v in parts.items()})
    data = TextData.from_dataset(made)
    assert list(data.test.texts) == ["nice", "sad"]
    assert any(note.endswith("no test split with labels: tested on validation") for note in data.notes)
    del made["validation"]  # then a part of the training texts is
    data = TextData.from_dataset(made)
    assert data.train.counts.tolist() == data.test.counts.tolist() == [1, 1]
    assert {*data.train.texts, *data.test.texts} == {*rows["text"]}


def test_another_unlabelled_pool_leaves_the_labelled_texts_as_they_are() -> None:
    data = TextData.drawn(20, 20, 30)
    other = data.with_unlabelled(Corpus.of(["a text of mine"]))
    assert list(other.unlabelled) == ["a text of mine"] and len(list(data.unlabelled)) == 30
    assert other.fingerprint() == data.fingerprint()


def test_both_sides_have_the_same_classes() -> None:
    one, other = (LabelledTexts(["fine", "bad"], [0, 1], names) for names in (("a", "b"), ("a", "c")))
    with pytest.raises(ValueError, match="mine: training and test texts have different class names"):
        TextData("mine", one, other)


def test_which_splits_are_tested_on_and_which_are_not_used_is_said() -> None:
    rows = {"text": ["good", "bad", "fine", "poor"], "label": [0, 1, 0, 1]}
    without, secret = {"text": ["one", "two"]}, {"text": ["one", "two"], "label": [-1, -1]}
    judged = {"text": ["nice", "sad"], "label": [0, 1]}
    for test in (without, secret):  # no such column, or numbers below 0 that no training text has
        parts = {"train": rows, "test": test, "validation": judged}
        data = TextData.from_dataset(datasets.DatasetDict({k: datasets.Dataset.from_dict(v) for k, v in parts.items()}))
        assert data.test.texts.tolist() == ["nice", "sad"] and data.names == ("0", "1")
        assert any(note.endswith("splits that are not used: test") for note in data.notes)
    parts = {"train": rows, "dev": judged}
    data = TextData.from_dataset(datasets.DatasetDict({k: datasets.Dataset.from_dict(v) for k, v in parts.items()}))
    said = " ".join(data.notes)
    assert "tested on a part of train" in said and "not used: dev" in said and len(data.test) == 2


def test_class_names_are_names_and_one_without_a_text_is_left_out() -> None:
    def made(names: list[str]) -> datasets.Dataset:
        features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
        rows = {"text": [f"text {i}" for i in range(8)], "label": [0, 1] * 4}
        return datasets.Dataset.from_dict(rows, features=features)

    data = TextData.from_dataset(made(["neg ", "pos", "unused"]))
    assert data.names == ("neg", "pos") and data.train.counts.tolist() == [2, 2]
    assert any("no text of the class unused, which is left out" in note for note in data.notes)
    with pytest.raises(ValueError, match="two have the same name"):
        TextData.from_dataset(made(["neg ", "neg"]))


def test_a_pool_of_a_dataset_is_read_as_a_stream() -> None:
    train = datasets.Dataset.from_dict({"text": [f"text {i}" for i in range(8)], "label": [0, 1] * 4})
    pool = datasets.Dataset.from_dict({"text": ["one", None, "two"], "more": [1, 2, 3]})
    data = TextData.from_dataset(datasets.DatasetDict(train=train, test=train.select([0, 1]), unsupervised=pool))
    assert list(data.unlabelled) == ["one", "two"] == list(data.unlabelled) and data.unlabelled.num_empty == 1
    other = Corpus.of_dataset(pool.select([0]), name="other")
    assert data.unlabelled.fingerprint() != other.fingerprint()
    with pytest.raises(ValueError, match="split unsupervised: no column 'text'"):
        TextData.from_dataset(datasets.DatasetDict(train=train, unsupervised=pool.remove_columns("text")))
