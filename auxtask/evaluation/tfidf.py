"""TF-IDF of words and pairs of neighbouring words with logistic regression: the baseline of every text recipe.

Source of the recipe: Wang and Manning, "Baselines and bigrams" (2012), with logistic regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import log_softmax

from auxtask.evaluation.probes import fit_logistic, log_probabilities, logistic_head
from auxtask.evaluation.text_arms import WeightedClassifier

__all__ = ["TermCounts", "TfidfWords", "log_tfidf"]

# Both classes below must cut texts into the same terms and weigh them in the same way.
_TERMS: dict[str, Any] = {"ngram_range": (1, 2)}
_WEIGHTS: dict[str, Any] = {"sublinear_tf": True}


class TermCounts:
    """Counts words and pairs of words of all texts once, for any number of fits on parts of them.

    Words have two letters or more. Where texts to learn from have none (smileys, single letters), a classifier learns
    from them how frequent classes are, and nothing else.

    Parameters
    ----------
    texts : sequence of str
        By item number.
    learnable : int [k], optional
        Texts that may be learned from, None: all. Terms that occur in none of them are not kept.
    """

    def __init__(self, texts: Sequence[str], learnable: np.ndarray | None = None) -> None:
        self._texts = texts
        self._learnable = np.zeros(len(texts), bool)
        self._learnable[slice(None) if learnable is None else learnable] = True

    @cached_property
    def _counts(self) -> Any:
        """Sparse [num_texts, num_terms]; made when first asked for."""
        from scipy.sparse import csr_matrix, vstack
        from sklearn.feature_extraction.text import CountVectorizer

        counter = CountVectorizer(**_TERMS)
        first, others = np.flatnonzero(self._learnable), np.flatnonzero(~self._learnable)
        try:
            parts = [counter.fit_transform([self._texts[i] for i in first.tolist()])]
        except ValueError:  # no text has a word of two letters or more: one term that stands nowhere
            return csr_matrix((len(self._texts), 1))
        if len(others):
            parts.append(counter.transform([self._texts[i] for i in others.tolist()]))
        return vstack(parts).tocsr()[np.argsort(np.concatenate([first, others]))]

    def weighted(self, learned: np.ndarray, judged: np.ndarray, min_texts: int = 1) -> tuple[Any, Any]:
        """Give TF-IDF features whose vocabulary and weights come from the texts to learn from alone.

        Parameters
        ----------
        learned, judged : int [n], int [m]
            Item numbers.
        min_texts : int
            Terms that stand in fewer of the texts to learn from are left out, unless that leaves none.

        Returns
        -------
        sparse float [n, v], sparse float [m, v]

        Raises
        ------
        ValueError
            A text to learn from is none of the learnable ones.
        """
        from sklearn.feature_extraction.text import TfidfTransformer

        refused = learned[~self._learnable[learned]]
        if len(refused):
            total = self._learnable.sum()
            raise ValueError(f"text {refused[0]} is not among the {total} that may be learned from")
        known = self._counts[learned]
        terms = _common_terms(known, min_texts)
        weigh = TfidfTransformer(**_WEIGHTS)
        return weigh.fit_transform(known[:, terms]), weigh.transform(self._counts[judged][:, terms])


def log_tfidf(terms: TermCounts, strength: float, min_texts: int = 1) -> WeightedClassifier:
    """Make the classifier of the texts behind `terms`; `strength` is scikit-learn's C, `min_texts` as `weighted`."""

    def classify(
        train: np.ndarray, labels: np.ndarray, test: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        features, judged = terms.weighted(train, test, min_texts)
        return log_probabilities(fit_logistic(features, labels, strength, weights), judged)

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
    def fit(
        cls,
        texts: Sequence[str],
        labels: np.ndarray,
        strength: float,
        weights: np.ndarray | None = None,
        min_texts: int = 1,
    ) -> TfidfWords:
        """Learn from labelled texts; the same as `log_tfidf`.

        Raises
        ------
        ValueError
            No text has a word; fewer than two classes, or one without an example.
        """
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

        counter = CountVectorizer(**_TERMS)
        try:
            terms = _common_terms(counter.fit_transform(texts), min_texts)
        except ValueError:  # scikit-learn speaks of stop words
            raise ValueError("no text has a word of two letters or more: there is nothing that TF-IDF counts") from None
        vectorizer = TfidfVectorizer(vocabulary=counter.get_feature_names_out()[terms], **_TERMS, **_WEIGHTS)
        features = vectorizer.fit_transform(texts)
        kernel, bias = logistic_head(features, labels, strength, weights)
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


def _common_terms(counts: Any, min_texts: int) -> np.ndarray:
    """Give the columns of terms that stand in so many texts; if none does, of those in one; if none does, of all."""
    num_texts = counts.getnnz(axis=0)
    for least in (min_texts, 1, 0):
        terms = np.flatnonzero(num_texts >= least)
        if len(terms):
            break
    return terms
