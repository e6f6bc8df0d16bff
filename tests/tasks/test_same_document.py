"""Same document or not: spans of one text come nearer than spans of others."""

import numpy as np
import pytest

from auxtask.backbones.language import language_backbone
from auxtask.backbones.language_config import LanguageConfig
from auxtask.backbones.pooling import pooled
from auxtask.backbones.text_features import embed_texts, longest_text, text_features
from auxtask.data.corpora import Corpus
from auxtask.data.text_batches import EncodedTexts
from auxtask.data.text_spans import DocumentSpans
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras
from auxtask.tasks.same_document import SameDocument
from auxtask.transfer.cloning import reuse
from auxtask.transfer.groups import layer_groups

TOPICS = {"sea": "ship wave salt shore sail", "wood": "tree leaf moss bark root", "town": "street shop lamp bus door"}


def small_model(vocab_size: int) -> keras.Model:
    config = LanguageConfig("bert", vocab_size, hidden_size=32, num_layers=2, num_heads=2, intermediate_size=64)
    return language_backbone(config, seed=0)


def documents(number: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    topics = [words.split() for words in TOPICS.values()]
    return [" ".join(random.choice(topics[i % 3], 30)) for i in range(number)]


@pytest.fixture(scope="module")
def spans(tmp_path_factory) -> tuple[TextTokenizer, DocumentSpans, DocumentSpans]:
    folder = tmp_path_factory.mktemp("text")
    corpus = Corpus.of(documents(90, 0))
    tokenizer = TextTokenizer.train(corpus, vocab_size=100, min_frequency=1)
    seen = TokenCache.write(folder / "a", corpus, tokenizer)
    other = TokenCache.write(folder / "b", Corpus.of(documents(30, 1)), tokenizer)
    return tokenizer, DocumentSpans(seen, tokenizer, 14), DocumentSpans(other, tokenizer, 14, redraw=False)


def test_training_changes_the_backbone_and_gives_it_back_with_its_groups(spans) -> None:
    tokenizer, seen, other = spans
    backbone = small_model(tokenizer.vocab_size)
    before = [weight.numpy() for weight in backbone.weights]
    task = SameDocument(backbone)
    given = task.pretrain(seen, other, budget="60steps", learning_rate=1e-3, documents=6)
    assert given is backbone
    assert any((weight.numpy() != old).any() for weight, old in zip(backbone.weights, before, strict=True))
    assert task.pretraining is not None and 0 < task.pretraining.history[-1]["val_auc"] <= 1  # by other documents
    assert layer_groups(given).names == ("embeddings", "layer0", "layer1")


def test_training_learns_which_words_go_together_though_two_spans_share_hardly_any(tmp_path) -> None:
    topics = [[f"{letter}{number}" for number in range(40)] for letter in "abc"]
    random = np.random.default_rng(0)
    texts = [" ".join(random.permutation(topics[i % 3])[:30]) for i in range(240)]
    tokenizer = TextTokenizer.train(Corpus.of(texts), vocab_size=300, min_frequency=1)
    parts = {"seen": texts[:180], "other": texts[180:]}
    caches = {name: TokenCache.write(tmp_path / name, Corpus.of(part), tokenizer) for name, part in parts.items()}
    seen, other = (DocumentSpans(caches[name], tokenizer, 14, redraw=name == "seen") for name in parts)
    auc = []
    for steps, rate in ((1, 1e-9), (120, 3e-3)):
        task = SameDocument(small_model(tokenizer.vocab_size))
        task.pretrain(seen, other, budget=f"{steps}steps", learning_rate=rate, documents=12)
        auc.append(task.pretraining.history[-1]["val_auc"])
    # Of two documents, one third of the pairs have one topic and cannot be told apart: 5/6 is the most.
    assert auc[0] < 0.6 and auc[1] > 0.75


def test_a_budget_of_tokens_counts_every_span_at_its_full_length(spans) -> None:
    tokenizer, seen, _ = spans
    task = SameDocument(small_model(tokenizer.vocab_size))
    task.pretrain(seen, budget=f"{3 * 6 * 2 * 14}tokens", documents=6)
    assert task.pretraining is not None and task.pretraining.history[-1]["step"] == 3


def test_features_are_the_pooled_outputs_of_every_layer(spans) -> None:
    tokenizer, *_ = spans
    backbone = small_model(tokenizer.vocab_size)
    texts = EncodedTexts(["ship wave", "tree leaf moss bark root tree", "bus"], tokenizer, 16)
    features = text_features(backbone, texts)
    assert list(features) == ["embeddings", "layer0", "layer1"]
    last = pooled(backbone, "mean").predict(texts.padded(np.arange(3)), verbose=0)
    np.testing.assert_allclose(features["layer1"], last, atol=1e-5)


def test_texts_and_spans_that_do_not_fit_the_model_are_refused(spans) -> None:
    tokenizer, seen, _ = spans
    backbone = small_model(tokenizer.vocab_size)
    most = longest_text(backbone)
    long = EncodedTexts(["ship wave " * most], tokenizer, most + 8)
    cut = pooled(reuse(backbone, upto="embeddings"))
    assert embed_texts(cut, EncodedTexts(["ship wave"], tokenizer, 16)).shape == (1, backbone.output_shape[-1])
    with pytest.raises(ValueError, match=rf"texts of up to {most + 8} tokens: .* takes at most {most}"):
        text_features(backbone, long)
    with pytest.raises(ValueError, match=f"the spans have numbers up to {tokenizer.vocab_size}, .* has 20 tokens"):
        SameDocument(small_model(20)).pretrain(seen, budget="1steps")
