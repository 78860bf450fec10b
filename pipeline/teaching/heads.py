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

from pipeline.teaching.measures import across_accuracy, log_odds_factor, pair_accuracy
from pipeline.teaching.preferences import Rated, each_pair

FOLDS = 5


@dataclass(frozen=True)
class Head:
    """Score of a state x (D): x · weight + bias. A difference of scores is the log odds of being preferred."""

    weight: np.ndarray
    bias: float


@dataclass(frozen=True)
class Recipe:
    """Which features are read, how much a made text counts beside a rated one, and three brakes: on weights, on following
    the subject, on following the picture."""

    columns: tuple[int, ...]
    ridge: float
    subject: float = 0.0
    picture: float = 0.0
    made: float = 1.0


@dataclass(frozen=True)
class Lesson:
    """What one fit reads: states (texts, features, hidden) of rated items, flat, and what is added to them.

    Made texts, known to be worse: `worse_states` (m, features, hidden), the number of each one's item, its rating.
    `swaps` (n, features, hidden): differences of the states of one text behind two pictures.
    """

    rated: tuple[Rated, ...]
    states: np.ndarray
    worse_states: np.ndarray | None = None
    worse_item: tuple[int, ...] = ()
    worse_rating: tuple[float, ...] = ()
    swaps: np.ndarray | None = None

    @property
    def owner(self) -> np.ndarray:
        """Item number of each rated text."""
        return np.concatenate([[number] * len(item.texts) for number, item in enumerate(self.rated)])

    def part(self, numbers: Sequence[int]) -> "Lesson":
        """The lesson of some items only, with their made texts; swaps stay whole, they hold no rating."""
        place = {number: new for new, number in enumerate(numbers)}
        kept = [i for i, item in enumerate(self.worse_item) if item in place]
        return Lesson(tuple(self.rated[number] for number in numbers), self.states[np.isin(self.owner, list(numbers))],
                      None if self.worse_states is None else self.worse_states[kept],
                      tuple(place[self.worse_item[i]] for i in kept), tuple(self.worse_rating[i] for i in kept), self.swaps)

    def everything(self, columns: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(states, ratings, item numbers) of rated and made texts together."""
        states, owner = columns_of(self.states, columns), self.owner
        ratings = np.array([rating for item in self.rated for rating in item.ratings])
        if self.worse_states is None or not len(self.worse_states):
            return states, ratings, owner
        return (np.concatenate([states, columns_of(self.worse_states, columns)]), np.concatenate([ratings, self.worse_rating]),
                np.concatenate([owner, self.worse_item]))


@dataclass(frozen=True)
class Sums:
    """All that a least-squares fit needs of some items. Sums of different items add up, so leaving some out is a subtraction.

    inside (D, D) and wanted (D): second moments of states and ratings around each item's mean. subject (D, D), mean (D):
    moments of the items' means over `texts` rated texts.
    """

    inside: np.ndarray
    wanted: np.ndarray
    subject: np.ndarray
    mean: np.ndarray
    texts: int

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.inside + other.inside, self.wanted + other.wanted, self.subject + other.subject, self.mean + other.mean, self.texts + other.texts)

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(self.inside - other.inside, self.wanted - other.wanted, self.subject - other.subject, self.mean - other.mean, self.texts - other.texts)


def sums(lesson: Lesson, columns: Sequence[int], made: float, centre: np.ndarray, spread: np.ndarray) -> Sums:
    """Moments of a lesson's states after (x − centre) / spread."""
    x, ratings, owner = lesson.everything(columns)
    rated = len(lesson.states)
    x = (x - centre) / spread
    share = np.where(np.arange(len(x)) < rated, 1.0, made)
    inside = (x - _group_means(x, owner, share)[owner]) * np.sqrt(share)[:, None]
    wanted = (ratings - _group_means(ratings[:, None], owner, share)[owner, 0]) * np.sqrt(share)
    subjects = _group_means(x[:rated], owner[:rated], share[:rated])[owner[:rated]]
    return Sums(inside.T @ inside, inside.T @ wanted, subjects.T @ subjects, subjects.sum(0), rated)


def solve(found: Sums, recipe: Recipe, pictures: np.ndarray | None) -> np.ndarray:
    """Weights (D) for standardised states; `pictures` (D, D) is the mean second moment of standardised swaps."""
    system = found.inside + recipe.ridge * np.eye(len(found.wanted))
    if recipe.subject:
        system += recipe.subject * (found.subject - np.outer(found.mean, found.mean) / found.texts)
    if recipe.picture and pictures is not None:
        system += recipe.picture * found.texts * pictures
    return np.linalg.solve(system, found.wanted)


def fit(lesson: Lesson, recipe: Recipe) -> Head:
    """The head of a recipe, not yet scaled. The mean score of the rated texts is 0."""
    centre, spread, pictures = _frame(lesson, recipe.columns)
    weight = solve(sums(lesson, recipe.columns, recipe.made, centre, spread), recipe, pictures) / spread
    return Head(weight, float(-centre @ weight))


def scaled(head: Head, unseen: np.ndarray, items: Sequence[Rated]) -> Head:
    """The head stretched so that differences are log odds, measured on cross-validated scores of its training texts."""
    factor = log_odds_factor([unseen[better] - unseen[worse] for _, better, worse in each_pair(items)])
    return Head(head.weight * factor, head.bias * factor)


def values(head: Head, states: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """Scores (texts) of states (texts, features, hidden)."""
    return columns_of(states, columns) @ head.weight + head.bias


def columns_of(states: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """(texts, features, hidden) → the chosen features side by side (texts, chosen × hidden), fp64."""
    return states[:, list(columns)].reshape(len(states), -1).astype(np.float64)


def cross_values(lesson: Lesson, recipe: Recipe, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """Scores (texts) by heads that never saw the ratings of the text's image: each image is left out once."""
    return cross_values_of_all(lesson, [recipe], folds, seed)[0]


def cross_values_of_all(lesson: Lesson, recipes: Sequence[Recipe], folds: int = FOLDS, seed: int = 0) -> list[np.ndarray]:
    """`cross_values` of recipes with the same columns and made weight, their moments summed once."""
    columns, made = recipes[0].columns, recipes[0].made
    if any((recipe.columns, recipe.made) != (columns, made) for recipe in recipes):
        raise ValueError("recipes of one call share columns and made weight")
    centre, spread, pictures = _frame(lesson, columns)
    parts = [sorted(fold) for fold in image_folds(lesson.rated, folds, seed)]
    moments = [sums(lesson.part(part), columns, made, centre, spread) for part in parts]
    total = sum(moments[1:], moments[0])
    x, owner = (columns_of(lesson.states, columns) - centre) / spread, lesson.owner
    scores = [np.zeros(len(x)) for _ in recipes]
    for part, left_out in zip(parts, moments):
        inside = np.isin(owner, part)
        for place, recipe in enumerate(recipes):
            scores[place][inside] = x[inside] @ solve(total - left_out, recipe, pictures)
    return scores


def cross_values_of_share(lesson: Lesson, recipe: Recipe, share: float, seed: int = 0) -> tuple[np.ndarray, tuple[int, int]]:
    """`cross_values` of heads fitted on a share of the other images, drawn at random; and the mean (images, pairs) fitted on."""
    columns = recipe.columns
    centre, spread, pictures = _frame(lesson, columns)
    chance = np.random.default_rng(seed)
    x, owner = (columns_of(lesson.states, columns) - centre) / spread, lesson.owner
    scores, counted = np.zeros(len(x)), []
    for fold in image_folds(lesson.rated, FOLDS, 0):
        rest = sorted({item.image for number, item in enumerate(lesson.rated) if number not in fold})
        drawn = set(chance.permutation(rest)[:max(2, round(share * len(rest)))])
        part = lesson.part([number for number, item in enumerate(lesson.rated) if number not in fold and item.image in drawn])
        inside = np.isin(owner, sorted(fold))
        scores[inside] = x[inside] @ solve(sums(part, columns, recipe.made, centre, spread), recipe, pictures)
        counted.append((len(drawn), sum(len(item.pairs) for item in part.rated)))
    return scores, (round(float(np.mean([images for images, _ in counted]))), round(float(np.mean([pairs for _, pairs in counted]))))


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
    for family in {(recipe.columns, recipe.made) for recipe in recipes}:
        members = [recipe for recipe in recipes if (recipe.columns, recipe.made) == family]
        for recipe, scores in zip(members, cross_values_of_all(lesson, members)):
            within = pair_accuracy(lesson.rated, list(scores), rounds=1)
            tried[recipe] = (within.value if within else 0.0, across_accuracy(lesson.rated, list(scores)))
    return max(tried, key=lambda recipe: sum(tried[recipe])), tried


def made_below(lesson: Lesson, head: Head, recipe: Recipe) -> float:
    """Share of (rated text, made-worse text) couples of one item in which the made one scores lower; .5 without any."""
    if lesson.worse_states is None or not len(lesson.worse_item):
        return 0.5
    owner, scores = lesson.owner, values(head, lesson.states, recipe.columns)
    made = values(head, lesson.worse_states, recipe.columns)
    return float(np.mean([np.mean(scores[owner == item] > value) for item, value in zip(lesson.worse_item, made)]))


def _frame(lesson: Lesson, columns: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """(mean (D), spread (D), mean second moment of swaps (D, D) or None) that states are standardised with; reads no rating."""
    x = columns_of(lesson.states, columns)
    centre, spread = x.mean(0), x.std(0) + 1e-6
    if lesson.swaps is None or not len(lesson.swaps):
        return centre, spread, None
    swaps = columns_of(lesson.swaps, columns) / spread
    return centre, spread, swaps.T @ swaps / len(swaps)


def _group_means(x: np.ndarray, owner: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(texts, D) → weighted means of each item (items, D)."""
    sums = np.zeros((int(owner.max()) + 1, x.shape[1]))
    np.add.at(sums, owner, x * share[:, None])
    return sums / np.bincount(owner, share)[:, None]
