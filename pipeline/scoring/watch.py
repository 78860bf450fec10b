"""Keeps watch over who has what in hand in one scoring run, and what workers have died on so far.

Owns the rule: what a dead worker had in hand is suspect, a suspect is tried alone, and what two workers died on is set aside
(pipeline.store.hazards remembers it beyond this process). Starts and ends nobody.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Hashable, Sequence

from pipeline.scoring.windows import Hands, Window
from pipeline.store.hazards import Hazards

log = logging.getLogger(__name__)

MAX_STALLS = 4
"""Workers that may die in one place one after the other without getting further. A bad record costs two deaths and is set aside,
which is getting further."""


class Watch:
    """Over the workers of one job, each under a name of its own. Taking up a job counts as the death of whoever had it before."""

    def __init__(self, hazards: Hazards, job_id: int) -> None:
        self._hazards, self._job_id = hazards, job_id
        suspects, aside = hazards.take_stock(job_id)
        self._suspects, self._aside = set(suspects), set(aside)
        self._hands: dict[Hashable, set[str]] = {}
        self._stalls: Counter[Hashable] = Counter()

    def warned(self, window: Window) -> Window:
        """The window with its suspects and with what is set aside."""
        return window.warned(self._suspects, self._aside)

    def take(self, who: Hashable, things: Sequence[str]) -> None:
        """A worker starts on these things."""
        self._hands.setdefault(who, set()).update(things)
        self._hazards.mark(self._job_id, things)

    def put_back(self, who: Hashable, things: Sequence[str]) -> None:
        """A worker is through with these things and lives: nothing is held against them any more."""
        self._hands.setdefault(who, set()).difference_update(things)
        self._suspects.difference_update(things)
        self._hazards.clear(self._job_id, things)
        self._stalls[who] = 0

    def died(self, who: Hashable) -> int:
        """A worker died; how many have died here without getting further."""
        things = self._hands.pop(who, set())
        suspects, aside = self._hazards.died(self._job_id, things)
        log.warning("worker %s died with %s in hand; set aside: %s", who, ", ".join(sorted(things)) or "nothing", ", ".join(aside) or "nothing")
        self._suspects = (self._suspects | set(suspects)) - set(aside)
        self._aside.update(aside)
        self._stalls[who] = 0 if aside else self._stalls[who] + 1
        return self._stalls[who]

    def let_go(self, who: Hashable) -> None:
        """A worker is ended from outside: it did not die of what it has in hand."""
        self._hazards.clear(self._job_id, self._hands.pop(who, set()))

    def hands(self, who: Hashable) -> Hands:
        """What a worker of this process calls."""
        return Hands(lambda things: self.take(who, things), lambda things: self.put_back(who, things))
