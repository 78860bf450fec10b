"""The scoring job: every record of a data set through the question and the answer scorer, batch by batch into the store.

Owns the loop, its parameters and what is written; the numbers come from pipeline.scoring.engine, run by one of the executors.
Resume is the store's anti-join: what has its scores under the same key is not looked at again, and what is computed is computed
in the batches of an undisturbed run. A record or image that a worker died on is tried alone, and set aside when a second one
dies on it.

Parameters of `run` (all optional): kinds ["question", "answer"] · scorers {"question": name, "answer": name} (default: the
adopted ones) · base (for scorers in the authors' layout) · image_preparation "pad" or "crop" · precision, quantization, device
("auto" …) · record_ids [..] (default: all) · workers (processes that share the run; default: one a GPU) · ray (true: a Ray of its own on this machine) · ray_address
("host:port" of the head of a Ray cluster, or "auto" on a machine that belongs to one) · tried (true: scored for a trial, so that
these scores don't become the ones that count).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.devices import Hardware, probe
from pipeline.errors import NotFound, SettingError
from pipeline.facts import facts_of, reads_facts, with_facts
from pipeline.models.loading import LoadedModel
from pipeline.models.planning import Plan, Wish, plan
from pipeline.scoring.contract import Kind, answer_text, question_text
from pipeline.scoring.engine import Counters, Engine, Request
from pipeline.scoring.executors import Assignment, Executor, image_reader, in_this_process
from pipeline.scoring.scorers import Scorer, active, load_scorer
from pipeline.scoring.sharing import workers_for
from pipeline.scoring.windows import image_problem, window_ids
from pipeline.teaching.adoption import with_scorers

if TYPE_CHECKING:
    from pipeline.worker import JobContext

KINDS: tuple[Kind, ...] = ("question", "answer")
READ = 512
"""Records read at once to count facts."""
Share = Callable[[Plan], tuple[int, Executor]]
"""A plan → how many workers share the run, and the executor that makes them."""


def run(context: "JobContext") -> dict[str, Any]:
    """Score what is not scored yet. Raises SettingError or ModelError before work starts, JobCancelled when stopped."""
    dataset_id = context.job.dataset_id
    if dataset_id is None:
        raise SettingError("scoring needs a data set", hint="Import one, or open the demo.")
    context.step(0, 0, "Loading", "Reading scorers and model")
    scorers = wanted_scorers(with_scorers(context, context.params))
    if context.params.get("ray") or context.params.get("ray_address"):
        from pipeline.scoring.cluster import Cluster

        with Cluster(context) as cluster:
            return _run(context, dataset_id, scorers, cluster.hardware, cluster.share)
    hardware = probe()
    return _run(context, dataset_id, scorers, hardware, lambda found: _share(context, found, hardware))


def _run(context: "JobContext", dataset_id: int, scorers: Sequence[Scorer], hardware: Hardware, share: Share) -> dict[str, Any]:
    found = plan_for(scorers, context.params, hardware)
    workers, executor = share(found)
    keys = {scorer.kind: context.store.scores.register(scorer.key(found)) for scorer in scorers}
    for key in keys.values():
        (context.store.scores.mark_tried if context.params.get("tried") else context.store.scores.mark_used)(dataset_id, key)
    ids, pictures = _asked(context, dataset_id)
    missing = np.unique(np.concatenate([context.store.scores.missing_ids(dataset_id, key) for key in keys.values()]))
    missing = missing[np.isin(missing, ids)]
    assignment = Assignment(tuple(scorers), found, context.workspace.root, keys, tuple(window_ids(ids, pictures, missing)))
    start, failed = time.monotonic(), 0
    already = done = len(ids) - len(missing)
    counters = Counters()
    if len(missing):
        with closing(executor(context, assignment, counters)) as finished:  # type: ignore[type-var]
            context.step(done, len(ids), "Scoring")
            for part in finished:
                for kind, rows in part.scores.items():
                    context.store.scores.add(keys[kind], rows)
                    failed += sum(row.value is None for row in rows)
                done = min(done + part.records, len(ids))  # a share that a Ray actor died on may count a record again
                context.step(done, len(ids), "Scoring", part.note or _message(counters))
    for key in keys.values():
        context.store.derived.scores(dataset_id, key)  # the arrays of the screen, made here rather than while somebody waits
    told = _facts_told(context, scorers, ids)
    context.step(len(ids), len(ids), "Scoring", f"Done; {told['words']}" if told else "Done")
    return {
        "keys": dict(keys), "scorers": {scorer.kind: scorer.name for scorer in scorers}, "plan": asdict(found), "workers": workers,
        "records": len(ids), "scored_now": len(missing), "already": already, "failed": failed,
        "seconds": round(time.monotonic() - start, 2), "counters": asdict(counters),
        **({"facts": told} if told else {}),
    }


def _share(context: "JobContext", found: Plan, hardware: Hardware) -> tuple[int, Executor]:
    """Among processes of this machine."""
    workers = workers_for(context.params.get("workers"), found, hardware)
    if workers == 1:
        return 1, in_this_process
    from pipeline.scoring.pool import pool_of

    return workers, pool_of(workers)


def _facts_told(context: "JobContext", scorers: Sequence[Scorer], ids: np.ndarray) -> dict[str, Any] | None:
    """How many of the records have facts to show; None where no scorer of the run reads them."""
    readers = [scorer.name for scorer in scorers if reads_facts(scorer.training)]
    if not readers:
        return None
    having = sum(bool(facts_of(record)) for at in range(0, len(ids), READ) for record in context.store.records.many([int(one) for one in ids[at:at + READ]]))
    return {"scorers": readers, "records": having, "of": len(ids), "words": f"{having:,} of {len(ids):,} records have facts"}


def _message(counters: Counters) -> str:
    padding = counters.padded_tokens / max(1, counters.real_tokens)
    return f"{counters.images_encoded:,} images encoded, {counters.images_reused:,} texts shared one; padding {padding:.1%}"


def score_text(context: "JobContext") -> dict[str, Any]:
    """Score one text that a person is editing; nothing is stored.

    Parameters: kind · record_id (its image and, for a scorer taught with facts, its facts) or image (sha256, None without one) · question (text, or a list for a question
    set) · answer · precision, quantization, device, scorers as in `run`. Result: {"value", "reason", "key"}.
    """
    params = context.params
    kind = params.get("kind", "answer")
    if kind not in KINDS:
        raise SettingError(f"{kind!r} is no kind of score", hint="Choose question or answer.")
    scorers = wanted_scorers(with_scorers(context, {**params, "kinds": [kind]}))
    loaded = load_base(context, scorers)
    image, problem, facts = _shown_with(context)
    if problem:
        return {"value": None, "reason": problem, "key": scorers[0].key(loaded.plan).digest}
    asked = params.get("question", "")
    questions = [asked] if isinstance(asked, str) else [str(question) for question in asked]
    text = question_text(questions) if kind == "question" else answer_text("\n".join(questions), str(params.get("answer", "")))
    if reads_facts(scorers[0].training):
        text = with_facts(text, facts)
    with closing(Engine(loaded, scorers, image_reader(context.workspace))) as engine:
        outcome = engine.score([Request(kind, image, text)])[0]
    return {"value": outcome.value, "reason": outcome.reason, "key": scorers[0].key(loaded.plan).digest}


def wanted_scorers(params: dict[str, Any]) -> list[Scorer]:
    """The scorers a job asks for, one a kind. Raises SettingError where a kind or scorer is unknown or bases differ."""
    kinds = params.get("kinds") or list(KINDS)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise SettingError(f"{unknown[0]!r} is no kind of score", hint="Choose question, answer, or both.")
    named = params.get("scorers") or {}
    scorers = [load_scorer(named.get(kind) or active(kind), kind, base=params.get("base"), image_preparation=params.get("image_preparation"))
               for kind in KINDS if kind in kinds]
    if len({scorer.base for scorer in scorers}) > 1:
        raise SettingError("the two scorers belong to different base models", hint="Score one kind after the other.")
    return scorers


def plan_for(scorers: Sequence[Scorer], params: dict[str, Any], hardware: Hardware | None = None) -> Plan:
    """The plan these scorers would run under, here or on the hardware told. Raises SettingError as planning does."""
    wish = Wish(params.get("precision") or "auto", params.get("quantization") or "auto", params.get("device") or "auto")
    adapters = {scorer.adapter.revision: scorer.adapter.gib for scorer in scorers if scorer.adapter is not None}
    return plan(scorers[0].spec, hardware or probe(), wish, beside_gib=sum(adapters.values()))


def load_base(context: "JobContext", scorers: Sequence[Scorer]) -> LoadedModel:
    """The scorers' base, from the worker's shelf."""
    return context.shelf.get(scorers[0].spec, plan_for(scorers, context.params))


def _asked(context: "JobContext", dataset_id: int) -> tuple[np.ndarray, np.ndarray]:
    """(ids, image numbers) the job is about, by image. Raises NotFound where none of the named records is in the data set."""
    ids, pictures = context.store.records.by_image(dataset_id)
    named = context.params.get("record_ids")
    if named is None:
        return ids, pictures
    inside = np.isin(ids, np.array([int(record_id) for record_id in named], np.int64))
    if not inside.any():
        raise NotFound("none of the named records is in this data set", hint="Reload the page: the data set may have been imported again.")
    return ids[inside], pictures[inside]


def _shown_with(context: "JobContext") -> tuple[str | None, str, tuple[str, ...]]:
    """(image, problem, facts) of the record or image a `score_text` job names; an image alone has no facts."""
    record_id = context.params.get("record_id")
    if record_id is None:
        return context.params.get("image") or None, "", ()
    record = context.store.records.get(int(record_id))
    return record.image, image_problem(record), facts_of(record)
