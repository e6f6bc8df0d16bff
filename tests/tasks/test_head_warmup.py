"""A fresh head on a trained encoder is warmed up first; the encoder does not move meanwhile, to the bit."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from auxtask.backbones.language import language_backbone, language_model
from auxtask.backbones.language_config import LanguageConfig
from auxtask.data.corpora import Corpus
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras
from auxtask.tasks.head_warmup import frozen_encoder, refuse_early_shares, split_off
from auxtask.tasks.masked_words import MaskedWords
from auxtask.transfer.freezing import freeze, frozen_groups
from tests.transfer.models import shaken

WORDS = ["ship", "wave", "salt", "shore", "sail", "tree", "leaf", "moss", "bark", "root"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: Any) -> tuple[TextTokenizer, TokenCache]:
    random = np.random.default_rng(0)
    corpus = Corpus.of([" ".join(random.choice(WORDS, 20)) for _ in range(40)])
    tokenizer = TextTokenizer.train(corpus, vocab_size=100, min_frequency=1)
    return tokenizer, TokenCache.write(tmp_path_factory.mktemp("text"), corpus, tokenizer)


def fresh(tokenizer: TextTokenizer) -> keras.Model:
    config = LanguageConfig(
        "bert", tokenizer.vocab_size, hidden_size=16, num_layers=2, num_heads=2, intermediate_size=24
    )
    return language_backbone(config, seed=0)


def task_of(tokenizer: TextTokenizer, backbone: keras.Model, **settings: Any) -> MaskedWords:
    return MaskedWords(backbone, tokenizer, length=16, batch_size=4, **settings)


class Watch(keras.callbacks.Callback):
    """Keeps the encoder's and the head's weights after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder: list[Any] = []
        self.head: list[Any] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.encoder.append([w.numpy() for w in self.model.encoder.weights])
        self.head.append([w.numpy() for w in self.model.head.weights])


def same(left: Any, right: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_the_head_learns_alone_in_the_first_tenth(text) -> None:
    tokenizer, cache = text
    backbone, watch = shaken(fresh(tokenizer)), Watch()
    before = [w.numpy() for w in backbone.weights]
    task = task_of(tokenizer, backbone)
    task.pretrain(cache, cache, budget="40steps", callbacks=[watch])
    assert len(watch.encoder) == 40
    assert same(watch.encoder[3], before) and not same(watch.encoder[6], before)
    assert not same(watch.head[3], watch.head[0])
    assert frozen_groups(backbone) == ()
    history, record = task.pretraining.history, task.pretraining.provenance
    assert [row["step"] for row in history][:1] == [4] and history[-1]["step"] == 40
    assert [row["epoch"] for row in history] == list(range(1, len(history) + 1))
    # Quarters of the whole budget, warm-up included; runs of 6 steps end at 10, 16, 22, …
    assert [row["step"] for row in history if "val_loss" in row] == [10, 22, 34, 40]
    assert (record["head"], record["settings"]["head_warmup"]) == ("fresh", 0.1)
    assert {row["group"] for row in record["head_warmup_ledger"] if not row["changed"]} >= {"embeddings", "layer0"}


def test_from_scratch_and_with_a_head_that_has_learned_there_is_none(text, tmp_path) -> None:
    tokenizer, cache = text
    task = task_of(tokenizer, fresh(tokenizer))
    task.pretrain(cache, budget="4steps")
    assert task.pretraining.provenance["settings"]["head_warmup"] == 0
    task.save_for_transformers(tmp_path / "saved")
    again = task_of(tokenizer, language_model(tmp_path / "saved"), checkpoint=tmp_path / "saved")
    assert same(again.head.get_weights(), task.head.get_weights())
    again.pretrain(cache, budget="4steps")
    assert again.pretraining.provenance["settings"]["head_warmup"] == 0
    assert again.pretraining.provenance["head"] == "reused"
    without = task_of(tokenizer, language_model(tmp_path / "saved"))
    without.pretrain(cache, budget="4steps", head_warmup=2)
    assert without.pretraining.provenance["head"] == "fresh"
    assert without.pretraining.provenance["head_warmup_ledger"]


def test_the_first_guesses_after_a_warm_up_are_better_than_without(text) -> None:
    tokenizer, cache = text
    losses = []
    for head_warmup in (30, 0):
        keras.utils.set_random_seed(0)
        task = task_of(tokenizer, shaken(fresh(tokenizer)))
        task.pretrain(cache, cache, budget="40steps", learning_rate=1e-6, head_warmup=head_warmup)
        losses.append(task.pretraining.history[-1]["val_loss"])
    assert losses[0] < losses[1]


def test_what_was_frozen_before_stays_frozen(text) -> None:
    backbone = freeze(fresh(text[0]), upto="layer0")
    with frozen_encoder(backbone) as rows:
        assert frozen_groups(backbone) == ("embeddings", "layer0", "layer1")
    assert frozen_groups(backbone) == ("embeddings", "layer0")
    assert all(row["frozen"] for row in rows)


def test_an_encoder_that_moves_while_frozen_is_found_out(text) -> None:
    backbone = fresh(text[0])
    with pytest.raises(ValueError, match="moved 1 frozen weights"), frozen_encoder(backbone):
        variable = backbone.weights[3]
        variable.assign(variable.numpy() + 1)
    assert frozen_groups(backbone) == ()


def test_a_budget_of_time_is_split_too(monkeypatch) -> None:
    clock = iter([100.0, 107.0, 200.0])
    monkeypatch.setattr("auxtask.tasks.head_warmup.time.monotonic", lambda: next(clock))
    first, rest = split_off("60.0s", 0.1)
    assert first == "6.000000000s"
    left, shares = rest([], (0.25, 1.0))
    assert float(re.sub("s$", "", left)) == pytest.approx(53)
    assert shares == pytest.approx([(15 - 7) / 53, 1.0])
    with pytest.raises(ValueError, match="took the whole budget of 60 seconds"):
        rest([], (1.0,))
    assert split_off("60.0s", 0.0)[0] is None


def test_where_the_heads_steps_take_longer_than_all_shares_the_end_is_judged(monkeypatch) -> None:
    clock = iter([100.0, 130.0])
    monkeypatch.setattr("auxtask.tasks.head_warmup.time.monotonic", lambda: next(clock))
    _, rest = split_off("60.0s", 5)
    assert rest([], (0.25, 0.5)) == ("30.000000000s", [1.0])


@pytest.mark.parametrize(("budget", "head_warmup"), [("100steps", 0.1), ("100steps", 10), ("60.0s", 0.1)])
def test_held_out_text_is_not_judged_only_while_the_head_alone_learns(budget: str, head_warmup: float) -> None:
    refuse_early_shares(budget, head_warmup, (0.05, 0.11))
    refuse_early_shares(budget, type(head_warmup)(0), (0.05,))
    for early in (0.1, 0.05):
        with pytest.raises(ValueError, match=f"validate_at={early:g}: only the head learns in the first 0.1"):
            refuse_early_shares(budget, head_warmup, (early, 0.01))


def test_that_is_refused_before_anything_is_trained(text) -> None:
    task = task_of(text[0], fresh(text[0]))
    before = task.encoder.get_weights()
    with pytest.raises(ValueError, match="validate_at=0.25: only the head learns in the first 0.5"):
        task.pretrain(text[1], text[1], budget="10steps", head_warmup=5, validate_at=(0.25,))
    assert all((new == old).all() for new, old in zip(task.encoder.get_weights(), before, strict=True))
