"""Where files contradict each other: two lines that order the same two texts about the same picture the other way round.

Owns the finding (pure) and what a choice does to the store. A choice appends: the loser's word on the texts in question is taken
out by a later rating of the same rater, so that undoing the choice brings it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.errors import NotFound, SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.store import Store
from pipeline.teaching.consensus import says_something
from pipeline.teaching.gather import image_id

Choice = Literal["both", "first", "later"]
CHOICES: dict[str, str] = {"both": "keep both: their mean counts", "first": "the first line counts", "later": "the later line counts"}


@dataclass(frozen=True)
class Contradiction:
    """Two ratings of files that order texts the other way round. `pairs`: (better, worse) as `first` says; `later` says the opposite."""

    first: Rating
    later: Rating
    first_item: RatingItem
    later_item: RatingItem
    pairs: tuple[tuple[str, str], ...]

    @property
    def key(self) -> tuple[int, int]:
        return self.first.id, self.later.id


def contradictions(items: Iterable[RatingItem], ratings: Sequence[Rating]) -> list[Contradiction]:
    """Every two ratings from files that contradict each other, in the order they came in. People's own ratings are not looked at."""
    by_id = {item.id: item for item in items}
    groups: dict[tuple[str, str, str], list[tuple[Rating, RatingItem]]] = {}
    for rating in sorted(ratings, key=lambda rating: rating.id):
        item = by_id.get(rating.item_id)
        if item is not None and rating.mode == "import" and says_something(rating) and len(rating.scores) == len(item.candidates):
            groups.setdefault((item.kind, image_id(item.image, item.image_name), item.question), []).append((rating, item))
    found = []
    for told in groups.values():
        if len(told) > 1:
            found += _within(told)
    return sorted(found, key=lambda one: one.key)


def find(store: Store, dataset_id: int | None = None) -> tuple[list[Contradiction], int]:
    """(those nobody has decided on, how many were decided on) among all ratings of files that are in force."""
    settled = store.preference_files.settled()
    every = contradictions(store.ratings.items(dataset_id=dataset_id), store.ratings.in_force(dataset_id=dataset_id))
    return [one for one in every if one.key not in settled], len(settled)


def settle(store: Store, first: int, later: int, choice: str, *, author: str) -> None:
    """Decide one contradiction by the ids of its ratings. Raises SettingError for an unknown choice, NotFound where it is none any more."""
    found = next((one for one in find(store)[0] if one.key == (first, later)), None)
    if found is None:
        raise NotFound("these two lines do not contradict each other any more", hint="Reload the page.")
    settle_all(store, [found], choice, author=author)


def settle_all(store: Store, those: Sequence[Contradiction], choice: str, *, author: str) -> int:
    """The same choice for each, all or none; returns how many were decided. Raises SettingError for an unknown choice."""
    if choice not in CHOICES:
        raise SettingError(f"there is no choice {choice[:40]!r}", hint=f"Choices: {', '.join(CHOICES)}.", place="choice")
    with store.database.write():
        # An earlier choice may have taken texts out of a rating already: it is the present word that is cut.
        present = {(rating.item_id, rating.rater): rating for rating in store.ratings.in_force()} if choice != "both" else {}
        for one in those:
            replaced = None
            if choice != "both":
                cut = _cut(one, choice, present)
                replaced = store.ratings.add_many([cut])[0]
                present[cut.item_id, cut.rater] = replace(cut, id=replaced)
            store.preference_files.settle(*one.key, choice, replaced, author=author)
    return len(those)


def _cut(one: Contradiction, choice: str, present: dict[tuple[int, str], Rating]) -> Rating:
    """The loser's word without the texts in question."""
    winner, loser, item = (one.first, one.later, one.later_item) if choice == "first" else (one.later, one.first, one.first_item)
    loser = present.get((loser.item_id, loser.rater), loser)
    out = {text for pair in one.pairs for text in pair}
    scores = tuple(None if candidate in out else score for candidate, score in zip(item.candidates, loser.scores))
    return replace(loser, id=0, created_at=0.0, scores=scores, criteria={}, note=f"left out where {winner.rater} says the opposite")


def reopen(store: Store, *, author: str) -> tuple[int, int]:
    """Undo the last choice; returns the two ratings' ids. Raises SettingError where there is none."""
    settled = store.preference_files.settled()
    if not settled:
        raise SettingError("there is no choice to undo", hint="No contradiction was decided yet.")
    key, (_, replaced) = list(settled.items())[-1]
    with store.database.write():
        if replaced is not None:
            rater = store.database.value("SELECT rater FROM rating WHERE id = ?", (replaced,))
            if any(rating.id == replaced for rating in store.ratings.in_force(rater=rater)):
                store.ratings.retract(rater, replaced)
        store.preference_files.settle(*key, "open", None, author=author)
    return key


def _within(told: Sequence[tuple[Rating, RatingItem]]) -> list[Contradiction]:
    """All contradictions among ratings about one picture and question: each ordered pair of texts is looked up the other way round."""
    said: dict[tuple[str, str], list[int]] = {}
    found: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for place, (rating, item) in enumerate(told):
        ordered = {(better, worse) for better, good in zip(item.candidates, rating.scores) for worse, bad in zip(item.candidates, rating.scores)
                   if good is not None and bad is not None and good > bad}
        for better, worse in sorted(ordered):
            for earlier in said.get((worse, better), ()):
                found.setdefault((earlier, place), []).append((worse, better))
        for pair in ordered:
            said.setdefault(pair, []).append(place)
    return [Contradiction(told[a][0], told[b][0], told[a][1], told[b][1], tuple(pairs)) for (a, b), pairs in found.items()]
