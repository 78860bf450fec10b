"""Texts as points: words weighed by how telling they are (tf-idf), brought down to a few dimensions (latent semantic analysis).

Both are scikit-learn's. A fitted space is three arrays, so that it can be stored without pickle and a text typed later can be
brought into the same space. No language is assumed: no list of stop words, no stemming.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

WORD = r"(?u)[\u3040-\u30ff\u3400-\u9fff]|[^\W_]{2,30}"
"""Two letters or digits and more; of Chinese and Japanese, which have no blanks, each character. A longer row of letters is no word: it is cut."""
MOST_WORDS = 30_000
COMMON = 0.5
"""Words in more than this share of the texts tell nothing and are left out."""
FEW_TEXTS = 50
"""Below this no word is too common or too rare."""
MANY_TEXTS = 2_000
"""From here on a word must be in two texts: names and typing errors are left out."""


@dataclass(frozen=True)
class TextSpace:
    """words: str (V,) · idf: float32 (V,) · axes: float32 (V, D), from weighed words to dimensions; columns beyond the rank are 0."""

    words: np.ndarray
    idf: np.ndarray
    axes: np.ndarray

    @property
    def width(self) -> int:
        return self.axes.shape[1]

    def weights(self, texts: Sequence[str]) -> csr_matrix:
        """Weighed words (n, V) of each text, rows of length 1, or 0 where no word is known."""
        return self._vectorizer.transform(texts)

    def project(self, texts: Sequence[str]) -> np.ndarray:
        """float32 (n, D): directions of length 1, all zero where no word is known."""
        return directions(np.asarray(self.weights(texts) @ self.axes, np.float32))

    @cached_property
    def _vectorizer(self) -> Any:
        vectorizer = _vectorizer(vocabulary=list(map(str, self.words)))
        vectorizer.idf_ = self.idf.astype(np.float64)
        return vectorizer


def fit(texts: Sequence[str], width: int) -> tuple[TextSpace, csr_matrix] | None:
    """The space of these texts, and their weighed words (n, V); None where no text has a word."""
    from sklearn.decomposition import TruncatedSVD

    bounds = {"max_df": 1.0 if len(texts) < FEW_TEXTS else COMMON, "min_df": 2 if len(texts) >= MANY_TEXTS else 1}
    for limits in (bounds, {"max_df": 1.0, "min_df": 1}):  # where all texts are alike, every word is too common
        vectorizer = _vectorizer(max_features=MOST_WORDS, **limits)
        try:
            weights = vectorizer.fit_transform(texts)
        except ValueError:
            continue
        break
    else:
        return None
    rank = min(width, *weights.shape)
    axes = np.zeros((weights.shape[1], width), np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):  # of a single text the explained variance is 0 ÷ 0, which nobody reads
        axes[:, :rank] = TruncatedSVD(rank, random_state=0).fit(weights).components_.T
    return TextSpace(vectorizer.get_feature_names_out().astype(str), vectorizer.idf_.astype(np.float32), axes), weights


def directions(rows: np.ndarray) -> np.ndarray:
    """Rows (n, D) brought to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 1e-9, lengths, np.inf).astype(rows.dtype)


def _vectorizer(**options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(token_pattern=WORD, sublinear_tf=True, dtype=np.float32, **options)
