"""Replaced words: the generator's draws are detected, better than by saying "original", and nothing leaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from auxtask.backbones.language import language_backbone
from auxtask.backbones.language_config import LanguageConfig
from auxtask.data.corpora import Corpus
from auxtask.data.masking import held_out_batches, masked_batches
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras, tf
from auxtask.tasks.replaced_words import ReplacedWords, _auc
from tests.tasks.topics import TOPICS, sentences


@pytest.fixture(scope="module")
def text(tmp_path_factory: Any) -> tuple[TextTokenizer, TokenCache, TokenCache]:
    folder = tmp_path_factory.mktemp("text")
    corpus = Corpus.of(sentences(300, 0))
    tokenizer = TextTokenizer.train(corpus, vocab_size=100, min_frequency=1)
    held_out = TokenCache.write(folder / "held_out", Corpus.of(sentences(50, 1)), tokenizer)
    return tokenizer, TokenCache.write(folder / "train", corpus, tokenizer), held_out


def task_of(tokenizer: TextTokenizer, **settings: Any) -> ReplacedWords:
    keras.utils.set_random_seed(0)
    sizes = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "intermediate_size": 64}
    # From BERT's small weights so narrow a model would take thousands of steps.
    config = LanguageConfig("bert", tokenizer.vocab_size, **sizes, initializer_range=0.1)
    return ReplacedWords(language_backbone(config, seed=0), tokenizer, length=24, batch_size=16, **settings)


@pytest.fixture(scope="module")
def trained(text: Any) -> ReplacedWords:
    tokenizer, train, held_out = text
    task = task_of(tokenizer)
    given = task.pretrain(train, held_out, budget="400steps", learning_rate=3e-3, validate_at=(0.5, 1.0))
    assert given is task.encoder
    return task


def test_words_of_another_topic_are_detected(trained, text) -> None:
    # Drawn here: of what the generator draws, a share that grows as it learns can be told from originals by nobody.
    tokenizer, _, held_out = text
    words = [[int(i) for i in np.concatenate(tokenizer.encode(topic.split(), frame=False))] for topic in TOPICS]
    topic_of = {word: topic for topic, own in enumerate(words) for word in own}
    random, odds, put_in = np.random.default_rng(0), [], []
    for inputs, targets, weights in held_out_batches(held_out, tokenizer, 16, 24):
        others = [(topic_of.get(word, 0) + 1 + random.integers(2)) % 3 for word in targets.numpy()]
        drawn = tf.constant([random.choice(words[topic]) for topic in others], tf.int32)
        ids, replaced = trained.replace(inputs, targets, weights, drawn)
        ordinary = np.isin(ids, tokenizer.ordinary_ids)
        odds.append(trained({**inputs, "input_ids": ids}).numpy()[ordinary])
        put_in.append(np.reshape(replaced, ids.shape)[ordinary] > 0)
    assert roc_auc_score(np.concatenate(put_in), np.concatenate(odds)) > 0.9


def test_replaced_words_are_detected_better_than_by_the_majority(trained, text) -> None:
    measured = trained.measure(text[2])
    assert measured.majority < 0.97
    assert measured.accuracy > measured.majority + 0.1 * (1 - measured.majority)
    assert measured.auc > 0.6  # specials, which are never replaced, alone give about 0.55
    assert measured == trained.measure(text[2])  # the same words are hidden, and the same drawn


def test_the_history_has_the_figures_of_both_networks(trained) -> None:
    rows = [row for row in trained.pretraining.history if "val_detection_auc" in row]
    assert [row["step"] for row in rows] == [200, 400]
    last = rows[-1]
    assert last["val_generator_loss"] < np.log(15)  # better than any of the fifteen words alike
    # Both losses are means over the same steps.
    assert last["loss"] == pytest.approx(last["generator_loss"] + 50 * last["detection_loss"], rel=1e-4)
    assert trained.pretraining.provenance["generator"]["width"] == 16


def test_figures_are_scikit_learns_on_the_same_draws(trained, text) -> None:
    batches = held_out_batches(text[2], trained.tokenizer, 16, 24, max_batches=2)
    looks = [trained._look(*batch, tf.constant([i, 0])) for i, batch in enumerate(batches)]
    odds, replaced = (np.concatenate([np.ravel(look[i]) for look in looks]) for i in (0, 1))
    measured = trained.measure(text[2], num_batches=2)
    assert measured.auc == pytest.approx(roc_auc_score(replaced, odds), abs=1e-6)
    assert measured.accuracy == pytest.approx(np.mean((odds > 0) == (replaced > 0)))
    assert _auc(odds, np.zeros(len(odds), bool)) == 0.5


def test_a_word_drawn_rightly_counts_as_original(text) -> None:
    tokenizer, train, _ = text
    task = task_of(tokenizer)
    inputs, targets, weights = next(iter(masked_batches(train, tokenizer, 16, 24)))
    ids, replaced = task.replace(inputs, targets, weights, targets)
    assert not tf.reduce_any(replaced > 0)
    other = tf.where(targets == targets[0], tokenizer.ordinary_ids[0], targets[0])
    changed, replaced = task.replace(inputs, targets, weights, other)
    places = np.zeros(16 * 24)
    places[inputs["masked_positions"]] = other.numpy() != targets.numpy()
    np.testing.assert_array_equal(np.ravel(replaced), places)
    np.testing.assert_array_equal(np.ravel(changed != ids), places > 0)
    assert not np.isin(ids, tokenizer.mask_id).any()  # every hidden word is put back or replaced


def test_no_gradient_of_the_detection_reaches_the_generator_but_the_table_is_shared(text) -> None:
    tokenizer, train, _ = text
    task = task_of(tokenizer)
    batch = next(iter(masked_batches(train, tokenizer, 16, 24)))
    with tf.GradientTape(persistent=True) as tape:
        values = task.judge(*batch)
    own = [*task.generator.trainable_variables, *task.generator_head.trainable_variables]
    assert all(g is None for g in tape.gradient(values["detection_loss"], own))
    assert all(g is not None for g in tape.gradient(values["generator_loss"], own))
    table = task.encoder.get_layer("embeddings").word.embeddings
    assert all(tape.gradient(values[name], table) is not None for name in ("generator_loss", "detection_loss"))
    alone = [v for v in task.encoder.trainable_variables if "layer0" in v.name]
    assert all(g is None for g in tape.gradient(values["generator_loss"], alone))


def test_special_tokens_are_never_drawn(text) -> None:
    task = task_of(text[0])
    odds = task._ordinary(tf.zeros((200, task._table.vocab_size)))
    drawn = tf.random.stateless_categorical(odds, 20, (0, 1)).numpy()
    assert set(drawn.ravel()) <= set(text[0].ordinary_ids)


def test_the_generators_width_is_a_share_of_the_backbones(text) -> None:
    widths = {share: task_of(text[0], generator_share=share).generator.width for share in (0.25, 0.5, 1.0)}
    assert widths == {0.25: 16, 0.5: 16, 1.0: 32}  # in whole heads of 16


@pytest.mark.parametrize("setting", [{"generator_share": 0}, {"generator_share": 2}, {"detection_weight": 0}])
def test_settings_out_of_range_are_refused(text, setting) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        task_of(text[0], **setting)
