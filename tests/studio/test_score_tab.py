"""The Score tab's functions and routes over a seeded store."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.curation import curate
from pipeline.errors import NothingKept, ModelError, NotFound, SettingError, StudioError
from pipeline.records import WHOLE, Score
from pipeline.settings import repository_dir
from studio.api import scores as api
from studio.api.score_views import score_examples, score_spread
from studio.context import StudioContext
from tests.studio.seeding import HOSTILE, scorer_key, seed_dataset, seed_scores

MACHINE = {"hardware": {"device": "cpu", "name": "A small machine", "cores": 2, "total_gib": 16.0, "free_gib": 8.0, "bf16": True, "note": "bf16 takes half the time"},
           "flops": {"bf16": 1e12, "fp16": 1e11, "fp32": 4e11}}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two scorer folders as they ship, without weights: the screen reads only what they say of themselves."""
    folder = tmp_path / "scorers"
    for kind, figures in (("question", {"scorer": {"value": 0.62, "low": 0.58, "high": 0.66, "pairs": 400, "images": 60}}), ("answer", {})):
        home = folder / f"embedded-{kind}"
        home.mkdir(parents=True)
        told = {"kind": kind, "base": "embedded", "features": [{"layer": 10, "pool": "mean"}], "span": "text", "image_preparation": "pad",
                "sha256": "0" * 64, "figures": figures, "training": {"pairs": 900}}
        (home / "scorer.json").write_text(json.dumps(told))
        (home / "CARD.md").write_text(f"# {kind}\n{HOSTILE}", encoding="utf-8")
    monkeypatch.setattr(api.scorers, "scorers_dir", lambda: folder)
    return folder


@pytest.fixture
def machine(context: StudioContext) -> int:
    """A probe that was answered a moment ago."""
    job = context.store.jobs.add("probe", "model", None, {}, 10)
    context.store.jobs.end(job.id, "done", result=MACHINE)
    return job.id


def client(context: StudioContext) -> TestClient:
    """The real application, error answers and guards included."""
    from studio.server import create_app

    return TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False)


# --- how scores spread

def test_the_spread_counts_each_type_with_its_denominator(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=30)
    keys = seed_scores(context.store, dataset, failed=3)
    found = score_spread(context, dataset, *keys)
    for kind in ("question", "answer"):
        assert [(g["group"], g["scored"], g["total"]) for g in found[kind]["groups"]] == [("conversation", 9, 10), ("detail", 9, 10), ("complex", 9, 10)]
        assert sum(found[kind]["all"]["counts"]) == 27
        assert len(found[kind]["edges"]) == len(found[kind]["all"]["counts"]) + 1
    assert found["question"]["all"]["median"] == 16.0
    assert found["answer"]["all"]["median"] == pytest.approx(16.1)  # the better of two candidates


def test_the_spread_of_an_unscored_data_set_is_empty_but_counts_records(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=6)
    found = score_spread(context, dataset, None, None)
    assert found["question"]["edges"] == () and found["question"]["all"]["total"] == 6 and found["question"]["all"]["scored"] == 0


def test_scores_of_two_keys_are_never_mixed(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=12)
    first = seed_scores(context.store, dataset, precision="fp32")
    second = seed_scores(context.store, dataset, precision="bf16", only=4)
    assert score_spread(context, dataset, *first)["question"]["all"]["scored"] == 12
    assert score_spread(context, dataset, *second)["question"]["all"]["scored"] == 4
    listed = api.scorer_keys(context, dataset, "question")
    assert [(key["precision"], key["texts"], key["of"]) for key in listed] == [("bf16", 4, 12), ("fp32", 12, 12)]
    assert [(key["texts"], key["of"]) for key in api.scorer_keys(context, dataset, "answer")] == [(8, 24), (24, 24)]


def test_the_last_used_key_is_shown_unless_another_is_named(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=6)
    first = seed_scores(context.store, dataset, precision="fp32")
    second = seed_scores(context.store, dataset, precision="bf16")
    assert api.chosen_key(context, dataset, "question", "") == second[0]
    assert api.chosen_key(context, dataset, "question", first[0]) == first[0]


def test_a_key_of_the_other_stage_or_of_another_data_set_is_refused(context: StudioContext) -> None:
    dataset, other = seed_dataset(context.store, records=6), seed_dataset(context.store, "Other", records=6)
    question, answer = seed_scores(context.store, dataset)
    with pytest.raises(NotFound):
        api.chosen_key(context, dataset, "question", answer)
    with pytest.raises(NotFound):
        api.chosen_key(context, other, "question", question)


