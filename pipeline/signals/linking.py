"""From pairs of like items to groups: whoever is linked through any chain of pairs is in one group. Pure."""

from __future__ import annotations

import numpy as np


def components(n: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Label (n,) of the group of each item, from pairs (M,), (M,) of places; who is in no pair has a label of its own."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not n:
        return np.zeros(0, np.int64)
    return connected_components(coo_matrix((np.ones(len(left), bool), (left, right)), shape=(n, n)), directed=False)[1]


def numbered(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(group, size) from any labels (n,): those that come up once are −1, the others count up in the order in which they first come up."""
    _, first, back, count = np.unique(label, return_index=True, return_inverse=True, return_counts=True)
    several = np.flatnonzero(count > 1)
    name = np.full(len(count), -1, np.int32)
    name[several[np.argsort(first[several])]] = np.arange(len(several), dtype=np.int32)
    return name[back], count[back].astype(np.int32)
