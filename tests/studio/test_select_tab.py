"""The Select tab's functions and routes over a seeded store: cuts, decisions, named selections, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.curation import CURRENT, curate
from pipeline.errors import NotFound, SettingError
from pipeline.records import INSTRUCTION_TYPES, WHOLE, Score
from pipeline.selection import ALL, authors_preset, shares
from pipeline.workspace import Workspace
from studio.api import decisions, record_lists
from studio.api import selections as api
from studio.context import StudioContext, open_context
from studio.score_tables import tables_of
from tests.studio.seeding import HOSTILE, scorer_key, seed_dataset, seed_scores

WHO = "Maria"


@pytest.fixture(scope="module")
def one_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A studio with data set 1 scored, for requests that are refused and so change nothing: one for all of them."""
    from studio.server import create_app

    opened = open_context(Workspace.open(tmp_path_factory.mktemp("refusals") / "workspace"))
    seed_scores(opened.store, seed_dataset(opened.store), failed=2)
    with TestClient(create_app(opened), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client
    assert not opened.store.jobs.active() and opened.store.selections.all(1) == []
    opened.store.close()


def spec_json(question: Any = 0.5, answer: Any = 0.5, **rest: Any) -> dict[str, Any]:
    return shares(question, answer, per_type=False, **rest).as_json()


def cut(mode: Any, amount: Any) -> dict[str, Any]:
    return {**spec_json(), "question": {ALL: {"mode": mode, "amount": amount}}}


def page_of(context: StudioContext, dataset_id: int, *, by: str = "answer", ascending: bool = False, offset: int = 0, limit: int = 48, **query: Any) -> dict[str, Any]:
    return record_lists.page(context, {"dataset": dataset_id, "query": query, "sort": {"by": by, "ascending": ascending}, "offset": offset, "limit": limit})


def ids_of(context: StudioContext, dataset_id: int) -> list[int]:
    return context.store.records.ids(dataset_id)


# --- what the tab is told


def test_overview_before_scoring_has_no_scorers_and_counts_everything_unscored(context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store)
    told = api.overview(context, dataset_id)
    assert told["scorers"] == {"question": [], "answer": []}
    assert told["unscored"]["question"] == {"without": 30, "of": 30, "reasons": []}
    assert told["counts"] == {"kept": 0, "dropped": 30, "hand": 0, "unscored": 30, "all": 30}
    assert told["spec"] == authors_preset().as_json()


def test_overview_names_the_reason_of_missing_scores_with_their_number(context: StudioContext, scored: int) -> None:
    told = api.overview(context, scored)
    assert told["unscored"]["question"] == {"without": 2, "of": 30, "reasons": [{"reason": "the image is cut off", "places": 2}]}
    assert told["funnel"][-1] == {"group": "all", "label": "All types", "imported": 30, "scored": 28, "question": 9, "answer": 3, "kept": 3}


def test_overview_is_json_without_nan(context: StudioContext, scored: int) -> None:
    json.dumps(api.overview(context, scored), allow_nan=False)


def test_binned_counts_hold_every_record_once(context: StudioContext, scored: int) -> None:
    cells = np.frombuffer(api.binned(context, scored), "<u4").reshape(1, 3, 257, 257)[0]
    assert cells.sum(axis=(1, 2)).tolist() == [10, 10, 10]
    assert cells[:, 256, 256].tolist() == [1, 1, 0]  # the first two have no score at all
    axis = api.overview(context, scored)["axes"]["question"]
    bins = [int((place - axis["low"]) * 256 / (axis["high"] - axis["low"])) for place in range(2, 30)]
    assert np.flatnonzero(cells.sum(axis=(0, 2))[:256]).tolist() == sorted(set(bins))


def test_binned_counts_tell_what_was_decided_by_hand_apart(context: StudioContext, scored: int) -> None:
    decisions.decide(context, {"dataset": scored, "records": ids_of(context, scored)[4:6], "verdict": "drop"}, WHO)
    every, marked = np.frombuffer(api.binned(context, scored), "<u4").reshape(2, 3, 257, 257)
    assert every.sum() == 30 and marked.sum(axis=(1, 2)).tolist() == [0, 1, 1]


# --- cuts


def test_preview_counts_exactly_and_stores_nothing(context: StudioContext, scored: int) -> None:
    told = api.preview(context, {"dataset": scored, "spec": spec_json(0.5, 0.5)})
    assert (told["funnel"][-1]["question"], told["funnel"][-1]["answer"], told["counts"]["kept"]) == (14, 7, 7)
    assert told["cuts"] == {"question": {ALL: 16.0}, "answer": {ALL: pytest.approx(23.1)}}
    assert context.store.selections.all(scored) == []


def test_borderline_lists_the_records_next_to_the_cut_nearest_first(context: StudioContext, scored: int) -> None:
    near = api.preview(context, {"dataset": scored, "spec": spec_json(0.5, 0.5)})["borderline"]["question"][ALL]
    ids = ids_of(context, scored)
    assert near == {"above": ids[16:28], "below": ids[15:3:-1]}


def test_working_cuts_are_stored_once_and_seen_by_the_rest_of_the_product(context: StudioContext, scored: int) -> None:
    spec = spec_json(0.25, 1.0)
    assert api.set_current(context, {"dataset": scored, "spec": spec}, WHO)["stored"] is True
    assert api.set_current(context, {"dataset": scored, "spec": spec}, WHO)["stored"] is False
    assert [s.name for s in context.store.selections.all(scored)] == [CURRENT]
    assert len(curate(context.store, scored).kept_ids) == 7
    assert api.overview(context, scored)["spec"] == spec


@pytest.mark.parametrize(("spec", "place"), [
    (cut("share", 1.5), "question.all"), (cut("share", -0.1), "question.all"), (cut("share", float("nan")), "question.all"),
    (cut("share", float("inf")), "question.all"), (cut("value", 10**400), "question.all"), (cut("value", 1e300), "question.all"),
    (cut("count", 2.5), "question.all"), (cut("count", -1), "question.all"), (cut("count", True), "question.all"), (cut("share", "0.3"), "question.all"),
    (cut("share", None), "question.all"), (cut("median", 0.3), "question.all"), (cut(["share"], 0.3), "question.all"), (cut({}, 0.3), "question.all"),
    ({**spec_json(), "question": []}, "question"), ({**spec_json(), "answer": {"detail": {"mode": "share", "amount": 1}}}, "answer"),
    ({**spec_json(), "answer": {ALL: 3}}, "answer.all"), ({**spec_json(), "per_type": "no"}, "per_type"), ({**spec_json(), "per_type": True}, "question"),
    ({**spec_json(), "per_image": 0}, "per_image"), ({**spec_json(), "per_image": 1.5}, "per_image"), ({**spec_json(), "per_image": "two"}, "per_image"),
    ({**spec_json(), "per_image": 10**400}, "per_image"), ({**spec_json(), "question_key": 7}, "question_key"), ({**spec_json(), "question_key": "x" * 5000}, "question_key"),
    ([], "spec"), (None, "spec"), ("all", "spec"),
])
def test_a_bad_cut_is_told_with_its_place_and_changes_nothing(context: StudioContext, scored: int, spec: Any, place: str) -> None:
    with pytest.raises(SettingError) as told:
        api.set_current(context, {"dataset": scored, "spec": spec}, WHO)
    assert told.value.place == place and told.value.message and told.value.hint
    assert context.store.selections.all(scored) == []


def test_a_scorer_of_the_other_kind_or_unknown_is_refused(context: StudioContext, scored: int) -> None:
    for digest in (scorer_key("answer").digest, "0123456789abcdef"):
        with pytest.raises(NotFound):
            api.preview(context, {"dataset": scored, "spec": spec_json(question_key=digest)})


def test_a_named_scorer_decides_instead_of_the_last_used(context: StudioContext, scored: int) -> None:
    older = scorer_key("question").digest
    newer = scorer_key("question", precision="fp32")
    context.store.scores.register(newer)
    ids = ids_of(context, scored)
    context.store.scores.add(newer.digest, [Score(i, WHOLE, WHOLE, -float(n)) for n, i in enumerate(ids)])
    def kept_with(key: str | None) -> set[int]:
        return set(api.preview(context, {"dataset": scored, "spec": spec_json(0.1, 1.0, question_key=key)})["borderline"]["question"][ALL]["above"])

    assert kept_with(None) == set(ids[:3])
    assert kept_with(older) == set(ids[27:])


def test_new_scores_are_seen_without_a_restart(context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store)
    assert api.overview(context, dataset_id)["counts"]["unscored"] == 30
    seed_scores(context.store, dataset_id)
    assert api.overview(context, dataset_id)["counts"]["unscored"] == 0


def test_scores_written_by_another_process_are_seen(context: StudioContext, workspace: Workspace, scored: int) -> None:
    assert api.overview(context, scored)["counts"]["unscored"] == 2
    other = open_context(workspace)
    other.store.scores.add(scorer_key("question").digest, [Score(ids_of(other, scored)[0], WHOLE, WHOLE, 99.0)])
    other.store.close()
    assert tables_of(context.store).curate(scored).table.question[0] == 99.0


def test_the_table_is_read_once_while_no_score_changes(context: StudioContext, scored: int) -> None:
    tables = tables_of(context.store)
    key = scorer_key("question").digest
    first = tables.table(scored, key, None).question
    decisions.decide(context, {"dataset": scored, "records": ids_of(context, scored)[:1], "verdict": "keep"}, WHO)
    assert tables.table(scored, key, None).question is first


# --- the grid


def test_grid_pages_kept_records_best_answer_first(context: StudioContext, scored: int) -> None:
    api.set_current(context, {"dataset": scored, "spec": spec_json(0.5, 0.5)}, WHO)
    ids = ids_of(context, scored)
    page = page_of(context, scored, show="kept", limit=3)
    assert [card["id"] for card in page["records"]] == ids[29:26:-1] and (page["total"], page["of"]) == (7, 30)
    card = page["records"][1]
    assert card["best"] == 1 and card["of"] == 2 and card["answer"].startswith("Answer 28.0.1")
    assert (card["question_score"], card["answer_score"], card["kept"], card["reason"]) == (28.0, pytest.approx(28.1), True, "passed both cuts")
    assert [c["id"] for c in page_of(context, scored, show="kept", offset=6, limit=3)["records"]] == [ids[23]]
    assert page_of(context, scored, offset=10**12)["records"] == []


def test_grid_filters_by_decision_type_and_text(context: StudioContext, scored: int) -> None:
    ids = ids_of(context, scored)
    decisions.decide(context, {"dataset": scored, "records": [ids[5]], "verdict": "keep"}, WHO)
    assert [c["id"] for c in page_of(context, scored, show="hand")["records"]] == [ids[5]]
    assert [c["id"] for c in page_of(context, scored, show="unscored", by="row", ascending=True)["records"]] == ids[:2]
    assert {c["type"] for c in page_of(context, scored, show="all", types=["detail"])["records"]} == {"detail"}
    assert [c["id"] for c in page_of(context, scored, show="all", text="question 17.0?")["records"]] == [ids[17]]
    assert page_of(context, scored, show="all", text="100% '; DROP TABLE record; --")["total"] == 0


def test_records_without_a_score_come_last_in_either_order(context: StudioContext, scored: int) -> None:
    ids = ids_of(context, scored)
    for ascending in (False, True):
        page = page_of(context, scored, show="all", by="question", ascending=ascending, limit=48)
        assert [c["id"] for c in page["records"]][-2:] == ids[:2]


def test_detail_shows_every_candidate_with_its_score_and_the_best(context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store, turns=2)
    seed_scores(context.store, dataset_id, failed=1)
    ids = ids_of(context, dataset_id)
    turns = record_lists.detail(context, dataset_id, ids[7])["conversation"]
    assert [[(a["score"], a["why"]) for a in turn["answers"]] for turn in turns] == [[(7.0, ""), (pytest.approx(7.1), "")], [(6.0, ""), (pytest.approx(6.1), "")]]
    assert [turn["best"] for turn in turns] == [1, 1]
    broken = record_lists.detail(context, dataset_id, ids[0])
    assert broken["question_why"] == "the image is cut off" and broken["conversation"][0]["best"] is None
    assert broken["conversation"][0]["answers"][0] == {"text": f"Answer 0.0.0 {HOSTILE}", "score": None, "why": "the image is cut off"}


def test_a_record_of_another_data_set_is_not_shown(context: StudioContext, scored: int) -> None:
    other = seed_dataset(context.store, "Other", records=3)
    with pytest.raises(NotFound):
        record_lists.detail(context, scored, ids_of(context, other)[0])
    assert record_lists.some_cards(context, {"dataset": scored, "records": ids_of(context, other)})["records"] == []


def test_a_card_carries_the_start_of_a_long_text_only(context: StudioContext) -> None:
    from pipeline.records import Record, Turn

    dataset_id = context.store.datasets.create("Long", "seeded")
    context.store.records.add(dataset_id, [Record("long", (Turn("x" * 100_000, ("y" * 100_000,)),), "detail", True)])
    context.store.datasets.finish(dataset_id, {})
    card = page_of(context, dataset_id, show="all")["records"][0]
    assert len(card["question"]) < 500 and len(card["answer"]) < 500
    assert len(record_lists.detail(context, dataset_id, card["id"])["conversation"][0]["answers"][0]["text"]) == 100_000


# --- by hand


def test_a_person_outranks_the_rule_and_undo_gives_the_rule_back(context: StudioContext, scored: int) -> None:
    ids = ids_of(context, scored)
    api.set_current(context, {"dataset": scored, "spec": spec_json(0.5, 0.5)}, WHO)
    assert decisions.decide(context, {"dataset": scored, "records": [ids[0]], "verdict": "keep"}, WHO)["changed"] == {ids[0]: "keep"}
    decisions.decide(context, {"dataset": scored, "records": [ids[29]], "verdict": "drop"}, WHO)
    told = api.overview(context, scored)
    assert (told["counts"]["kept"], told["counts"]["hand"]) == (7, 2)
    assert told["undo"].startswith("Drop r29: Question 29.0?")
    undone = decisions.undo(context, {"dataset": scored}, WHO)
    assert undone["changed"] == {ids[29]: None} and undone["told"].startswith("Drop r29") and undone["redo"].startswith("Drop r29")
    assert decisions.redo(context, {"dataset": scored}, WHO)["changed"] == {ids[29]: "drop"}
    assert decisions.decide(context, {"dataset": scored, "records": [ids[29]], "verdict": "clear"}, WHO)["changed"] == {ids[29]: None}
    assert api.overview(context, scored)["by_hand"] == 1 and dict(context.store.actions.decisions(scored).items()) == {ids[0]: "keep"}


def test_deciding_what_is_so_already_makes_no_step(context: StudioContext, scored: int) -> None:
    ids = ids_of(context, scored)
    decisions.decide(context, {"dataset": scored, "records": ids[:3], "verdict": "keep"}, WHO)
    assert decisions.decide(context, {"dataset": scored, "records": ids[:3], "verdict": "keep"}, WHO)["changed"] == {}
    assert decisions.decide(context, {"dataset": scored, "records": [ids[9]], "verdict": "clear"}, WHO)["changed"] == {}
    assert [step["detail"] for step in decisions.history(context, scored)["actions"]] == ["Keep 3 records"]


def test_history_lists_steps_newest_first_and_any_can_be_undone(context: StudioContext, scored: int) -> None:
    ids = ids_of(context, scored)
    for i in ids[:2]:
        decisions.decide(context, {"dataset": scored, "records": [i], "verdict": "drop"}, WHO)
    first = decisions.history(context, scored)["actions"][-1]
    assert decisions.undo(context, {"dataset": scored, "action": first["id"]}, WHO)["changed"] == {ids[0]: None}
    assert [(s["kind"], s["undone"]) for s in decisions.history(context, scored)["actions"]] == [("undo", False), ("decision", False), ("decision", True)]


def test_undo_leaves_verdicts_on_rewrites_alone(context: StudioContext, scored: int) -> None:
    decisions.decide(context, {"dataset": scored, "records": ids_of(context, scored)[:1], "verdict": "keep"}, WHO)
    context.store.actions.judge_rewrites(scored, {}, author="test", detail="accepted a rewrite")
    decisions.undo(context, {"dataset": scored}, WHO)
    assert [a.undone for a in context.store.actions.history(scored) if a.kind == "rewrite"] == [False]
    with pytest.raises(SettingError, match="nothing to undo"):
        decisions.undo(context, {"dataset": scored}, WHO)


def test_nothing_to_redo_is_said(context: StudioContext, scored: int) -> None:
    with pytest.raises(SettingError, match="nothing to redo"):
        decisions.redo(context, {"dataset": scored}, WHO)


def test_foreign_records_are_refused_and_nothing_is_decided(context: StudioContext, scored: int) -> None:
    other = seed_dataset(context.store, "Other", records=3)
    with pytest.raises(NotFound):
        decisions.decide(context, {"dataset": scored, "records": [ids_of(context, scored)[0], ids_of(context, other)[0]], "verdict": "keep"}, WHO)
    assert len(context.store.actions.decisions(scored)) == 0


# --- named selections


def test_a_named_selection_keeps_its_scorers_and_comes_back(context: StudioContext, scored: int) -> None:
    api.set_current(context, {"dataset": scored, "spec": spec_json(0.25, 1.0)}, WHO)
    assert api.save_as(context, {"dataset": scored, "name": "  strict  "}, WHO) == {"name": "strict", "kept": 7, "of": 30}
    stored = context.store.selections.get(scored, "strict").spec
    assert stored["question_key"] == scorer_key("question").digest
    api.set_current(context, {"dataset": scored, "spec": spec_json(1.0, 1.0)}, WHO)
    assert [(s["name"], s["kept"], s["of"]) for s in api.named(context, scored)["selections"]] == [("strict", 7, 30)]
    assert api.open_named(context, {"dataset": scored, "name": "strict"}, WHO)["counts"]["kept"] == 7
    assert len(curate(context.store, scored).kept_ids) == 7


@pytest.mark.parametrize("name", ["", "   ", "current", "Current", "x" * 200, "two\nlines", 7, None, ["a"]])
def test_an_unusable_name_is_refused(context: StudioContext, scored: int, name: Any) -> None:
    with pytest.raises(SettingError) as told:
        api.save_as(context, {"dataset": scored, "name": name}, WHO)
    assert told.value.place == "name" and told.value.hint
    assert context.store.selections.all(scored) == []


def test_comparing_counts_both_sides_by_type_and_shows_examples(context: StudioContext, scored: int) -> None:
    api.set_current(context, {"dataset": scored, "spec": spec_json(0.25, 1.0)}, WHO)
    api.save_as(context, {"dataset": scored, "name": "top"}, WHO)
    api.set_current(context, {"dataset": scored, "spec": {**spec_json(1.0, 1.0), "question": {ALL: {"mode": "value", "amount": 20}}}}, WHO)
    decisions.decide(context, {"dataset": scored, "records": ids_of(context, scored)[29:], "verdict": "drop"}, WHO)
    told = api.compare(context, scored, "current", "top")
    whole = told["rows"][-1]
    assert {name: whole[name] for name in ("both", "left", "right", "neither", "of")} == {"both": 6, "left": 3, "right": 0, "neither": 21, "of": 30}
    assert [sum(row[name] for row in told["rows"][:-1]) for name in ("both", "left", "right", "neither")] == [6, 3, 0, 21]
    assert len(told["examples"]["left"]) == 3 and told["examples"]["right"] == []
    with pytest.raises(NotFound):
        api.compare(context, scored, "current", "no such")


# --- over HTTP


def test_hostile_text_travels_verbatim_as_json(client: TestClient, context: StudioContext, scored: int) -> None:
    answer = client.post("/api/record-lists/page", json={"dataset": scored})
    assert answer.headers["content-type"].startswith("application/json")
    assert all(HOSTILE in card["question"] for card in answer.json()["records"])


@pytest.mark.parametrize(("method", "path", "body"), [
    ("put", "current", {"dataset": 1, "spec": spec_json() | {"per_image": -1}}), ("put", "current", {"dataset": 99, "spec": spec_json()}), ("put", "current", []),
    ("put", "current", {"spec": spec_json()}), ("put", "current", {"dataset": "1", "spec": spec_json()}), ("put", "current", {"dataset": 10**30, "spec": spec_json()}),
    ("post", "preview", {"dataset": True, "spec": spec_json()}), ("post", "preview", {"dataset": 1}), ("post", "preview", 5),
    ("post", "/api/decisions/decide", {"dataset": 1, "records": [], "verdict": "keep"}), ("post", "/api/decisions/decide", {"dataset": 1, "records": [1.5], "verdict": "keep"}),
    ("post", "/api/decisions/decide", {"dataset": 1, "records": ["1"], "verdict": "keep"}), ("post", "/api/decisions/decide", {"dataset": 1, "records": [1], "verdict": "love"}),
    ("post", "/api/decisions/decide", {"dataset": 1, "records": [1], "verdict": ["keep"]}), ("post", "/api/decisions/decide", {"dataset": 1, "records": [10**15], "verdict": "keep"}),
    ("post", "/api/decisions/decide", {"dataset": 1, "records": {"1": 1}, "verdict": "keep"}), ("post", "/api/decisions/undo", {"dataset": 1}), ("post", "/api/decisions/undo", {"dataset": 1, "action": "x"}),
    ("post", "/api/decisions/redo", {"dataset": 1}), ("post", "named", {"dataset": 1, "name": ""}), ("post", "open", {"dataset": 1, "name": "none"}), ("post", "open", {"dataset": 1}),
    ("post", "/api/record-lists/cards", {"dataset": 1, "records": None}), ("post", "/api/record-lists/cards", {"dataset": 1, "records": list(range(1, 400))}),
])
def test_nonsense_gets_a_clean_answer_with_a_way_out(one_client: TestClient, method: str, path: str, body: Any) -> None:
    answer = one_client.request(method, path if path.startswith("/") else f"/api/selections/{path}", json=body)
    assert 400 <= answer.status_code < 500, answer.text
    told = answer.json()
    assert told["error"] and told["hint"] and "Traceback" not in answer.text


@pytest.mark.parametrize("data", [
    {"query": {"show": "best"}}, {"query": {"types": ["poem"]}}, {"query": {"types": "detail"}}, {"query": {"ranges": {"answer": [2, 1]}}}, {"query": {"ranges": {"answer": 1}}},
    {"query": {"ranges": {"no such": [0, 1]}}}, {"query": {"flags": {"refusal": 1}}}, {"query": {"values": {"cluster": "a"}}}, {"query": {"like": {}}}, {"query": {"lasso": [[0, 0]]}},
    {"query": {"ids": ["1"]}}, {"query": {"reasons": [-1]}}, {"query": {"same_image_as": 10**9}}, {"query": {"text": "x" * 501}}, {"query": {"text": 7}}, {"query": []}, {"query": {"sql": "1"}},
    {"sort": {"by": "name"}}, {"sort": "answer"}, {"sort": {"by": "similarity"}}, {"limit": 100_000}, {"offset": -5}, {"offset": 1e99}, {"dataset": 99}, {"dataset": "x"}, {"dataset": 10**40}])
def test_a_list_that_makes_no_sense_is_refused_with_a_way_out(one_client: TestClient, data: dict[str, Any]) -> None:
    answer = one_client.post("/api/record-lists/page", json={"dataset": 1, **data})
    assert 400 <= answer.status_code < 500 and answer.json()["error"] and answer.json()["hint"]


@pytest.mark.parametrize("raw", [b"", b"{", b'{"dataset": 1, "spec": NaN}', b"\xff\xfe", b"null"])
def test_a_body_that_is_no_json_object_is_refused(one_client: TestClient, raw: bytes) -> None:
    answer = one_client.put("/api/selections/current", content=raw, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500 and answer.json()["error"]


def test_nan_written_as_json_is_refused_as_a_cut(client: TestClient, scored: int) -> None:
    raw = json.dumps({"dataset": scored, "spec": cut("share", float("nan"))})
    answer = client.put("/api/selections/current", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 409 and answer.json()["place"] == "question.all"


def test_routes_answer_for_a_page(client: TestClient, context: StudioContext, scored: int) -> None:
    assert client.get("/api/selections/overview", params={"dataset": scored}).json()["types"][0]["id"] == INSTRUCTION_TYPES[0]
    assert len(client.get("/api/selections/cube", params={"dataset": scored}).content) == 3 * 257 * 257 * 4
    assert client.put("/api/selections/current", json={"dataset": scored, "spec": spec_json()}).json()["stored"] is True
    assert client.post("/api/decisions/decide", json={"dataset": scored, "records": ids_of(context, scored)[:1], "verdict": "keep"}).json()["undo"]
    assert client.get("/api/decisions/history", params={"dataset": scored}).json()["total"] == 1
    assert client.get("/api/record-lists/detail", params={"dataset": scored, "record": ids_of(context, scored)[3]}).json()["key"] == "r3"
    assert client.post("/api/selections/named", json={"dataset": scored, "name": "a"}).status_code == 200
    assert client.get("/api/selections/compare", params={"dataset": scored, "left": "current", "right": "a"}).json()["rows"][-1]["of"] == 30
    assert client.get("/studio/js/select.js").status_code == 200
