"""What people's own acts say about texts: edits, accepted and rejected rewrites, records kept and dropped by hand.

Owns which act means which preference. Folds over what is in force: an undone act says nothing any more. The functions that
decide are pure; `acts_of` reads the store for them. An act is one person's word and is told as that, never as a rating.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.facts import facts_of
from pipeline.ratings import RatingItem
from pipeline.records import WHOLE, Record, Rewrite, without_image_tag
from pipeline.store import Store
from pipeline.store.actions import Word

KINDS_OF_ACT: dict[str, str] = {
    "accepted edit": "a person's own words over the original and over the rewrite they came from",
    "accepted rewrite": "the rewrite over the original",
    "rejected rewrite": "the original over the rejected rewrite",
    "kept over dropped": "of two records of one image, the kept one's questions and answers over the dropped one's",
}
"""Names of the acts, with what each says."""

BETTER, WORSE = 1.0, 0.0


@dataclass(frozen=True)
class Act:
    """One preference that somebody showed by doing. `scores`: 1 for what they preferred, 0 for what they did not, one a candidate of `item`."""

    kind: str
    item: RatingItem
    scores: tuple[float, ...]
    authors: tuple[str, ...]
    at: float

    @property
    def origin(self) -> str:
        return f"{self.kind} by {', '.join(self.authors)}"


def acts_of(store: Store, dataset_id: int) -> list[Act]:
    """Every act in force on one data set."""
    judged = store.actions.judged_by(dataset_id)
    decided = _on_both_sides(store.actions.decided_by(dataset_id), store.preference_files.images_of(dataset_id))
    rewrites = [rewrite for rewrite in store.rewrites.all(dataset_id) if rewrite.id in judged]
    ids = sorted({*decided, *(rewrite.record_id for rewrite in rewrites)})
    records = {record.id: record for record in store.records.many(ids)}
    return [*rewrite_acts(records, rewrites, judged), *decision_acts(records.values(), decided)]


def rewrite_acts(records: Mapping[int, Record], rewrites: Iterable[Rewrite], judged: Mapping[int, Word]) -> list[Act]:
    """What verdicts on rewrites say. A verdict that leaves the text as it was says nothing."""
    found = []
    for rewrite in rewrites:
        record, word = records.get(rewrite.record_id), judged.get(rewrite.id)
        if record is None or word is None or not 0 <= rewrite.turn < len(record.turns):
            continue
        proposal = "" if rewrite.kept else rewrite.text
        if word.verdict == "edited":
            texts, kind = [(word.text or "", BETTER), (rewrite.original, WORSE), (proposal, WORSE)], "accepted edit"
        elif word.verdict == "accepted":
            texts, kind = [(proposal, BETTER), (rewrite.original, WORSE)], "accepted rewrite"
        elif word.verdict == "rejected":
            texts, kind = [(rewrite.original, BETTER), (proposal, WORSE)], "rejected rewrite"
        else:
            continue
        item, scores = _item_of(record, rewrite, texts)
        if _orders(scores):
            found.append(Act(kind, item, scores, (word.author,), word.at))
    return found


def decision_acts(records: Iterable[Record], decided: Mapping[int, Word]) -> list[Act]:
    """What keeping and dropping by hand says, among records of one image: question sets, and answers to the same question.

    Turns with several answers are left out: which of them the person meant can't be told.
    """
    by_image: dict[str, list[tuple[Record, Word]]] = {}
    for record in records:
        if record.image and record.id in decided:
            by_image.setdefault(record.image, []).append((record, decided[record.id]))
    found = []
    for told in by_image.values():
        if len({word.verdict for _, word in told}) < 2:
            continue
        sets = [(record.question_set, record, word) for record, word in told]
        answers: dict[str, list[tuple[str, Record, Word]]] = {}
        asked: dict[str, str] = {}
        for record, word in told:
            for turn in record.turns:
                if len(turn.answers) == 1:
                    key = " ".join(turn.question_text.casefold().split())
                    asked.setdefault(key, turn.question_text)
                    answers.setdefault(key, []).append((without_image_tag(turn.answers[0]), record, word))
        for act in (_kept_over_dropped("question", "", sets), *(_kept_over_dropped("answer", asked[key], said) for key, said in answers.items())):
            if act is not None:
                found.append(act)
    return found


def _on_both_sides(decided: Mapping[int, Word], images: Mapping[int, str]) -> dict[int, Word]:
    """Only decisions on images of which one record was kept and another dropped: the rest compares nothing and need not be read."""
    verdicts: dict[str, set[str]] = {}
    for record_id, word in decided.items():
        if record_id in images:
            verdicts.setdefault(images[record_id], set()).add(word.verdict)
    return {record_id: word for record_id, word in decided.items() if len(verdicts.get(images.get(record_id, ""), ())) > 1}


def _item_of(record: Record, rewrite: Rewrite, texts: Sequence[tuple[str, float]]) -> tuple[RatingItem, tuple[float, ...]]:
    """The item a verdict is about. For a question it is the record's whole question set with that one question exchanged."""
    kept = _distinct([(without_image_tag(text), score) for text, score in texts])
    answer = rewrite.part == "answer"
    questions = [turn.question_text for turn in record.turns]
    candidates = tuple(text if answer else "\n".join([*questions[:rewrite.turn], text, *questions[rewrite.turn + 1:]]) for text, _ in kept)
    item = _about(record, "answer" if answer else "question", questions[rewrite.turn] if answer else "", candidates, tuple(f"rewrite {rewrite.id}" for _ in kept))
    return replace(item, turn=rewrite.turn), tuple(score for _, score in kept)


def _kept_over_dropped(kind: str, question: str, said: Sequence[tuple[str, Record, Word]]) -> Act | None:
    """None where nothing stands on one of the two sides. A text that was both kept and dropped says nothing."""
    both = {text for text, _, word in said if word.verdict == "keep"} & {text for text, _, word in said if word.verdict == "drop"}
    told = [(text, record, word) for text, record, word in said if text not in both]
    kept = _distinct([(text, BETTER if word.verdict == "keep" else WORSE) for text, _, word in told])
    scores = tuple(score for _, score in kept)
    if not _orders(scores):
        return None
    names = {text: f"record {record.id}" for text, record, _ in reversed(told)}
    item = _about(told[0][1], kind, question, tuple(text for text, _ in kept), tuple(names[text] for text, _ in kept))
    return Act("kept over dropped", replace(item, record_id=None), scores, tuple(sorted({word.author for _, _, word in told})), max(word.at for _, _, word in told))


def _about(record: Record, kind: str, question: str, candidates: tuple[str, ...], sources: tuple[str, ...]) -> RatingItem:
    name = next((path for sha, path in zip(record.images, record.image_paths) if sha == record.image), record.image_paths[0] if record.image_paths else "")
    return RatingItem(kind, question, candidates, record.image, name or f"record {record.id}", "acts", facts_of(record), sources,  # type: ignore[arg-type]
                      dataset_id=record.dataset_id, record_id=record.id, turn=WHOLE)


def _distinct(texts: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Without empty texts and doubles; the first stays. An edit that went back to the original so leaves the proposal below it."""
    found: dict[str, float] = {}
    for text, score in texts:
        if text.strip():
            found.setdefault(text, score)
    return list(found.items())


def _orders(scores: Sequence[float]) -> bool:
    return len(set(scores)) > 1
