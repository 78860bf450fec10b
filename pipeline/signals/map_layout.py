"""Where records lie on a plane: libraries only (PCA and t-SNE of scikit-learn, UMAP of umap-learn). Knows arrays, no record.

Few records are laid out by PCA, some thousands by t-SNE, which needs nothing compiled, more by UMAP: its code is compiled anew
in each process (about a minute), and after that it places ten thousand records in three seconds.
Source: UMAP, arXiv 1802.03426; t-SNE, van der Maaten and Hinton 2008.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

FEW = 50
SOME = 5_000
FITTED = 20_000
"""Records that UMAP learns the layout from; the others are placed among them."""
AT_ONCE = 10_000
NEIGHBOURS = 15


def laid_out(vectors: np.ndarray, step: Callable[[int, int], None] = lambda done, total: None) -> tuple[np.ndarray, str]:
    """vectors (N, D) → (float32 (N, 2) from −1 to 1, in words how). Always the same for the same vectors. `step` may raise to stop."""
    n = len(vectors)
    if n <= FEW:
        return _boxed(_by_pca(vectors)), "laid out by PCA"
    if n <= SOME:
        return _boxed(_by_tsne(vectors)), "laid out by t-SNE"
    return _boxed(_by_umap(vectors, step)), "laid out by UMAP" + (f" from {FITTED:,} records, the others placed among them" if n > FITTED else "")


def _by_pca(vectors: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import PCA

    found = np.zeros((len(vectors), 2), np.float32)
    if len(vectors) > 1:
        rank = min(2, *vectors.shape)
        with np.errstate(invalid="ignore", divide="ignore"):  # vectors that are all alike have no variance to explain
            found[:, :rank] = PCA(rank, svd_solver="full").fit_transform(vectors)
    return found


def _by_tsne(vectors: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    start = _by_pca(vectors)
    spread = float(start[:, 0].std())
    start = start / spread * 1e-4 if spread > 1e-9 else np.random.default_rng(0).normal(scale=1e-4, size=start.shape)
    return TSNE(init=start.astype(np.float32), perplexity=min(30.0, len(vectors) / 4), random_state=0).fit_transform(vectors)


def _by_umap(vectors: np.ndarray, step: Callable[[int, int], None]) -> np.ndarray:
    from umap import UMAP

    n = len(vectors)
    fitted = np.unique(np.linspace(0, n - 1, min(n, FITTED)).astype(np.int64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread
        mapper = UMAP(n_neighbors=NEIGHBOURS, min_dist=0.1, random_state=0, low_memory=True)
        found = np.empty((n, 2), np.float32)
        found[fitted] = mapper.fit_transform(np.ascontiguousarray(vectors[fitted]))
        step(len(fitted), n)
        rest = np.setdiff1d(np.arange(n), fitted)
        for start in range(0, len(rest), AT_ONCE):
            part = rest[start:start + AT_ONCE]
            found[part] = mapper.transform(vectors[part])
            step(len(fitted) + start + len(part), n)
    return found


def _boxed(points: np.ndarray) -> np.ndarray:
    """The same picture with its longer side from −1 to 1; what lies far out (1 in 1,000) is drawn in to the border."""
    if not len(points):
        return points.astype(np.float32)
    low, high = np.quantile(points, (0.0005, 0.9995), axis=0) if len(points) >= 2_000 else (points.min(0), points.max(0))
    half = float((high - low).max()) / 2
    return np.clip((points - (low + high) / 2) / half, -1, 1).astype(np.float32) if half > 1e-12 else np.zeros(points.shape, np.float32)
