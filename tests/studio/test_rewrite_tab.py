"""The Rewrite tab's functions and routes over a seeded store."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

from pipeline.errors import ModelError, NotFound, NothingKept, SettingError
from pipeline.jobs import URGENT
from pipeline.records import WHOLE, Guard, Rewrite
from studio.api import rewrites as api
from studio.api.rewrite_views import summary
from studio.context import StudioContext, open_context
from tests.studio.seeding import HOSTILE, seed_dataset, seed_scores

KEY = "embedded · fp32 · prompt 1 · 3 drafts · seed 0"
MACHINE = {"hardware": {"device": "cpu", "name": "A small machine", "cores": 2, "total_gib": 16.0, "free_gib": 8.0, "bf16": False, "note": "fp32 is the quicker type"},
           "flops": {"bf16": 1e11, "fp16": 1e11, "fp32": 4e11}}


@pytest.fixture
def dataset(context: StudioContext) -> int:
    """Ten records kept by hand, without rewrites."""
    dataset_id = seed_dataset(context.store, records=10)
    context.store.actions.decide(dataset_id, {i: "keep" for i in context.store.records.ids(dataset_id)}, author="test")
    return dataset_id


def _rewrite(record_id: int, part: str, *, kept: bool = False, red: bool = False, kind: str = "guard", before: float = 4.0, after: float = 3.5) -> Rewrite:
    guards = (Guard("numbers", not red, "two → one" if red else ""), Guard("style", True))
    review = {"origin": "edit", "edits": "spelling", "draft": f"It is a gray cat. {HOSTILE}", "margin": 0.1, "by_position": [0.4, -0.2], "preferred": True,
              "drafts": [{"origin": "edit", "text": "It is a gray cat.", "raw": "", "edits": "spelling", "style": after, "failed": [{"name": "numbers", "detail": "x"}] if red else []}]}
    text = f"It is a grey cat. {HOSTILE}"
    return Rewrite(record_id, 0, WHOLE if part == "question" else 0, part, text, "", text if kept else f"It is a gray cat. {HOSTILE}", kept, "numbers: two → one" if kept else "",  # type: ignore[arg-type]
                   guards, review | ({"kind": kind} if kept else {}), before, after)


@pytest.fixture
def rewritten(context: StudioContext, dataset: int) -> int:
    """Six rewrites: four proposed (one with a red guard, which a later guard version might leave), two kept."""
    ids = context.store.records.ids(dataset)
    context.store.rewrites.add(KEY, [_rewrite(ids[0], "answer"), _rewrite(ids[1], "answer"), _rewrite(ids[2], "question"), _rewrite(ids[3], "answer", red=True),
                                     _rewrite(ids[4], "answer", kept=True, red=True), _rewrite(ids[5], "answer", kept=True, kind="short")])
    return dataset


def _ids(context: StudioContext, dataset_id: int, show: str = "all") -> list[int]:
    return [row["id"] for row in api.queue(context, dataset_id, KEY, show)["rows"]]


def test_the_queue_counts_every_part_and_what_is_judged(context: StudioContext, rewritten: int) -> None:
    found = api.queue(context, rewritten, KEY)
    assert found["counts"] == {"pending": 4, "accepted": 0, "rejected": 0, "edited": 0, "kept": 2, "all": 6}
    assert (found["total"], found["proposed"], found["judged"], found["green"]) == (4, 4, 0, 3)


def test_verdicts_are_stored_at_once_and_undone_one_by_one(context: StudioContext, rewritten: int) -> None:
    first, second = _ids(context, rewritten, "pending")[:2]
    assert api.judge(context, rewritten, first, "accepted")["verdict"] == "accepted"
    assert api.judge(context, rewritten, second, "rejected")["verdict"] == "rejected"
    again = open_context(context.workspace)
    assert {i: again.store.rewrites.get(i).verdict for i in (first, second)} == {first: "accepted", second: "rejected"}
    again.store.close()
    assert api.undo(context, rewritten)["rewrite_id"] == second
    assert context.store.rewrites.get(second).verdict == "pending"
    assert api.undo(context, rewritten)["rewrite_id"] == first
    with pytest.raises(SettingError):
        api.undo(context, rewritten)


def test_an_edit_goes_into_the_export_and_is_checked_by_the_guards(context: StudioContext, rewritten: int) -> None:
    first = _ids(context, rewritten, "pending")[0]
    text = f"It is a gray cat there. {HOSTILE}"
    shown = api.judge(context, rewritten, first, "edited", f"  {text} ")
    assert shown["edited"] == text and shown["right"] == text and shown["origin_label"] == "edited by a person" and shown["style_after"] is None
    rewrite = context.store.rewrites.get(first)
    assert context.store.rewrites.accepted(rewritten) == {(rewrite.record_id, 0, 0, "answer"): text}
    found = api.check_edit(context, first, "They are two black cats.")
    assert found["failed"] > 0 and "colours" in {g["name"] for g in found["guards"] if not g["passed"]}
    assert "".join(text for op, text in found["spans"] if op != "removed") == "They are two black cats."


@pytest.mark.parametrize(("verdict", "text", "words"), [("edited", "", "empty"), ("edited", None, "empty"), ("edited", "A cat <image> here.", "mark"), ("edited", "x" * 30_000, "too long"),
                                                        ("edited", f"It is a grey cat. {HOSTILE}", "word for word"), ("maybe", None, "no verdict")])
def test_a_verdict_that_makes_no_sense_is_refused_with_the_way_out(context: StudioContext, rewritten: int, verdict: str, text: str | None, words: str) -> None:
    with pytest.raises(SettingError, match=words) as told:
        api.judge(context, rewritten, _ids(context, rewritten, "pending")[0], verdict, text)
    assert told.value.hint
    assert api.queue(context, rewritten, KEY)["judged"] == 0


def test_a_kept_original_can_be_edited_but_not_accepted(context: StudioContext, rewritten: int) -> None:
    kept = _ids(context, rewritten, "kept")[0]
    with pytest.raises(SettingError, match="original was kept"):
        api.judge(context, rewritten, kept, "accepted")
    assert api.judge(context, rewritten, kept, "edited", "It is a gray cat now.")["verdict"] == "edited"
    assert api.queue(context, rewritten, KEY)["counts"]["kept"] == 1


def test_all_green_ones_are_accepted_in_one_step_and_one_undo_takes_them_back(context: StudioContext, rewritten: int) -> None:
    rejected = _ids(context, rewritten, "pending")[0]
    api.judge(context, rewritten, rejected, "rejected")
    assert api.accept_green(context, rewritten, KEY) == {"accepted": 2}
    counts = api.queue(context, rewritten, KEY)["counts"]
    assert (counts["accepted"], counts["rejected"], counts["pending"]) == (2, 1, 1), "the red one and the judged one are left alone"
    assert api.undo(context, rewritten)["rewrite_id"] is None
    assert api.queue(context, rewritten, KEY)["counts"]["accepted"] == 0
    api.accept_green(context, rewritten, KEY)
    with pytest.raises(SettingError, match="every guard green"):
        api.accept_green(context, rewritten, KEY)


def test_the_large_view_shows_the_nearest_draft_of_a_kept_original(context: StudioContext, rewritten: int) -> None:
    shown = api.one_rewrite(context, _ids(context, rewritten, "kept")[0])
    assert shown["right"].startswith("It is a gray cat.") and shown["reason"] == "numbers: two → one" and shown["drafts"]
    assert "".join(text for op, text in shown["spans"] if op != "added") == shown["original"]
    assert shown["question"] and shown["record"]["key"] == "r4"


def test_the_summary_counts_reasons_guards_and_the_style_gap(context: StudioContext, rewritten: int) -> None:
    sums = summary(context.store, rewritten, KEY)
    assert (sums["texts"], sums["proposed"], sums["kept"]) == (6, 4, 2)
    assert {r["kind"]: r["count"] for r in sums["reasons"]} == {"guard": 1, "short": 1}
    assert sums["stops"] == [{"guard": "numbers", "count": 2}] and sums["origins"] == {"edit": 4}
    style = sums["style"]["proposed"]
    assert (style["median_before"], style["median_after"], style["n"]) == (4.0, 3.5, 4) and sum(style["before"]) == sum(style["after"]) == 4
    assert sums["style"]["all"]["n"] == 6 and sums["style"]["all"]["median_after"] == 3.5
    json.dumps(sums, allow_nan=False)


def test_a_data_set_without_rewrites_has_an_empty_summary_and_queue(context: StudioContext, dataset: int) -> None:
    assert api.chosen_key(context, dataset, "") is None
    assert api.queue(context, dataset, None)["counts"]["all"] == 0
    assert summary(context.store, dataset, None)["style"] == {"proposed": None, "all": None}


def test_the_plan_counts_texts_and_names_precision_and_reason(context: StudioContext, dataset: int) -> None:
    wish = api.read_wish({"dataset": dataset, "parts": ["question", "answer"]})
    assert api.planned(context, wish) == {"state": "measuring"}
    probe = next(job for job in context.store.jobs.active() if job.kind == "probe")
    context.store.jobs.end(probe.id, "done", result=MACHINE)
    found = api.planned(context, wish)
    assert (found["texts"], found["left"], found["by_part"], found["precision"], found["seconds"]) == (20, 20, {"question": 10, "answer": 10}, "fp32", None)
    context.store.rewrites.add(found["key"], [_rewrite(context.store.records.ids(dataset)[0], "answer")])
    assert api.planned(context, wish)["left"] == 19


@pytest.mark.parametrize("body", [None, [], {"dataset": 1, "parts": []}, {"dataset": 1, "parts": ["title"]}, {"dataset": "x"}, {"dataset": 1, "drafts": 0}, {"dataset": 1, "drafts": 1.5},
                                  {"dataset": 1, "drafts": True}, {"dataset": 1, "model": 3}, {"dataset": 1, "selection": "x" * 400}, {"dataset": -1}])
def test_nonsense_in_a_request_is_told(body: object) -> None:
    with pytest.raises(SettingError) as told:
        api.read_wish(body)
    assert told.value.hint


def test_a_run_starts_once_and_is_refused_while_one_goes_on(context: StudioContext, dataset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "embedded_ready", lambda: True)
    wish = api.read_wish({"dataset": dataset, "parts": ["answer"], "drafts": 2})
    job = api.start(context, wish)
    assert job.kind == "rewrite" and job.params["parts"] == ["answer"] and job.params["drafts"] == 2
    with pytest.raises(SettingError, match="already"):
        api.start(context, wish)


def test_nothing_kept_and_no_model_are_said_before_work(context: StudioContext, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset_id = seed_dataset(context.store, records=4)
    seed_scores(context.store, dataset_id)
    context.store.actions.decide(dataset_id, {i: "drop" for i in context.store.records.ids(dataset_id)}, author="test")
    wish = api.read_wish({"dataset": dataset_id})
    monkeypatch.setattr(api, "embedded_ready", lambda: True)
    planned = api.planned(context, wish)
    assert planned["state"] == "nothing" and "no record is kept" in planned["error"] and "Score the data set" in planned["hint"]
    with pytest.raises(NothingKept, match="no record is kept"):
        api.start(context, wish)
    monkeypatch.setattr(api, "embedded_ready", lambda: False)
    with pytest.raises(ModelError, match="not on this machine"):
        api.start(context, wish)


def test_a_typed_text_becomes_an_urgent_job_and_its_result_is_shown_with_the_changes(context: StudioContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "embedded_ready", lambda: True)
    job = api.try_text(context, "It is a grey cat.", "answer")
    assert job.priority == URGENT and job.dataset_id is None
    assert api.tried(context, job.id)["result"] is None
    context.store.jobs.end(job.id, "done", result={"original": "It is a grey cat.", "text": "It is a gray cat.", "kept": False, "reason": "", "raw": "", "guards": [], "part": "answer",
                                                   "review": {"origin": "edit", "draft": "It is a gray cat.", "drafts": []}, "style_before": 4.0, "style_after": 3.0, "seconds": 1.0})
    shown = api.tried(context, job.id)["result"]
    assert ["added", "gray"] in shown["spans"] and shown["origin_label"] == "edit ranked by the model"
    for text, part in (("", "answer"), ("x" * 30_000, "answer"), ("It is a cat.", "title"), (5, "answer")):
        with pytest.raises(SettingError):
            api.try_text(context, text, part)
    with pytest.raises(NotFound):
        api.tried(context, context.submit("probe", None, {}).id)


def test_the_routes_answer_and_refuse_in_json(context: StudioContext, rewritten: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.server import create_app

    monkeypatch.setattr(api, "embedded_ready", lambda: True)
    client = TestClient(create_app(context), base_url="http://127.0.0.1")
    assert client.get("/api/rewrites", params={"dataset": rewritten}).json()["kept"] == 10
    queue = client.get("/api/rewrites/queue", params={"dataset": rewritten}).json()
    first = queue["rows"][0]["id"]
    assert queue["key"] == KEY and client.get(f"/api/rewrites/{first}").json()["id"] == first
    assert client.post("/api/rewrites/judge", json={"dataset": rewritten, "id": first, "verdict": "accepted"}).json()["verdict"] == "accepted"
    assert client.post("/api/rewrites/undo", json={"dataset": rewritten}).json()["rewrite_id"] == first
    assert client.post("/api/rewrites/accept-green", json={"dataset": rewritten}).json() == {"accepted": 3}
    assert client.get("/api/rewrites/summary", params={"dataset": rewritten}).json()["proposed"] == 4
    assert client.post(f"/api/rewrites/{first}/check", json={"text": "It is a cat."}).status_code == 200
    assert client.post("/api/rewrites/try", json={"text": "It is a grey cat.", "part": "answer"}).json()["kind"] == "rewrite_text"
    assert client.get("/api/rewrites/queue", params={"dataset": rewritten, "show": "odd"}).status_code == 409
    assert client.get("/api/rewrites/queue", params={"dataset": rewritten, "key": "other"}).status_code == 404
    assert client.get("/api/rewrites/999999").status_code == 404
    for path in ("", "/plan", "/judge", "/undo", "/accept-green", "/try"):
        answer = client.post(f"/api/rewrites{path}", json=[])
        assert answer.status_code == 409 and answer.json()["hint"], path
