from collections import Counter
from itertools import islice

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from auxtask.data.drawn_texts import draw_pool, draw_reviews
from auxtask.data.drawn_words import NEGATIVE, POSITIVE
from auxtask.data.duplicates import KnownTexts
from auxtask.data.texts import TextData


@pytest.fixture(scope="module")
def drawn() -> TextData:
    return TextData.drawn()


def tfidf_accuracy(data: TextData, chosen: np.ndarray) -> float:
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    train = words.fit_transform(data.train.texts[chosen])
    head = LogisticRegression(C=10, max_iter=1000).fit(train, data.train.labels[chosen])
    return float(head.score(words.transform(data.test.texts), data.test.labels))


def test_words_learned_from_all_labels_tell_nearly_all(drawn: TextData) -> None:
    assert tfidf_accuracy(drawn, np.arange(len(drawn.train))) >= 0.98


def test_twenty_labels_tell_little_and_two_hundred_more(drawn: TextData) -> None:
    few = [tfidf_accuracy(drawn, drawn.train.balanced(20, seed)) for seed in range(5)]
    more = [tfidf_accuracy(drawn, drawn.train.balanced(200, seed)) for seed in range(2)]
    assert 0.52 < np.mean(few) < 0.64
    assert 0.78 < np.mean(more) < 0.9


def test_every_word_of_judgement_occurs_and_its_side_decides(drawn: TextData) -> None:
    good, bad = set(POSITIVE), set(NEGATIVE)
    assert not good & bad and min(len(good), len(bad)) > 290
    score = np.array([sum((w in good) - (w in bad) for w in t.replace(",", " ").replace(".", " ").lower().split())
                      for t in drawn.train.texts])  # fmt: skip
    assert ((score > 0) == (drawn.train.labels == 1)).mean() > 0.99
    seen = Counter(word for text in drawn.unlabelled for word in text.replace(".", " ").replace(",", " ").split())
    assert min(seen[word] for word in good | bad) > 20


def test_a_seed_gives_the_same_reviews_and_another_others() -> None:
    texts, labels = draw_reviews(50, seed=3)
    again, again_labels = draw_reviews(50, seed=3)
    assert texts == again and labels.tolist() == again_labels.tolist() and labels.sum() == 25
    assert not set(texts) & set(draw_reviews(50, seed=4)[0])
    pool = draw_pool(30, seed=3)
    assert list(pool) == list(pool) and pool.num_texts == 30
    assert pool.fingerprint() != draw_pool(30, seed=4).fingerprint()
    with pytest.raises(ValueError, match="num_texts=0"):
        draw_reviews(0, seed=0)


def test_the_pool_repeats_no_test_review(drawn: TextData) -> None:
    assert KnownTexts(drawn.test.texts).report(islice(drawn.unlabelled, 4000)).num_duplicates == 0
