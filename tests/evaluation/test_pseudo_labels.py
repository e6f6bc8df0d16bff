"""Self-training learns from its own guesses: those of most confidence first, each class in proportion to the labels."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from auxtask.evaluation.layer_features import StandardisedLayers
from auxtask.evaluation.probes import fit_logistic
from auxtask.evaluation.pseudo_labels import SelfTraining, most_confident
from auxtask.evaluation.text_arms import log_probe

NAMES = np.arange(900) % 3
POOL, SPARE, TEST = np.arange(0, 30), np.arange(30, 600), np.arange(600, 900)


def clusters(seed: int = 0, distance: float = 3.0) -> np.ndarray:
    """Three round heaps in 40 dimensions: few labels hardly tell where their middles are, many items do."""
    random = np.random.default_rng(seed)
    middles = random.normal(size=(3, 40))
    middles *= distance / np.linalg.norm(middles, axis=1, keepdims=True)
    return middles[NAMES] + random.normal(size=(900, 40))


def self_training(rows: np.ndarray, **settings) -> SelfTraining:
    return SelfTraining([log_probe(rows, 0.1)], SPARE, **settings)


def accuracy(scores: np.ndarray) -> float:
    return float((scores.argmax(1) == NAMES[TEST]).mean())


def test_items_without_labels_help_where_the_classes_are_heaps() -> None:
    gains = []
    for seed in range(5):
        rows = clusters(seed)
        probe = fit_logistic(rows[POOL[:12]], NAMES[POOL[:12]], 0.1).predict_log_proba(rows[TEST])
        gains.append(accuracy(self_training(rows)(POOL[:12], NAMES[POOL[:12]], TEST)) - accuracy(probe))
    assert np.mean(gains) > 0.03 and min(gains) > -0.02


def test_one_round_is_scikit_learns_regression_on_labels_and_guesses_by_weight() -> None:
    rows = clusters()
    items, labels = POOL, NAMES[POOL]
    teacher = LogisticRegression(C=0.1, max_iter=2000).fit(rows[items], labels)
    guesses = teacher.predict(rows[SPARE])
    counts = np.bincount(guesses)
    assert counts.min() > 0.5 * 190  # of 570: half of a third of them can be taken for every class
    learned, named, weights = self_training(rows, shares=(0.5,), weight=2.0).learned(items, labels)
    assert np.array_equal(learned[:30], items) and np.array_equal(named[:30], labels) and (weights[:30] == 1).all()
    assert np.array_equal(np.bincount(named[30:]), [95, 95, 95])
    by_item = dict(zip(SPARE, guesses, strict=True))
    assert all(by_item[item] == name for item, name in zip(learned[30:], named[30:], strict=True))
    assert weights[30:].sum() == pytest.approx(2 * 30)
    student = LogisticRegression(C=0.1, max_iter=2000).fit(rows[learned], named, weights)
    mine = self_training(rows, shares=(0.5,), weight=2.0)(items, labels, TEST)
    assert np.allclose(mine, student.predict_log_proba(rows[TEST]), atol=1e-3)


def test_what_is_labelled_or_judged_in_a_call_is_not_learned_from_as_unlabelled() -> None:
    rows = clusters()
    everything = SelfTraining([log_probe(rows, 0.1)], np.arange(900))
    for found, expected in zip(
        everything.learned(POOL, NAMES[POOL], TEST), self_training(rows).learned(POOL, NAMES[POOL]), strict=True
    ):
        assert np.array_equal(found, expected)
    assert np.array_equal(
        everything(POOL, NAMES[POOL], TEST), self_training(rows)(POOL, NAMES[POOL], TEST)
    )  # whoever is judged taught nothing
    only_labelled = SelfTraining([log_probe(rows, 0.1)], POOL).learned(POOL, NAMES[POOL])
    assert np.array_equal(only_labelled[0], POOL)  # nothing is left to guess


def test_it_never_looks_at_an_item_that_is_not_its_own() -> None:
    rows = clusters()
    spoilt = rows.copy()
    spoilt[TEST] = np.nan
    first, again = (self_training(each).learned(POOL, NAMES[POOL]) for each in (rows, spoilt))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_the_most_confident_of_each_class_are_taken_and_never_more_than_there_are() -> None:
    probability = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.7, 0.3], [0.45, 0.55]])
    rows, guesses = most_confident(np.log(probability), np.array([0.4, 0.4]))
    assert rows.tolist() == [0, 2, 4] and guesses.tolist() == [0, 0, 1]


def test_the_head_that_is_saved_scores_as_the_arm_does() -> None:
    raw = {"only": 3 + 2 * clusters()}
    layers = StandardisedLayers(raw, 600)
    teacher = SelfTraining([log_probe(layers.rows["only"], 0.1)], SPARE)
    items, labels, weights = teacher.learned(POOL, NAMES[POOL])
    kernel, bias = layers.head("only", items, labels, 0.1, weights)
    logits = raw["only"][TEST] @ kernel + bias
    log_probability = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert np.allclose(log_probability, teacher(POOL, NAMES[POOL], TEST), atol=1e-3)


def test_two_views_of_an_item_guess_together_once_the_first_alone_has_guessed() -> None:
    one, other = clusters(0), clusters(1)
    asked: list[tuple[str, int]] = []

    def watched(name: str, rows: np.ndarray):
        def classify(train, labels, test, weights=None):
            asked.append((name, len(train)))
            return log_probe(rows, 0.1)(train, labels, test, weights)

        return classify

    both = SelfTraining([watched("one", one), watched("other", other)], SPARE, shares=(0.5, 0.5))
    scores = both(POOL, NAMES[POOL], TEST)
    assert asked == [("one", 30), ("one", 315), ("other", 315), ("one", 315), ("other", 315)]
    items, labels, weights = both.learned(POOL, NAMES[POOL])
    each = [np.exp(log_probe(rows, 0.1)(items, labels, TEST, weights)) for rows in (one, other)]
    assert np.allclose(np.exp(scores), np.mean(each, axis=0))
    assert accuracy(scores) > max(accuracy(self_training(rows)(POOL, NAMES[POOL], TEST)) for rows in (one, other))


def test_without_unlabelled_items_or_a_classifier_it_is_refused() -> None:
    with pytest.raises(ValueError, match="items without labels"):
        SelfTraining([log_probe(clusters(), 0.1)], np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="needs a classifier"):
        SelfTraining([], SPARE)
