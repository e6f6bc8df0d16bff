import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from auxtask.data.corpora import Corpus
from auxtask.data.drawn_texts import draw_pool
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import transformers

TEXTS = ["The café was GREAT, wasn't it?", "unbelievably\nlong-winded …", "", "日本 and 🙂", "a [MASK] in the text"]


@pytest.fixture(scope="module")
def trained() -> TextTokenizer:
    return TextTokenizer.train(draw_pool(500, seed=0), vocab_size=1000)


def test_a_small_corpus_gives_whole_words_and_pieces_for_others(trained: TextTokenizer) -> None:
    assert 500 < trained.vocab_size <= 1000
    ids = trained.encode(["The hotel was zzz great"])[0]
    assert ids.dtype == np.int32 and ids[0] == trained.cls_id and ids[-1] == trained.sep_id
    assert [trained.token(i) for i in ids][1:4] == ["the", "hotel", "was"]
    assert trained.decode(ids) == "the hotel was zzz great"
    assert trained.encode(["The hotel"], frame=False)[0].tolist() == ids[1:3].tolist()
    with pytest.raises(ValueError, match="no token has the number 5000"):
        trained.token(5000)


def test_special_tokens_come_first_and_are_no_ordinary_ones(trained: TextTokenizer) -> None:
    special = [trained.pad_id, trained.unk_id, trained.cls_id, trained.sep_id, trained.mask_id]
    assert special == trained.special_ids.tolist() == [0, 1, 2, 3, 4]
    assert trained.ordinary_ids.tolist() == list(range(5, trained.vocab_size))
    pieces = [trained.token(i).startswith("##") for i in range(trained.vocab_size)]
    assert trained.continues_word.tolist() == pieces and any(pieces)


def test_training_is_a_function_of_the_texts(trained: TextTokenizer) -> None:
    for _ in range(3):  # left to itself, the library gives another vocabulary each time
        assert TextTokenizer.train(draw_pool(500, seed=0), vocab_size=1000).fingerprint() == trained.fingerprint()
    assert TextTokenizer.train(draw_pool(500, seed=1), vocab_size=1000).fingerprint() != trained.fingerprint()


def test_of_a_script_whose_words_are_letters_nearly_all_get_a_number() -> None:
    random = np.random.default_rng(0)
    chances = 1 / np.arange(1, 2001)
    drawn = random.choice(2000, (2000, 40), p=chances / chances.sum())
    texts = ["".join(chr(0x4E00 + i) for i in row) for row in drawn]
    tokenizer = TextTokenizer.train(texts, vocab_size=12_000)
    ids = np.concatenate(tokenizer.encode(texts, frame=False))
    assert np.mean(ids == tokenizer.unk_id) < 0.001
    rare = "".join(chr(0x4E00 + i) for i in range(1500))
    mixed = TextTokenizer.train([rare, *["plain words " * 1000] * 400], vocab_size=12_000)
    letters = {word for word in map(mixed.token, range(mixed.vocab_size)) if len(word) == 1}
    assert len(letters) == 1000  # of other scripts, not every letter that is met once


def test_case_may_matter() -> None:
    cased = TextTokenizer.train(["Paris paris"] * 9, vocab_size=100, lowercase=False)
    assert cased.decode(cased.encode(["Paris paris"])[0]) == "Paris paris"


def test_training_reads_a_stream_and_stops_at_its_limit() -> None:
    read = []

    def texts():
        for number in range(100_000):
            read.append(number)
            yield f"word {number}"

    TextTokenizer.train(Corpus("endless", texts, lambda: b""), vocab_size=100, max_characters=1000)
    assert len(read) < 600
    with pytest.raises(ValueError, match="read twice: give a list or a Corpus"):
        TextTokenizer.train(texts())


def test_saved_it_is_read_by_plain_transformers(trained: TextTokenizer, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "bert"}')
    folder = trained.save(tmp_path / "model")
    assert trained.save(tmp_path / "new" / "place").is_dir()
    assert (folder / "config.json").read_text() == '{"model_type": "bert"}'
    assert not [f.name for f in folder.iterdir() if f.suffix in (".pkl", ".bin") or "unfinished" in f.name]
    plain = transformers.AutoTokenizer.from_pretrained(folder)
    assert type(plain).__name__ == "BertTokenizerFast" and plain.vocab_size == trained.vocab_size
    assert plain.mask_token_id == trained.mask_id and plain.model_max_length == 512
    again = TextTokenizer.load(folder)
    slow = transformers.BertTokenizer(str(folder / "vocab.txt"))
    for text in TEXTS:
        expected = trained.encode([text])[0].tolist()
        assert plain(text)["input_ids"] == again.encode([text])[0].tolist() == expected
        assert slow(text)["input_ids"] == expected
    assert again.fingerprint() == trained.fingerprint() and again.max_length == 512