def test_failed_places_are_listed_with_their_reason(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=6)
    seed_scores(context.store, dataset, failed=2)
    key = api.scorer_keys(context, dataset, "answer")[0]
    assert (key["texts"], key["failed"], key["reasons"]) == (12, 4, [{"reason": "the image is cut off", "count": 4}])


# --- examples

def test_examples_show_both_ends_and_the_middle(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=30)
    keys = seed_scores(context.store, dataset)
    found = score_examples(context, dataset, *keys)
    assert [card["key"] for card in found["question"]["best"]] == ["r29", "r28", "r27"]
    assert [card["key"] for card in found["question"]["worst"]] == ["r0", "r1", "r2"]
    assert {card["key"] for card in found["question"]["middle"]} <= {"r13", "r14", "r15", "r16"}
    assert found["answer"]["best"][0]["answer"].startswith("Answer 29.0.1")  # the better candidate
    assert (found["question"]["scored"], found["question"]["of"]) == (30, 30)


def test_examples_of_one_type_come_from_that_type(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=30)
    found = score_examples(context, dataset, *seed_scores(context.store, dataset), "detail")
    cards = [card for kind in ("question", "answer") for end in ("best", "middle", "worst") for card in found[kind][end]]
    assert {card["type"] for card in cards} == {"detail"} and len(cards) == 18


def test_an_answer_example_shows_the_turn_that_speaks_for_it(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=9, turns=2)
    found = score_examples(context, dataset, *seed_scores(context.store, dataset))
    assert found["answer"]["best"][0]["turn"] == 0  # turn 0 scores one more than turn 1
    assert found["answer"]["worst"][0]["turn"] == 1


def test_hostile_text_stays_the_text_it_is(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=9)
    seed_scores(context.store, dataset)
    answer = client(context).get("/api/scores/examples", params={"dataset": dataset})
    assert answer.status_code == 200
    assert answer.json()["answer"]["best"][0]["answer"].endswith(HOSTILE)


def test_an_unknown_type_is_refused(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=3)
    with pytest.raises(SettingError, match="no instruction type"):
        score_examples(context, dataset, None, None, "poetry")


# --- before a run

def test_the_plan_waits_for_the_machine_to_be_measured_by_an_urgent_job(context: StudioContext, shipped: Path) -> None:
    dataset = seed_dataset(context.store, records=6)
    wish = api.ScoreWish(dataset, ("question", "answer"))
    assert api.planned(context, wish) == {"state": "measuring"}
    assert api.planned(context, wish) == {"state": "measuring"}
    (job,) = context.store.jobs.recent(kinds=["probe"])
    assert job.priority >= 10 and job.lane == "model"


def test_the_plan_tells_reason_memory_time_and_what_is_reused(context: StudioContext, shipped: Path, machine: int) -> None:
    dataset = seed_dataset(context.store, records=30)
    seed_scores(context.store, dataset, only=12)
    found = api.planned(context, api.ScoreWish(dataset, ("question", "answer")))
    assert found["state"] == "ready" and found["precision"] == "bf16" and found["quantization"] == "none"
    assert "bf16" in found["reason"] and 0 < found["gib"] < 8
    assert [(s["kind"], s["done"], s["left"], s["records"]) for s in found["stages"]] == [("question", 12, 18, 30), ("answer", 12, 18, 30)]
    assert found["texts"] == 18 + 36 and found["seconds"] > 0


def test_another_precision_is_another_key_and_reuses_nothing(context: StudioContext, shipped: Path, machine: int) -> None:
    dataset = seed_dataset(context.store, records=9)
    seed_scores(context.store, dataset, precision="bf16")
    assert api.planned(context, api.ScoreWish(dataset, ("question",)))["stages"][0]["left"] == 0
    fp32 = api.planned(context, api.ScoreWish(dataset, ("question",), precision="fp32"))
    assert fp32["stages"][0]["left"] == 9 and fp32["seconds"] > 0


