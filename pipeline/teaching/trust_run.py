"""The trust job: gathers what a scorer can be judged by, scores what is missing of it, and writes the report the panel draws.

The figures are pipeline.teaching.trust's, the sentences pipeline.teaching.trust_words'. Scores no data set: of that it reads what
is stored; only rated texts and a sample behind swapped pictures go through the model, and are kept by key and text.

Parameters of `run`: kind · scorer (a name or folder; default the present one) · sample (records for the look, default 120) · seed ·
files (preference files beside the gathered ratings) · gathered (false: files only) · base, precision, quantization, device.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import agreement as ranks
from pipeline.errors import SettingError
from pipeline.facts import reads_facts
from pipeline.models.planning import Plan
from pipeline.records import Record, ScorerKey
from pipeline.rewriting.eligibility import is_refusal
from pipeline.scoring import run as scoring
from pipeline.scoring.comparison import stratified
from pipeline.scoring.contract import Kind, places_of
from pipeline.scoring.scorers import Scorer, load_scorer
from pipeline.teaching import adoption, trust
from pipeline.teaching import trust_words as words
from pipeline.teaching.gather import gather
from pipeline.teaching.held_out import held_out_pairs, held_out_rule
from pipeline.teaching.measures import length_values
from pipeline.teaching.preferences import Rated
from pipeline.teaching.rater_agreement import rater_pairs
from pipeline.teaching.shown_texts import Shown, score_shown, shown_of

if TYPE_CHECKING:
    from pipeline.worker import JobContext

SAMPLE = 120
LARGEST_SAMPLE = 5000
TEXTS_READ = 5000
"""Records of a data set whose texts are read, evenly over the file."""
RATERS = 12
KEYS = 6
"""Other keys of the data set whose rankings are compared."""


def run(context: "JobContext") -> dict[str, Any]:
    """The report: one entry a section, each with its sentence. Raises SettingError or NotFound before work starts, JobCancelled."""
    params, start = context.params, time.monotonic()
    kind, sample, seed = params.get("kind"), params.get("sample", SAMPLE), params.get("seed", 0)
    if kind not in adoption.KINDS:
        raise SettingError(f"{str(kind)[:40]!r} is no kind of scorer", hint="Choose question or answer.", place="kind")
    for name, value, most in (("sample", sample, LARGEST_SAMPLE), ("seed", seed, 2**32 - 1)):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise SettingError(f"{str(value)[:40]!r} is no {name}", hint=f"Take a whole number from 0 to {most:,}.", place=name)
    context.step(0, 0, "Loading", "Reading scorer and ratings")
    known = adoption.find(context.store, context.workspace, kind, params["scorer"]) if params.get("scorer") else adoption.present(context.store, context.workspace, kind)
    if known.problem:
        raise SettingError(f"{known.name} can't be judged: {known.problem}", hint="Restore its folder, or choose another one.", place="scorer")
    scorer = load_scorer(known.loadable, kind, base=params.get("base"))
    key, found = key_of(context, scorer)
    rated, ratings = held_out_pairs(context.store, context.workspace, kind, {known.name: scorer.training}, files=params.get("files") or (), gathered=params.get("gathered") is not False)
    facts = reads_facts(scorer.training)
    own, swapped, clusters = _look_texts(context, kind, sample, seed, facts)
    raters = _raters(context, kind, scorer)
    jobs: dict[str, list[Shown]] = {"Rated texts": shown_of(rated, facts=facts), "Texts of each rater": shown_of([item for _, items in raters for item in items], facts=facts),
                                    "Behind their own picture": own, "Behind another picture": swapped}
    total, done = sum(len(texts) for texts in jobs.values()), 0
    values: dict[str, list[float | None]] = {}
    for stage, texts in jobs.items():
        left_before = len(texts)
        outcomes = score_shown(context, scorer, found, texts, lambda n, of, done=done, count=left_before, stage=stage: context.step(done + count - of + n, total, stage))
        values[stage] = [value for value, _ in outcomes]
        done += len(texts)
    context.step(total, total, "Reading scores", "")
    stored = _stored(context, kind, key.digest)
    return {
        "kind": kind, "scorer": {"reference": known.reference, "name": known.name, "origin": known.origin, "revision": scorer.revision, "base": scorer.base, "key": key.digest,
                                 "key_label": key.label}, "ratings": ratings, "seed": seed, "texts": total,
        **rated_sections(rated, values["Rated texts"]), **_leaning(rated, values["Rated texts"], stored),
        "raters": _rater_section(context, kind, raters, values["Texts of each rater"]),
        "looks": _look_section(trust.looks(values["Behind their own picture"], values["Behind another picture"], clusters)),
        "drift": _drift(context, kind, key.digest), "records_read": stored["records"], "seconds": round(time.monotonic() - start, 2),
    }


def key_of(context: "JobContext", scorer: Scorer) -> tuple[ScorerKey, Plan]:
    """The plan under which the open data set has this scorer's scores, else the machine's own choice, and the key."""
    params = dict(context.params)
    if not params.get("precision") and context.job.dataset_id is not None:
        for stored, _, _ in context.store.scores.keys(context.job.dataset_id, scorer.kind):
            if (stored.adapter, stored.revision, stored.model, stored.image_preparation) == (scorer.name, scorer.revision, scorer.base, scorer.image_preparation):
                params.update(precision=stored.precision, quantization=stored.quantization)
                break
    found = scoring.plan_for([scorer], params)
    return scorer.key(found), found


def rated_sections(rated: Sequence[Rated], values: Sequence[float | None]) -> dict[str, Any]:
    """"accuracy", "gaps", "kinds" and "calibration": all that rated pairs tell."""
    pairs = trust.pair_set(rated, values)
    longer = trust.pair_set(rated, length_values(rated))
    overall, length = trust.share("This scorer", pairs.won, pairs.image), trust.share("Longer is better", longer.won, longer.image)
    gaps, kinds, curve = trust.by_gap(pairs), trust.by_kind_of_pair(rated, pairs, is_refusal), trust.calibration(pairs)
    return {
        "accuracy": {"overall": asdict(overall), "length": asdict(length), "unscored_pairs": pairs.unscored, "words": words.accuracy_words(overall, length)},
        "gaps": {"rows": [asdict(one) for one in gaps], "words": words.gap_words(gaps)},
        "kinds": {"rows": [asdict(one) for one in kinds], "words": words.kind_words(kinds)},
        "calibration": {**asdict(curve), "words": words.calibration_words(curve)},
    }


def _leaning(rated: Sequence[Rated], values: Sequence[float | None], stored: dict[str, Any]) -> dict[str, Any]:
    """"correlations" and "refusals", over the rated texts and over what the data set has stored."""
    numbers = [np.nan if value is None else value for value in values]
    texts = [text for item in rated for text in item.texts]
    found = [trust.correlation("Length of rated texts", numbers, [len(trust.body_of(text)) for text in texts]),
             trust.correlation("Length of the data set's texts", stored["values"], [len(text) for text in stored["texts"]])]
    if stored["kind"] == "question":
        found += [trust.correlation("Number of questions, rated", numbers, [trust.questions_in(text) for text in texts]),
                  trust.correlation("Number of questions, data set", stored["values"], [trust.questions_in(text) for text in stored["texts"]])]
    refused = [trust.refusals("Rated texts", numbers, [is_refusal(trust.body_of(text)) for text in texts]),
               trust.refusals("The data set's texts", stored["values"], [is_refusal(text) for text in stored["texts"]])]
    return {"correlations": {"rows": [asdict(one) for one in found], "words": words.correlation_words(found)},
            "refusals": {"rows": [asdict(one) for one in refused], "words": words.refusal_words(refused)}}


def _raters(context: "JobContext", kind: Kind, scorer: Scorer) -> list[tuple[str, list[Rated]]]:
    """(rater, their items that are new to the scorer), who ordered most pairs first. Only their own words, not what they accepted."""
    new = held_out_rule(scorer.training)
    names = dict.fromkeys(rating.rater for rating in context.store.ratings.in_force(kind=kind))
    found = []
    for name in names:
        items = [item for item in gather(context.store, context.workspace, kind, dataset_id=None, raters=[name], origins=None).rated if new(item.image)]
        if items:
            found.append((name, items))
    return sorted(found, key=lambda row: -sum(len(item.pairs) for item in row[1]))[:RATERS]


def _rater_section(context: "JobContext", kind: Kind, raters: Sequence[tuple[str, list[Rated]]], values: Sequence[float | None]) -> dict[str, Any]:
    agreed: dict[str, list[int]] = {}
    others: dict[str, list[str]] = {}
    for both in rater_pairs(context.store.ratings.in_force(kind=kind)):
        for one, other in ((both.first, both.second), (both.second, both.first)):
            tally = agreed.setdefault(one, [0, 0])
            tally[0] += both.alike
            tally[1] += both.ordered
            others.setdefault(one, []).append(other)
    rows, start = [], 0
    for name, items in raters:
        count = sum(len(item.texts) for item in items)
        pairs = trust.pair_set(items, values[start:start + count])
        alike, ordered = agreed.get(name, [0, 0])
        rows.append(trust.RaterRow(name, trust.share(name, pairs.won, pairs.image), alike / ordered if ordered else None, ordered, tuple(others.get(name, ()))))
        start += count
    return {"rows": [asdict(row) for row in rows], "words": words.rater_words(rows)}


def _look_texts(context: "JobContext", kind: Kind, size: int, seed: int, facts: bool = False) -> tuple[list[Shown], list[Shown], list[str]]:
    """(texts behind their own picture, the same behind another record's, the picture's name a text) of a sample of the data set;
    both with the record's facts for a scorer taught with facts."""
    if context.job.dataset_id is None or size == 0:
        return [], [], []
    table = context.store.scores.table(context.job.dataset_id, None, None)
    chance = np.random.default_rng(seed)
    able = np.flatnonzero(table.image >= 0)
    chosen = able[stratified(table.type[able], size, chance)] if len(able) else able
    records = [record for record in context.store.records.many([int(one) for one in table.ids[chosen]]) if record.image and context.workspace.image_path(record.image).is_file()]
    order = chance.permutation(len(records))
    own, swapped, clusters = [], [], []
    for place, record in enumerate(records):
        text = _one_text(record, kind, chance, facts)
        other = next((records[at].image for step in range(1, len(records)) if records[at := int(order[(place + step) % len(records)])].image != record.image), None)
        if text is None or other is None:
            continue
        own.append(Shown(text, context.workspace.image_path(record.image), record.image))
        swapped.append(Shown(text, context.workspace.image_path(other), other))
        clusters.append(record.image)
    return own, swapped, clusters


