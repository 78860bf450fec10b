"""The trial room's and the trust panel's routes over a seeded store: lists, costs, verdicts, reports and cards, without a worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.pipeline.test_teaching_adoption import SHIPPED, teach
from tests.studio.seeding import seed_dataset
from tests.studio.test_score_tab import MACHINE

from pipeline.errors import ModelError, NotFound, SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.records import WHOLE, Score, ScorerKey
from pipeline.scoring.scorers import SPEC
from pipeline.workspace import Workspace
from studio.api import scores, trials, trust
from studio.api.score_wish import ScoreWish, read_wish
from studio.context import StudioContext, open_context


@pytest.fixture
def context(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[StudioContext]:
    for module in (trials, trust, scores):
        monkeypatch.setattr(module, "embedded_ready", lambda: True)
    teach(workspace, "ours")
    opened = open_context(workspace)
    job = opened.store.jobs.add("probe", "model", None, {}, 10)
    opened.store.jobs.end(job.id, "done", result=MACHINE)
    yield opened
    opened.store.close()


def client(context: StudioContext) -> TestClient:
    from studio.server import create_app

    return TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False)


def told(context: StudioContext, reference: str) -> dict[str, Any]:
    """A finished side of a report about a scorer as it is now."""
    known = next(one for one in trials.adoption.known(context.store, context.workspace, "question") if one.reference == reference)
    return {"reference": reference, "name": known.name, "revision": known.revision, "key": "k"}


def finished(context: StudioContext, dataset: int, kind: str, params: dict[str, Any], result: dict[str, Any]) -> int:
    job = context.store.jobs.add(kind, "model", dataset, params)
    context.store.jobs.end(job.id, "done", result=result)
    return job.id


def test_the_list_shows_each_scorer_with_its_standing(context: StudioContext) -> None:
    found = trials.overview(context, seed_dataset(context.store, records=3))
    assert [(row["reference"], row["standing"], row["origin"]) for row in found["scorers"]["question"]] == [(SHIPPED, "present", "shipped"), ("ours", "undecided", "taught")]
    assert found["scorers"]["question"][0]["figure"]["pairs"] > 100 and found["scorers"]["question"][1]["figure"] is None and found["verdicts"] == found["trials"] == []


def test_the_cost_counts_what_is_left_for_both_and_what_is_held_out(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=9)
    item = context.store.ratings.add_items([RatingItem("question", "", ("a?", "b?", "c?"), None, "p.jpg", "queue")])[0]
    context.store.ratings.add(Rating(item, "Ada", "score", (0.1, 0.5, 0.9)))
    found = trials.cost(context, trials.TrialWish(dataset, "question", "ours"))
    expected = 3 if found["pairs"] else 0
    assert (found["data_texts"], found["rated_texts"], found["records"], found["of"]) == (18, 2 * expected, 9, 9) and found["texts"] == 18 + 2 * expected and found["seconds"] > 0
    plan = scores.planned(context, ScoreWish(dataset, ("question",)))
    known = next(one for one in trials.adoption.known(context.store, context.workspace, "question") if one.standing == "present")
    key = ScorerKey("question", "embedded", SHIPPED, known.revision, plan["precision"], plan["quantization"], "pad")
    context.store.scores.register(key)
    context.store.scores.add(key.digest, [Score(record, WHOLE, WHOLE, 1.0) for record in context.store.records.ids(dataset)])
    assert trials.cost(context, trials.TrialWish(dataset, "question", "ours"))["data_texts"] == 9  # the present one's are stored
    assert trials.cost(context, trials.TrialWish(dataset, "question", "ours", sample=8))["records"] == 8


def test_a_trial_is_queued_once_with_its_parameters(context: StudioContext, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = seed_dataset(context.store, records=3)
    job = trials.start(context, trials.read_wish({"dataset": dataset, "kind": "question", "candidate": "ours", "sample": 100}))
    assert (job.kind, job.lane, job.params) == ("trial", "model", {"kind": "question", "candidate": "ours", "sample": 100})
    with pytest.raises(SettingError, match="running already"):
        trials.start(context, trials.TrialWish(dataset, "question", "ours"))
    with pytest.raises(SettingError, match="present question scorer already"):
        trials.start(context, trials.TrialWish(dataset, "question", SHIPPED))
    with pytest.raises(NotFound, match="in the list"):
        trials.start(context, trials.TrialWish(dataset, "question", str(context.workspace.root)))
    monkeypatch.setattr(trials, "embedded_ready", lambda: False)
    with pytest.raises(ModelError):
        trials.start(context, trials.TrialWish(seed_dataset(context.store, "Other", records=3), "question", "ours"))


def test_adopting_makes_it_the_default_of_scoring_and_undo_takes_it_back(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=3)

    def offered() -> list[tuple[str, bool]]:
        return [(card["name"], card["active"]) for card in scores.overview(context, dataset)["scorers"] if card["kind"] == "question"]

    assert offered() == [(SHIPPED, True)]
    with pytest.raises(SettingError, match="no question scorer to choose"):
        read_wish({"dataset": dataset, "scorers": {"question": "ours"}}, context.store)
    said = trials.decide(context, {"kind": "question", "scorer": "ours", "verdict": "adopted", "author": "Ada", "trial": 12})
    assert (said["author"], said["verdict"], said["trial"]) == ("Ada", "adopted", 12) and offered() == [("ours", True), (SHIPPED, False)]
    assert scores.planned(context, ScoreWish(dataset, ("question",)))["stages"][0]["scorer"] == "ours"
    assert read_wish({"dataset": dataset, "scorers": {"question": "ours"}}, context.store).scorers == {"question": "ours"}
    trials.undo(context, said["id"], {"author": "Bo"})
    assert offered() == [(SHIPPED, True)]
    trials.decide(context, {"kind": "question", "scorer": "ours", "verdict": "kept", "author": "Ada"})
    assert offered() == [(SHIPPED, True), ("ours", False)]
    trials.decide(context, {"kind": "question", "scorer": "ours", "verdict": "discarded", "author": "Ada"})
    assert offered() == [(SHIPPED, True)] and (context.workspace.scorers_dir / "ours" / SPEC).is_file()


def test_a_report_says_when_it_is_not_of_today(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=3)
    job = finished(context, dataset, "trial", {"kind": "question", "candidate": "ours"}, {"kind": "question", "candidate": told(context, "ours"), "present": told(context, SHIPPED)})
    assert trials.report(context, job)["stale"] == "" and trials.overview(context, dataset)["trials"][0]["against"] == SHIPPED
    teach(context.workspace, "third", seed=3)
    trials.decide(context, {"kind": "question", "scorer": "third", "verdict": "adopted", "author": "Ada"})
    assert trials.report(context, job)["stale"] == f"It was tried against {SHIPPED}; the present scorer is third now."
    teach(context.workspace, "ours", seed=9)
    assert "other weights now" in trials.report(context, job)["stale"]
    with pytest.raises(NotFound):
        trials.report(context, context.store.jobs.add("score", "model", dataset, {}).id)


def test_the_latest_trust_report_and_the_card_are_about_the_chosen_scorer(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=3)
    empty = trust.latest(context, dataset, "question", "")
    assert (empty["scorer"]["reference"], empty["report"], empty["job"]) == (SHIPPED, None, None)
    section = {"overall": {"value": 0.61, "low": 0.55, "high": 0.66, "n": 200, "images": 40}, "length": {"value": None, "n": 0}, "words": "It puts 61 % right."}
    finished(context, dataset, "trust", {"kind": "question", "scorer": "ours"}, {"scorer": told(context, "ours"), "accuracy": section})
    found = trust.latest(context, dataset, "question", "ours")
    assert found["report"]["accuracy"]["words"] == "It puts 61 % right." and found["stale"] == "" and trust.latest(context, dataset, "question", SHIPPED)["report"] is None
    name, text = trust.card_text(context, "question", "ours", dataset)
    assert name == "ours-card.md" and "| here, on pairs that are new to it | 61.0% | 55.0% to 66.0% | 200 | 40 |" in text
    assert "In its own words" in trust.card_text(context, "question", SHIPPED)[1]
    teach(context.workspace, "ours", seed=5)
    assert "other weights" in trust.latest(context, dataset, "question", "ours")["stale"] and "61.0%" not in trust.card_text(context, "question", "ours", dataset)[1]


@pytest.mark.parametrize("body", [None, [], {}, {"dataset": "1", "kind": "question", "candidate": "x"}, {"dataset": 1, "kind": "poem", "candidate": "x"}, {"dataset": 1, "kind": ["question"], "candidate": "x"},
                                  {"dataset": 1, "kind": "question", "candidate": 5}, {"dataset": 1, "kind": "question", "candidate": ""}, {"dataset": 1, "kind": "question", "candidate": "x" * 5000},
                                  {"dataset": 1, "kind": "question", "candidate": "x", "sample": 7}, {"dataset": 1, "kind": "question", "candidate": "x", "sample": True}], ids=lambda body: json.dumps(body)[:40])
def test_nonsense_is_refused_with_a_way_out(body: Any) -> None:
    with pytest.raises(SettingError) as refused:
        trials.read_wish(body)
    assert refused.value.message and refused.value.hint
    trusted = {**body, "scorer": body.get("candidate")} if isinstance(body, dict) else body
    with pytest.raises(SettingError):
        trust.read_wish(trusted)


def test_over_http_rooms_are_read_verdicts_are_said_and_wrong_ones_get_a_clean_4xx(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=9)
    http = client(context)
    assert http.get("/api/trials", params={"dataset": dataset}).json()["dataset"]["records"] == 9
    assert http.post("/api/trials/plan", json={"dataset": dataset, "kind": "question", "candidate": "ours"}).json()["state"] == "ready"
    job = http.post("/api/trials", json={"dataset": dataset, "kind": "question", "candidate": "ours"}).json()
    assert http.get(f"/api/trials/{job['id']}").json()["report"] is None
    said = http.post("/api/trials/verdicts", json={"kind": "question", "scorer": "ours", "verdict": "kept", "author": "<b>Ada</b>"}).json()
    assert said["author"] == "<b>Ada</b>" and http.post(f"/api/trials/verdicts/{said['id']}/undo", json={"author": "Bo"}).status_code == 200
    assert http.post("/api/trust", json={"dataset": dataset, "kind": "question", "scorer": "ours"}).json()["kind"] == "trust"
    card = http.get("/api/trust/card.md", params={"kind": "question", "scorer": "ours", "dataset": dataset})
    assert card.headers["content-disposition"] == 'attachment; filename="ours-card.md"' and card.text.startswith("# ours") and http.get("/api/trust/card", params={"kind": "question"}).json()["markdown"]
    wrong = [http.get("/api/trials", params={"dataset": 99}), http.get("/api/trials/99"), http.post("/api/trials/verdicts", json={"kind": "question", "scorer": "ours", "verdict": "kept"}),
             http.post("/api/trials/verdicts", json={"kind": "question", "scorer": "/etc", "verdict": "kept", "author": "A"}), http.post("/api/trials/verdicts/99/undo", json={"author": "A"}),
             http.post(f"/api/trials/verdicts/{said['id']}/undo", json={"author": "A"}), http.get("/api/trust", params={"dataset": dataset, "kind": "poem"}),
             http.get("/api/trust", params={"dataset": dataset, "scorer": "nobody"}), http.post("/api/trust", json=[1]), http.get("/api/trust/card", params={"kind": "question", "scorer": "/etc/passwd"})]
    assert [answer.status_code for answer in wrong] == [404, 404, 409, 404, 404, 409, 409, 404, 409, 404]
    assert all(set(answer.json()) == {"error", "hint", "place"} and answer.json()["error"] for answer in wrong)
    assert http.post("/api/trials/verdicts", json={}, headers={"origin": "https://elsewhere.example"}).status_code == 403
