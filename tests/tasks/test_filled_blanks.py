"""Blanks are filled by a task or by a saved checkpoint; examples are the same sentences each time."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from auxtask.backbones.checkpoint_export import save_for_transformers
from auxtask.backbones.language import language_backbone
from auxtask.backbones.language_config import LanguageConfig
from auxtask.data.corpora import Corpus
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import transformers
from auxtask.tasks.filled_blanks import FilledBlank, fill_blank
from auxtask.tasks.masked_words import MaskedWords
from tests.transfer.models import shaken

TEXTS = ["what are you saying? i know not what you said.", "the old ship sails on the salt sea.", "a tree of moss"]


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return TextTokenizer.train(Corpus.of(TEXTS * 5), vocab_size=120, min_frequency=1)


@pytest.fixture(scope="module")
def task(tokenizer: TextTokenizer) -> MaskedWords:
    words = tokenizer.vocab_size + 3  # a table with rows that are no words
    config = LanguageConfig("bert", words, hidden_size=16, num_layers=1, num_heads=2, intermediate_size=24)
    return MaskedWords(shaken(language_backbone(config, pooler=True)), tokenizer, length=32)


@pytest.fixture(scope="module")
def held_out(tokenizer: TextTokenizer, tmp_path_factory: Any) -> TokenCache:
    return TokenCache.write(tmp_path_factory.mktemp("held_out"), Corpus.of(TEXTS * 4), tokenizer)


def test_the_likeliest_words_come_first_with_their_probabilities(task, tokenizer) -> None:
    first, second = fill_blank(task, "what [MASK] you [MASK]?", top=4)
    for guesses in (first, second):
        probabilities = [probability for _, probability in guesses]
        assert len(guesses) == 4 and probabilities == sorted(probabilities, reverse=True)
        assert 0 < sum(probabilities) < 1
    (every,) = fill_blank(task, "what [MASK] you saying?", top=1000)
    assert {word.removeprefix("##") for word, _ in every}.isdisjoint({"[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"})
    assert len(every) == len(tokenizer.ordinary_ids)


def test_what_is_no_text_or_no_number_is_refused(task) -> None:
    with pytest.raises(ValueError, match=r"text is a list: expected one text with \[MASK\]"):
        fill_blank(task, ["a [MASK]"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"top=2\.5"):
        fill_blank(task, "a [MASK]", top=2.5)  # type: ignore[arg-type]


def test_a_saved_task_fills_as_the_task_does_and_as_transformers_does(task, tokenizer, tmp_path) -> None:
    task.save_for_transformers(tmp_path / "saved")
    text = "what [MASK] you saying?"
    words, probabilities = zip(*fill_blank(task, text)[0], strict=True)
    again, theirs = zip(*fill_blank(tmp_path / "saved", text)[0], strict=True)
    assert words == again
    np.testing.assert_allclose(theirs, probabilities, rtol=1e-5)
    model = transformers.TFAutoModelForMaskedLM.from_pretrained(tmp_path / "saved")
    inputs = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")(text, return_tensors="np")
    logits = model(dict(inputs)).logits[0, 2].numpy()[: tokenizer.vocab_size]
    logits[tokenizer.special_ids] = -np.inf
    assert [tokenizer.token(int(i)) for i in np.argsort(-logits)[:5]] == list(words)


def test_examples_are_the_same_held_out_sentences_with_one_whole_word_hidden(task, held_out) -> None:
    examples = task.examples(held_out, number=3)
    assert examples == task.examples(held_out, number=3)
    assert len(examples) == 3
    for example in examples:
        restored = example.text.replace("[MASK]", example.answer).replace(" ", "")
        assert any(text.replace(" ", "").startswith(restored) for text in TEXTS)
        assert example.text.count("[MASK]") == 1 and len(example.guesses) == 3
        assert example.text.count(".") + example.text.count("?") <= 1  # one sentence
    assert str(FilledBlank("a [MASK]", "b", [("c", 0.25)])) == "a [MASK] (b): c 25%"


def test_pretraining_records_its_examples_before_and_after(tokenizer, held_out) -> None:
    config = LanguageConfig(
        "bert", tokenizer.vocab_size, hidden_size=16, num_layers=1, num_heads=2, intermediate_size=24
    )
    task = MaskedWords(language_backbone(config, seed=0), tokenizer, length=16, batch_size=4)
    before = task.examples(held_out)
    task.pretrain(held_out, held_out, budget="8steps", learning_rate=1e-2)
    record = json.loads(json.dumps(task.pretraining.provenance))["examples"]
    assert [(one["text"], one["answer"]) for one in record] == [(one.text, one.answer) for one in before]
    assert [one["before"] for one in record] == [dict(one.guesses) for one in before]
    assert [one["after"] for one in record] == [dict(one.guesses) for one in task.examples(held_out)]
    assert record[0]["before"] != record[0]["after"]


def test_bad_input(task, tokenizer, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"no \[MASK\] in"):
        fill_blank(task, "what are you saying?")
    with pytest.raises(ValueError, match=r"the text has \d+ tokens, the model takes at most"):
        fill_blank(task, "what [MASK] " * 600)
    with pytest.raises(ValueError, match="top=0"):
        fill_blank(task, "what [MASK]", top=0)
    with pytest.raises(ValueError, match="a backbone alone"):
        fill_blank(task.encoder, "what [MASK]")
    save_for_transformers(task.encoder, tmp_path / "bare", tokenizer)
    with pytest.raises(ValueError, match="no head that guesses words"):
        fill_blank(tmp_path / "bare", "what [MASK]")