def _one_text(record: Record, kind: Kind, chance: np.random.Generator, facts: bool) -> str | None:
    texts = [place.text for place in places_of(record, (kind,), (kind,) if facts else ()) if trust.body_of(place.text)]
    return texts[int(chance.integers(len(texts)))] if texts else None


def _look_section(found: trust.Looks) -> dict[str, Any]:
    return {**asdict(found), "words": words.look_words(found)}


def _stored(context: "JobContext", kind: Kind, digest: str) -> dict[str, Any]:
    """{"texts", "values": of the data set's stored scores under this key, "records": read}; texts are questions or answers alone."""
    empty: dict[str, Any] = {"kind": kind, "texts": [], "values": [], "records": 0}
    dataset_id = context.job.dataset_id
    if dataset_id is None:
        return empty
    ids = context.store.records.ids(dataset_id)
    ids = [ids[place * len(ids) // TEXTS_READ] for place in range(TEXTS_READ)] if len(ids) > TEXTS_READ else ids
    scores = context.store.scores.of_records(digest, ids)
    scored = [record_id for record_id in ids if scores[record_id]]
    for record in context.store.records.many(scored):
        values = {(score.turn, score.candidate): score.value for score in scores[record.id]}
        for place in places_of(record, (kind,)):
            value = values.get((place.turn, place.candidate))
            if value is not None:
                empty["texts"].append(trust.body_of(place.text))
                empty["values"].append(value)
    return {**empty, "records": len(scored)}


def _drift(context: "JobContext", kind: Kind, digest: str) -> dict[str, Any]:
    """Rank correlation of this key's scores with those of the data set's other keys, the last used first."""
    dataset_id = context.job.dataset_id
    keys = [key for key, _, _ in context.store.scores.keys(dataset_id, kind)] if dataset_id is not None else []
    rows: list[dict[str, Any]] = []
    if dataset_id is not None and any(key.digest == digest for key in keys):
        def column(one: str) -> tuple[np.ndarray, np.ndarray]:
            table = context.store.scores.table(dataset_id, *((one, None) if kind == "question" else (None, one)))  # type: ignore[arg-type]
            return getattr(table, kind), table.type

        mine, types = column(digest)
        for key in [key for key in keys if key.digest != digest][:KEYS]:
            found = ranks.agreement(ranks.pair(mine, column(key.digest)[0]), types=types)
            rows.append({"key": key.digest, "label": key.label, "adapter": key.adapter, "shared": found.shared, "total": found.total, "spearman": found.spearman, "reason": found.reason,
                         "kept": found.kept, "both": found.both, "share": found.share})
    return {"rows": rows, "words": words.drift_words(rows)}
