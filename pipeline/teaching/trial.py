"""The trial job: a candidate scorer against the present one, before anybody adopts it. Changes nothing but what is scored.

Three questions, answered on the same texts for both: who orders held-out pairs as people did, which records of the data set would
change sides at the present cut, and which rise and fall in rank. Scores that are stored are reused, what is missing is scored
through the scoring run and stored under its own key, so that a stopped trial goes on where it was.

Parameters of `run`: kind · candidate (a name, or a folder) · sample (records of the data set, evenly over the file; default all) ·
files (preference files beside the gathered ratings) · gathered (false: files only) · base (of a candidate in the authors' layout)
· precision, quantization, device as in scoring (default: those the present scorer's scores were made with).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import agreement as ranks
from pipeline.curation import spec_of, with_keys
from pipeline.errors import SettingError
from pipeline.facts import reads_facts
from pipeline.models.planning import Plan
from pipeline.records import TYPE_LABELS, ScorerKey
from pipeline.scoring import run as scoring
from pipeline.scoring.contract import Kind
from pipeline.scoring.scorers import Scorer, load_scorer
from pipeline.teaching import adoption
from pipeline.teaching.adoption import KnownScorer
from pipeline.teaching.held_out import held_out_pairs
from pipeline.teaching.measures import length_values, pair_accuracy
from pipeline.teaching.paired import FEWEST_PAIRS, paired_accuracy
from pipeline.teaching.preferences import Rated
from pipeline.teaching.shown_texts import left_to_score, score_shown, shown_of
from pipeline.teaching.side_changes import side_changes

if TYPE_CHECKING:
    from pipeline.worker import JobContext

MOVERS = 12
"""Records a side in the report; the screen pages through the rest."""
LISTED = 200
"""Ids of records that change sides in the report."""
TEXT_SHOWN = 600


@dataclass(frozen=True)
class Side:
    """One of the two scorers, its plan, and the key its scores belong to."""

    known: KnownScorer
    scorer: Scorer
    plan: Plan
    key: ScorerKey

    def told(self) -> dict[str, Any]:
        return {"reference": self.known.reference, "name": self.known.name, "origin": self.known.origin, "revision": self.scorer.revision, "base": self.scorer.base,
                "key": self.key.digest, "key_label": self.key.label, "precision": self.plan.precision, "quantization": self.plan.quantization}


class Part:
    """A JobContext for a piece of the job: other parameters, and progress that counts on from what the pieces before it did."""

    def __init__(self, context: "JobContext", params: dict[str, Any], done: int, total: int, stage: str) -> None:
        self._context, self.params, self._done, self._total, self._stage = context, params, done, total, stage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def step(self, done: int, total: int, stage: str = "", message: str = "") -> None:
        self._context.step(self._done + done, self._total, self._stage, message)


def run(context: "JobContext") -> dict[str, Any]:
    """The report. Raises SettingError or NotFound before work starts, ModelError, JobCancelled when stopped: what was scored is kept."""
    params, start = context.params, time.monotonic()
    dataset_id, kind = context.job.dataset_id, params.get("kind")
    if dataset_id is None:
        raise SettingError("a trial needs a data set", hint="Open one: its records show what would change.")
    if kind not in adoption.KINDS:
        raise SettingError(f"{str(kind)[:40]!r} is no kind of scorer", hint="Choose question or answer.", place="kind")
    context.step(0, 0, "Loading", "Reading scorers and ratings")
    present, candidate = sides(context, dataset_id, kind, str(params.get("candidate") or ""))
    rated, ratings = held_out_pairs(context.store, context.workspace, kind, {side.known.name: side.scorer.training for side in (present, candidate)},
                                    files=params.get("files") or (), gathered=params.get("gathered") is not False)
    ids = _asked(context, dataset_id)
    shown = {side.known.reference: shown_of(rated, facts=reads_facts(side.scorer.training)) for side in (present, candidate)}
    left = {side.known.reference: left_to_score(context, context.store.scores.register(side.key), shown[side.known.reference]) for side in (present, candidate)}
    total, done = sum(left.values()) + 2 * len(ids), 0
    values: dict[str, list[float | None]] = {}
    fresh: dict[str, int] = {}
    for role, side in (("present", present), ("candidate", candidate)):
        texts, name = shown[side.known.reference], side.known.name
        values[role] = [value for value, _ in score_shown(context, side.scorer, side.plan, texts,
                                                          lambda n, of, done=done, name=name: context.step(done + n, total, f"Rated texts: {name}"))]
        done += left[side.known.reference]
        told = {"kinds": [kind], "scorers": {kind: side.known.loadable}, "precision": side.plan.precision, "quantization": side.plan.quantization, "device": params.get("device"),
                "base": side.scorer.base if side.scorer.adapter is not None else None, "record_ids": None if len(ids) == _records(context, dataset_id) else ids,
                "tried": True if role == "candidate" else None}
        fresh[role] = scoring.run(Part(context, {name: value for name, value in told.items() if value is not None}, done, total, f"Data set: {name}"))["scored_now"]  # type: ignore[arg-type]
        done += len(ids)
    context.step(total, total, "Comparing", "")
    return {"kind": kind, "candidate": candidate.told(), "present": present.told(), **accuracy_part(rated, values["candidate"], values["present"], ratings),
            **dataset_part(context, dataset_id, kind, present, candidate, ids), "records": len(ids), "of": _records(context, dataset_id),
            "scored_now": fresh, "texts_now": sum(left.values()), "seconds": round(time.monotonic() - start, 2)}


def sides(context: "JobContext", dataset_id: int, kind: Kind, candidate: str) -> tuple[Side, Side]:
    """(present, candidate), loaded and planned. Raises SettingError where they are the same, or one can't run here."""
    now = adoption.present(context.store, context.workspace, kind)
    other = adoption.find(context.store, context.workspace, kind, candidate)
    if other.reference == now.reference:
        raise SettingError(f"{other.name} is the present {kind} scorer already", hint="Choose another one to try.", place="candidate")
    if other.problem:
        raise SettingError(f"{other.name} can't be tried: {other.problem}", hint="Restore its folder, or choose another one.", place="candidate")
    first = _side(context, dataset_id, now, load_scorer(now.loadable, kind), None)
    scorer = load_scorer(other.loadable, kind, base=context.params.get("base"))
    return first, _side(context, dataset_id, other, scorer, first.plan if scorer.base == first.scorer.base else None)


