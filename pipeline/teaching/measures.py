"""How well numbers order what people ordered: pair accuracy, its interval, and the baselines it must beat. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.teaching.preferences import Rated, each_pair


@dataclass(frozen=True)
class Accuracy:
    """Share of pairs ordered as people did; ties count half. The 95 % interval resamples whole images."""

    value: float
    low: float
    high: float
    pairs: int
    images: int

    @property
    def words(self) -> str:
        return f"{self.value:.1%} (95 % interval {self.low:.1%} to {self.high:.1%}, {self.pairs} pairs on {self.images} images)"


def pair_accuracy(items: Sequence[Rated], values: Sequence[float], *, rounds: int = 1000, seed: int = 0) -> Accuracy | None:
    """Accuracy of one number a text (flat, in item order); None without a single ordered pair."""
    numbers = np.asarray(values, dtype=np.float64)
    won: dict[str, float] = {}
    count: dict[str, int] = {}
    for item, better, worse in each_pair(items):
        image = items[item].image
        gap = numbers[better] - numbers[worse]
        won[image] = won.get(image, 0.0) + (0.5 if gap == 0 else float(gap > 0))
        count[image] = count.get(image, 0) + 1
    if not count:
        return None
    hits = np.array(list(won.values()))
    sizes = np.array(list(count.values()))
    picks = np.random.default_rng(seed).integers(0, len(hits), (rounds, len(hits)))
    shares = hits[picks].sum(1) / sizes[picks].sum(1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return Accuracy(float(hits.sum() / sizes.sum()), float(low), float(high), int(sizes.sum()), len(hits))


def across_accuracy(items: Sequence[Rated], values: Sequence[float], *, gap: float = 0.3, draws: int = 100_000, seed: int = 0) -> float:
    """Share of random pairs of texts of different images, rated at least `gap` apart, put in people's order; .5 without any."""
    ratings = np.array([rating for item in items for rating in item.ratings])
    names = {item.image: number for number, item in enumerate(items)}
    image = np.concatenate([[names[item.image]] * len(item.texts) for item in items])
    numbers = np.asarray(values, dtype=np.float64)
    first, second = np.random.default_rng(seed).integers(0, len(ratings), (2, draws))
    kept = (ratings[first] - ratings[second] >= gap) & (image[first] != image[second])
    return float((numbers[first[kept]] > numbers[second[kept]]).mean()) if kept.any() else 0.5


def length_values(items: Sequence[Rated]) -> list[float]:
    """The length-only baseline: longer is better."""
    return [float(len(text)) for item in items for text in item.texts]


def tfidf_values(train: Sequence[Rated], test: Sequence[Rated]) -> list[float]:
    """The bag-of-words baseline: TF-IDF of words and word pairs, logistic regression on pair differences."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    features = vectorizer.fit_transform([text for item in train for text in item.texts])
    pairs = list(each_pair(train))
    differences = features[[better for _, better, _ in pairs]] - features[[worse for _, _, worse in pairs]]
    signs = np.where(np.arange(len(pairs)) % 2 == 0, 1, -1)  # both directions, so that the model needs no intercept
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=500)
    model.fit(differences.multiply(signs[:, None]).tocsr(), signs)
    return [float(value) for value in vectorizer.transform([text for item in test for text in item.texts]) @ model.coef_[0]]


def auc(values: Sequence[float], labels: Sequence[bool]) -> float | None:
    """Chance that a good one is above a bad one, ties half; None without both kinds."""
    numbers, good = np.asarray(values, dtype=np.float64), np.asarray(labels, dtype=bool)
    if good.all() or not good.any():
        return None
    gaps = numbers[good][:, None] - numbers[~good][None, :]
    return float(((gaps > 0) + 0.5 * (gaps == 0)).mean())


def log_odds_factor(gaps: Sequence[float]) -> float:
    """What differences of scores (better − worse, n) must be multiplied by to be log odds of the preference; near 0 where they tell nothing.

    Tell it with scores of texts that the fit did not see, else the factor believes what was memorised.
    """
    from scipy.optimize import minimize_scalar

    known = np.asarray(gaps, dtype=np.float64)
    unit = known.std() + 1e-12
    return float(minimize_scalar(lambda k: float(np.logaddexp(0, -k * known / unit).mean()), bounds=(0.01, 20), method="bounded").x / unit)
