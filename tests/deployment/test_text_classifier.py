"""A text classifier saved and loaded labels as before; a damaged one is refused in one line."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from auxtask.backbones.language import language_backbone
from auxtask.backbones.language_config import LanguageConfig
from auxtask.backbones.pooling import pooled
from auxtask.backbones.text_features import embed_texts
from auxtask.data.text_batches import EncodedTexts
from auxtask.data.tokenizer import TextTokenizer
from auxtask.deployment.loading import load
from auxtask.deployment.text_classifier import TextClassifier
from auxtask.evaluation.text_network_arms import LinearNetwork
from auxtask.evaluation.tfidf import TfidfWords
from tests.transfer.models import shaken

TEXTS = ["a dull film", "a bright film", "so very dull", "bright and good", "grey, dull and poor", "good"]
LABELS = np.array([0, 1, 0, 1, 0, 1])
NEW = ["bright", "dull", "", "a film that no one has seen, " * 9, "GOOD \u00fcber"]
NAMES = ("bad one", "g\u00fct")
TOKENIZER = TextTokenizer.train(TEXTS, vocab_size=100, min_frequency=1)


@pytest.fixture(scope="module")
def network() -> LinearNetwork:
    config = LanguageConfig(
        "bert", TOKENIZER.vocab_size, hidden_size=8, num_layers=1, num_heads=2, intermediate_size=12
    )
    head = np.random.default_rng(1).normal(size=(9, 2)).astype("float32")
    return LinearNetwork(pooled(shaken(language_backbone(config, seed=0))), head[:8], head[8])


def classifier(parts: str, network: LinearNetwork) -> TextClassifier:
    given = {
        "network": {"network": network, "tokenizer": TOKENIZER, "max_length": 16},
        "words": {"words": TfidfWords.fit(TEXTS, LABELS, 10.0)},
    }
    chosen = {key: value for part in parts.split("+") for key, value in given[part].items()}
    return TextClassifier(NAMES, **chosen)


@pytest.mark.parametrize("parts", ["network", "words", "network+words"])
def test_saved_and_loaded_it_labels_the_same_texts_alike(parts: str, network, tmp_path: Path) -> None:
    made = classifier(parts, network)
    made.save(tmp_path / "model", {"arm": parts})
    loaded = load(tmp_path / "model")
    assert isinstance(loaded, TextClassifier) and loaded.names == NAMES
    labels = loaded.predict(NEW)
    assert labels == made.predict(NEW) and all(type(label) is str for label in labels) and set(labels) <= set(NAMES)
    np.testing.assert_array_equal(loaded.probabilities(NEW), made.probabilities(NEW))
    files = {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert files <= {".json", ".safetensors", ".txt"}


def test_probabilities_are_the_networks_softmax_and_the_mean_over_parts(network) -> None:
    encoded = EncodedTexts(NEW, TOKENIZER, 16)
    logits = embed_texts(network.network, encoded) @ network.kernel + network.bias
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(classifier("network", network).probabilities(NEW), expected, atol=1e-5)
    words = classifier("words", network).probabilities(NEW)
    both = classifier("network+words", network).probabilities(NEW)
    np.testing.assert_allclose(both, (expected + words) / 2, atol=1e-5)
    np.testing.assert_allclose(both.sum(1), 1)


def test_of_long_texts_that_part_is_read_which_was_learned_from(network, tmp_path: Path) -> None:
    text = "good " * 30 + "dull " * 30
    made = TextClassifier(NAMES, network, TOKENIZER, 16, keep="head_tail")
    read = EncodedTexts([text], TOKENIZER, 16, keep="head_tail")
    with pytest.warns(UserWarning, match="longer than 16 tokens"):
        found = made.probabilities([text])
        np.testing.assert_allclose(found, np.exp(network.log_probabilities(read)), atol=1e-6)
        assert np.abs(found - classifier("network", network).probabilities([text])).max() > 1e-4
        made.save(tmp_path / "model")
        np.testing.assert_array_equal(load(tmp_path / "model").probabilities([text]), found)


@pytest.mark.parametrize("parts", ["network", "network+words"])
def test_texts_that_are_cut_are_counted_in_one_warning_per_call(parts: str, network, monkeypatch) -> None:
    monkeypatch.setattr("auxtask.deployment.text_classifier._TEXTS_AT_ONCE", 2)
    made, texts = classifier(parts, network), ["good", "dull " * 14, "dull " * 15, "grey", "good " * 99]
    for label in (made.predict, made.probabilities):
        for _ in range(2):
            with pytest.warns(UserWarning) as warned:
                label(texts)
            (only,) = warned
            assert str(only.message).startswith("2 of 5 texts are longer than 16 tokens") and only.filename == __file__


def test_without_cut_texts_nothing_is_warned_of(network) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier("network+words", network).predict(["dull " * 14, ""])
        classifier("network", network).predict([])
        classifier("words", network).predict(["good " * 99])  # words read all of it
        with pytest.raises(ValueError, match="number 1 is a NoneType"):
            classifier("network", network).predict(["dull " * 99, None])


def test_what_is_no_list_of_texts_is_refused(network) -> None:
    made = classifier("words", network)
    assert made.predict([]) == []
    with pytest.raises(ValueError, match="expected a list of texts"):
        made.predict("one text")
    with pytest.raises(ValueError, match="number 1 is a float"):
        made.predict(["a text", float("nan")])
    with pytest.raises(ValueError, match="number 1 holds half of a character"):
        made.predict(["two halves make one: 😀", "\ud83d"])


def test_parts_that_do_not_fit_are_refused(network) -> None:
    words = TfidfWords.fit(TEXTS, LABELS, 10.0)
    for parts, said in (
        ({}, "a network, words or both"),
        ({"network": network}, "tokenizer"),
        ({"names": ("a", "a"), "words": words}, "different strings"),
        ({"names": ("a", "b", "c"), "words": words}, "3 names"),
        ({"names": ("a", "b", "c"), "network": network, "tokenizer": TOKENIZER}, "3 names"),
        ({"words": words, "max_length": 2}, "max_length=2"),
        ({"words": words, "keep": "tail"}, "keep='tail'"),
    ):
        with pytest.raises(ValueError, match=said):
            TextClassifier(**{"names": NAMES, **parts})


@pytest.mark.parametrize(
    "name",
    [
        "head.safetensors",
        "words.safetensors",
        "description.json",
        "tokenizer/tokenizer.json",
        "backbone/weights.safetensors",
    ],
)
def test_a_damaged_file_is_named_in_one_line(name: str, network, tmp_path: Path) -> None:
    classifier("network+words", network).save(tmp_path / "model")
    path = tmp_path / "model" / name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError) as caught:
        load(tmp_path / "model")
    assert str(tmp_path / "model") in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["head.safetensors", "words.safetensors", "tokenizer", "backbone"])
def test_a_missing_part_is_named(name: str, network, tmp_path: Path) -> None:
    classifier("network+words", network).save(tmp_path / "model")
    (tmp_path / "model" / name).rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=name):
        load(tmp_path / "model")


def test_the_tokenizer_of_another_save_is_refused(network, tmp_path: Path) -> None:
    classifier("network", network).save(tmp_path / "model")
    TextTokenizer.train(["other words altogether, " * 3], vocab_size=100, min_frequency=1).save(
        tmp_path / "model" / "tokenizer"
    )
    with pytest.raises(ValueError, match="fingerprint differs"):
        load(tmp_path / "model")


def test_a_description_of_something_else_is_refused(network, tmp_path: Path) -> None:
    classifier("words", network).save(tmp_path / "model")
    path = tmp_path / "model" / "description.json"
    whole = json.loads(path.read_text())
    for change, said in (
        ({"names": None}, "lacks names"),
        ({"sha256": {"evil.pickle": ""}}, "lacks names or the checksums"),
        ({"sha256": {}}, "needs a network, words or both"),
        ({"max_length": "long"}, "max_length='long'"),
    ):
        path.write_text(json.dumps({**whole, **change}))
        with pytest.raises(ValueError, match=said) as caught:
            load(tmp_path / "model")
        assert "\n" not in str(caught.value)
