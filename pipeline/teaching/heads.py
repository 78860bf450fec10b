"""Fits one linear head on frozen states so that it orders texts as people did, and chooses its settings.

Pure arithmetic over arrays. Least squares on rating differences within one image, because it uses how far apart people put
two texts and solves in one step; its scale is then set so that score differences are Bradley–Terry log odds. What a score
should not follow is held down on purpose: the subject of the image (differences between images) and the picture shown
(differences of one text behind two pictures). Settings are chosen inside the training images only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.teaching.measures import across_accuracy, pair_accuracy
from pipeline.teaching.preferences import Rated, each_pair

FOLDS = 5


@dataclass(frozen=True)
class Head:
    """Score of a state x (D): x · weight + bias. A difference of scores is the log odds of being preferred."""

    weight: np.ndarray
    bias: float


@dataclass(frozen=True)
class Recipe:
    """Which features are read, and three brakes: on weights, on following the subject, on following the picture."""

    columns: tuple[int, ...]
    ridge: float
    subject: float = 0.0
    picture: float = 0.0


@dataclass(frozen=True)
class Lesson:
    """What one fit reads: states (texts, features, hidden) of items, flat, and `swaps` (n, features, hidden): differences of
    the states of one text behind two pictures. Items of `rated` with an image number of their own each."""

    rated: tuple[Rated, ...]
    states: np.ndarray
    swaps: np.ndarray | None = None

    @property
    def owner(self) -> np.ndarray:
        """Item number of each text."""
        return np.concatenate([[number] * len(item.texts) for number, item in enumerate(self.rated)])

    def part(self, numbers: Sequence[int]) -> "Lesson":
        """The lesson of some items only; swaps stay whole, they hold no rating."""
        inside = np.isin(self.owner, list(numbers))
        return Lesson(tuple(self.rated[number] for number in numbers), self.states[inside], self.swaps)


def fit(lesson: Lesson, recipe: Recipe) -> Head:
    """The head of a recipe, not yet scaled. The mean score of the lesson's texts is 0."""
    x = columns_of(lesson.states, recipe.columns)
    centre, spread = x.mean(0), x.std(0) + 1e-6
    x = (x - centre) / spread
    owner = lesson.owner
    ratings = np.array([rating for item in lesson.rated for rating in item.ratings])
    means = _group_means(x, owner)
    inside, wanted = x - means[owner], ratings - _group_means(ratings[:, None], owner)[owner, 0]
    system = inside.T @ inside + recipe.ridge * np.eye(x.shape[1])
    if recipe.subject:
        between = means[owner] - means[owner].mean(0)
        system += recipe.subject * between.T @ between
    if recipe.picture and lesson.swaps is not None:
        swaps = columns_of(lesson.swaps, recipe.columns) / spread
        system += recipe.picture * len(x) / len(swaps) * (swaps.T @ swaps)
    weight = np.linalg.solve(system, inside.T @ wanted) / spread
    return Head(weight, float(-centre @ weight))


def scaled(head: Head, unseen: np.ndarray, items: Sequence[Rated]) -> Head:
    """The head stretched so that differences are log odds, measured on cross-validated scores of its training texts."""
    from scipy.optimize import minimize_scalar

    gaps = np.array([unseen[better] - unseen[worse] for _, better, worse in each_pair(items)])
    unit = gaps.std() + 1e-12
    found = minimize_scalar(lambda k: float(np.logaddexp(0, -k * gaps / unit).mean()), bounds=(0.01, 20), method="bounded")
    return Head(head.weight * found.x / unit, head.bias * found.x / unit)


def values(head: Head, states: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """Scores (texts) of states (texts, features, hidden)."""
    return columns_of(states, columns) @ head.weight + head.bias


def columns_of(states: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """(texts, features, hidden) → the chosen features side by side (texts, chosen × hidden), fp64."""
    return states[:, list(columns)].reshape(len(states), -1).astype(np.float64)


def cross_values(lesson: Lesson, recipe: Recipe, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """Scores (texts) by heads that never saw the text's image: each image is left out once."""
    owner = lesson.owner
    scores = np.zeros(len(owner))
    for fold in image_folds(lesson.rated, folds, seed):
        rest = [number for number in range(len(lesson.rated)) if number not in fold]
        inside = np.isin(owner, list(fold))
        scores[inside] = values(fit(lesson.part(rest), recipe), lesson.states[inside], recipe.columns)
    return scores


def image_folds(items: Sequence[Rated], folds: int, seed: int) -> list[set[int]]:
    """Item numbers in `folds` parts, all items of one image in the same part."""
    names = sorted({item.image for item in items})
    np.random.default_rng(seed).shuffle(names)
    part = {name: place % folds for place, name in enumerate(names)}
    return [{number for number, item in enumerate(items) if part[item.image] == fold} for fold in range(folds)]


def choose(lesson: Lesson, recipes: Sequence[Recipe]) -> tuple[Recipe, dict[Recipe, tuple[float, float]]]:
    """The recipe with the best mean of two cross-validated accuracies, and both accuracies of each recipe.

    The first is over pairs of one image. The second is over texts of different images that people rated at least .3 apart:
    at use, all records of a data set stand in one ranking.
    """
    tried: dict[Recipe, tuple[float, float]] = {}
    for recipe in recipes:
        scores = cross_values(lesson, recipe)
        within = pair_accuracy(lesson.rated, list(scores), rounds=1)
        tried[recipe] = (within.value if within else 0.0, across_accuracy(lesson.rated, list(scores)))
    return max(tried, key=lambda recipe: sum(tried[recipe])), tried


def _group_means(x: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(texts, D) → means of each item (items, D)."""
    sums = np.zeros((int(owner.max()) + 1, x.shape[1]))
    np.add.at(sums, owner, x)
    return sums / np.bincount(owner)[:, None]
