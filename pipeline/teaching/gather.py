"""Everything a reward model may learn from, brought together: people's ratings, files, and their own acts.

    gather(store, workspace, "answer", dataset_id=None).rated        # list[Rated]: texts, ratings, picture, facts, origin

Owns the names of the origins, the rule which of them teach, and the id of an image that a split goes by. Trains nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.facts import facts_of
from pipeline.ratings import Rating, RatingItem
from pipeline.records import Record
from pipeline.scoring.contract import Kind
from pipeline.store import Store
from pipeline.teaching.acts import KINDS_OF_ACT, acts_of
from pipeline.teaching.consensus import consensus
from pipeline.teaching.preferences import Rated, count_pairs
from pipeline.workspace import Workspace

PEOPLE = "people"
"""Origin of everything that people said in the studio itself."""
FILE = "file: "
"""What the rater of a file's ratings begins with, and the file's origin."""

_COCO = re.compile(r"(\d{12})(?:\.[^./\\]*)?$")


@dataclass(frozen=True)
class Source:
    """One origin by itself: its items that order at least two texts, their strictly ordered pairs, their images.

    `ties` are items in which nothing is better than anything. `group` is "people", "file" or "act".
    """

    origin: str
    group: str
    label: str
    items: int
    pairs: int
    images: int
    with_picture: int
    ties: int
    teaches: bool


@dataclass(frozen=True)
class Gathered:
    """`rated` is what was asked for; `sources` are all origins there are, those that do not teach included."""

    kind: Kind
    rated: list[Rated]
    sources: list[Source]

    @property
    def pairs(self) -> int:
        return count_pairs(self.rated)

    @property
    def images(self) -> int:
        return len({one.image for one in self.rated})


def gather(store: Store, workspace: Workspace, kind: Kind, *, dataset_id: int | None, origins: Sequence[str] | None = None,
           raters: Sequence[str] | None = None) -> Gathered:
    """What there is to learn from about questions or answers, of one data set or (None) of all.

    `origins` None: those that are switched on. `raters` None: everybody; else only words of these, acts included. People's
    ratings and files' on one item come to one consensus; an item without a strictly ordered pair is counted, not given.
    """
    off = store.preference_files.switched_off()
    teaches = (lambda origin: origin not in off) if origins is None else set(origins).__contains__
    named = None if raters is None else set(raters)
    items = store.ratings.items(kind=kind, dataset_id=dataset_id)
    ratings = [rating for rating in store.ratings.in_force(kind=kind, dataset_id=dataset_id) if named is None or rating.rater in named]
    datasets = [dataset_id] if dataset_id is not None else [one.id for one in store.datasets.all()]
    acts = [act for dataset in datasets for act in acts_of(store, dataset) if act.item.kind == kind and (named is None or named & set(act.authors))]
    spoken = {rating.item_id for rating in ratings}
    records = sorted({item.record_id for item in (*(item for item in items if item.id in spoken), *(act.item for act in acts)) if item.record_id is not None})
    sights = _Sights(workspace, store.preference_files.named_pictures(), {record.id: record for record in store.records.many(records)})
    by_origin: dict[str, list[Rating]] = {}
    for rating in ratings:
        by_origin.setdefault(origin_of(rating), []).append(rating)
    told = {origin: _rated(items, by_origin[origin], sights) for origin in sorted(by_origin, key=lambda origin: (origin != PEOPLE, origin))}
    teaching = [origin for origin in told if teaches(origin)]
    together = list(told[teaching[0]]) if len(teaching) == 1 else _rated(items, [rating for origin in teaching for rating in by_origin[origin]], sights)
    for act in acts:
        one = sights.rated(act.item, act.scores, act.origin)
        told.setdefault(act.kind, []).append(one)
        if teaches(act.kind):
            together.append(one)
    sources = [_source(origin, found, teaches(origin)) for origin, found in told.items()]
    return Gathered(kind, [one for one in together if one.pairs], [source for source in sources if source.items or source.ties])


def origin_of(rating: Rating) -> str:
    """"people", or "file: NAME" for what a file said: the file's name ends where its own rater's name begins."""
    return rating.rater.partition(" · ")[0] if rating.mode == "import" else PEOPLE


def label_of(origin: str) -> str:
    """An origin in words."""
    return "Rated here by people" if origin == PEOPLE else f"{origin[0].upper()}{origin[1:]}"


def image_id(image: str | None, image_name: str) -> str:
    """The name a split goes by: COCO's own number where the file name ends in one, else the content, else the name as it is told.

    So a photo stays on its side of the split whether it came with a data set, with a file of ratings, or by name alone.
    """
    number = _COCO.search(image_name)
    return number[1] if number else image or image_name


class _Sights:
    """What stands behind items: their image's id for the split, its file where it is at hand, and what their record tells of it."""

    def __init__(self, workspace: Workspace, named: Iterable[tuple[str, str]], records: Mapping[int, Record]) -> None:
        self._workspace, self._records = workspace, records
        self._by_name: dict[str, set[str]] = {}
        self._files: dict[str, Path | None] = {}
        for name, sha in named:
            self._by_name.setdefault(name, set()).add(sha)

    def rated(self, item: RatingItem, scores: Sequence[float | None], origin: str) -> Rated:
        texts = item.texts
        known = [(texts[place], float(score)) for place, score in enumerate(scores) if score is not None]
        return Rated(item.kind, self._id(item), tuple(text for text, _ in known), tuple(score for _, score in known), self._file(item.image), self._facts(item), origin,
                     record.type if (record := self._records.get(item.record_id or 0)) is not None else "")

    def _facts(self, item: RatingItem) -> tuple[str, ...]:
        """The item's own, else those of its record: an item may be older than what is read as a fact now."""
        record = self._records.get(item.record_id or 0)
        return item.facts or (facts_of(record) if record is not None else ())

    def _id(self, item: RatingItem) -> str:
        image = item.image
        if image is None and len(same := self._by_name.get(item.image_name, set())) == 1:
            image = next(iter(same))
        return image_id(image, item.image_name)

    def _file(self, sha: str | None) -> Path | None:
        if sha is None:
            return None
        if sha not in self._files:
            path = self._workspace.image_path(sha)
            self._files[sha] = path if path.is_file() else None
        return self._files[sha]


def _rated(items: Sequence[RatingItem], ratings: Sequence[Rating], sights: _Sights) -> list[Rated]:
    spoken = {rating.item_id for rating in ratings}
    verdicts = consensus([item for item in items if item.id in spoken], ratings)
    return [sights.rated(verdict.item, verdict.scores, _words(verdict.raters, verdict.settled)) for verdict in verdicts]


def _words(raters: Sequence[str], settled: bool) -> str:
    people = [rater for rater in raters if not rater.startswith(FILE)]
    files = sorted({rater.partition(" · ")[0] for rater in raters if rater.startswith(FILE)})
    return "; ".join(part for part in (f"{'settled' if settled else 'rated'} by {', '.join(people)}" if people else "", ", ".join(files)) if part)


def _source(origin: str, found: Sequence[Rated], teaches: bool) -> Source:
    ordered = [one for one in found if one.pairs]
    group = PEOPLE if origin == PEOPLE else "act" if origin in KINDS_OF_ACT else "file"
    return Source(origin, group, label_of(origin), len(ordered), count_pairs(ordered), len({one.image for one in ordered}),
                  sum(one.picture is not None for one in ordered), len(found) - len(ordered), teaches)
