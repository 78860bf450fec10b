"""What several people's ratings of an item come to: one score a candidate. Pure.

Owns the rule: each rater's last word counts once, words are averaged candidate by candidate, and a settled rating outranks
them all. Reads no store; whether people agree at all is pipeline.teaching.rater_agreement's question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import SettingError
from pipeline.ratings import Rating, RatingItem


@dataclass(frozen=True)
class Verdict:
    """An item and what people say of it. `scores`: one a candidate, 0–1, higher is better, None where nobody gave a word.

    `raters` whose words are in the scores, by name; of a settled item only who settled it.
    """

    item: RatingItem
    scores: tuple[float | None, ...]
    raters: tuple[str, ...]
    settled: bool

    @property
    def pairs(self) -> int:
        """How many strictly ordered pairs the scores give."""
        known = [score for score in self.scores if score is not None]
        return sum(a != b for place, a in enumerate(known) for b in known[place + 1:])


def says_something(rating: Rating) -> bool:
    """Whether a rating holds a word on at least one candidate: no skip, not only Nones."""
    return not rating.skipped and any(score is not None for score in rating.scores)


def consensus(items: Sequence[RatingItem], ratings: Sequence[Rating]) -> list[Verdict]:
    """One verdict for each item that somebody gave a word on, in the order of `items`.

    Skips and Nones do not count. Of several ratings of one rater on one item the last counts (by id, then by place); of
    several settled ones the last. Ratings of items that are not named are left alone. Raises SettingError for a rating with
    another number of scores than its item has candidates: which score belongs to which would be a guess.
    """
    plain: dict[int, dict[str, Rating]] = {}
    settled: dict[int, Rating] = {}
    known = {item.id: len(item.candidates) for item in items}
    for rating in sorted(ratings, key=lambda rating: rating.id):
        if rating.item_id not in known or not says_something(rating):
            continue
        if len(rating.scores) != known[rating.item_id]:
            raise SettingError(f"{len(rating.scores)} scores for {known[rating.item_id]} candidates", hint="Take this rating back and rate the item again.",
                               place=f"rating {rating.id} of {rating.rater} on item {rating.item_id}")
        if rating.mode == "settled":
            settled[rating.item_id] = rating
        else:
            plain.setdefault(rating.item_id, {})[rating.rater] = rating
    found = []
    for item in items:
        if item.id in settled:
            last = settled[item.id]
            found.append(Verdict(item, last.scores, (last.rater,), settled=True))
        elif item.id in plain:
            found.append(_mean(item, plain[item.id]))
    return found


def _mean(item: RatingItem, ratings: dict[str, Rating]) -> Verdict:
    scores = []
    for place in range(len(item.candidates)):
        words = [score for rating in ratings.values() if (score := rating.scores[place]) is not None]
        scores.append(sum(words) / len(words) if words else None)
    return Verdict(item, tuple(scores), tuple(sorted(ratings)), settled=False)
