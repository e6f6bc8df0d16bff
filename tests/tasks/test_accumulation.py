"""Accumulated batches make the step of one large batch, clipping included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auxtask.backbones.language import language_backbone
from auxtask.backbones.language_config import LanguageConfig
from auxtask.data.corpora import Corpus
from auxtask.data.masking import Masking, masked_batches
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras, tf
from auxtask.tasks.masked_words import MaskedWords

ROWS, LENGTH, PARTS = 4, 16, 3


@pytest.fixture(scope="module")
def text(tmp_path_factory: Any) -> tuple[TextTokenizer, TokenCache]:
    random = np.random.default_rng(0)
    words = ["ship", "wave", "salt", "shore", "sailor", "seaside", "tree", "leaf"]
    corpus = Corpus.of([" ".join(random.choice(words, 30)) for _ in range(40)])
    tokenizer = TextTokenizer.train(corpus, vocab_size=100, min_frequency=1)
    return tokenizer, TokenCache.write(tmp_path_factory.mktemp("text"), corpus, tokenizer)


def task_of(tokenizer: TextTokenizer) -> MaskedWords:
    config = LanguageConfig(
        "bert", tokenizer.vocab_size, hidden_size=16, num_layers=1, num_heads=2, intermediate_size=24
    )
    keras.utils.set_random_seed(0)
    return MaskedWords(language_backbone(config, seed=0), tokenizer, Masking(0.3, whole_words=True), LENGTH, ROWS)


def micro_batches(text: Any) -> list[Any]:
    """Batches of which one has fewer guesses that count: their losses must not weigh alike."""
    tokenizer, cache = text
    batches = list(masked_batches(cache, tokenizer, ROWS, LENGTH, Masking(0.3, whole_words=True)).take(PARTS))
    inputs, targets, weights = batches[0]
    batches[0] = (inputs, targets, weights * tf.cast(tf.range(len(weights)) < 4, tf.float32))
    return batches


def joined(batches: list[Any]) -> Any:
    """Make one large batch: rows below each other, positions counted on."""
    inputs = {k: tf.concat([b[0][k] for b in batches], 0) for k in ("input_ids", "attention_mask")}
    places = [batch[0]["masked_positions"] + i * ROWS * LENGTH for i, batch in enumerate(batches)]
    inputs["masked_positions"] = tf.concat(places, 0)
    return inputs, *(tf.concat([b[i] for b in batches], 0) for i in (1, 2))


def after_one_step(text: Any, data: Any, accumulate: int, clip: float) -> tuple[list[np.ndarray], dict[str, float]]:
    task = task_of(text[0])
    task.accumulate = accumulate
    # Plain descent: under Adam's rule the size of a gradient would not show.
    task.compile(keras.optimizers.SGD(0.5, global_clipnorm=clip))
    logs = tf.function(task.train_step)(data)
    return task.get_weights(), {name: float(value) for name, value in logs.items()}


@pytest.mark.parametrize("clip", [1e6, 0.05], ids=["unclipped", "clipped"])
def test_accumulated_batches_make_the_step_of_one_large_batch(text, clip) -> None:
    batches = micro_batches(text)
    stacked = tf.nest.map_structure(lambda *parts: tf.stack(parts), *batches)
    weights, logs = after_one_step(text, stacked, PARTS, clip)
    expected, expected_logs = after_one_step(text, joined(batches), 1, clip)
    start = task_of(text[0]).get_weights()
    for new, want in zip(weights, expected, strict=True):
        np.testing.assert_allclose(new, want, atol=1e-6)
    moved = np.sqrt(sum(np.sum((new - old) ** 2) for new, old in zip(weights, start, strict=True)))
    # Clipped by the norm of the whole step: not of each batch, and not of a table's slices.
    assert moved == pytest.approx(0.5 * clip, rel=1e-3) if clip < 1 else moved > 0.05
    assert logs == pytest.approx(expected_logs, rel=1e-5)


def test_pretraining_accumulates_and_counts_its_tokens(text) -> None:
    tokenizer, cache = text
    task = task_of(tokenizer)
    task.pretrain(cache, budget=f"{5 * ROWS * LENGTH * PARTS}tokens", accumulate=PARTS)
    assert task.pretraining.history[-1]["step"] == 5
    assert task.pretraining.provenance["settings"]["accumulate"] == PARTS
    one = task_of(tokenizer)
    one.pretrain(cache, budget="2steps")
    costs = [t.pretraining.provenance["speed"]["flops_per_step"] for t in (task, one)]
    assert costs[0] == pytest.approx(PARTS * costs[1])
