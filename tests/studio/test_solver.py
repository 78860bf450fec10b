"""/api/solver over a seeded store, and the parts of a selection that a request may carry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.curation import CURRENT
from pipeline.errors import SettingError
from pipeline.selection import Cut, Diverse, Groups, shares
from studio.api import solver as api
from studio.context import StudioContext
from studio.selection_input import read_spec
from tests.studio.seeding import seed_dataset, seed_scores


def test_a_wish_is_solved_over_http(client: TestClient, scored: int) -> None:
    told = client.post("/api/solver/solve", json={"dataset": scored, "total": 9, "shares": None, "per_image": 1, "balance": 0.5}).json()
    assert told["reached"] == 9 and told["by_type"] == told["wanted"] == {"conversation": 3, "detail": 3, "complex": 3} and told["impossible"] == []
    assert told["spec"]["per_image"] == 1 and told["spec"]["per_type"] is True
    assert all(set(point) == {"question", "answer", "kept", "spec"} and point["kept"] == 9 for point in told["curve"])


def test_the_selection_found_can_be_sent_back_as_it_is(client: TestClient, scored: int) -> None:
    spec = client.post("/api/solver/solve", json={"dataset": scored, "total": 9}).json()["spec"]
    assert client.post("/api/selections/preview", json={"dataset": scored, "spec": spec}).json()["counts"]["kept"] == 9


def test_the_scorers_of_the_working_cuts_are_used_and_named(context: StudioContext, scored: int) -> None:
    first = seed_scores(context.store, scored, precision="fp32", only=3)
    context.store.selections.save(scored, CURRENT, shares(1.0, 1.0, question_key=first[0], answer_key=first[1]).as_json(), author="test")
    told = api.solve(context, {"dataset": scored, "total": 3})
    assert (told["spec"]["question_key"], told["spec"]["answer_key"]) == first == (told["curve"][0]["spec"]["question_key"], told["curve"][0]["spec"]["answer_key"])


def test_marks_of_people_count(context: StudioContext, scored: int) -> None:
    ids = context.store.records.ids(scored)
    context.store.actions.decide(scored, {ids[29]: "drop", ids[0]: "keep"}, author="test")
    told = api.solve(context, {"dataset": scored, "total": 6})
    assert told["reached"] == 6 and told["impossible"] == []


def test_what_is_impossible_says_why_before_the_first_score(context: StudioContext) -> None:
    told = api.solve(context, {"dataset": seed_dataset(context.store), "total": 6})
    assert told["reached"] == 0
    assert {one["group"] for one in told["impossible"]} == {"conversation", "detail", "complex"}
    assert "none of its 10 records has both scores" in told["impossible"][0]["why"]


@pytest.mark.parametrize("body, place", [
    ({}, "total"), ({"total": 0}, "total"), ({"total": "9"}, "total"), ({"total": 9, "shares": [1]}, "shares"), ({"total": 9, "shares": {"detail": 0.5}}, "shares"),
    ({"total": 9, "per_image": 0}, "per_image"), ({"total": 9, "balance": 2}, "balance"), ({"total": 9, "per_cluster": 3}, "per_cluster"),
])
def test_bad_wishes_are_refused_with_their_place(client: TestClient, scored: int, body: dict[str, Any], place: str) -> None:
    answer = client.post("/api/solver/solve", json={"dataset": scored, **body})
    assert answer.status_code == 409 and answer.json()["place"] == place and answer.json()["hint"]


@pytest.mark.parametrize("route", ["solve", "coverage"])
@pytest.mark.parametrize("body", [[], None, 3, {}, {"dataset": 99}, {"dataset": -1}])
def test_requests_without_a_data_set_are_refused(client: TestClient, scored: int, route: str, body: Any) -> None:
    assert client.post(f"/api/solver/{route}", json=body).status_code in (404, 409, 422)


def test_coverage_says_what_is_left_of_types_and_images(client: TestClient, scored: int) -> None:
    told = client.post("/api/solver/coverage", json={"dataset": scored, "spec": shares(0.5, 1.0, per_image=1).as_json()}).json()
    assert [told[step]["records"] for step in ("before", "passed", "after")] == [30, 15, 6]
    assert told["before"]["types"]["detail"] == pytest.approx(1 / 3, abs=1e-6) and told["before"]["clusters"] is None
    assert (told["before"]["images"]["covered"], told["after"]["images"]["covered"]) == (10, 5)


def test_coverage_tells_clusters_once_there_is_a_map(context: StudioContext, scored: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_clusters", lambda store, dataset_id: Groups(np.arange(30, dtype=np.int32) % 5))
    assert api.coverage(context, {"dataset": scored, "spec": shares(1.0, 1.0).as_json()})["before"]["clusters"] == {"covered": 5, "effective": 5.0}


def test_a_request_may_draw_cap_and_choose(context: StudioContext, scored: int) -> None:
    data = {"question": {"all": {"mode": "random", "amount": 5}}, "answer": {"all": {"mode": "pass"}}, "per_cluster": 3, "seed": 7,
            "diverse": {"method": "facility", "mode": "count", "amount": 4}}
    spec = read_spec(context.store, scored, data)
    assert (spec.question["all"], spec.answer["all"]) == (Cut("random", 5), Cut("pass"))
    assert (spec.per_cluster, spec.seed, spec.diverse) == (3, 7, Diverse("facility", 4, "count"))
    assert read_spec(context.store, scored, spec.as_json()) == spec


@pytest.mark.parametrize("change, place", [
    ({"seed": -1}, "seed"), ({"seed": 1.5}, "seed"), ({"seed": 2**32}, "seed"), ({"per_cluster": 0}, "per_cluster"), ({"per_cluster": True}, "per_cluster"),
    ({"diverse": 3}, "diverse"), ({"diverse": {}}, "diverse"), ({"diverse": {"method": "best", "amount": 0.5}}, "diverse"), ({"diverse": {"method": [], "amount": 0.5}}, "diverse"),
    ({"diverse": {"method": "kcenter", "amount": "half"}}, "diverse"), ({"diverse": {"method": "kcenter", "mode": "share", "amount": 2}}, "diverse"),
    ({"question": {"all": {"mode": "random", "amount": 0.5}}}, "question.all"), ({"answer": {"all": {"mode": "random"}}}, "answer.all"),
])
def test_nonsense_beside_the_cuts_names_its_place(context: StudioContext, scored: int, change: dict[str, Any], place: str) -> None:
    with pytest.raises(SettingError) as error:
        read_spec(context.store, scored, {**shares(0.5, 0.5, per_type=False).as_json(), **change})
    assert error.value.place == place and error.value.hint
