"""How far a scorer can be trusted, from arrays: where it orders pairs as people do, whether its confidence is earned, what it leans on. Pure.

Every finding says its n, what it means in a sentence, and, where there is too little data, how much is needed. Shares come with
95 % intervals that resample whole images. Reads no store and runs no model: pipeline.teaching.trust_run brings the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.records import TYPE_LABELS
from pipeline.teaching.preferences import Rated

FEW_PAIRS = 20
FEW_CALIBRATION = 50
FEW_TEXTS = 20
FEW_REFUSALS = 3
FEW_LOOKS = 20
BINS = 10
"""Of the predicted probability 0–1; the favoured side has .5 to 1, so that half of them are in use."""
ROUNDS = 1000
GAPS: tuple[tuple[str, float, float], ...] = (("up to .1", 0.0, 0.15), ("about .2", 0.15, 0.25), ("about .3", 0.25, 0.35), (".4", 0.35, 0.45), (".5 and more", 0.45, 9.0))
"""(label, from, below) of the difference of two ratings, 0–1."""
LEANS = 0.2
"""A rank correlation from which a scorer is said to lean on something."""


@dataclass(frozen=True)
class Share:
    """A share of n with its 95 % interval over whole clusters (images); None below `needed`, and `words` says so."""

    label: str
    n: int
    images: int
    value: float | None
    low: float | None
    high: float | None
    needed: int = FEW_PAIRS


@dataclass(frozen=True)
class PairSet:
    """Strictly ordered pairs with a score on both sides. Arrays (P,): better, worse are places of flat texts, gap of ratings, image number,
    difference of scores better − worse. `unscored` pairs lack a score."""

    better: np.ndarray
    worse: np.ndarray
    gap: np.ndarray
    image: np.ndarray
    difference: np.ndarray
    unscored: int = 0

    def __len__(self) -> int:
        return len(self.better)

    @property
    def won(self) -> np.ndarray:
        """1 in people's order, 0 not, 0.5 level."""
        return (np.sign(self.difference) + 1) / 2


def pair_set(items: Sequence[Rated], values: Sequence[float | None]) -> PairSet:
    """All strictly ordered pairs of rated items; `values` has one score a text, flat in item order."""
    numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    names: dict[str, int] = {}
    rows: list[tuple[int, int, float, int]] = []
    start = 0
    for item in items:
        image = names.setdefault(item.image, len(names))
        rows += [(start + better, start + worse, item.ratings[better] - item.ratings[worse], image) for better, worse in item.pairs]
        start += len(item.texts)
    better, worse, gap, image = (np.array([row[at] for row in rows]) for at in range(4)) if rows else (np.zeros(0),) * 4
    better, worse, image = better.astype(int), worse.astype(int), image.astype(int)
    difference = numbers[better] - numbers[worse]
    known = ~np.isnan(difference)
    return PairSet(better[known], worse[known], gap[known], image[known], difference[known], int((~known).sum()))


def share(label: str, hits: np.ndarray, clusters: np.ndarray, *, needed: int = FEW_PAIRS, seed: int = 0) -> Share:
    """Mean of hits (n,), each 0 to 1, with an interval that resamples clusters (n,)."""
    n = len(hits)
    names, place = np.unique(clusters, return_inverse=True)
    if n < needed:
        return Share(label, n, len(names), None, None, None, needed)
    sums, sizes = np.bincount(place, hits, len(names)), np.bincount(place, minlength=len(names))
    picks = np.random.default_rng(seed).integers(0, len(names), (ROUNDS, len(names)))
    low, high = np.quantile(sums[picks].sum(1) / sizes[picks].sum(1), (0.025, 0.975))
    return Share(label, n, len(names), float(sums.sum() / n), float(low), float(high), needed)


def by_gap(pairs: PairSet) -> list[Share]:
    """Accuracy by how far apart people rated the two: near ties are near chance for any scorer."""
    return [share(label, pairs.won[inside], pairs.image[inside]) for label, low, high in GAPS for inside in [(pairs.gap >= low) & (pairs.gap < high)]]


def by_kind_of_pair(items: Sequence[Rated], pairs: PairSet, is_refusal: Callable[[str], bool]) -> list[Share]:
    """Accuracy by what the pair is like: long or short texts, the longer or the shorter one preferred, one or several questions, refusals,
    instruction types, origins."""
    texts = [text for item in items for text in item.texts]
    lengths = np.array([len(text) for text in texts], float)
    mean = (lengths[pairs.better] + lengths[pairs.worse]) / 2
    middle = float(np.median(mean)) if len(pairs) else 0.0
    longer = lengths[pairs.better] > lengths[pairs.worse]
    groups: list[tuple[str, np.ndarray]] = [("Short texts", mean <= middle), ("Long texts", mean > middle),
                                            ("People prefer the longer one", longer), ("People prefer the shorter one", lengths[pairs.better] < lengths[pairs.worse])]
    refusal = np.array([is_refusal(body_of(text)) for text in texts], bool) if texts else np.zeros(0, bool)
    groups.append(("One of the two is a refusal", refusal[pairs.better] ^ refusal[pairs.worse]))
    if items and items[0].kind == "question":
        count = np.array([questions_in(text) for text in texts])
        several = (count[pairs.better] > 1) | (count[pairs.worse] > 1)
        groups += [("Single questions", ~several), ("Several questions", several)]
    types = np.array([item.type for item in items for _ in item.texts], object)[pairs.better]
    groups += [(f"Type: {label}", types == name) for name, label in (*TYPE_LABELS.items(), ("", "not known")) if not (types == name).all()]
    origins = [item.origin or "unknown" for item in items for _ in item.texts]
    named = [name for name, _ in _most(np.array(origins, object)[pairs.better].tolist())][:6]
    for origin in named if len(named) > 1 else ():  # one origin is all pairs, which the head tells already
        groups.append((f"From: {origin}", np.array([origins[place] == origin for place in pairs.better], bool)))
    return [share(label, pairs.won[inside], pairs.image[inside]) for label, inside in groups if inside.any()]


