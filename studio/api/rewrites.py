"""/api/rewrites: start a run, read the queue, judge, undo, try one text.

Verdicts are stored at once as actions of the data set; the queue is the fold over them. Guards on an edit are pure and
run here; whatever needs the model is a job.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from pipeline import jobs
from pipeline.curation import curate
from pipeline.errors import ModelError, NotFound, NothingKept, SettingError
from pipeline.models.fetch import embedded_ready
from pipeline.models.machine import hardware_of
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import SPECS, spec_for
from pipeline.records import Guard, Job, Rewrite
from pipeline.rewriting.drafts import ORIGIN_LABELS
from pipeline.rewriting.eligibility import SPECIAL_TOKENS
from pipeline.rewriting.generation import Decoding
from pipeline.rewriting.guards import Pair, check, failed
from pipeline.rewriting.run import MOST_TEXT, PARTS, rewrite_key, sources_of
from pipeline.textdiff import word_diff
from studio.api.rewrite_views import summary
from studio.api.scores import machine_figures
from studio.api.shapes import Id, QueryId, card_shape, job_shape
from studio.context import StudioContext

AUTHOR = "screen"
FILTERS = ("pending", "accepted", "rejected", "edited", "kept", "all")
VERDICTS = ("accepted", "rejected", "edited", "pending")
PAGE_LIMIT = 500
Key = Annotated[str, Query(max_length=300)]
Json = Annotated[Any, Body()]


@dataclass(frozen=True)
class RewriteWish:
    """What a person asks to be rewritten."""

    dataset_id: int
    selection: str
    parts: tuple[str, ...]
    model: str = "embedded"
    drafts: int = Decoding.drafts
    precision: str = "auto"
    quantization: str = "auto"
    seed: int = 0

    @property
    def params(self) -> dict[str, Any]:
        return {"selection": self.selection or None, "parts": list(self.parts), "model": self.model, "drafts": self.drafts, "precision": self.precision,
                "quantization": self.quantization, "seed": self.seed, "name": self.selection}


def read_wish(body: Any) -> RewriteWish:
    """Check a JSON body. Raises SettingError naming what is wrong."""
    if not isinstance(body, dict):
        raise SettingError("this is no rewriting request", hint="Send an object with dataset and parts.")
    parts = body.get("parts", list(PARTS))
    if not isinstance(parts, list) or not parts or any(part not in PARTS for part in parts):
        raise SettingError(f"{_shown(parts)} names neither questions nor answers", hint="parts is a list of: question, answer.", place="parts")
    words = {}
    for name, default in (("selection", ""), ("model", "embedded"), ("precision", "auto"), ("quantization", "auto")):
        value = body.get(name) or default
        if not isinstance(value, str) or len(value) > 300:
            raise SettingError(f"{_shown(value)} is no {name}", hint=f"{name} is a short text.", place=name)
        words[name] = value
    drafts = _number(body, "drafts", Decoding.drafts, 1, 16)
    return RewriteWish(_number(body, "dataset", None, 0, 2**53), words["selection"], tuple(part for part in PARTS if part in parts), words["model"], drafts,
                       words["precision"], words["quantization"], _number(body, "seed", 0, 0, 2**31))


def _number(body: dict[str, Any], name: str, default: int | None, low: int, high: int) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingError(f"{_shown(value)} is no value for {name}", hint=f"A whole number from {low} to {high:,}.", place=name)
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def overview(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """What the start panel needs: selections, models, keys with counts, the last run. Raises NotFound."""
    dataset = context.store.datasets.get(dataset_id)
    view = curate(context.store, dataset_id)
    runs = context.store.jobs.recent(dataset_id=dataset_id, kinds=["rewrite"], limit=1)
    scored = bool(view.table.question.size and (view.table.question == view.table.question).any())
    return {
        "dataset": {"id": dataset.id, "name": dataset.name, "records": dataset.record_count}, "kept": len(view.kept_ids), "scored": scored,
        "selections": [{"name": stored.name, "current": stored.name == view.name} for stored in context.store.selections.all(dataset_id)],
        "models": [{"name": spec.name, "label": spec.label, "note": spec.note, "ready": spec.name != "embedded" or embedded_ready()} for spec in SPECS.values()],
        "keys": [{"key": key, "texts": count} for key, count in context.store.rewrites.keys(dataset_id)],
        "last": job_shape(runs[0], full=True) | {"params": runs[0].params} if runs else None,
    }


def planned(context: StudioContext, wish: RewriteWish) -> dict[str, Any]:
    """What a run would do: texts by part, how many are there already, device and precision with the reason.

    {"state": "measuring"} until the worker has looked at the machine; {"state": "nothing", "error", "hint"} where no record
    is kept: the state of every data set before it is scored, so it is an answer and no error. Raises SettingError where the wish can't be met.
    """
    context.store.datasets.get(wish.dataset_id)
    try:
        sources = sources_of(context.store, wish.dataset_id, wish.params, wish.parts)
    except NothingKept as nothing:
        return {"state": "nothing", "error": nothing.message, "hint": nothing.hint}
    machine = machine_figures(context)
    if machine is None:
        return {"state": "measuring"}
    spec = spec_for(wish.model)
    hardware = hardware_of(machine.result)
    found = plan(spec, hardware, Wish(wish.precision, wish.quantization))  # type: ignore[arg-type]
    key = rewrite_key(spec, found, Decoding(drafts=wish.drafts, seed=wish.seed))
    done = context.store.rewrites.done(wish.dataset_id, key)
    left = [source for source in sources if source.place not in done]
    rate = _last_rate(context, wish)
    return {"state": "ready", "key": key, "records": len({source.record_id for source in sources}), "texts": len(sources), "left": len(left),
            "by_part": {part: sum(source.part == part for source in sources) for part in wish.parts}, "model": spec.label, "device": found.device,
            "precision": found.precision, "quantization": found.quantization, "gib": found.gib, "free_gib": round(hardware.free_gib, 1), "reason": found.reason,
            "seconds": len(left) / rate if rate else None}


def _last_rate(context: StudioContext, wish: RewriteWish) -> float | None:
    """Texts a second of the last finished run with the same model and drafts in this workspace, None before the first."""
    for job in context.store.jobs.recent(kinds=["rewrite"], limit=20):
        if job.state == "done" and job.params.get("model") == wish.model and job.params.get("drafts") == wish.drafts and job.result.get("texts_per_s"):
            return float(job.result["texts_per_s"])
    return None


def start(context: StudioContext, wish: RewriteWish) -> Job:
    """Queue a run. Raises SettingError where nothing is kept or a run of this data set goes on, ModelError before `make model`."""
    dataset = context.store.datasets.get(wish.dataset_id)
    _model_there(wish.model)
    sources_of(context.store, dataset.id, wish.params, wish.parts)
    running = next((job for job in context.store.jobs.active("model") if job.kind == "rewrite" and job.dataset_id == dataset.id), None)
    if running is not None:
        raise SettingError(f"{dataset.name} is being rewritten already (job {running.id})", hint="Wait for it, or stop it first. What is written is kept.")
    return context.submit("rewrite", dataset.id, wish.params)


def try_text(context: StudioContext, text: Any, part: Any, model: str = "embedded", drafts: int = Decoding.drafts) -> Job:
    """Queue an urgent rewrite of one typed text. Raises SettingError for empty or very long text."""
    if part not in PARTS:
        raise SettingError(f"{_shown(part)} is neither question nor answer", hint="Choose question or answer.", place="part")
    if not isinstance(text, str) or not text.strip():
        raise SettingError("there is no text to rewrite", hint="Type a question or an answer first.", place="text")
    if len(text) > MOST_TEXT:
        raise SettingError(f"{len(text):,} characters are too long to try", hint=f"Try at most {MOST_TEXT:,} characters.", place="text")
    _model_there(model)
    return context.submit("rewrite_text", None, {"text": text, "part": part, "model": model, "drafts": drafts}, priority=jobs.URGENT)


def _model_there(model: str) -> None:
    if model == "embedded" and not embedded_ready():
        raise ModelError("the embedded model is not on this machine yet", hint="Run `make model` once in the studio's folder, then start again.")
    spec_for(model)


def chosen_key(context: StudioContext, dataset_id: int, key: str) -> str | None:
    """The key asked for, the newest where none is named, None before the first run. Raises NotFound for a foreign one."""
    keys = [name for name, _ in context.store.rewrites.keys(dataset_id)]
    if not key:
        return keys[0] if keys else None
    if key not in keys:
        raise NotFound(f"this data set has no rewrites under {key[:80]!r}", hint="Choose a run from the list.")
    return key


def queue(context: StudioContext, dataset_id: int, key: str | None, wanted: str = "pending", *, part: str = "", offset: int = 0, limit: int = 200) -> dict[str, Any]:
    """Short rows in file order with the counts of every filter. Raises SettingError for an unknown filter."""
    if wanted not in FILTERS:
        raise SettingError(f"{wanted[:40]!r} is no part of the queue", hint=f"Choose one of {', '.join(FILTERS)}.")
    rewrites = context.store.rewrites.all(dataset_id, key=key) if key else []
    rewrites = [w for w in rewrites if not part or w.part == part]
    counts = {name: sum(_belongs(w, name) for w in rewrites) for name in FILTERS}
    rows = [w for w in rewrites if _belongs(w, wanted)]
    proposed = [w for w in rewrites if not w.kept]
    return {"key": key, "total": len(rows), "counts": counts, "offset": offset, "proposed": len(proposed), "judged": sum(w.verdict != "pending" for w in proposed),
            "green": len(_green(rewrites)), "rows": [_row(w) for w in rows[offset:offset + limit]]}


def _belongs(rewrite: Rewrite, wanted: str) -> bool:
    if wanted == "all":
        return True
    if wanted == "kept":
        return rewrite.kept and rewrite.verdict == "pending"
    return rewrite.verdict == wanted and (wanted != "pending" or not rewrite.kept)


def _row(rewrite: Rewrite) -> dict[str, Any]:
    return {"id": rewrite.id, "record_id": rewrite.record_id, "part": rewrite.part, "turn": rewrite.turn, "kept": rewrite.kept, "verdict": rewrite.verdict,
            "kind": rewrite.review.get("kind", ""), "origin": rewrite.review.get("origin", ""), "snippet": rewrite.original[:120]}


def one_rewrite(context: StudioContext, rewrite_id: int) -> dict[str, Any]:
    """Everything the workbench shows of one rewrite: both texts with the changed words, guards, review, drafts, the record."""
    rewrite = context.store.rewrites.get(rewrite_id)
    record = context.store.records.get(rewrite.record_id)
    nearest = str(rewrite.review.get("draft", ""))
    right = rewrite.edited if rewrite.verdict == "edited" and rewrite.edited is not None else nearest if rewrite.kept else rewrite.text
    guards = check(Pair(rewrite.original, right, rewrite.part)) if rewrite.verdict == "edited" else rewrite.guards
    turn = record.turns[rewrite.turn]
    return {
        **_row(rewrite), "original": rewrite.original, "text": rewrite.text, "edited": rewrite.edited, "raw": rewrite.raw, "right": right, "reason": rewrite.reason,
        "spans": _spans(rewrite.original, right), "guards": [_guard(g) for g in guards], "review": {k: v for k, v in rewrite.review.items() if k != "drafts"},
        "drafts": rewrite.review.get("drafts", []), "origin_label": "edited by a person" if rewrite.verdict == "edited" else ORIGIN_LABELS.get(str(rewrite.review.get("origin", "")), ""),
        "style_before": rewrite.style_before, "style_after": None if rewrite.verdict == "edited" else rewrite.style_after, "key": rewrite.key,
        "record": card_shape(record), "question": turn.question_text if rewrite.part == "answer" else "", "turns": len(record.turns),
        "candidates": len(turn.answers),
    }


def _spans(before: str, after: str) -> list[list[str]]:
    return [[span.op, span.text] for span in word_diff(before, after)] if after else []


def _guard(guard: Guard) -> dict[str, Any]:
    return {"name": guard.name, "passed": guard.passed, "detail": guard.detail}


def check_edit(context: StudioContext, rewrite_id: int, text: Any) -> dict[str, Any]:
    """Guards and changed words of a text a person is typing. Nothing is stored."""
    rewrite = context.store.rewrites.get(rewrite_id)
    edited = _edited_text(text)
    guards = check(Pair(rewrite.original, edited, rewrite.part))
    return {"guards": [_guard(g) for g in guards], "failed": len(failed(guards)), "spans": _spans(rewrite.original, edited)}


def _edited_text(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise SettingError("an edited text can't be empty", hint="Type the text, or reject the rewrite to keep the original.", place="text")
    if len(text) > MOST_TEXT:
        raise SettingError(f"{len(text):,} characters are too long", hint=f"At most {MOST_TEXT:,} characters.", place="text")
    found = SPECIAL_TOKENS.search(text)
    if found:
        raise SettingError(f"the text holds {found.group()!r}, which is a mark of a model or of the file format", hint="Take it out; the image's place is kept by itself.", place="text")
    return text.strip()


def judge(context: StudioContext, dataset_id: int, rewrite_id: int, verdict: Any, text: Any = None) -> dict[str, Any]:
    """Store one verdict at once; returns the rewrite as it stands. Raises SettingError where it makes no sense."""
    if verdict not in VERDICTS:
        raise SettingError(f"{_shown(verdict)} is no verdict", hint=f"Choose one of {', '.join(VERDICTS)}.", place="verdict")
    rewrite = context.store.rewrites.get(rewrite_id)
    if rewrite.kept and verdict in ("accepted", "rejected"):
        raise SettingError("the original was kept here, so there is no rewrite to judge", hint="Press E to write one yourself.")
    edited = _edited_text(text) if verdict == "edited" else None
    if edited == rewrite.original:
        raise SettingError("the edit is the original, word for word", hint="Reject the rewrite to keep the original.", place="text")
    context.store.actions.judge_rewrites(dataset_id, {rewrite_id: (verdict, edited)}, author=AUTHOR, detail=f"{verdict}: {rewrite.part} of record {rewrite.record_id}")
    return one_rewrite(context, rewrite_id)


def accept_green(context: StudioContext, dataset_id: int, key: str | None, part: str = "") -> dict[str, Any]:
    """Accept every pending rewrite whose guards are all green, as one action that one undo takes back."""
    rewrites = context.store.rewrites.all(dataset_id, key=key) if key else []
    green = _green([w for w in rewrites if not part or w.part == part])
    if not green:
        raise SettingError("no pending rewrite has every guard green", hint="Judge the rest one by one.")
    context.store.actions.judge_rewrites(dataset_id, {w.id: ("accepted", None) for w in green}, author=AUTHOR, detail=f"accepted {len(green)} with every guard green")
    return {"accepted": len(green)}


def _green(rewrites: list[Rewrite]) -> list[Rewrite]:
    return [w for w in rewrites if w.verdict == "pending" and not w.kept and w.guards and not failed(w.guards)]


def undo(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """Take the last verdict (or bulk of verdicts) back. Raises SettingError when nothing is left."""
    action = context.store.actions.undo(dataset_id, author=AUTHOR, kind="rewrite")
    touched = context.store.database.rows("SELECT rewrite_id FROM rewrite_verdict WHERE action_id = ? LIMIT 2", (action.id,))
    return {"detail": action.detail, "rewrite_id": touched[0]["rewrite_id"] if len(touched) == 1 else None}


def tried(context: StudioContext, job_id: int) -> dict[str, Any]:
    """How the live box stands: the job, and its result with the changed words once it is done."""
    job = context.store.jobs.get(job_id)
    if job.kind != "rewrite_text":
        raise NotFound(f"there is no trial {job_id}")
    shown: dict[str, Any] = {"job": job_shape(job), "result": None}
    if job.state == "done":
        result = dict(job.result)
        right = str(result["review"].get("draft") or "") if result["kept"] else result["text"]
        drafts = [{**draft, "spans": _spans(result["original"], draft["text"])} for draft in result["review"].get("drafts", [])]
        shown["result"] = result | {"right": right, "spans": _spans(result["original"], right), "drafts": drafts,
                                    "origin_label": ORIGIN_LABELS.get(str(result["review"].get("origin", "")), "")}
    return shown


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/rewrites")
    def field(body: Any, name: str) -> Any:
        if not isinstance(body, dict):
            raise SettingError("the request is no object", hint="Send a JSON object.")
        return body.get(name)

    @routes.get("")
    def read(dataset: QueryId) -> dict[str, Any]:
        return overview(context, dataset)

    @routes.post("")
    def begin(body: Json = None) -> dict[str, Any]:
        return job_shape(start(context, read_wish(body)))

    @routes.post("/plan")
    def before(body: Json = None) -> dict[str, Any]:
        return planned(context, read_wish(body))

    @routes.get("/summary")
    def sums(dataset: QueryId, key: Key = "") -> dict[str, Any]:
        context.store.datasets.get(dataset)
        return summary(context.store, dataset, chosen_key(context, dataset, key))

    @routes.get("/queue")
    def rows(dataset: QueryId, key: Key = "", show: Annotated[str, Query(max_length=20)] = "pending", part: Annotated[str, Query(max_length=20)] = "",
             offset: Annotated[int, Query(ge=0, le=2**53)] = 0, limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 200) -> dict[str, Any]:
        context.store.datasets.get(dataset)
        return queue(context, dataset, chosen_key(context, dataset, key), show, part=part, offset=offset, limit=limit)

    @routes.post("/judge")
    def verdict(body: Json = None) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise SettingError("this is no verdict", hint="Send an object with dataset, id and verdict.")
        return judge(context, _number(body, "dataset", None, 0, 2**53), _number(body, "id", None, 0, 2**53), body.get("verdict"), body.get("text"))

    @routes.post("/accept-green")
    def bulk(body: Json = None) -> dict[str, Any]:
        dataset = _number(body if isinstance(body, dict) else {}, "dataset", None, 0, 2**53)
        return accept_green(context, dataset, chosen_key(context, dataset, str(body.get("key") or "")), str(body.get("part") or ""))

    @routes.post("/undo")
    def back(body: Json = None) -> dict[str, Any]:
        return undo(context, _number(body if isinstance(body, dict) else {}, "dataset", None, 0, 2**53))

    @routes.post("/try")
    def live(body: Json = None) -> dict[str, Any]:
        model = field(body, "model") or "embedded"
        if not isinstance(model, str) or len(model) > 300:
            raise SettingError(f"{_shown(model)} is no model", hint="Choose a model from the list.", place="model")
        return job_shape(try_text(context, field(body, "text"), field(body, "part"), model, _number(body, "drafts", Decoding.drafts, 1, 16)))

    @routes.get("/try/{job_id}")
    def trial(job_id: Id) -> dict[str, Any]:
        return tried(context, job_id)

    @routes.get("/{rewrite_id}")
    def one(rewrite_id: Id) -> dict[str, Any]:
        return one_rewrite(context, rewrite_id)

    @routes.post("/{rewrite_id}/check")
    def typed(rewrite_id: Id, body: Json = None) -> dict[str, Any]:
        return check_edit(context, rewrite_id, field(body, "text"))

    return routes
