"""Hidden words are learned from free text: better than by frequency, on the hidden positions alone, with tied words."""

import math

import numpy as np
import pytest

from auxtask.backbones.language import language_backbone
from auxtask.backbones.language_config import LanguageConfig
from auxtask.backbones.pooling import pooled
from auxtask.data.corpora import Corpus
from auxtask.data.masking import masked_batches
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.data.unigram import unigram_baseline
from auxtask.framework import keras, tf
from auxtask.tasks.masked_words import MaskedAccuracy, MaskedWords
from tests.tasks.topics import TOPICS, sentences


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    corpus = Corpus.of(sentences(400, 0))
    tokenizer = TextTokenizer.train(corpus, vocab_size=120, min_frequency=1)
    held_out = TokenCache.write(folder / "held_out", Corpus.of(sentences(60, 1)), tokenizer)
    return tokenizer, TokenCache.write(folder / "train", corpus, tokenizer), held_out


def small_model(vocab_size: int) -> keras.Model:
    config = LanguageConfig("bert", vocab_size, hidden_size=32, num_layers=1, num_heads=2, intermediate_size=64)
    return language_backbone(config, seed=0)


def small_task(tokenizer: TextTokenizer) -> MaskedWords:
    return MaskedWords(small_model(tokenizer.vocab_size), tokenizer, length=24, batch_size=16)


@pytest.fixture(scope="module")
def trained(text) -> MaskedWords:
    tokenizer, train, held_out = text
    task = small_task(tokenizer)
    task.pretrain(train, held_out, budget="700steps", learning_rate=3e-3)
    return task


def test_held_out_words_are_guessed_far_better_than_by_frequency(trained, text) -> None:
    tokenizer, train, held_out = text
    baseline = unigram_baseline(train, held_out, tokenizer)
    measured = trained.measure(held_out)
    # Of 15 words 5 are left: log 15 falls to log 5.
    assert measured.loss < 0.8 * baseline.loss
    assert measured.accuracy > 1.5 * baseline.accuracy


def test_the_history_has_held_out_figures_at_the_quarters_of_the_budget(trained) -> None:
    measured = [row for row in trained.pretraining.history if "val_loss" in row]
    # A pass has 27 steps; a quarter 175, in two runs of 88 steps.
    assert [row["step"] for row in measured] == [176, 352, 528, 700]
    assert measured[-1]["val_loss"] < measured[0]["val_loss"]
    assert measured[-1]["val_perplexity"] == pytest.approx(math.exp(measured[-1]["val_loss"]))


def test_speed_stands_in_the_history_and_the_provenance(trained) -> None:
    speed = trained.pretraining.provenance["speed"]
    assert all(row["tokens_per_second"] > 0 for row in trained.pretraining.history)
    # By hand: 384 tokens, of which 53 are hidden; one layer of width 32, a table of words of width 32.
    words = trained.tokenizer.vocab_size
    layer = 384 * (4 * 32 * 32 + 2 * 32 * 64) + 2 * 384 * 24 * 32
    assert speed["flops_per_step"] == 3 * 2 * (layer + 53 * (32 * 32 + 32 * words))
    per_token = speed["flops_per_step"] / 384
    achieved = speed["tokens_per_second"] * per_token / speed["matmul_flops_per_second"]
    assert speed["matmul_share"] == pytest.approx(achieved)


def test_a_blank_is_filled_with_what_belongs_there(trained) -> None:
    guesses = trained.guesses("tree root bark [MASK] moss tree leaf bark")[0]
    assert {word for word, _ in guesses} == set(TOPICS[1].split())
    assert sum(probability for _, probability in guesses) > 0.7
    with pytest.raises(ValueError, match=r"no \[MASK\]"):
        trained.guesses("tree root")


def test_the_loss_is_the_formula_on_all_positions_restricted_to_the_hidden_ones(text) -> None:
    tokenizer, train, _ = text
    task = small_task(tokenizer)
    inputs, targets, weights = next(iter(masked_batches(train, tokenizer, 16, 24, seed=3)))
    hidden = task.encoder({k: inputs[k] for k in ("input_ids", "attention_mask")}, training=False)
    every = task.head(tf.reshape(hidden, (-1, 32)), task._table.word.embeddings)
    at_hidden = tf.gather(every, inputs["masked_positions"])
    losses = keras.losses.sparse_categorical_crossentropy(targets, at_hidden, from_logits=True)
    expected = tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)
    np.testing.assert_allclose(task.judge(inputs, targets, weights)["loss"], expected, rtol=1e-5)


def test_word_vectors_are_tied_to_the_head(text) -> None:
    tokenizer, train, _ = text
    task = small_task(tokenizer)
    inputs, targets, weights = next(iter(masked_batches(train, tokenizer, 16, 24, seed=3)))
    with tf.GradientTape() as tape:
        loss = task.judge(inputs, targets, weights)["loss"]
    gradient = tf.convert_to_tensor(tape.gradient(loss, task._table.word.embeddings))
    absent = np.setdiff1d(np.arange(tokenizer.vocab_size), inputs["input_ids"].numpy())
    # A word that no input holds moves all the same, as one that was not the answer.
    assert len(absent) and (np.abs(gradient.numpy()[absent]).sum(1) > 0).all()


def test_bad_input(text) -> None:
    tokenizer, train, _ = text
    with pytest.raises(ValueError, match="does not fit"):
        MaskedWords(small_model(10), tokenizer)
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="no language model of ours"):
        MaskedWords(keras.Model(inputs, keras.layers.Dense(2)(inputs)), tokenizer)
    with pytest.raises(ValueError, match="no vector per token"):
        MaskedWords(pooled(small_model(tokenizer.vocab_size)), tokenizer)
    with pytest.raises(ValueError, match="takes at most 512 tokens"):
        MaskedWords(small_model(tokenizer.vocab_size), tokenizer, length=600)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"clip": 0}, "clip=0"),
        ({"accumulate": 0}, "accumulate=0"),
        ({"accumulate": 2.0}, "accumulate=2.0"),
        ({"head_warmup": 1.0}, "head_warmup=1.0"),
        ({"head_warmup": 9, "budget": "9steps"}, "the whole budget has 9 steps"),
        ({"budget": "3Gtokens"}, "valid: '20min'"),
    ],
)
def test_settings_out_of_range_are_refused(text, setting, message) -> None:
    tokenizer, train, _ = text
    with pytest.raises(ValueError, match=message):
        small_task(tokenizer).pretrain(train, **setting)


def test_perplexity_of_a_hopeless_model_stays_a_number() -> None:
    assert math.isfinite(MaskedAccuracy(1e6, 0.0).metrics()["perplexity"])
