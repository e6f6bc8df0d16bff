"""Budgets are read from text, and end Keras' own fit."""

from __future__ import annotations

import pytest

from auxtask.framework import keras
from auxtask.training.budget import Budget, parse_budget
from tests.training.test_callbacks import Record, fit, small_model


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [
        ("20min", "seconds", 1200),
        ("90s", "seconds", 90),
        ("1.5h", "seconds", 5400),
        ("500steps", "steps", 500),
        ("500 steps", "steps", 500),
        ("3epochs", "epochs", 3),
        ("1epoch", "epochs", 1),
        (7, "epochs", 7),
        ("7", "epochs", 7),
        ("800tokens", "tokens", 800),
        ("500ktokens", "tokens", 500_000),
        ("12Mtokens", "tokens", 12_000_000),
        ("1.1 Mtokens", "tokens", 1_100_000),
    ],
)
def test_budgets_are_read(text, kind, amount):
    assert (parse_budget(text).kind, parse_budget(text).amount) == (kind, amount)


@pytest.mark.parametrize(
    "text", ["", "min", "-3epochs", "0s", "2.5steps", "1.5tokens", "3Gtokens", "5 parsecs", None, 1.5, True, 0, -1]
)
def test_bad_budgets_name_the_valid_forms(text):
    with pytest.raises(ValueError, match="valid: '20min'"):
        parse_budget(text)


def test_tokens_are_no_budget_where_a_step_has_none():
    with pytest.raises(ValueError, match="only tasks on packed text count tokens; valid: minutes"):
        Budget("12Mtokens")


def test_a_step_budget_ends_within_an_epoch_and_spans_fits():
    model, budget, record = small_model(), Budget("6steps"), Record()
    fit(model, [budget, record], epochs=1)
    assert budget.fraction_used() == pytest.approx(4 / 6)
    fit(model, [budget, record], epochs=10)
    assert (record.steps, budget.fraction_used()) == (6, 1.0)


def test_an_epoch_budget_counts_parts_of_epochs():
    model, budget, seen = small_model(), Budget(2), []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(budget.fraction_used())

    history = fit(model, [budget, Watch()], epochs=10)
    assert len(history.epoch) == 2
    assert seen == pytest.approx([i / 8 for i in range(1, 9)])


def test_a_time_budget_stops(monkeypatch):
    record = Record()
    monkeypatch.setattr("auxtask.training.budget.time.monotonic", lambda: record.steps * 0.5)
    fit(small_model(), [record, Budget("3s")], epochs=10)
    assert record.steps == 6