def test_vocab_txt_alone_is_enough(trained: TextTokenizer, tmp_path: Path) -> None:
    folder = trained.save(tmp_path)
    (folder / "tokenizer.json").unlink()
    bare = TextTokenizer.load(folder)
    assert [ids.tolist() for ids in bare.encode(TEXTS)] == [ids.tolist() for ids in trained.encode(TEXTS)]
    assert bare.special_ids.tolist() == trained.special_ids.tolist()


@pytest.mark.parametrize("name", ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"])
@pytest.mark.parametrize(
    "settings",
    [
        {"do_lower_case": True},
        {"do_lower_case": False},
        {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False},
    ],
)
def test_vocab_txt_goes_by_the_settings_beside_it(name: str, settings: dict, tmp_path: Path) -> None:
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] a the The in text cafe caf\u00e9 wasn ' t it , ? was great GREAT and"
    words += " \u65e5 \u672c \u65e5\u672c"
    (tmp_path / "vocab.txt").write_text("\n".join(words.split()) + "\n", "utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    plain = getattr(transformers, name).from_pretrained(tmp_path)
    ours = TextTokenizer.load(tmp_path)
    assert [ids.tolist() for ids in ours.encode(TEXTS)] == plain(TEXTS)["input_ids"]


def robertas_files(folder: Path, texts: list[str], without: str = "") -> Path:
    """Write `vocab.json` and `merges.txt` as RoBERTa's first checkpoints have them, one special token left out."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe = tokenizers.ByteLevelBPETokenizer()
    bpe.train_from_iterator(texts, vocab_size=320, special_tokens=[name for name in special if name != without])
    bpe.save_model(str(folder))
    return folder


@pytest.mark.parametrize("settings", [{}, {"add_prefix_space": True}, {"add_prefix_space": False}])
def test_robertas_two_files_alone_are_enough(settings: dict, tmp_path: Path) -> None:
    robertas_files(tmp_path, [*TEXTS, "the long hotel is longer"] * 5)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    texts = [*TEXTS, "a <mask> in the  <mask>", " two  spaces ", "tab\tand\u00a0more\n\n", "x" * 50, "it's 1,000"]
    slow = transformers.RobertaTokenizer.from_pretrained(tmp_path)
    ours = TextTokenizer.load(tmp_path)
    assert [ids.tolist() for ids in ours.encode(texts)] == slow(texts)["input_ids"]
    assert [ids.tolist() for ids in ours.encode(texts, frame=False)] == slow(texts, add_special_tokens=False)[
        "input_ids"
    ]
    roles = [ours.pad_id, ours.unk_id, ours.cls_id, ours.sep_id, ours.mask_id]
    assert roles == [1, 3, 0, 2, 4] and ours.special_ids.tolist() == [0, 1, 2, 3, 4]
    assert ours.decode(ours.encode(["it's the caf\u00e9"])[0]).strip() == "it's the caf\u00e9"
    saved = transformers.AutoTokenizer.from_pretrained(ours.save(tmp_path / "saved"))
    assert saved(texts)["input_ids"] == slow(texts)["input_ids"]


def test_a_byte_that_robertas_vocabulary_lacks_is_unknown(tmp_path: Path) -> None:
    letters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "b", "ab"]
    (tmp_path / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    slow = transformers.RobertaTokenizer.from_pretrained(tmp_path)
    ids = TextTokenizer.load(tmp_path).encode(["abcb"])[0].tolist()
    assert ids == slow("abcb")["input_ids"] == [0, 7, 3, 6, 2]


def test_robertas_files_are_refused_by_name(tmp_path: Path) -> None:
    robertas_files(tmp_path, ["the long hotel"] * 5)
    vocabulary, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    content = merges.read_bytes()
    for damaged in (b"#version: 0.2\nno such pair here\n", b"#version: 0.2\nzzz yyy\n", b"\xe9 a\n"):
        merges.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"vocab.json with merges.txt: cannot be used") as refusal:
            TextTokenizer.load(tmp_path)
        assert "\n" not in str(refusal.value)
    merges.unlink()
    with pytest.raises(FileNotFoundError, match=r"no tokenizer here \(.*vocab.json with merges.txt"):
        TextTokenizer.load(tmp_path)
    merges.write_bytes(content)
    for damaged in (b"[1, 2]", b"no json"):
        vocabulary.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"vocab.json with merges.txt: cannot be used"):
            TextTokenizer.load(tmp_path)
    robertas_files(tmp_path, ["the long hotel"] * 5, without="<mask>")
    with pytest.raises(ValueError, match=r"vocab.json: no token for 'mask' in the vocabulary"):
        TextTokenizer.load(tmp_path)


def test_truncation_and_padding_of_a_checkpoint_are_switched_off(trained: TextTokenizer, tmp_path: Path) -> None:
    file = trained.save(tmp_path) / "tokenizer.json"
    limited = tokenizers.Tokenizer.from_file(str(file))
    limited.enable_truncation(8)
    limited.enable_padding(length=8)
    limited.save(str(file))
    lengths = [len(ids) for ids in TextTokenizer.load(tmp_path).encode(["the hotel " * 20, "the"])]
    assert lengths == [42, 3]


def test_robertas_kind_is_understood(tmp_path: Path) -> None:
    bpe = tokenizers.ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(["the long hotel is longer"] * 5, vocab_size=300, special_tokens=special)
    bpe.save(str(tmp_path / "tokenizer.json"))
    tokenizer = TextTokenizer.load(tmp_path)
    assert (tokenizer.cls_id, tokenizer.pad_id, tokenizer.sep_id, tokenizer.mask_id) == (0, 1, 2, 4)
    ids = tokenizer.encode(["a hotel, hotels"], frame=False)[0]
    words = "".join(" " * (not tokenizer.continues_word[i]) + tokenizer.token(i) for i in ids).split()
    assert words[1].startswith("Ġhotel")
    saved = transformers.AutoTokenizer.from_pretrained(tokenizer.save(tmp_path / "saved"))
    assert saved("the hotels")["input_ids"] == tokenizer.encode(["the hotels"])[0].tolist()


def test_a_tokenizer_that_does_not_fit_a_model_is_refused(trained: TextTokenizer) -> None:
    trained.check_fits(trained.vocab_size)
    trained.check_fits(30_522)
    with pytest.raises(ValueError, match=rf"does not fit my-model: it has {trained.vocab_size} tokens, .* 500;"):
        trained.check_fits(500, "my-model")


def test_bad_input_is_named(tmp_path: Path) -> None:
    for corpus in ([], [""], ["  "]):
        with pytest.raises(ValueError, match="the corpus is empty"):
            TextTokenizer.train(corpus)
    with pytest.raises(ValueError, match="vocab_size=10: at least 100"):
        TextTokenizer.train(["a"], vocab_size=10)
    with pytest.raises(FileNotFoundError, match="no tokenizer here"):
        TextTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="tokenizer.json: cannot be used"):
        TextTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.txt").write_text("[PAD]\n[CLS]\nword\n")
    with pytest.raises(ValueError, match=r"vocab.txt: no \[SEP\] in the vocabulary"):
        TextTokenizer.load(tmp_path)
    (tmp_path / "vocab.txt").write_text("[CLS]\n[SEP]\nword\n")
    with pytest.raises(ValueError, match="vocab.txt: no token for 'pad' in the vocabulary"):
        TextTokenizer.load(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"strip_accents": "yes"}')
    with pytest.raises(ValueError, match="vocab.txt: .*strip_accents"):
        TextTokenizer.load(tmp_path)
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xe9\n")
    with pytest.raises(ValueError, match="vocab.txt: not UTF-8"):
        TextTokenizer.load(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="tokenizer_config.json: expected a JSON object of settings, found list"):
        TextTokenizer.load(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("no json")
    with pytest.raises(ValueError, match="tokenizer_config.json: its JSON is damaged"):
        TextTokenizer.load(tmp_path)


def test_settings_nested_without_end_are_refused(trained: TextTokenizer, tmp_path: Path) -> None:
    trained.save(tmp_path / "words")
    (tmp_path / "words" / "tokenizer_config.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"tokenizer_config\.json: its JSON is nested deeper"):
        TextTokenizer.load(tmp_path / "words")


def test_names_of_code_to_run_are_not_carried_on(trained: TextTokenizer, tmp_path: Path) -> None:
    folder = trained.save(tmp_path)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "auto_map": {"AutoTokenizer": "x.Y"}}))
    TextTokenizer.load(folder).save(tmp_path / "again")
    assert "auto_map" not in (tmp_path / "again" / "tokenizer_config.json").read_text()
