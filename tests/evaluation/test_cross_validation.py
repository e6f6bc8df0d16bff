"""Choosing by held-out labels: folds are balanced, and the choice is that of scikit-learn's cross-validation."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_score

from auxtask.evaluation.cross_validation import choose_by_folds, choose_by_quarter, errors_to_beat, stratified_folds

RANDOM = np.random.default_rng(0)
LABELS = np.arange(40) % 2
ROWS = RANDOM.normal(size=(40, 5)) + 0.8 * LABELS[:, None]


def logistic(strength: float):
    def fit(learned, judged):
        return LogisticRegression(C=strength).fit(ROWS[learned], LABELS[learned]).predict_log_proba(ROWS[judged])

    return fit


def test_the_choice_is_scikit_learns() -> None:
    strengths = (1e-4, 1e-2, 1.0, 100.0)
    split = PredefinedSplit(stratified_folds(LABELS, 5, seed=3))
    scores = [
        cross_val_score(LogisticRegression(C=c), ROWS, LABELS, cv=split, scoring="neg_log_loss").mean()
        for c in strengths
    ]
    chosen = choose_by_folds({c: logistic(c) for c in strengths}, LABELS, seed=3)
    assert chosen == strengths[int(np.argmax(scores))]


def test_a_quarter_of_each_class_is_held_out_for_costly_candidates_each_fitted_once() -> None:
    asked = []

    def watched(learned, judged):
        asked.append((learned, judged))
        return logistic(1.0)(learned, judged)

    worse = lambda learned, judged: np.log(np.full((len(judged), 2), 0.5))  # noqa: E731
    assert choose_by_quarter({"worse": worse, "better": watched}, LABELS) == "better"
    ((learned, judged),) = asked
    assert np.bincount(LABELS[judged]).tolist() == [5, 5]
    assert sorted([*learned, *judged]) == list(range(40))
    assert choose_by_quarter({"first": worse, "second": worse}, LABELS) == "first"
    with pytest.raises(ValueError, match="no candidate"):
        choose_by_quarter({}, LABELS)


def test_what_is_preferred_wins_unless_another_is_better_by_a_standard_error() -> None:
    def sure(share: float, seed: int = 1):
        """Right about `share` of the labels, by 0.9."""
        known = np.random.default_rng(seed).permutation(40) < share * 40

        def fit(learned, judged):
            guesses = np.where(known[judged], LABELS[judged], 1 - LABELS[judged])
            return np.log(np.where(guesses[:, None] == np.arange(2), 0.9, 0.1))

        return fit

    candidates = {"worst": sure(0.5), "safe": sure(0.8), "near": sure(0.825, seed=2), "far": sure(1.0)}
    near = {name: candidates[name] for name in ("worst", "safe", "near")}
    assert choose_by_folds(near, LABELS) == "near"
    assert choose_by_folds(near, LABELS, preferred=("safe",)) == "safe"  # one label more of 40 tells nothing
    assert choose_by_folds(near, LABELS, preferred=("worst", "safe")) == "safe"
    assert choose_by_folds(candidates, LABELS, preferred=("safe",)) == "far"  # eight do
    assert choose_by_folds(near, LABELS, preferred=("absent",)) == "near"


@pytest.mark.parametrize("num_rivals", [1, 8, 50])
def test_the_best_of_many_rivals_by_luck_seldom_beats_what_is_preferred(num_rivals: int) -> None:
    """Rivals that are as good as the safe one, each right about other labels: scipy's normal law gives the bound."""
    labels, fooled = np.tile([0, 1], 30), []
    for seed in range(150):
        random = np.random.default_rng(seed)
        scores = random.normal(size=(num_rivals + 1, 60))

        def told(row, learned, judged):
            return np.where(labels[judged][:, None] == np.arange(2), row[judged][:, None], 0.0)

        candidates = {n: partial(told, row) for n, row in enumerate(scores)}
        fooled.append(choose_by_folds(candidates, labels, preferred=(0,)) != 0)
    assert errors_to_beat(num_rivals) == pytest.approx(norm.isf(norm.sf(1) / num_rivals))
    assert np.mean(fooled) < 0.25  # by one standard error alone: 0.49 of eight, 0.79 of fifty


@given(st.lists(st.integers(2, 9), min_size=2, max_size=4), st.integers(2, 6), st.integers(0, 99))
def test_folds_hold_every_class_evenly(counts: list[int], num_folds: int, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    folds = stratified_folds(labels, num_folds, seed)
    used = min(num_folds, *counts)
    assert set(folds) == set(range(used))
    for label in range(len(counts)):
        each = np.bincount(folds[labels == label], minlength=used)
        assert each.max() - each.min() <= 1
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 1


def test_held_out_labels_are_never_learned_from() -> None:
    met = []

    def watch(learned, judged):
        met.append((set(learned), set(judged)))
        return np.zeros((len(judged), 2))

    choose_by_folds({"a": watch, "b": watch}, LABELS)
    assert all(not learned & judged for learned, judged in met)
    assert set().union(*(judged for _, judged in met)) == set(range(40))


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="no candidate"):
        choose_by_folds({}, LABELS)
    for labels, said in (([0, 0, 1], "class 1 has 1"), ([0, 0, 2, 2], "class 1 has 0")):
        with pytest.raises(ValueError, match=f"two examples of every class; {said}"):
            choose_by_folds({"a": logistic(1), "b": logistic(2)}, np.array(labels))


@pytest.mark.parametrize("choose", [choose_by_folds, choose_by_quarter])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_what_diverged_is_never_chosen_wherever_it_stands(choose, bad: float) -> None:
    def diverged(learned, judged):
        return np.where(np.arange(len(judged))[:, None] == 0, bad, np.zeros((len(judged), 2)))

    for candidates in ({"diverged": diverged, "good": logistic(1)}, {"good": logistic(1), "diverged": diverged}):
        assert choose(candidates, LABELS) == choose(candidates, LABELS, preferred=["diverged"]) == "good"
    with pytest.raises(ValueError, match="no candidate gives finite log-probabilities"):
        choose({"one": diverged, "other": diverged}, LABELS)
