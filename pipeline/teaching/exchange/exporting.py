"""Ratings on their way out: what there is to tell, as consensus or rater by rater, and the lines of a file in one of the formats.

Every line says where it comes from (raters, origin, time). What a format can't hold is counted, never dropped in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pipeline.errors import SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.store import Store
from pipeline.teaching.acts import acts_of
from pipeline.teaching.consensus import consensus, says_something
from pipeline.teaching.exchange import PreferenceFormat
from pipeline.teaching.exchange.statements import Told
from pipeline.teaching.gather import origin_of

Voice = Literal["consensus", "each"]
VOICES: dict[str, str] = {"consensus": "one word an item, the mean of its raters", "each": "each rater's own word"}


@dataclass
class Counts:
    """What was written. `dropped_ties`: pairs without a better side that the format can't hold; `dropped_items`: items of which nothing was left."""

    items: int = 0
    lines: int = 0
    pairs: int = 0
    ties: int = 0
    dropped_ties: int = 0
    dropped_items: int = 0
    images: set[str] = field(default_factory=set)

    def as_json(self) -> dict[str, int]:
        return {"items": self.items, "lines": self.lines, "pairs": self.pairs, "ties": self.ties, "dropped_ties": self.dropped_ties,
                "dropped_items": self.dropped_items, "images": len(self.images)}


def all_told(store: Store, dataset_id: int | None, *, voice: Voice = "consensus", acts: bool = False, origins: Sequence[str] | None = None) -> Iterator[Told]:
    """Everything that was said about questions and answers, of one data set or of all; people's own acts behind, where wanted.

    `origins` None: all of them, also those that do not teach. Raises SettingError for an unknown voice.
    """
    if voice not in VOICES:
        raise SettingError(f"there is no voice {str(voice)[:40]!r}", hint=f"Voices: {', '.join(VOICES)}.", place="voice")
    items = store.ratings.items(dataset_id=dataset_id)
    ratings = [one for one in store.ratings.in_force(dataset_id=dataset_id) if says_something(one) and (origins is None or origin_of(one) in origins)]
    by_item: dict[int, list[Rating]] = {}
    for rating in ratings:
        by_item.setdefault(rating.item_id, []).append(rating)
    for item in items:
        mine = by_item.get(item.id, [])
        if voice == "each":
            yield from (_told(item, one.scores, (one.rater,), origin_of(one), one.mode, one.created_at) for one in mine)
        elif mine:
            verdict = consensus([item], mine)[0]
            spoke = [one for one in mine if one.rater in verdict.raters and (not verdict.settled or one.mode == "settled")]
            origin = ", ".join(sorted({origin_of(one) for one in spoke}))
            yield _told(item, verdict.scores, verdict.raters, origin, "settled" if verdict.settled else "consensus", max(one.created_at for one in spoke))
    if acts:
        for dataset in [dataset_id] if dataset_id is not None else [one.id for one in store.datasets.all()]:
            for act in acts_of(store, dataset):
                if origins is None or act.kind in origins:
                    yield _told(act.item, act.scores, act.authors, act.kind, "act", act.at)


def lines(format: PreferenceFormat, told: Iterable[Told], counts: Counts) -> Iterator[str]:
    """The file in pieces; `counts` is filled as they come."""
    assert format.write is not None
    if format.whole_list:
        yield "["
    for one in told:
        rows = list(format.write(one, _provenance(one))) if len(one.scores) > 1 else []
        counts.ties += one.tied if format.holds_ties else 0
        counts.dropped_ties += 0 if format.holds_ties else one.tied
        if not rows:
            counts.dropped_items += 1
            continue
        for row in rows:
            body = json.dumps(row, ensure_ascii=False, allow_nan=False)
            yield (",\n" if counts.lines else "\n") + body if format.whole_list else body + "\n"
            counts.lines += 1
        counts.items += 1
        counts.pairs += len(one.ordered)
        counts.images.add(one.image or one.image_name)
    if format.whole_list:
        yield "\n]\n"


def write_file(path: Path, format: PreferenceFormat, told: Iterable[Told]) -> Counts:
    """Write a file whole or not at all. Raises SettingError where there is nothing to write or the place can't be written."""
    counts = Counts()
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines(format, told, counts))
        if not counts.lines:
            raise nothing_to_write(format, counts)
        part.replace(path)
    except OSError as error:
        raise SettingError(f"{path} can't be written: {error.strerror}", hint="Name a file in a folder that is there and may be written.", place="to") from error
    finally:
        part.unlink(missing_ok=True)
    return counts


def nothing_to_write(format: PreferenceFormat, counts: Counts) -> SettingError:
    if counts.dropped_items:
        return SettingError(f"none of {counts.dropped_items:,} rated items orders two texts, and {format.label} can't hold ties",
                            hint="Choose rated lists, which hold ties, or rate more.", place="format")
    return SettingError("there is no rating to write", hint="Rate some candidates, or bring a file of ratings in.")


def _told(item: RatingItem, scores: Sequence[float | None], raters: Sequence[str], origin: str, mode: str, at: float) -> Told:
    known = [(text, score) for text, score in zip(item.candidates, scores, strict=True) if score is not None]
    return Told(item.kind, item.question, tuple(text for text, _ in known), tuple(score for _, score in known), item.image_name, item.facts, item.id, item.turn,
                tuple(raters), origin, mode, at, item.image)


def _provenance(one: Told) -> dict[str, object]:
    return {"raters": list(one.raters), "origin": one.origin, "how": one.mode, "at": datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds")}