def _side(context: "JobContext", dataset_id: int, known: KnownScorer, scorer: Scorer, like: Plan | None) -> Side:
    """Under the plan asked for; else the other side's; else the one this data set has its scores under; else the machine's own choice."""
    params = dict(context.params)
    if not params.get("precision") and like is not None:
        params.update(precision=like.precision, quantization=like.quantization)
    elif not params.get("precision"):
        params.update(_as_before(context, dataset_id, scorer))
    found = scoring.plan_for([scorer], params)
    return Side(known, scorer, found, scorer.key(found))


def _as_before(context: "JobContext", dataset_id: int, scorer: Scorer) -> dict[str, str]:
    for key, _, _ in context.store.scores.keys(dataset_id, scorer.kind):
        told = {"precision": key.precision, "quantization": key.quantization}
        if (key.adapter, key.revision, key.model, key.image_preparation) == (scorer.name, scorer.revision, scorer.base, scorer.image_preparation):
            try:
                scoring.plan_for([scorer], {**context.params, **told})
            except SettingError:
                return {}
            return told
    return {}


def accuracy_part(rated: Sequence[Rated], candidate: Sequence[float | None], present: Sequence[float | None], ratings: dict[str, Any]) -> dict[str, Any]:
    """{"accuracy": figures or None, "accuracy_words", "ratings"}."""
    found = paired_accuracy(rated, candidate, present)
    ratings = {**ratings, "unscored": {"candidate": sum(value is None for value in candidate), "present": sum(value is None for value in present), "of": len(candidate)}}
    if found is None:
        trained = f" All {ratings['trained_on']:,} pairs there are were used in training one of the two." if ratings["trained_on"] else ""
        return {"accuracy": None, "accuracy_words": f"There are no pairs to judge by.{trained} Rate at least {FEWEST_PAIRS} pairs in the Rate room; one image in five is held out of training.",
                "ratings": ratings}
    length = pair_accuracy(rated, length_values(rated))
    return {"accuracy": {**asdict(found), "told": found.told, "length": None if length is None else asdict(length)}, "accuracy_words": found.words, "ratings": ratings}


