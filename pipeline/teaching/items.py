"""Rating items out of the open data set: which texts stand beside each other for one image or one question.

Reads records and proposed rewrites; writes nothing. Which item comes next is pipeline.teaching.queue's choice.

Rules, written down once:
· a question item is one image: the distinct question sets of its records, then the same sets with their rewritten questions;
· a record without a picture is an item of its own, because nothing says that two of them are about the same thing;
· an answer item is one turn: its candidates, then the proposed rewrites of them;
· the same text twice is one candidate with both its sources; an empty text is no candidate;
· at most MOST_CANDIDATES are shown, the first ones, because nobody keeps more apart.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.facts import facts_of
from pipeline.ratings import RatingItem
from pipeline.records import WHOLE, Record, Rewrite, without_image_tag
from pipeline.scoring.contract import Kind
from pipeline.store import Store

MOST_CANDIDATES = 8


def question_item(records: Sequence[Record], rewrites: Sequence[Rewrite] = ()) -> RatingItem | None:
    """One image with the question sets of its records. None where no record has a question."""
    found: dict[str, list[str]] = defaultdict(list)
    for record in records:
        found[record.question_set].append(f"record {record.id}")
    for record in records:
        for text, source in _rewritten_sets(record, rewrites):
            found[text].append(source)
    return _item("question", records[0], "", found, records, WHOLE)


def answer_item(record: Record, turn: int, rewrites: Sequence[Rewrite] = ()) -> RatingItem | None:
    """One turn with its answers. None where none has words."""
    found: dict[str, list[str]] = defaultdict(list)
    answers = record.turns[turn].answers
    for number, answer in enumerate(answers):
        found[without_image_tag(answer)].append(f"record {record.id}" + (f", answer {number + 1}" if len(answers) > 1 else ""))
    for rewrite in rewrites:
        if rewrite.record_id == record.id and rewrite.part == "answer" and rewrite.turn == turn:
            found[without_image_tag(rewrite.text)].append(f"rewrite {rewrite.id}")
    return _item("answer", record, record.turns[turn].question_text, found, [record], turn)


def _item(kind: Kind, first: Record, question: str, found: dict[str, list[str]], records: Sequence[Record], turn: int) -> RatingItem | None:
    kept = [(text, " · ".join(sources)) for text, sources in found.items() if text.strip()][:MOST_CANDIDATES]
    if not kept:
        return None
    facts = dict.fromkeys(fact for record in records for fact in facts_of(record))
    return RatingItem(kind, question, tuple(text for text, _ in kept), first.image, first.image_paths[0] if first.image_paths else first.key, "records",
                      tuple(facts), tuple(source for _, source in kept), first.dataset_id, first.id, turn)


def _rewritten_sets(record: Record, rewrites: Sequence[Rewrite]) -> list[tuple[str, str]]:
    """(question set, source) for each run that rewrote questions of this record: all its rewritten questions at once."""
    runs: dict[str, dict[int, Rewrite]] = defaultdict(dict)
    for rewrite in rewrites:
        if rewrite.record_id == record.id and rewrite.part == "question" and rewrite.turn < len(record.turns):
            runs[rewrite.key][rewrite.turn] = rewrite
    found = []
    for changed in runs.values():
        lines = [without_image_tag(changed[number].text) if number in changed else turn.question_text for number, turn in enumerate(record.turns)]
        ids = ", ".join(str(rewrite.id) for rewrite in changed.values())
        found.append(("\n".join(lines), f"rewrite {ids}" if len(changed) == 1 else f"rewrites {ids}"))
    return found


def question_items(store: Store, groups: Iterable[Sequence[int]]) -> list[RatingItem]:
    """Items for groups of record ids, one image each, in order; groups without words are left out."""
    groups = [list(group) for group in groups]
    ids = [one for group in groups for one in group]
    records = {record.id: record for record in store.records.many(ids)}
    rewrites = _by_record(store, ids)
    found = []
    for group in groups:
        there = [records[one] for one in group if one in records]
        item = question_item(there, [rewrite for record in there for rewrite in rewrites[record.id]]) if there else None
        if item:
            found.append(item)
    return found


def answer_items(store: Store, record_ids: Sequence[int]) -> list[RatingItem]:
    """Every turn of these records as an item, in order."""
    rewrites = _by_record(store, record_ids)
    made = (answer_item(record, turn, rewrites[record.id]) for record in store.records.many(record_ids) for turn in range(len(record.turns)))
    return [item for item in made if item]


def _by_record(store: Store, ids: Sequence[int]) -> dict[int, list[Rewrite]]:
    found: dict[int, list[Rewrite]] = defaultdict(list)
    for rewrite in store.rewrites.proposed(ids):
        found[rewrite.record_id].append(rewrite)
    return found


def pair_item(item: RatingItem) -> RatingItem | None:
    """Two answers of an item side by side, to ask which invents less; always the same two. None where there are fewer, or no picture.

    Source of the question: arXiv 2309.14525, human preference by hallucination.
    """
    if item.kind != "answer" or len(item.candidates) < 2 or item.image is None:
        return None
    chosen = sorted(random.Random(item.digest).sample(range(len(item.candidates)), 2))
    return replace(item, candidates=tuple(item.candidates[place] for place in chosen), sources=tuple(item.sources[place] for place in chosen), id=0)


def shown_order(digest: str, rater: str, candidates: int) -> list[int]:
    """In which order a rater sees the candidates: mixed, and the same at every look, so that place tells nothing about source."""
    places = list(range(candidates))
    random.Random(f"{digest}|{rater}").shuffle(places)
    return places
