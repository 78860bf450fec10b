"""Orders of candidates as scores. Pure.

People who rank or compare give an order, what is stored is a score a candidate; ties share the mean of their ranks.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import SettingError


def scores_of_order(order: Sequence[Sequence[int]], candidates: int) -> tuple[float, ...]:
    """Scores 0–1 for groups of candidates from best to worst, those in one group being tied: evenly spaced, best 1, worst 0.

    [[2], [0, 1]] of 3 → (.25, .25, 1). All tied, or a single candidate: .5. Raises SettingError where a candidate is missing, doubled or unknown.
    """
    placed = [place for group in order for place in group]
    unknown = [place for place in placed if not 0 <= place < candidates]
    if unknown:
        raise SettingError(f"candidate {unknown[0]} is not one of the {candidates}", hint="Candidates are counted from 0.", place="order")
    doubled = [place for place in set(placed) if placed.count(place) > 1]
    if doubled:
        raise SettingError(f"candidate {doubled[0]} stands in the order more than once", hint="Each candidate has one place.", place="order")
    missing = sorted(set(range(candidates)) - set(placed))
    if missing:
        raise SettingError(f"candidate {missing[0]} is missing in the order ({len(placed)} of {candidates} are there)", hint="Each candidate has one place.", place="order")
    scores, before = [0.0] * candidates, 0
    for group in order:
        rank = before + (len(group) - 1) / 2
        for place in group:
            scores[place] = 1 - rank / (candidates - 1) if candidates > 1 else 0.5
        before += len(group)
    return tuple(round(score, 6) for score in scores)