def dataset_part(context: "JobContext", dataset_id: int, kind: Kind, present: Side, candidate: Side, ids: Sequence[int]) -> dict[str, Any]:
    """{"sides", "ranks", "rises", "falls"} over the records asked for."""
    store = context.store
    name, spec = spec_of(store, dataset_id)
    spec = with_keys(store, dataset_id, spec)
    other = spec.answer_key if kind == "question" else spec.question_key
    tables = []
    for side in (present, candidate):
        keys = (side.key.digest, other) if kind == "question" else (other, side.key.digest)
        table = store.scores.table(dataset_id, *keys)
        outside = ~np.isin(table.ids, np.asarray(ids, np.int64))
        getattr(table, kind)[outside] = np.nan
        tables.append(table)
    changes = side_changes(kind, *tables, spec, store.actions.decisions(dataset_id))
    both = ranks.pair(getattr(tables[0], kind), getattr(tables[1], kind))
    found = ranks.agreement(both, types=tables[0].type)
    rises, rising = ranks.strongest(both, "second", count=MOVERS)
    falls, falling = ranks.strongest(both, "first", count=MOVERS)
    records = {record.id: record for record in store.records.many([int(tables[0].ids[row.row]) for row in (*rises, *falls)])}

    def mover(row: ranks.Disagreement) -> dict[str, Any]:
        record = records[int(tables[0].ids[row.row])]
        return {"record": record.id, "key": record.key, "type": record.type, "type_label": TYPE_LABELS[record.type], "image": record.image, "present": row.first, "candidate": row.second,
                "present_percentile": row.first_percentile, "candidate_percentile": row.second_percentile, "text": record.question_set[:TEXT_SHOWN]}

    listed = {name: [int(one) for one in tables[0].ids[rows][:LISTED]] for name, rows in (("coming_in", changes.coming_in), ("going_out", changes.going_out))}
    return {
        "sides": {"groups": [asdict(group) for group in changes.groups], "compared": changes.compared, "total": len(ids), "one_stage": changes.one_stage,
                  "same_number": changes.same_number, "selection": name, "spec": spec.as_json(), **listed},
        "ranks": {"shared": found.shared, "spearman": found.spearman, "reason": found.reason, "median_move": found.median_move, "largest_move": found.largest_move,
                  "kept": found.kept, "both": found.both, "share": found.share},
        "rises": [mover(row) for row in rises], "falls": [mover(row) for row in falls], "rising": rising, "falling": falling,
    }


def _records(context: "JobContext", dataset_id: int) -> int:
    return context.store.datasets.get(dataset_id).record_count


def _asked(context: "JobContext", dataset_id: int) -> list[int]:
    """Ids of the records the trial is about, in file order. Raises SettingError for a sample that is none."""
    ids, sample = context.store.records.ids(dataset_id), context.params.get("sample")
    if not ids:
        raise SettingError("this data set has no records", hint="Import a data set with records first.")
    if sample is None:
        return ids
    if isinstance(sample, bool) or not isinstance(sample, int) or sample < ranks.FEWEST:
        raise SettingError(f"{str(sample)[:40]!r} records are no sample to rank", hint=f"Take {ranks.FEWEST} or more, or leave it out for all.", place="sample")
    return ids if sample >= len(ids) else [ids[place * len(ids) // sample] for place in range(sample)]