@dataclass(frozen=True)
class Calibration:
    """Predicted probability of the favoured text against the share people preferred it. Lists: one entry a bin in use.

    error: expected calibration error, 0 and up · stretch: what score differences should be multiplied by (below 1: overconfident) · n: pairs.
    """

    n: int
    level: int
    predicted: tuple[float, ...] = ()
    preferred: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    error: float | None = None
    stretch: float | None = None
    needed: int = FEW_CALIBRATION


def calibration(pairs: PairSet) -> Calibration:
    """Of the side the scorer favours: σ(|difference|) in ten bins of 0–1, and how often people agreed. Level pairs are left out."""
    favoured = pairs.difference != 0
    n = int(favoured.sum())
    if n < FEW_CALIBRATION:
        return Calibration(n, int((~favoured).sum()))
    from sklearn.calibration import calibration_curve
    from sklearn.linear_model import LogisticRegression

    difference, image = pairs.difference[favoured], pairs.image[favoured]
    predicted, hits = 1 / (1 + np.exp(-np.clip(np.abs(difference), 0, 50))), (difference > 0).astype(int)
    preferred, mean = calibration_curve(hits, predicted, n_bins=BINS, strategy="uniform")
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], predicted)  # the same rule as sklearn's
    used = np.unique(bins)
    intervals = [share("", hits[bins == one].astype(float), image[bins == one]) for one in used]
    counts = np.array([(bins == one).sum() for one in used])
    x = np.concatenate([difference, -difference])[:, None]
    stretch = LogisticRegression(C=1e6, fit_intercept=False).fit(x, np.r_[np.ones(n), np.zeros(n)]).coef_[0, 0]
    return Calibration(n, int((~favoured).sum()), tuple(mean.tolist()), tuple(preferred.tolist()), tuple(counts.tolist()), tuple(one.low for one in intervals),
                       tuple(one.high for one in intervals), float((counts * np.abs(preferred - mean)).sum() / n), float(stretch))


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of the scores with something countable; None below `needed` texts, or where one side has no spread."""

    label: str
    n: int
    value: float | None
    p: float | None = None
    needed: int = FEW_TEXTS


def correlation(label: str, scores: Sequence[float], counted: Sequence[float]) -> Correlation:
    values, amounts = np.asarray(scores, float), np.asarray(counted, float)
    known = ~(np.isnan(values) | np.isnan(amounts))
    values, amounts, n = values[known], amounts[known], int(known.sum())
    if n < FEW_TEXTS or values.min() == values.max() or amounts.min() == amounts.max():
        return Correlation(label, n, None)
    from scipy.stats import spearmanr

    found = spearmanr(values, amounts)
    return Correlation(label, n, float(found.statistic), float(found.pvalue))


@dataclass(frozen=True)
class Refusals:
    """Where refusals stand among all texts: their percentiles (0 lowest, 100 best), and the chance that one outranks another text (ties half)."""

    label: str
    refusals: int
    texts: int
    median_percentile: float | None = None
    highest_percentile: float | None = None
    above: float | None = None
    needed: int = FEW_REFUSALS


def refusals(label: str, scores: Sequence[float], refused: Sequence[bool]) -> Refusals:
    values, mask = np.asarray(scores, float), np.asarray(refused, bool)
    known = ~np.isnan(values)
    values, mask = values[known], mask[known]
    if mask.sum() < FEW_REFUSALS or mask.all():
        return Refusals(label, int(mask.sum()), len(values))
    from scipy.stats import rankdata

    ranks = rankdata(values)
    percentile = (ranks - 1) * (100 / max(1, len(values) - 1))
    n, others = int(mask.sum()), int((~mask).sum())
    above = (ranks[mask].sum() - n * (n + 1) / 2) / (n * others)  # Mann–Whitney
    return Refusals(label, n, len(values), float(np.median(percentile[mask])), float(percentile[mask].max()), float(above))


@dataclass(frozen=True)
class Looks:
    """Whether the picture counts: the share of texts whose score falls behind another record's picture, and how far (median, in standard
    deviations of the scores behind their own pictures)."""

    share: Share
    fall: float | None = None
    unscored: int = 0


def looks(own: Sequence[float | None], swapped: Sequence[float | None], clusters: Sequence[Hashable]) -> Looks:
    first, second = (np.array([np.nan if value is None else value for value in values], float) for values in (own, swapped))
    known = ~(np.isnan(first) | np.isnan(second))
    fall = (first - second)[known]
    hits = (np.sign(fall) + 1) / 2
    names = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    found = share("Scores that fall behind another picture", hits, np.array([names[one] for one in clusters])[known] if len(names) else np.zeros(0), needed=FEW_LOOKS)
    spread = float(first[known].std()) if known.any() else 0.0
    return Looks(found, float(np.median(fall) / spread) if found.value is not None and spread > 0 else None, int((~known).sum()))


@dataclass(frozen=True)
class RaterRow:
    """A rater: how often the scorer orders this rater's pairs as they do, and how often other raters do. `people` None: nobody else rated them."""

    rater: str
    scorer: Share
    people: float | None = None
    people_pairs: int = 0
    others: tuple[str, ...] = field(default_factory=tuple)


def body_of(text: str) -> str:
    """The answer of an answer text, the whole of a question text."""
    return (text.partition("\nAnswer:")[2] or text).strip()


def questions_in(text: str) -> int:
    return max(1, len([line for line in text.splitlines() if line.strip()]))


def _most(values: Sequence[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
