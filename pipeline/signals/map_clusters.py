"""Clusters of like records and the words that tell them apart. Mini-batch k-means is scikit-learn's. Knows arrays, no record."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LEAST, MOST = 8, 256
FITTED = 100_000
AT_ONCE = 50_000
TOP_WORDS = 3
SHARED = 0.1
"""A word must be in this share of a cluster's texts to name it."""


def cluster_count(n: int) -> int:
    """About √(n ÷ 2), from 8 to 256, and never more than half the records."""
    return max(1, min(n // 2, MOST, max(LEAST, round((n / 2) ** 0.5))))


def clustered(vectors: np.ndarray) -> np.ndarray:
    """vectors (N, D) → int32 (N,): cluster of each, the largest is 0. Always the same for the same vectors."""
    from sklearn.cluster import MiniBatchKMeans

    n = len(vectors)
    if not n:
        return np.zeros(0, np.int32)
    sample = vectors[np.linspace(0, n - 1, min(n, FITTED)).astype(np.int64)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are fewer different vectors than clusters
        model = MiniBatchKMeans(cluster_count(n), batch_size=4_096, n_init=3, random_state=0).fit(sample)
    codes = np.concatenate([model.predict(np.ascontiguousarray(vectors[start:start + AT_ONCE])) for start in range(0, n, AT_ONCE)])
    names, sizes = np.unique(codes, return_counts=True)
    rank = np.zeros(int(names.max()) + 1, np.int32)
    rank[names[np.argsort(-sizes, kind="stable")]] = np.arange(len(names), dtype=np.int32)
    return rank[codes]


def plain_labels(clusters: int) -> list[str]:
    """Labels where no record has a word: the numbers alone."""
    return [str(number + 1) for number in range(clusters)]


def labels(codes: np.ndarray, weights: csr_matrix, words: np.ndarray, idf: np.ndarray, clusters: int) -> list[str]:
    """A label for each cluster, "1 · kitchen, table, food": its number and the words it has more of than all records have.

    codes: int (n,) of the texts whose weighed words (n, V) are given, −1 for none. Rare words are preferred by their idf (V,),
    which already weighs them once: else "on" and "up" name the clusters of a small data set.
    """
    overall = np.asarray(weights.mean(axis=0)).ravel()
    found = []
    for number in range(clusters):
        members = weights[np.flatnonzero(codes == number)]
        if not members.shape[0]:
            found.append(str(number + 1))
            continue
        more = (np.asarray(members.mean(axis=0)).ravel() - overall) * idf
        more[members.getnnz(axis=0) < max(min(2, members.shape[0]), SHARED * members.shape[0])] = 0
        top = [str(words[place]) for place in np.argsort(-more, kind="stable")[:TOP_WORDS] if more[place] > 0]
        found.append(f"{number + 1} · {', '.join(top)}" if top else str(number + 1))
    return found
