"""Items unlike the rated ones: TF-IDF of the texts, k-means over it, and the farthest first. Cheap: a pool, not a data set."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from pipeline.teaching.pool import Pool

DIMENSIONS = 32
ITEMS_A_CLUSTER = 12
MOST_CLUSTERS = 24
MOST_CHARACTERS = 2000
"""What is read of an item: more words say little more about its subject."""


def clusters(pool: Pool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(features float (N, D), cluster of each item int (N,)), computed once a pool and seed. Texts without words share the zero point."""
    key = f"clusters {seed}"
    if key not in pool.memory:
        pool.memory[key] = _clusters(pool, seed)
    return pool.memory[key]  # type: ignore[return-value]


def _clusters(pool: Pool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    texts = ["\n".join((item.question, *item.candidates))[:MOST_CHARACTERS] for item in pool.items]
    try:
        words = TfidfVectorizer(max_features=4000, sublinear_tf=True).fit_transform(texts)
    except ValueError:  # not one word in the whole pool
        return np.zeros((len(pool), 1)), np.zeros(len(pool), int)
    wide = min(DIMENSIONS, words.shape[1] - 1, len(pool) - 1)
    features = normalize(TruncatedSVD(wide, random_state=seed).fit_transform(words)) if wide >= 2 else words.toarray()  # (N, D)
    count = max(1, min(MOST_CLUSTERS, len(pool) // ITEMS_A_CLUSTER))
    return features, KMeans(count, n_init=1, random_state=seed).fit_predict(features)


def farthest_first(pool: Pool, rated: Collection[int], seed: int = 0, *, count: int = 64, eligible: np.ndarray | None = None) -> list[int]:
    """Up to `count` numbers of unrated items (of the `eligible`, bool (N,), where given): each from the cluster with the fewest rated so far, there the one farthest from all rated ones.

    `rated`: numbers in the pool that somebody rated. Each pick counts as rated for the next. Without any rated item the first is drawn by seed.
    """
    if not len(pool):
        return []
    features, cluster = clusters(pool, seed)
    weight = np.bincount(cluster[list(rated)], minlength=cluster.max() + 1).astype(float)
    distance = _nearest(features, features[list(rated)]) if rated else np.full(len(pool), np.inf)  # (N,)
    open_ = np.ones(len(pool), bool) if eligible is None else eligible.copy()
    open_[list(rated)] = False
    tie = np.random.default_rng(seed).permutation(len(pool))
    size = np.bincount(cluster, minlength=len(weight))
    found: list[int] = []
    while open_.any() and len(found) < count:
        left = np.bincount(cluster[open_], minlength=len(weight)) > 0
        emptiest = min(np.flatnonzero(left), key=lambda one: (weight[one], -size[one], one))
        members = np.flatnonzero(open_ & (cluster == emptiest))
        best = int(members[np.lexsort((tie[members], -distance[members]))[0]])
        found.append(best)
        open_[best] = False
        weight[emptiest] += 1
        np.minimum(distance, _nearest(features, features[best:best + 1]), out=distance)
    return found


def _nearest(features: np.ndarray, rated: np.ndarray) -> np.ndarray:
    """Squared distance of each row (N, D) to the nearest of the rated ones (R, D) → (N,)."""
    squares = (features**2).sum(1)[:, None] + (rated**2).sum(1)[None, :] - 2 * features @ rated.T  # (N, R)
    return squares.min(1).clip(0)
