"""The rewriting job and its urgent little sister for one text.

Owns parameters, the order of work and what is stored; the texts come from pipeline.rewriting.writer. Resume is the
store's anti-join: a place that has a rewrite under the same key is not written again.

Parameters of `run` (all optional): selection (name; default the open one) · record_ids [..] · parts ["question", "answer"] ·
model ("embedded", a name, folder or hub id) · precision, quantization, device ("auto" …) · drafts (1–16) · seed · limit (records)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

from pipeline.curation import curate
from pipeline.devices import probe
from pipeline.errors import NotFound, NothingKept, SettingError
from pipeline.facts import facts_of
from pipeline.models.planning import Plan, Wish, plan
from pipeline.models.specs import ModelSpec, spec_for
from pipeline.records import WHOLE, Record, Rewrite, without_image_tag
from pipeline.rewriting.drafts import Source
from pipeline.rewriting.generation import Decoding
from pipeline.rewriting.guards import GUARDS_VERSION
from pipeline.rewriting.prompts import PROMPT_VERSION
from pipeline.rewriting.rewards import reward_for
from pipeline.rewriting.voice import Voice
from pipeline.rewriting.writer import Writer
from pipeline.store import Store

if TYPE_CHECKING:
    from pipeline.worker import JobContext

PARTS = ("question", "answer")
FIRST_BATCH, LARGEST_BATCH = 4, 128
"""Texts written and stored together: what a stop waits for and a kill can cost. The size follows BATCH_S."""
BATCH_S = 8.0
WINDOW = 128
"""Texts that are sorted by length together."""
MOST_TEXT = 20_000
"""Characters of a text that a person may try."""


def run(context: "JobContext") -> dict[str, Any]:
    """Rewrite what is not rewritten yet. Raises SettingError or ModelError before work starts, JobCancelled when stopped."""
    dataset_id = context.job.dataset_id
    if dataset_id is None:
        raise SettingError("rewriting needs a data set", hint="Import one, or open the demo.")
    decoding, parts = _decoding(context.params), wanted_parts(context.params)
    context.step(0, 0, "Loading", "Reading the selection and the model")
    sources = sources_of(context.store, dataset_id, context.params, parts)
    spec, found = _model(context.params)
    found = _as_before(context, spec, found, decoding)
    key = rewrite_key(spec, found, decoding)
    done = context.store.rewrites.done(dataset_id, key)
    left = [source for source in sources if source.place not in done]
    already = len(sources) - len(left)
    started = time.monotonic()
    writer, size = None, FIRST_BATCH
    for start in range(0, len(left), WINDOW):
        window = sorted(left[start:start + WINDOW], key=lambda source: len(source.text))
        at = 0
        while at < len(window):
            context.step(already + start + at, len(sources), "Rewriting", f"{already} were there already" if already else "")
            writer = writer or _writer(context, spec, found, decoding)
            began = time.monotonic()
            part = window[at:at + size]
            context.store.rewrites.add(key, [outcome.as_rewrite(spec.label) for outcome in writer.rewrite(part)])
            at += len(part)
            size = _next_size(size, time.monotonic() - began)
    context.step(len(sources), len(sources), "Rewriting", "Done")
    stored = [w for w in context.store.rewrites.all(dataset_id, key=key)]
    seconds = time.monotonic() - started
    return {"key": key, "texts": len(sources), "written_now": len(left), "already": already, "seconds": round(seconds, 2),
            "texts_per_s": round(len(left) / seconds, 3) if left else 0.0, **figures(stored)}


def rewrite_text(context: "JobContext") -> dict[str, Any]:
    """Rewrite one text that a person typed; nothing is stored.

    Parameters: text · part · model, precision, quantization, device, drafts, seed as in `run` · record_id, turn (optional:
    its image and questions for the reward). Result: {"original", "text", "kept", "reason", "guards", "review",
    "style_before", "style_after", "raw", "seconds"}; `review["drafts"]` holds every draft.
    """
    text, part = str(context.params.get("text", "")), context.params.get("part", "answer")
    if part not in PARTS:
        raise SettingError(f"{str(part)[:40]!r} is neither question nor answer", hint="Choose question or answer.")
    if len(text) > MOST_TEXT:
        raise SettingError(f"{len(text):,} characters are too long to try", hint=f"Try at most {MOST_TEXT:,} characters.")
    decoding = _decoding(context.params)
    spec, found = _model(context.params)
    writer = _writer(context, spec, found, decoding, with_reward=False)
    started = time.monotonic()
    made = writer.rewrite([Source(0, 0, WHOLE, part, without_image_tag(text))])[0].as_rewrite(spec.label)
    return {"original": made.original, "text": made.text, "kept": made.kept, "reason": made.reason, "raw": made.raw, "review": made.review,
            "guards": [{"name": g.name, "passed": g.passed, "detail": g.detail} for g in made.guards],
            "style_before": made.style_before, "style_after": made.style_after, "part": part, "seconds": round(time.monotonic() - started, 2)}


def sources_of(store: Store, dataset_id: int, params: dict[str, Any], parts: Sequence[str]) -> list[Source]:
    """The texts a job is about, in file order: each question, and the answer that the scores prefer.

    Raises NothingKept, and NotFound for a selection or record that isn't there.
    """
    view = curate(store, dataset_id, params.get("selection"))
    ids = view.kept_ids
    asked = params.get("record_ids")
    if asked is not None:
        known = set(int(i) for i in view.table.ids)
        foreign = [i for i in asked if i not in known]
        if foreign:
            raise NotFound(f"record {foreign[0]} is not in this data set", hint="Reload the page.")
        ids = [int(i) for i in asked]
    if params.get("limit") is not None:
        ids = ids[:max(0, int(params["limit"]))]
    if not ids:
        raise NothingKept("no record is kept, so there is nothing to rewrite", hint="Score the data set and lower the cuts in Select, or keep records by hand.")
    return [source for record in store.records.many(ids) for source in _sources(record, view.best_of(record), parts)]


def _sources(record: Record, best: Sequence[int], parts: Sequence[str]) -> list[Source]:
    questions, facts = tuple(turn.question_text for turn in record.turns), facts_of(record)
    found = []
    for number, (turn, candidate) in enumerate(zip(record.turns, best)):
        if "question" in parts:
            found.append(Source(record.id, number, WHOLE, "question", turn.question_text, record.image, questions, facts))
        if "answer" in parts and candidate < len(turn.answers):
            found.append(Source(record.id, number, candidate, "answer", turn.answers[candidate].strip(), record.image, questions, facts))
    return found


def wanted_parts(params: dict[str, Any]) -> list[str]:
    """Questions, answers or both. Raises SettingError where a part is unknown or none is named."""
    told = params.get("parts")
    if told is None:
        return list(PARTS)
    unknown = [part for part in told if part not in PARTS]
    if unknown or not told:
        raise SettingError(f"{str(unknown[0])[:40]!r} is no part of a record" if unknown else "neither questions nor answers are to be rewritten",
                           hint="Choose question, answer, or both.")
    return [part for part in PARTS if part in told]


def rewrite_key(spec: ModelSpec, found: Plan, decoding: Decoding) -> str:
    """What a stored rewrite belongs to: model, how it was loaded, versions of prompt and guards, drafts and seed."""
    quantization = "" if found.quantization == "none" else f" {found.quantization}"
    return f"{spec.name} · {found.precision}{quantization} · prompt {PROMPT_VERSION} · guards {GUARDS_VERSION} · {decoding.drafts} drafts · seed {decoding.seed}"


def figures(rewrites: Sequence[Rewrite]) -> dict[str, Any]:
    """Counts and medians over stored rewrites: proposed, kept by kind, style before and after of what is proposed."""
    proposed = [w for w in rewrites if not w.kept]
    before = [w.style_before for w in proposed if w.style_before is not None]
    after = [w.style_after for w in proposed if w.style_after is not None]
    return {"proposed": len(proposed), "kept": len(rewrites) - len(proposed), "by_model": sum(w.review.get("origin") == "model" for w in proposed),
            "kinds": dict(Counter(w.review.get("kind", "") for w in rewrites if w.kept)),
            "style_before": round(median(before), 4) if before else None, "style_after": round(median(after), 4) if after else None}


def _next_size(size: int, seconds: float) -> int:
    """Twice as many texts after a quick batch, half after a slow one."""
    if seconds < BATCH_S / 2:
        return min(LARGEST_BATCH, size * 2)
    return max(FIRST_BATCH, size // 2) if seconds > BATCH_S * 2 else size


def _decoding(params: dict[str, Any]) -> Decoding:
    try:
        return Decoding(drafts=int(params.get("drafts") or Decoding.drafts), seed=int(params.get("seed") or 0))
    except (TypeError, ValueError) as error:
        raise SettingError("drafts and seed must be whole numbers", hint="For example 3 drafts, seed 0.") from error


def _model(params: dict[str, Any]) -> tuple[ModelSpec, Plan]:
    spec = spec_for(params.get("model") or "embedded")
    return spec, plan(spec, probe(), Wish(params.get("precision") or "auto", params.get("quantization") or "auto", params.get("device") or "auto"))


def _as_before(context: "JobContext", spec: ModelSpec, found: Plan, decoding: Decoding) -> Plan:
    """With precision left open, the one these rewrites were begun in: the plan times the machine, and a busy moment must not start them anew."""
    if (context.params.get("precision") or "auto") != "auto":
        return found
    known = {key for key, _ in context.store.rewrites.keys(context.job.dataset_id or 0)}
    for precision in ("bf16", "fp16", "fp32"):
        other = replace(found, precision=precision)
        if other.precision != found.precision and rewrite_key(spec, other, decoding) in known and rewrite_key(spec, found, decoding) not in known:
            return plan(spec, probe(), Wish(precision, found.quantization, found.device))  # type: ignore[arg-type]
    return found


def _writer(context: "JobContext", spec: ModelSpec, found: Plan, decoding: Decoding, *, with_reward: bool = True) -> Writer:
    loaded = context.shelf.get(spec, found)
    return Writer(Voice(loaded), decoding, reward=reward_for(loaded, context) if with_reward else None)
