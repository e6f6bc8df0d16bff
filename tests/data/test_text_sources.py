import csv
import gzip
import json
from pathlib import Path

import datasets
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auxtask.data.corpora import Corpus
from auxtask.data.text_sources import load_hub, read_rows, rows_of_dataset

pytestmark = pytest.mark.usefixtures("own_cache")

TEXTS = ["one", "two, with a comma", 'three "quoted"\nin two lines', "für vier"]


def write(path: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def as_jsonl(texts: list[str]) -> str:
    return "".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(texts))


def as_csv(path: Path, texts: list[str], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([["id", "text"], *enumerate(texts)])
    return path


def texts_of(path: Path) -> list[str]:
    return [text for _, (text,) in read_rows(path, ["text"])]


def test_every_format_gives_the_same_texts(tmp_path: Path) -> None:
    files = [write(tmp_path / name, as_jsonl(TEXTS)) for name in ("a.jsonl", "a.jsonl.gz", "a.json", "A.NDJSON")]
    files += [as_csv(tmp_path / "b.csv", TEXTS), as_csv(tmp_path / "b.tsv", TEXTS, "\t")]
    files.append(write(tmp_path / "b.csv.gz", (tmp_path / "b.csv").read_bytes()))
    files.append(tmp_path / "c.parquet")
    datasets.Dataset.from_dict({"id": range(4), "text": TEXTS}).to_parquet(files[-1])
    for file in files:
        assert texts_of(file) == TEXTS, file


def test_a_txt_file_has_one_text_per_line(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt.gz", "first\r\n\n  \nsecond, third\n")
    assert list(read_rows(file, ["whatever"])) == [(1, ("first",)), (2, ("",)), (3, ("  ",)), (4, ("second, third",))]
    corpus = Corpus.open(file)
    assert list(corpus) == ["first", "second, third"] and corpus.num_empty == 2  # counted, not given
    with pytest.raises(ValueError, match="holds texts only, no column 'label'"):
        list(read_rows(file, ["text", "label"]))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")), min_size=1))
def test_any_text_survives_json_and_csv(tmp_path: Path, texts: list[str]) -> None:
    assert texts_of(write(tmp_path / "a.jsonl", as_jsonl(texts))) == texts
    # Space at the start of a field is a matter of taste in CSV, and dropped.
    assert [t.lstrip(" ") for t in texts_of(as_csv(tmp_path / "a.csv", texts))] == [t.lstrip(" ") for t in texts]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert texts_of(write(tmp_path / "a.csv", b"\xef\xbb\xbftext\nfirst\n")) == ["first"]


def test_a_review_longer_than_pythons_csv_limit_is_read(tmp_path: Path) -> None:
    assert texts_of(as_csv(tmp_path / "a.csv", ["x" * 200_000])) == ["x" * 200_000]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt", "a.jsonl.gz"])
def test_the_line_that_is_no_utf8_is_named(tmp_path: Path, name: str) -> None:
    lines = [b"text", b"good"] if name == "a.csv" else [b'{"text": "good"}'] * 2
    file = write(tmp_path / name, b"\n".join([*lines, "für".encode("latin-1")]))
    with pytest.raises(ValueError, match=rf"{name}, line 3: not UTF-8 \(byte 0xfc at position 2\)"):
        list(read_rows(file, ["text"]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "line 2: not JSON, one object per line"),
        ("a.jsonl", '["a", "b"]\n', "line 1: a JSON list, expected one object per line"),
        ("a.jsonl", '{"texts": "a"}\n', r"line 1: no column 'text' \(there are: texts\); did you mean 'texts'\?"),
        ("a.csv", "review,stars\nfine,3\n", r"no column 'text' \(there are: review, stars\)"),
        ("a.csv", "text;label\nfine, really;1\n", "its columns are divided by ';', expected ','; save it with commas"),
        ("a.csv", '"review";"stars"\n"fine";3\n', "its columns are divided by ';'"),
        ("a.csv", "text\tlabel\nfine\t1\n", r"its columns are divided by '\\t', expected ','"),
        ("a.tsv", "text,label\nfine,1\n", r"its columns are divided by ',', expected '\\t'"),
        ("a.csv", f"{'well ' * 99}\nfine\n", r"there are: (well ){7}well…\); its first line must name the columns"),
        ("a.csv", "", r"no column 'text' \(there are: none\)"),
        ("a.csv", 'text,label\nfine,1\n"never closed,1\nlost,0\n', "damaged CSV"),
        ("a.csv", "text,label\nfine,1\ngood, really good,1\n", "line 3: 3 fields, the header has 2; .* in quotes"),
        ("a.csv", "text,text,label\nA,fine,1\n", "2 columns are called 'text'; rename all but one"),
        ("a.docx", "", "cannot tell what kind of file this is; valid are .jsonl"),
    ],
)
def test_bad_files_are_named_in_one_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        list(read_rows(write(tmp_path / name, content), ["text"]))
    assert name in str(error.value) and "\n" not in str(error.value)


def test_a_json_line_may_lack_its_label_but_not_all_of_them_nor_its_text(tmp_path: Path) -> None:
    lines = ['{"text": "a"}', '{"text": "b", "label": 1}', '{"text": "c"}']
    path = write(tmp_path / "a.jsonl", "\n".join(lines) + "\n")
    assert list(read_rows(path, ["text", "label"])) == [(1, ("a", None)), (2, ("b", 1)), (3, ("c", None))]
    with pytest.raises(ValueError, match=r"a\.jsonl: no column 'labels' .*did you mean 'label'"):
        list(read_rows(path, ["text", "labels"]))
    path.write_text('{"text": "a", "label": 1}\n{"label": 1}\n')
    with pytest.raises(ValueError, match="line 2: no column 'text'"):
        list(read_rows(path, ["text", "label"]))


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone.csv: no such file"):
        list(read_rows(tmp_path / "gone.csv", ["text"]))
    whole = gzip.compress(as_jsonl([f"text {i * i}" for i in range(2000)]).encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut.jsonl.gz: damaged after line \d+"):
        list(read_rows(tmp_path / "cut.jsonl.gz", ["text"]))


def test_reading_is_a_stream(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", as_jsonl(["good"]) + "no JSON")
    assert next(read_rows(file, ["text"])) == (1, ("good",))


def test_a_folder_stands_in_for_a_hub_name(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine" / "train.jsonl", as_jsonl(TEXTS))
    for streaming in (False, True):
        dataset = load_hub(str(tmp_path / "mine"), split="train", streaming=streaming)
        assert [text for _, (text,) in rows_of_dataset(dataset, ["text"], "mine")] == TEXTS
    with pytest.raises(ValueError, match="mine: cannot be read as a dataset"):
        load_hub(str(tmp_path / "mine"), split="nonsense")


@pytest.mark.parametrize(
    ("name", "content"), [("train.csv", "text,label\na,b\nc,d,e\n"), ("train.jsonl", '{"text": "a')]
)
def test_damaged_files_of_a_folder_are_refused_with_what_is_wrong(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine" / name, content)
    with pytest.raises(ValueError, match="mine: cannot be read as a dataset") as refusal:
        load_hub(str(tmp_path / "mine"), split="train")
    assert "An error occurred while generating" not in str(refusal.value)


def test_what_save_to_disk_wrote_is_opened(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": TEXTS}).save_to_disk(tmp_path / "saved")
    dataset = load_hub(str(tmp_path / "saved"))
    assert [text for _, (text,) in rows_of_dataset(dataset, ["text"], "saved")] == TEXTS
    with pytest.raises(ValueError, match=r"saved: no column 'txt' \(there are: text\); did you mean 'text'\?"):
        next(rows_of_dataset(dataset, ["txt"], "saved"))


def test_a_path_that_does_not_exist_is_not_asked_of_the_hub(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone: no such file or folder"):
        load_hub(str(tmp_path / "gone"))


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", "no parquet at all")
    with pytest.raises(ValueError, match=r"a\.parquet: damaged, or no parquet file"):
        texts_of(file)
    datasets.Dataset.from_dict({"id": [1]}).to_parquet(file)
    with pytest.raises(ValueError, match=r"a\.parquet: no column 'text'"):
        texts_of(file)


def test_a_quote_that_is_not_closed_is_named_where_it_begins(tmp_path: Path) -> None:
    rows = [f"fine {i},1" for i in range(50)]
    rows[4] = '"never closed,1'
    path = write(tmp_path / "a.csv", "\n".join(["text,label", *rows]))
    with pytest.raises(ValueError, match=r"a\.csv, line 6 \(noticed in line 51\): damaged CSV"):
        list(read_rows(path, ["text"]))


def test_rows_of_a_tsv_that_a_quote_would_swallow_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'text\tlabel\nfine\t1\n"good film\t1\nbad one\t0\nthe end"\t0\n')
    with pytest.raises(ValueError, match=r"a\.tsv, lines 3 to 5: one field, since it begins with a quote"):
        list(read_rows(path, ["text", "label"]))
    write(path, 'text\tlabel\n"two\nlines"\t1\n"a ""quoted"" word"\t0\n')
    assert [row for _, row in read_rows(path, ["text", "label"])] == [("two\nlines", "1"), ('a "quoted" word', "0")]


def test_a_parquet_file_is_read_by_its_name_and_not_by_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "run [v2]"
    folder.mkdir()
    datasets.Dataset.from_dict({"text": ["right"]}).to_parquet(folder / "x[1].parquet")
    datasets.Dataset.from_dict({"text": ["wrong"]}).to_parquet(folder / "x1.parquet")
    assert [row for _, row in read_rows(folder / "x[1].parquet", ["text"])] == [("right",)]


@pytest.mark.parametrize("line", ['{"text": ' + "9" * 5000 + "}", '{"text": ' + "[" * 100_000])
def test_odd_json_is_named_by_its_line(line: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "fine"}\n' + line)
    with pytest.raises(ValueError, match=r"a\.jsonl, line 2: not JSON") as caught:
        list(read_rows(path, ["text"]))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_column_may_be_called_by_what_divides_other_tables(tmp_path: Path) -> None:
    assert list(read_rows(write(tmp_path / "a.csv", "a;b\nfine\n"), ["a;b"])) == [(2, ("fine",))]
