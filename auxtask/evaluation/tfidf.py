"""TF-IDF of words and pairs of neighbouring words with logistic regression: the baseline of every text recipe.

Source of the recipe: Wang and Manning, "Baselines and bigrams" (2012), with logistic regression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import log_softmax

from auxtask.evaluation.probes import fit_logistic, log_probabilities, logistic_head

__all__ = ["TermCounts", "TfidfWords", "log_tfidf"]

# Both classes below must cut texts into the same terms and weigh them in the same way.
_TERMS: dict[str, Any] = {"ngram_range": (1, 2)}
_WEIGHTS: dict[str, Any] = {"sublinear_tf": True}


class TermCounts:
    """Counts words and pairs of words of all texts once, for any number of fits on parts of them.

    Parameters
    ----------
    texts : sequence of str
        By item number.
    learnable : int, optional
        Only the first so many texts are ever learned from: terms that occur in none of them are not kept.
    """

    def __init__(self, texts: Sequence[str], learnable: int | None = None) -> None:
        self._texts = texts
        self._learnable = len(texts) if learnable is None else learnable

    @cached_property
    def _counts(self) -> Any:
        """Sparse [num_texts, num_terms]; made when first asked for."""
        from scipy.sparse import vstack
        from sklearn.feature_extraction.text import CountVectorizer

        counter = CountVectorizer(**_TERMS)
        parts = [counter.fit_transform(self._texts[: self._learnable])]
        if self._learnable < len(self._texts):
            parts.append(counter.transform(self._texts[self._learnable :]))
        return vstack(parts).tocsr()

    def weighted(self, learned: np.ndarray, judged: np.ndarray) -> tuple[Any, Any]:
        """Give TF-IDF features whose vocabulary and weights come from the texts to learn from alone.

        Parameters
        ----------
        learned, judged : int [n], int [m]
            Item numbers.

        Returns
        -------
        sparse float [n, v], sparse float [m, v]

        Raises
        ------
        ValueError
            A text to learn from is none of the learnable ones.
        """
        from sklearn.feature_extraction.text import TfidfTransformer

        if learned.max() >= self._learnable:
            raise ValueError(f"text {learned.max()} is not among the {self._learnable} that may be learned from")
        known = self._counts[learned]
        terms = np.flatnonzero(known.getnnz(axis=0))
        weigh = TfidfTransformer(**_WEIGHTS)
        return weigh.fit_transform(known[:, terms]), weigh.transform(self._counts[judged][:, terms])


def log_tfidf(terms: TermCounts, strength: float) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Make the classifier (see `text_arms.Classifier`) of the texts behind `terms`; `strength` is scikit-learn's C."""

    def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        features, judged = terms.weighted(train, test)
        return log_probabilities(fit_logistic(features, labels, strength), judged)

    return classify


@dataclass(frozen=True, eq=False)
class TfidfWords:
    """A fitted classifier as plain arrays, for texts to come.

    Attributes
    ----------
    terms : tuple of str
        Words, and pairs of words with a space between.
    idf : float64 [num_terms]
    kernel, bias : float32 [num_terms, c], float32 [c]
    """

    terms: tuple[str, ...]
    idf: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(cls, texts: Sequence[str], labels: np.ndarray, strength: float) -> TfidfWords:
        """Learn from labelled texts; the same as `log_tfidf`.

        Raises
        ------
        ValueError
            No text has a word; fewer than two classes, or one without an example.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(**_TERMS, **_WEIGHTS)
        features = vectorizer.fit_transform(texts)
        kernel, bias = logistic_head(features, labels, strength)
        return cls(tuple(vectorizer.get_feature_names_out().tolist()), vectorizer.idf_, kernel, bias)

    @cached_property
    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(vocabulary=self.terms, **_TERMS, **_WEIGHTS)
        vectorizer.idf_ = self.idf
        return vectorizer

    def log_probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Give the log-probability of each class: float64 [n, c]."""
        return np.asarray(log_softmax(self._vectorizer.transform(texts) @ self.kernel + self.bias, axis=1), np.float64)
