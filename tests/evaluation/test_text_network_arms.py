"""Arms that train a text network: their steps, their start, what they leave, and that the source stays as it is."""

import numpy as np
import pytest

from auxtask.backbones.language import language_backbone
from auxtask.backbones.language_config import LanguageConfig
from auxtask.backbones.text_features import embed_texts, text_features
from auxtask.data.text_batches import EncodedTexts
from auxtask.data.tokenizer import TextTokenizer
from auxtask.evaluation.arms import Outcome
from auxtask.evaluation.examples import Examples
from auxtask.evaluation.layer_features import StandardisedLayers
from auxtask.evaluation.text_arms import best_classifier, log_probes
from auxtask.evaluation.text_network_arms import (
    TextTraining,
    network_classifier,
    pair_fit,
    scratch_fit,
    text_network_arm,
    tune_fit,
)
from auxtask.framework import keras
from auxtask.tasks.same_document import SameDocument
from tests.transfer.models import shaken

RANDOM = np.random.default_rng(0)
LABELS = np.arange(48) % 2
WORDS = (["dull", "grey", "poor", "bad"], ["bright", "fine", "rich", "good"])
TEXTS = [" ".join(RANDOM.choice([*WORDS[label], "the", "film"], 4 + i % 9)) for i, label in enumerate(LABELS)]
TRAIN, TEST = Examples(np.arange(16), LABELS[:16], ("bad", "good")), np.arange(16, 48)


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return TextTokenizer.train(TEXTS, vocab_size=100, min_frequency=1)


@pytest.fixture(scope="module")
def texts(tokenizer) -> EncodedTexts:
    return EncodedTexts(TEXTS, tokenizer, 24)


@pytest.fixture(scope="module")
def backbone(tokenizer) -> keras.Model:
    config = LanguageConfig(
        "bert", tokenizer.vocab_size, hidden_size=16, num_layers=2, num_heads=2, intermediate_size=24
    )
    return shaken(language_backbone(config, seed=0))


@pytest.fixture(scope="module")
def layers(backbone, texts) -> StandardisedLayers:
    return StandardisedLayers(text_features(backbone, texts), 16)


@pytest.fixture(scope="module")
def probes(layers):
    return log_probes({"layer0": layers.rows["layer0"]}, (0.01, 0.1))


def weights_of(model: keras.Model) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.weights]


def assert_same(model: keras.Model, before: list[np.ndarray]) -> None:
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_texts_are_embedded_in_their_order_whatever_their_length(backbone, texts, layers) -> None:
    from auxtask.backbones.pooling import pooled

    rows = embed_texts(pooled(backbone), texts.take([5, 3, 8]), tokens_per_batch=24)
    expected = text_features(backbone, texts)["layer1"][[5, 3, 8]]
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_scratch_learns_from_random_weights_and_leaves_the_source_alone(backbone, texts) -> None:
    before = weights_of(backbone)
    arm = text_network_arm(scratch_fit(backbone, texts, TextTraining(40, 5e-3, 8)), texts)
    outcome = arm(TRAIN, TEST, 0)
    assert isinstance(outcome, Outcome) and outcome.scores.shape == (32, 2)
    np.testing.assert_allclose(np.exp(outcome.scores).sum(1), 1)
    assert outcome.metrics["train_accuracy"] > 0.8
    assert (outcome.scores.argmax(1) == LABELS[TEST]).mean() > 0.7
    assert_same(backbone, before)


def test_tuning_starts_from_the_probe_at_the_depth_that_the_labels_choose(backbone, texts, layers, probes) -> None:
    # One step of no size: the network scores as the probe on frozen features.
    fit = tune_fit(backbone, texts, layers, probes, TextTraining(1, 1e-12, 8))
    network = fit(TRAIN.items, TRAIN.labels, 0)
    key = best_classifier(probes, TRAIN.items, TRAIN.labels)
    expected = probes[key](TRAIN.items, TRAIN.labels, TEST)
    np.testing.assert_allclose(network.log_probabilities(texts.take(TEST)), expected, atol=1e-3)
    names = {layer.name for layer in network.network.layers}
    assert "layer0" in names and "layer1" not in names


def test_tuning_moves_the_layers_above_the_embeddings_and_not_the_source(backbone, texts, layers, probes) -> None:
    before = weights_of(backbone)
    fit = tune_fit(backbone, texts, layers, probes, TextTraining(3, 1e-2, 8, layer_decay=0.5, max_length=8))
    tuned = fit(TRAIN.items, TRAIN.labels, 0).network
    for name, moved in (("embeddings", False), ("layer0", True)):
        pairs = zip(tuned.get_layer(name).weights, backbone.get_layer(name).weights, strict=True)
        assert any((new.numpy() != old.numpy()).any() for new, old in pairs) == moved
    assert_same(backbone, before)


def test_pairs_of_one_label_teach_a_copy_and_a_logistic_head_follows(backbone, texts, probes) -> None:
    before, taught = weights_of(backbone), []

    def teach(copy: keras.Model, few: EncodedTexts, seed: int) -> None:
        taught.append((few.labels.tolist(), int(few.lengths.max()), seed))
        SameDocument(copy).pretrain(few, budget="3steps", learning_rate=1e-2, documents=2, spans=4, seed=seed)

    fit = pair_fit(backbone, texts, probes, teach, max_length=8)
    scores = network_classifier(fit, texts, seed=5)(TRAIN.items, TRAIN.labels, TEST)
    untaught = pair_fit(backbone, texts, probes, lambda *_: None)(TRAIN.items, TRAIN.labels, 5)
    assert not np.allclose(scores, untaught.log_probabilities(texts.take(TEST)), atol=0.05)  # the copy that was taught
    assert taught == [(LABELS[:16].tolist(), 8, 5)]
    assert (scores.argmax(1) == LABELS[TEST]).mean() > 0.6
    assert_same(backbone, before)


def test_a_trained_network_is_traced_once_however_often_it_is_asked(backbone, texts) -> None:
    network = scratch_fit(backbone, texts, TextTraining(2, 1e-3, 4))(np.arange(8), LABELS[:8], 0)
    first = network.log_probabilities(texts.take([20, 21]))
    again = network.log_probabilities(texts.take([21, 30, 20]))
    np.testing.assert_allclose(again[[2, 0]], first, atol=1e-5)
    assert network._run.experimental_get_tracing_count() == 1
