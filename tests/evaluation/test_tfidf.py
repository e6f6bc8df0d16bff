"""TF-IDF is scikit-learn's own pipeline, however the counting is shared."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from auxtask.evaluation.tfidf import TermCounts, TfidfWords, log_tfidf

RANDOM = np.random.default_rng(0)
LABELS = np.arange(60) % 3
WORDS = np.array([["dull", "grey", "poor"], ["bright", "fine", "rich"], ["so", "odd", "new"]])
TEXTS = [" ".join([*RANDOM.choice(WORDS[label], 2), *RANDOM.choice(["the", "a", "film"], 3)]) for label in LABELS]
TEXTS[50] = "unheard of words"
TRAIN, TEST = np.array([4, 0, 7, 9, 2, 11, 5, 18, 13]), np.arange(20, 60)


def pipeline(strength: float):
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(words, LogisticRegression(C=strength, max_iter=2000))
    return model.fit([TEXTS[i] for i in TRAIN], LABELS[TRAIN])


@pytest.mark.parametrize("learnable", [None, np.r_[0:20], np.r_[50, 0:20]])
def test_it_is_scikit_learns_pipeline_fitted_on_the_labelled_texts_alone(learnable: np.ndarray | None) -> None:
    terms = TermCounts(TEXTS, learnable)
    for strength in (1.0, 10.0):
        scores = log_tfidf(terms, strength)(TRAIN, LABELS[TRAIN], TEST)
        expected = pipeline(strength).predict_log_proba([TEXTS[i] for i in TEST])
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


def test_texts_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    from sklearn.feature_extraction import text

    original = text.CountVectorizer.fit_transform
    monkeypatch.setattr(text.CountVectorizer, "fit_transform", lambda *a: counted.append(1) or original(*a))
    terms = TermCounts(TEXTS)
    assert counted == []  # nothing before it is asked for
    for strength in (1.0, 10.0):
        log_tfidf(terms, strength)(TRAIN, LABELS[TRAIN], TEST)
    assert counted == [1]


def test_learning_from_a_text_that_is_only_tested_is_refused() -> None:
    with pytest.raises(ValueError, match="text 11 is not among the 10"):
        log_tfidf(TermCounts(TEXTS, learnable=np.arange(10)), 1.0)(TRAIN, LABELS[TRAIN], TEST)


def test_weights_and_rare_terms_are_treated_as_scikit_learn_does() -> None:
    weights = np.linspace(0.2, 2, len(TRAIN))
    texts = [TEXTS[i] for i in TRAIN]
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = LogisticRegression(C=10.0, max_iter=2000).fit(vectors.fit_transform(texts), LABELS[TRAIN], weights)
    judged = [TEXTS[i] for i in TEST]
    expected = model.predict_log_proba(vectors.transform(judged))
    scores = log_tfidf(TermCounts(TEXTS), 10.0, min_texts=2)(TRAIN, LABELS[TRAIN], TEST, weights)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    words = TfidfWords.fit(texts, LABELS[TRAIN], 10.0, weights, min_texts=2)
    np.testing.assert_allclose(words.log_probabilities(judged), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_fitted_arrays_predict_as_the_classifier_they_come_from(num_classes: int) -> None:
    labels = LABELS % num_classes
    words = TfidfWords.fit([TEXTS[i] for i in TRAIN], labels[TRAIN], 10.0)
    expected = log_tfidf(TermCounts(TEXTS), 10.0)(TRAIN, labels[TRAIN], TEST)
    np.testing.assert_allclose(words.log_probabilities([TEXTS[i] for i in TEST]), expected, rtol=1e-4, atol=1e-5)
    assert words.kernel.shape == (len(words.terms), num_classes)


@pytest.mark.parametrize("min_texts", [1, 3])
def test_a_fitted_classifier_for_later_texts_is_the_same(min_texts: int) -> None:
    scores = log_tfidf(TermCounts(TEXTS), 10.0, min_texts)(np.arange(30), LABELS[:30], TEST)
    later = TfidfWords.fit(TEXTS[:30], LABELS[:30], 10.0, min_texts=min_texts)
    np.testing.assert_allclose(later.log_probabilities([TEXTS[i] for i in TEST]), scores, rtol=1e-4, atol=1e-5)


def test_where_no_term_is_common_all_count() -> None:
    texts = ["alpha", "beta", "gamma", "delta"]
    for scores in (
        log_tfidf(TermCounts(texts), 10.0, 3)(np.arange(4), np.arange(4) % 2, np.arange(4)),
        TfidfWords.fit(texts, np.arange(4) % 2, 10.0, min_texts=3).log_probabilities(texts),
    ):
        np.testing.assert_array_equal(scores.argmax(1), np.arange(4) % 2)


@pytest.mark.parametrize("others", [[], ["a word"]], ids=["no text has a word", "no text to learn from has one"])
def test_texts_without_words_tell_only_how_frequent_classes_are(others: list[str]) -> None:
    texts = ["?", "!", ":-)", "a", *others]
    scores = log_tfidf(TermCounts(texts), 10.0)(np.arange(4), np.array([0, 0, 0, 1]), np.arange(len(texts)))
    np.testing.assert_allclose(np.exp(scores), [[0.75, 0.25]] * len(texts), atol=1e-3)


def test_for_later_texts_nothing_is_fitted_where_there_are_no_words() -> None:
    with pytest.raises(ValueError, match="no text has a word"):
        TfidfWords.fit(["?", "!"], np.arange(2), 1.0)