def test_a_stopped_run_goes_on_in_the_precision_it_began_with(context: StudioContext, shipped: Path, machine: int) -> None:
    dataset = seed_dataset(context.store, records=9)
    seed_scores(context.store, dataset, precision="fp32", only=4)  # the machine by itself would choose bf16
    found = api.planned(context, api.ScoreWish(dataset, ("question", "answer")))
    assert found["precision"] == "fp32" and [s["left"] for s in found["stages"]] == [5, 5] and "reused" in found["reason"]
    assert api.planned(context, api.ScoreWish(dataset, ("question",), precision="bf16"))["precision"] == "bf16"


def test_a_part_of_the_records_can_be_asked_for(context: StudioContext, shipped: Path, machine: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = seed_dataset(context.store, records=30)
    seed_scores(context.store, dataset, only=12)
    by_type = api.planned(context, api.ScoreWish(dataset, ("question",), records="type:detail"))
    assert (by_type["records"], by_type["of"], by_type["stages"][0]["done"], by_type["stages"][0]["left"]) == (10, 30, 4, 6)
    kept = [int(one) for one in curate(context.store, dataset).kept_ids]
    assert api.planned(context, api.ScoreWish(dataset, ("question",), records="kept"))["stages"][0] | {"key": 0, "key_label": 0} == {
        "kind": "question", "label": "Questions", "scorer": "embedded-question", "key": 0, "key_label": 0, "records": len(kept), "done": len(kept), "left": 0}
    sample = api.ScoreWish(dataset, ("question",), records="sample:4").record_ids(context.store)
    assert sample == [1, 8, 16, 23] and api.ScoreWish(dataset, ("question",), records="sample:30").record_ids(context.store) is None
    monkeypatch.setattr(api, "embedded_ready", lambda: True)
    job = api.start(context, api.ScoreWish(dataset, ("question",), records="sample:4", image_preparation="crop"))
    assert (job.params["record_ids"], job.params["image_preparation"]) == (sample, "crop")
    assert "record_ids" not in api.overview(context, dataset)["last"]["params"]


def test_a_selection_that_keeps_nothing_is_no_part_to_score(context: StudioContext) -> None:
    with pytest.raises(NothingKept, match="keeps no record"):
        api.ScoreWish(seed_dataset(context.store, records=3), ("question",), records="kept").record_ids(context.store)


def test_another_image_preparation_is_another_key(context: StudioContext, shipped: Path, machine: int) -> None:
    dataset = seed_dataset(context.store, records=9)
    seed_scores(context.store, dataset)
    assert api.planned(context, api.ScoreWish(dataset, ("question",), image_preparation="pad"))["stages"][0]["left"] == 0
    assert api.planned(context, api.ScoreWish(dataset, ("question",), image_preparation="crop"))["stages"][0]["left"] == 9


def test_scores_of_another_scorer_do_not_decide_the_plan(context: StudioContext, shipped: Path, machine: int) -> None:
    dataset = seed_dataset(context.store, records=3)
    other = scorer_key("question", precision="fp32", revision="1" * 64)
    context.store.scores.register(other)
    context.store.scores.add(other.digest, [Score(i, WHOLE, WHOLE, 1.0) for i in context.store.records.ids(dataset)])
    assert api.planned(context, api.ScoreWish(dataset, ("question",)))["precision"] == "bf16"


def test_the_time_follows_the_pace_of_an_earlier_run_under_the_same_plan(context: StudioContext, shipped: Path, machine: int) -> None:
    dataset = seed_dataset(context.store, records=30)
    wish = api.ScoreWish(dataset, ("question", "answer"))
    guessed = api.planned(context, wish)
    for seconds, precision in ((1000.0, "fp32"), (50.0, "bf16")):
        job = context.store.jobs.add("score", "model", dataset, {}, 0)
        context.store.jobs.end(job.id, "done", result={"plan": {"device": "cpu", "precision": precision, "quantization": "none"}, "seconds": seconds,
                                                       "scorers": {"question": "embedded-question", "answer": "embedded-answer"}, "counters": {"real_tokens": 4000}})
    found = api.planned(context, wish)
    assert "timed matrix product" in guessed["seconds_from"] and "earlier run" in found["seconds_from"]
    tokens = found["seconds"] / 50.0 * 4000
    assert 50 * 10 < tokens < 10_000  # eleven pictures of fifty positions, and the texts


def test_several_gpus_are_shared_unless_fewer_are_asked_for(context: StudioContext, shipped: Path) -> None:
    dataset = seed_dataset(context.store, records=9)
    job = context.store.jobs.add("probe", "model", None, {}, 10)
    hardware = {"device": "cuda", "name": "a GPU", "cores": 32, "total_gib": 80.0, "free_gib": 70.0, "bf16": True, "note": "", "gpus": 6}
    context.store.jobs.end(job.id, "done", result={"hardware": hardware, "flops": {"bf16": 1e14, "fp16": 1e14, "fp32": 1e13}})
    found = {workers: api.planned(context, api.ScoreWish(dataset, ("question",), workers=workers)) for workers in (None, 2)}
    assert found[None]["workers"] == {"chosen": 6, "choices": (1, 2, 4, 6)} and found[2]["workers"]["chosen"] == 2
    assert found[2]["seconds"] == pytest.approx(3 * found[None]["seconds"])
    with pytest.raises(SettingError, match="this machine has 6 GPUs"):
        api.planned(context, api.ScoreWish(dataset, ("question",), workers=7))


def test_a_small_machine_offers_no_choice_of_workers(context: StudioContext, shipped: Path, machine: int) -> None:
    assert api.planned(context, api.ScoreWish(seed_dataset(context.store, records=9), ("question",)))["workers"] == {"chosen": 1, "choices": (1,)}


def test_looking_at_a_plan_stores_nothing(context: StudioContext, shipped: Path, machine: int) -> None:
    dataset = seed_dataset(context.store, records=3)
    api.planned(context, api.ScoreWish(dataset, ("question",), precision="fp32"))
    assert context.store.database.value("SELECT count(*) FROM scorer_key") == 0


def test_too_little_memory_is_refused_with_what_would_fit(context: StudioContext, shipped: Path) -> None:
    tight = {**MACHINE, "hardware": {**MACHINE["hardware"], "free_gib": 0.1}}
    job = context.store.jobs.add("probe", "model", None, {}, 10)
    context.store.jobs.end(job.id, "done", result=tight)
    dataset = seed_dataset(context.store, records=3)
    with pytest.raises(SettingError, match="GiB") as refused:
        api.planned(context, api.ScoreWish(dataset, ("question",), precision="fp32"))
    assert refused.value.hint


def test_a_measurement_that_failed_is_told_then_tried_again(context: StudioContext, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = seed_dataset(context.store, records=3)
    job = context.store.jobs.add("probe", "model", None, {}, 10)
    context.store.jobs.end(job.id, "failed", error="no torch here", hint="Run: make setup")
    with pytest.raises(StudioError, match="no torch here"):
        api.planned(context, api.ScoreWish(dataset, ("question",)))
    later = time.time() + 60
    monkeypatch.setattr(api.time, "time", lambda: later)
    assert api.planned(context, api.ScoreWish(dataset, ("question",))) == {"state": "measuring"}


@pytest.mark.slow
def test_the_machine_is_measured_by_the_worker_not_by_this_process(context: StudioContext, shipped: Path) -> None:
    dataset = seed_dataset(context.store, records=3)
    wish = api.ScoreWish(dataset, ("question",))
    end = time.monotonic() + 90
    while (found := api.planned(context, wish))["state"] == "measuring" and time.monotonic() < end:
        context.supervisor.tick()
        time.sleep(0.2)
    child = context.supervisor._children.get("model")
    if child is not None:
        child.terminate()
        child.wait()
    assert found["state"] == "ready" and found["gib"] > 0 and found["machine"]


# --- starting

def test_starting_queues_one_run_with_the_wish_as_its_parameters(context: StudioContext, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "embedded_ready", lambda: True)
    dataset = seed_dataset(context.store, records=3)
    job = api.start(context, api.ScoreWish(dataset, ("answer",), "fp32", "none"))
    assert (job.kind, job.dataset_id, job.params) == ("score", dataset, {"kinds": ["answer"], "precision": "fp32", "quantization": "none"})
    with pytest.raises(SettingError, match="scored already"):
        api.start(context, api.ScoreWish(dataset, ("answer",)))
    context.store.jobs.cancel(job.id)
    again = api.start(context, api.read_wish({"dataset": dataset, "workers": 2}))
    assert again.id > job.id and again.params["workers"] == 2


def test_without_the_model_nothing_starts_and_the_way_out_is_told(context: StudioContext, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "embedded_ready", lambda: False)
    dataset = seed_dataset(context.store, records=3)
    with pytest.raises(ModelError, match="not on this machine") as refused:
        api.start(context, api.ScoreWish(dataset, ("question",)))
    assert "make model" in refused.value.hint
    assert api.overview(context, dataset)["model_missing"]["hint"] == "make model"
    assert not context.store.jobs.recent(kinds=["score"])


def test_the_cards_tell_what_each_scorer_says_of_itself(shipped: Path) -> None:
    cards = api.scorer_cards()
    assert [(card["kind"], card["active"], card["base_label"]) for card in cards] == [("question", True, "Embedded LLaVA, 139M"), ("answer", True, "Embedded LLaVA, 139M")]
    assert cards[0]["figures"]["scorer"]["pairs"] == 400 and "onerror" in cards[0]["card"]


def test_scores_of_a_record_come_with_their_keys(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=3)
    seed_scores(context.store, dataset)
    rows = api.scores_of_record(context, context.store.records.ids(dataset)[2])
    assert [(row["kind"], row["turn"], row["candidate"]) for row in rows if row["kind"] == "question"] == [("question", None, None)]
    assert len([row for row in rows if row["kind"] == "answer"]) == 2
    assert scorer_key("answer").label in {row["label"] for row in rows}


@pytest.mark.parametrize("body", [
    None, [], "score", 7, {}, {"dataset": "1"}, {"dataset": True}, {"dataset": -1}, {"dataset": 2**60}, {"dataset": 1, "kinds": []}, {"dataset": 1, "kinds": "question"},
    {"dataset": 1, "kinds": [{}]}, {"dataset": 1, "kinds": [["question"]]}, {"dataset": 1, "kinds": ["poem"]}, {"dataset": 1, "precision": 16}, {"dataset": 1, "precision": ["bf16"]},
    {"dataset": 1, "quantization": {"a": "b"}}, {"dataset": 1, "quantization": "int3"}, {"dataset": 1, "records": 5}, {"dataset": 1, "records": "sample:0"},
    {"dataset": 1, "records": "sample:-3"}, {"dataset": 1, "records": "type:poem"}, {"dataset": 1, "records": "all "}, {"dataset": 1, "image": "squeeze"},
    {"dataset": 1, "scorers": ["x"]}, {"dataset": 1, "scorers": {"question": "/etc"}}, {"dataset": 1, "scorers": {"question": "embedded-answer"}},
    {"dataset": 1, "workers": 0}, {"dataset": 1, "workers": "two"}, {"dataset": 1, "workers": True}, {"dataset": 1, "workers": 2.5}, {"dataset": 1, "workers": 10**9},
], ids=lambda body: json.dumps(body)[:40])
def test_nonsense_in_a_request_is_refused_with_a_way_out(body: Any) -> None:
    with pytest.raises(SettingError) as refused:
        api.read_wish(body)
    assert refused.value.message and refused.value.hint


def test_over_http_wrong_requests_get_a_clean_4xx(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=3)
    http = client(context)
    answers = [
        http.post("/api/scores", json={"dataset": "x"}), http.post("/api/scores", content=b"{", headers={"content-type": "application/json"}),
        http.post("/api/scores", json={"dataset": 999}), http.post("/api/scores/plan", json=[1]), http.get("/api/scores", params={"dataset": 999}),
        http.get("/api/scores/spread", params={"dataset": dataset, "question_key": "f" * 16}), http.get("/api/scores/examples", params={"dataset": dataset, "type": "poem"}),
        http.get("/api/scores/examples", params={"dataset": "'; DROP TABLE score"}), http.get("/api/scores/of/999"), http.get("/api/scores/spread"),
        http.post("/api/scores", json={"dataset": dataset}, headers={"origin": "https://elsewhere.example"}),
    ]
    assert [answer.status_code for answer in answers[:-1]] == [409, 422, 404, 409, 404, 404, 409, 422, 404, 422]
    assert answers[-1].status_code == 403
    for answer in answers[:-1]:
        assert answer.json()["error"] and set(answer.json()) == {"error", "hint", "place"}
    assert not context.store.jobs.recent(kinds=["score"])


def test_the_screens_functions_load_no_torch() -> None:
    code = "import sys, studio.api.scores, studio.api.score_views; print([m for m in ('torch', 'transformers', 'peft', 'bitsandbytes') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository_dir(), check=True)
    assert done.stdout.strip() == "[]"
