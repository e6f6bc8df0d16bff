"""The frozen text arms are scikit-learn's classifiers, at the setting that held-out labels prefer."""

from inspect import unwrap

import numpy as np
import pytest

from auxtask.evaluation.arms import Outcome
from auxtask.evaluation.cross_validation import stratified_folds
from auxtask.evaluation.examples import Examples
from auxtask.evaluation.text_arms import (
    best_classifier,
    chosen_arm,
    log_mixture,
    log_probe,
    log_probes,
    probe_arm,
    remembered,
    scored_arm,
)

RANDOM = np.random.default_rng(0)
LABELS = np.arange(60) % 2
TRAIN = Examples(np.arange(20), LABELS[:20], ("bad", "good"))
TEST = np.arange(20, 60)
USEFUL = RANDOM.normal(size=(60, 4)) + LABELS[:, None]
NOISE = RANDOM.normal(size=(60, 4))


def test_the_probe_takes_the_layer_that_predicts_held_out_labels() -> None:
    told = {}
    layers = {"noise": NOISE, "useful": USEFUL}

    def watched(name: str):
        def classify(train, labels, test):
            told.setdefault(name, []).append(len(test))
            return log_probe(layers[name], 0.1)(train, labels, test)

        return classify

    scored_arm({name: watched(name) for name in layers})(TRAIN, TEST, 0)
    assert max(told["useful"]) == len(TRAIN) + len(TEST)  # the one that was fitted in the end
    assert max(told["noise"]) < len(TRAIN)  # never met a test item
    outcome = probe_arm(layers)(TRAIN, TEST, 0)
    assert isinstance(outcome, Outcome)
    assert (outcome.scores.argmax(1) == LABELS[TEST]).mean() > 0.7


def test_the_chosen_arm_is_the_better_one_by_the_labels_at_hand() -> None:
    families = {"noise": {"C=0.1": log_probe(NOISE, 0.1)}, "useful": {"C=0.1": log_probe(USEFUL, 0.1)}}
    assert chosen_arm(families)(20, TRAIN, ("noise", "useful")) == "useful"
    assert chosen_arm(families)(20, TRAIN, ("noise",)) == "noise"  # the other does not run here


def test_an_arm_that_trains_is_weighed_on_one_quarter_that_it_has_not_seen() -> None:
    asked = []

    def oracle(train, labels, test):
        asked.append((set(train), set(test)))
        return np.log(np.where(np.eye(2)[LABELS[test]] > 0, 0.999, 0.001))

    choose = chosen_arm({"useful": {"C=0.1": log_probe(USEFUL, 0.1)}}, {"tuned": oracle})
    assert choose(20, TRAIN, ("useful", "tuned")) == "tuned"
    ((learned, judged),) = asked
    assert len(judged) == 5 and len(learned) == 15 and learned | judged == set(range(20))
    assert choose(20, TRAIN, ("useful",)) == "useful" and len(asked) == 1  # not trained where it does not run


def test_the_frozen_rival_is_picked_without_the_quarter_too() -> None:
    """`memory` looks perfect as long as it has learned from some of the quarter; without it, `plain` is the rival."""
    quarter = np.flatnonzero(stratified_folds(TRAIN.labels, 4, 0) == 0)

    def sure_by(share: float, labels: np.ndarray) -> np.ndarray:
        return np.log(np.where(np.eye(2)[labels] > 0, share, 1 - share))

    def memory(train, labels, test):
        return sure_by(0.999 if np.isin(quarter, train).any() else 0.1, LABELS[test])

    families = {"memory": {0: memory}, "plain": {0: lambda train, labels, test: sure_by(0.9, LABELS[test])}}
    tuned = {"tuned": lambda train, labels, test: sure_by(0.6, LABELS[test])}
    assert chosen_arm(families)(20, TRAIN, ("memory", "plain")) == "memory"
    assert chosen_arm(families, tuned)(20, TRAIN, ("memory", "plain", "tuned")) == "memory"  # plain's 0.9 beats 0.6


@pytest.mark.parametrize(("per_class", "times", "chosen"), [(2, 0, "useful"), (3, 1, "tuned")])
def test_with_two_labels_of_a_class_no_quarter_is_held_out(per_class: int, times: int, chosen: str) -> None:
    asked = []

    def oracle(train, labels, test):
        asked.append(len(train))
        return np.log(np.where(np.eye(2)[LABELS[test]] > 0, 0.999, 0.001))

    few = TRAIN.take(np.arange(2 * per_class))
    choose = chosen_arm({"useful": {c: log_probe(USEFUL, c) for c in (0.1, 1.0)}}, {"tuned": oracle})
    assert choose(per_class, few, ("useful", "tuned")) == chosen and len(asked) == times


def test_of_equally_good_arms_the_cheap_one_is_chosen() -> None:
    probe = log_probe(USEFUL, 0.1)
    assert chosen_arm({"useful": {"C=0.1": probe}}, {"tuned": probe})(20, TRAIN, ("useful", "tuned")) == "useful"


def test_work_on_a_draw_is_shared_by_the_arms_and_the_choice() -> None:
    calls = []

    def counted(train, labels, test):
        calls.append((len(train), len(test)))
        return log_probe(USEFUL, 0.1)(train, labels, test)

    one = remembered(counted)
    family = {0.1: one, 1.0: remembered(log_probe(NOISE, 0.1))}
    mixture = {key: log_mixture(classify, one) for key, classify in family.items()}
    chosen_arm({"probe": family, "mixture": mixture})(20, TRAIN, ("probe", "mixture"))
    assert calls == [(16, 4)] * 5
    scored_arm(family)(TRAIN, TEST, 3)
    assert calls[5:] == [(20, 60)]  # the arm fits on all, and cross-validates nothing again
    other = Examples(TRAIN.items, 1 - TRAIN.labels, TRAIN.names)
    scored_arm(family)(other, TEST, 3)
    assert len(calls) > 6  # other labels are other work
    assert unwrap(one) is counted


def test_probes_are_named_by_layer_and_penalty() -> None:
    probes = log_probes({"noise": NOISE, "useful": USEFUL}, (0.1, 1.0))
    assert list(probes) == [("noise", 0.1), ("noise", 1.0), ("useful", 0.1), ("useful", 1.0)]
    assert best_classifier(probes, TRAIN.items, TRAIN.labels)[0] == "useful"


def test_a_mixture_is_the_mean_of_the_probabilities() -> None:
    one, other = log_probe(NOISE, 1.0), log_probe(USEFUL, 1.0)
    both = [np.exp(classify(TRAIN.items, TRAIN.labels, TEST)) for classify in (one, other)]
    mixed = log_mixture(one, other)(TRAIN.items, TRAIN.labels, TEST)
    np.testing.assert_allclose(np.exp(mixed), (both[0] + both[1]) / 2, rtol=1e-9)


def test_one_example_of_a_class_cannot_be_cross_validated() -> None:
    lonely = Examples(np.arange(2), LABELS[:2], ("bad", "good"))
    with pytest.raises(ValueError, match="two examples of every class"):
        probe_arm({"a": NOISE, "b": USEFUL})(lonely, TEST, 0)
