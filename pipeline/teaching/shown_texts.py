"""Scores texts that belong to no record, each behind a picture: rated candidates, and texts behind another record's picture.

What is scored is stored by key and digest at once, so that stopped work goes on where it was and two jobs share what both need.
Owns that loop; the numbers are pipeline.scoring.engine's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import images
from pipeline.errors import DataError
from pipeline.facts import with_facts
from pipeline.models.planning import Plan
from pipeline.scoring.engine import Engine, Request
from pipeline.scoring.scorers import Scorer
from pipeline.store.text_scores import Outcome, text_digest
from pipeline.teaching.preferences import Rated

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.worker import JobContext

CHUNK = 64
Tell = Callable[[int, int], None]
"""(texts done, of texts); may raise to stop."""


@dataclass(frozen=True)
class Shown:
    """A text and the picture file before it, None for the black picture. `picture` names the picture's content (sha256)."""

    text: str
    path: Path | None = None
    picture: str | None = None

    @property
    def digest(self) -> str:
        return text_digest(self.picture, self.text)


def shown_of(items: Iterable[Rated], *, facts: bool = False) -> list[Shown]:
    """Every text of rated items in flat order, with `facts` before it for a scorer that was taught with facts."""
    names: dict[Path, str | None] = {}
    found = []
    for item in items:
        path = item.picture
        if path is not None and path not in names:
            names[path] = _content(path)
        sha = None if path is None else names[path]
        found += [Shown(with_facts(text, item.facts) if facts else text, None if sha is None else path, sha) for text in item.texts]
    return found


def left_to_score(context: "JobContext", key: str, shown: Sequence[Shown]) -> int:
    """How many of these texts have no score under a registered key yet."""
    digests = {one.digest for one in shown}
    return len(digests) - len(context.store.text_scores.of(key, list(digests)))


def score_shown(context: "JobContext", scorer: Scorer, plan: Plan, shown: Sequence[Shown], tell: Tell = lambda done, of: None) -> list[Outcome]:
    """(value, reason) of each text in order. Loads the model only where something is left to score; registers the key."""
    key = context.store.scores.register(scorer.key(plan))
    known = context.store.text_scores.of(key, [one.digest for one in shown])
    left = [one for digest, one in {one.digest: one for one in shown}.items() if digest not in known]
    left.sort(key=lambda one: one.picture or "")  # one picture's texts together: it is encoded once
    if left:
        tell(0, len(left))
        paths = {one.picture: one.path for one in left if one.picture}
        with closing(Engine(context.shelf.get(scorer.spec, plan), [scorer], _reader(paths))) as engine:
            for start in range(0, len(left), CHUNK):
                part = left[start:start + CHUNK]
                outcomes = engine.score([Request(scorer.kind, one.picture, one.text) for one in part])
                fresh = {one.digest: (outcome.value, outcome.reason) for one, outcome in zip(part, outcomes)}
                context.store.text_scores.add(key, fresh)
                known.update(fresh)
                tell(min(len(left), start + len(part)), len(left))
    return [known[one.digest] for one in shown]


def _reader(paths: dict[str, Path | None]) -> "Callable[[str], Image]":
    def read(picture: str) -> "Image":
        path = paths.get(picture)
        if path is None or not path.is_file():
            raise DataError("the picture's file is gone")
        return images.open_rgb(path)

    return read


def _content(path: Path) -> str | None:
    """A picture's sha256: its name where the workspace keeps it by content, else of its bytes; None where it can't be read."""
    if len(path.name) == 64 and path.parent.name == path.name[:2]:
        return path.name if path.is_file() else None
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
