"""The frozen text arms are scikit-learn's classifiers, at the setting that held-out labels prefer."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from auxtask.evaluation.arms import Outcome
from auxtask.evaluation.examples import Examples
from auxtask.evaluation.text_arms import chosen_arm, log_mixture, log_probe, log_tfidf, probe_arm, scored_arm

RANDOM = np.random.default_rng(0)
LABELS = np.arange(60) % 2
WORDS = np.array([["dull", "grey", "poor"], ["bright", "fine", "rich"]])
TEXTS = [" ".join([*RANDOM.choice(WORDS[label], 2), *RANDOM.choice(["the", "a", "film"], 3)]) for label in LABELS]
TRAIN = Examples(np.arange(20), LABELS[:20], ("bad", "good"))
TEST = np.arange(20, 60)
USEFUL = RANDOM.normal(size=(60, 4)) + LABELS[:, None]
NOISE = RANDOM.normal(size=(60, 4))


def test_tfidf_is_scikit_learns_pipeline_fitted_on_the_labelled_texts_alone() -> None:
    scores = log_tfidf(TEXTS, 10.0)(TRAIN.items, TRAIN.labels, TEST)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    reference = make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000)).fit(TEXTS[:20], LABELS[:20])
    np.testing.assert_allclose(scores, reference.predict_log_proba([TEXTS[i] for i in TEST]), rtol=1e-6)


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
    assert chosen_arm(families)(20, TRAIN) == "useful"


def test_a_mixture_is_the_mean_of_the_probabilities() -> None:
    one, other = log_probe(NOISE, 1.0), log_probe(USEFUL, 1.0)
    both = [np.exp(classify(TRAIN.items, TRAIN.labels, TEST)) for classify in (one, other)]
    mixed = log_mixture(one, other)(TRAIN.items, TRAIN.labels, TEST)
    np.testing.assert_allclose(np.exp(mixed), (both[0] + both[1]) / 2, rtol=1e-9)


def test_one_example_of_a_class_cannot_be_cross_validated() -> None:
    lonely = Examples(np.arange(2), LABELS[:2], ("bad", "good"))
    with pytest.raises(ValueError, match="two examples of every class"):
        probe_arm({"a": NOISE, "b": USEFUL})(lonely, TEST, 0)
