"""Lists of records under a filter: what holds, in which order, how it spreads, marks on a whole filter, saved views, the search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.errors import NotFound, SettingError
from pipeline.record_query import RecordQuery
from pipeline.selection import ALL, shares
from pipeline.store.text_index import expression
from pipeline.workspace import Workspace
from studio.api import decisions, record_lists, selections
from studio.context import StudioContext, open_context
from studio.ordering import AT_FIRST, windows
from studio.record_lists import inside, lists_of, place_of
from tests.studio.seeding import seed_dataset, seed_scores

WHO = "Maria"


@pytest.fixture
def scored(context: StudioContext) -> int:
    """60 records, 20 a type; question score = place, answer score = place + .1; the first two have no score; three records an image."""
    dataset_id = seed_dataset(context.store, records=60)
    seed_scores(context.store, dataset_id, failed=2)
    return dataset_id


def found(context: StudioContext, dataset_id: int, query: dict[str, Any], *, by: str = "row", ascending: bool = True) -> list[int]:
    page = record_lists.page(context, {"dataset": dataset_id, "query": query, "sort": {"by": by, "ascending": ascending}, "limit": 200})
    return [card["row"] - 1 for card in page["records"]]


# --- filters


def test_a_range_includes_both_ends_and_never_a_missing_score(context: StudioContext, scored: int) -> None:
    assert found(context, scored, {"ranges": {"question": [10, 12]}}) == [10, 11, 12]
    assert found(context, scored, {"ranges": {"question": [None, 3]}}) == [2, 3]


def test_all_parts_of_a_filter_hold_at_once(context: StudioContext, scored: int) -> None:
    assert found(context, scored, {"types": ["detail"], "ranges": {"question": [10, 20]}, "text": "question 1"}) == [10, 13, 16, 19]


def test_records_of_the_same_image_are_found(context: StudioContext, scored: int) -> None:
    ids = context.store.records.ids(scored)
    assert found(context, scored, {"same_image_as": ids[7]}) == [6, 7, 8]
    assert found(context, scored, {"same_image_as": ids[59]}) == [59]  # it has none


def test_reasons_and_show_follow_the_working_cuts(context: StudioContext, scored: int) -> None:
    selections.set_current(context, {"dataset": scored, "spec": {**shares(1.0, 1.0, per_type=False).as_json(), "question": {ALL: {"mode": "value", "amount": 50}}}}, WHO)
    assert found(context, scored, {"show": "kept"}) == list(range(50, 60))
    assert found(context, scored, {"reasons": [1]}) == [0, 1]
    assert found(context, scored, {"show": "unscored"}) == [0, 1]


def test_a_query_says_the_same_after_a_trip_through_an_address() -> None:
    told = {"show": "kept", "types": ["detail"], "text": "a b", "ranges": {"answer": [None, 2.0]}, "flags": {"refusal": False}, "values": {"cluster": ["1 · cat"]}, "reasons": [2],
            "groups": {"near_text": True}, "like": {"record": 3}, "same_image_as": 4, "lasso": [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], "ids": [1, 2]}
    query = RecordQuery.from_json(told)
    assert query.as_json() == told and RecordQuery.from_json(query.as_json()) == query
    assert RecordQuery.from_json({}).as_json() == {}


def test_points_inside_an_outline_are_told_from_those_in_its_notch() -> None:
    outline = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (2.0, 1.0), (0.0, 4.0))
    x, y = np.array([1, 2, 2, 5, 3.5], np.float32), np.array([1, 3, 0.5, 1, 3], np.float32)
    assert inside(x, y, outline).tolist() == [True, False, True, False, True]


# --- order and the walk


def test_missing_scores_come_last_in_both_directions(context: StudioContext, scored: int) -> None:
    assert found(context, scored, {}, by="question", ascending=False)[:2] == [59, 58]
    assert found(context, scored, {}, by="question", ascending=True)[:2] == [2, 3]
    assert found(context, scored, {}, by="question", ascending=True)[-2:] == found(context, scored, {}, by="question", ascending=False)[-2:] == [0, 1]


def test_a_long_list_has_one_order_however_it_is_paged(context: StudioContext) -> None:
    rng = np.random.default_rng(3)
    keys = rng.integers(0, 50, 6 * AT_FIRST).astype(np.float32)  # many ties, also on the line between front and rest
    keys[::7] = np.nan
    whole = np.argsort(np.where(np.isnan(keys), np.inf, -keys), kind="stable")
    order = windows(np.arange(len(keys)), keys, False)
    assert order(0, 100).tolist() == whole[:100].tolist()
    assert order(AT_FIRST - 10, AT_FIRST + 10).tolist() == whole[AT_FIRST - 10:AT_FIRST + 10].tolist()
    assert order(0, len(keys)).tolist() == whole.tolist()


def test_walking_ends_at_both_ends_and_starts_anew_from_outside(context: StudioContext, scored: int) -> None:
    ids = context.store.records.ids(scored)

    def step(record: int, by: int) -> tuple[int | None, int | None]:
        told = record_lists.walk(context, {"dataset": scored, "query": {"types": ["detail"]}, "sort": {"by": "row", "ascending": True}, "record": record, "step": by})
        return told["record"], told["place"]

    assert step(ids[4], 1) == (ids[7], 2) and step(ids[4], -1) == (ids[1], 0)
    assert step(ids[1], -1) == (None, None) and step(ids[58], 1) == (None, None)
    assert step(ids[0], 1) == (ids[1], 0)  # no detail record: the walk starts at the first


def test_a_record_outside_a_list_has_no_place_in_it(context: StudioContext, scored: int) -> None:
    listed = lists_of(context.store).find(scored, RecordQuery(types=("detail",)))
    assert place_of(listed, 0) is None and place_of(listed, 58) == 0  # best answer first


# --- counts


def test_counts_say_how_many_of_each_type_and_what_stands_on_them(context: StudioContext, scored: int) -> None:
    ids = context.store.records.ids(scored)
    decisions.decide(context, {"dataset": scored, "records": ids[:4], "verdict": "keep"}, WHO)
    told = record_lists.count(context, {"dataset": scored, "query": {"types": ["detail", "complex"]}})
    assert (told["total"], told["of"], told["by_type"]) == (40, 60, {"conversation": 0, "detail": 20, "complex": 20})
    assert told["hand"] == {"keep": 2, "drop": 0}


def test_a_facet_is_drawn_over_what_the_rest_of_the_filter_leaves(context: StudioContext, scored: int) -> None:
    query = {"types": ["detail"], "ranges": {"question": [30, None]}}
    told = record_lists.facets(context, {"dataset": scored, "query": query, "columns": ["question", "type", "show"]})["columns"]
    assert sum(told["question"]["counts"]) == 19 and sum(told["question"]["all"]) == 58 and told["question"]["missing"] == 2
    assert [(one["count"], one["all"]) for one in told["type"]["values"]] == [(10, 20)] * 3
    with pytest.raises(SettingError, match="no column"):
        record_lists.facets(context, {"dataset": scored, "columns": ["no such"]})


def test_the_joint_view_counts_both_scores_without_its_own_brush(context: StudioContext, scored: int) -> None:
    told = record_lists.joint(context, {"dataset": scored, "query": {"ranges": {"question": [50, None]}, "types": ["detail"]}})
    assert told["both"] == sum(told["counts"]) == 19 and len(told["counts"]) == 64 * 64


def test_without_scores_there_is_no_joint_view_and_no_error(context: StudioContext) -> None:
    told = record_lists.joint(context, {"dataset": seed_dataset(context.store, "Bare")})
    assert told["counts"] == [] and told["axes"] == {"question": None, "answer": None}


# --- marks on a whole filter


def test_a_whole_filter_is_marked_in_one_step_and_undone_in_one(context: StudioContext, scored: int) -> None:
    told = decisions.decide_all(context, {"dataset": scored, "query": {"types": ["detail"]}, "verdict": "drop", "expected": 20, "words": "Detail"}, WHO)
    assert told["marked"] == 20 and told["told"] == "Drop 20 records (Detail)"
    assert record_lists.count(context, {"dataset": scored, "query": {"show": "hand"}})["total"] == 20
    assert [(step["author"], step["detail"]) for step in decisions.history(context, scored)["actions"]] == [(WHO, "Drop 20 records (Detail)")]
    decisions.undo(context, {"dataset": scored}, WHO)
    assert len(context.store.actions.decisions(scored)) == 0
    assert len(decisions.redo(context, {"dataset": scored}, WHO)["changed"]) == 20


def test_a_filter_that_holds_another_number_by_now_is_not_marked(context: StudioContext, scored: int) -> None:
    with pytest.raises(SettingError, match="holds 20 records by now, not 19"):
        decisions.decide_all(context, {"dataset": scored, "query": {"types": ["detail"]}, "verdict": "drop", "expected": 19}, WHO)
    with pytest.raises(SettingError, match="marked so already"):
        decisions.decide_all(context, {"dataset": scored, "query": {"types": ["detail"]}, "verdict": "clear", "expected": 20}, WHO)
    assert context.store.actions.history(scored) == []


def test_the_last_word_counts_whether_on_one_record_or_on_a_filter(context: StudioContext, scored: int) -> None:
    ids = context.store.records.ids(scored)
    decisions.decide(context, {"dataset": scored, "records": [ids[1], ids[4]], "verdict": "keep"}, "Bo")
    decisions.decide_all(context, {"dataset": scored, "query": {"types": ["detail"]}, "verdict": "drop", "expected": 20}, WHO)
    decisions.decide(context, {"dataset": scored, "records": [ids[4]], "verdict": "keep"}, "Bo")
    stands = context.store.actions.decisions(scored)
    assert (stands.get(ids[1]), stands.get(ids[4]), len(stands)) == ("drop", "keep", 20)
    assert list(context.store.actions.decided_by(scored)) == [ids[4]]  # a mark on a filter is nobody's word on one record
    assert [verdict for _, verdict in context.store.actions.marks_of(ids[4])] == ["keep", "drop", "keep"]


def test_undoing_an_early_step_tells_what_later_ones_say_of_the_same_records(context: StudioContext, scored: int) -> None:
    ids = context.store.records.ids(scored)
    decisions.decide_all(context, {"dataset": scored, "query": {"types": ["detail"]}, "verdict": "drop", "expected": 20}, WHO)
    first = context.store.actions.latest(scored)
    decisions.decide(context, {"dataset": scored, "records": [ids[4], ids[0]], "verdict": "keep"}, "Bo")
    told = decisions.undo_preview(context, scored, first)
    assert (told["records"], told["changes"], told["overruled"]) == (20, 19, 1)
    assert [(step["author"], step["shared"]) for step in told["later"]] == [("Bo", 1)]
    assert decisions.undo(context, {"dataset": scored, "action": first}, WHO)["changes"] == 19
    with pytest.raises(NotFound):
        decisions.undo_preview(context, scored, first)


# --- two people


def test_cuts_that_somebody_else_moved_are_not_overwritten_unseen(context: StudioContext, scored: int) -> None:
    mine = selections.set_current(context, {"dataset": scored, "spec": shares(0.5, 0.5).as_json(), "seen": 0}, WHO)
    with pytest.raises(selections.CutsMoved) as moved:
        selections.set_current(context, {"dataset": scored, "spec": shares(0.2, 0.2).as_json(), "seen": 0}, "Bo")
    assert moved.value.told == {"by": WHO, "spec": mine["spec"], "spec_id": mine["spec_id"]}
    assert selections.set_current(context, {"dataset": scored, "spec": shares(0.2, 0.2).as_json(), "seen": mine["spec_id"]}, "Bo")["spec_author"] == "Bo"


def test_over_http_a_step_carries_the_name_its_person_gave(context: StudioContext, scored: int) -> None:
    from studio.server import create_app

    with TestClient(create_app(context), base_url="http://127.0.0.1") as client:
        body = {"dataset": scored, "records": context.store.records.ids(scored)[:1], "verdict": "keep"}
        client.post("/api/decisions/decide", json=body, headers={"x-align-person": "Zo%C3%AB%0A Q"})
        told = client.get("/api/state", params={"dataset": scored}).json()["activity"]
        assert (told["author"], told["kind"], told["action"]) == ("Zoë Q", "decision", 1)
        client.put("/api/selections/current", json={"dataset": scored, "spec": shares(0.4, 0.4).as_json(), "seen": 0}, headers={"x-align-person": "Bo"})
        answer = client.put("/api/selections/current", json={"dataset": scored, "spec": shares(0.3, 0.4).as_json(), "seen": 0})
        assert answer.status_code == 409 and answer.json()["by"] == "Bo" and answer.json()["place"] == "seen"


# --- saved views


def test_a_saved_view_comes_back_with_its_count_and_can_be_taken_out_and_back(context: StudioContext, scored: int) -> None:
    query, sort = {"types": ["detail"], "ranges": {"question": [30.0, None]}}, {"by": "question", "ascending": True}
    told = record_lists.save_view(context, {"dataset": scored, "name": " long ones ", "query": query, "sort": sort}, WHO)["views"][0]
    assert (told["name"], told["query"], told["sort"], told["author"], told["total"]) == ("long ones", query, sort, WHO, 10)
    gone = record_lists.delete_view(context, scored, "long ones", WHO)
    assert gone["views"] == [] and gone["deleted"] == {"name": "long ones", "query": query, "sort": sort}
    with pytest.raises(NotFound):
        record_lists.delete_view(context, scored, "long ones", WHO)


def test_a_view_of_a_column_that_is_gone_stays_in_the_list_without_a_count(context: StudioContext, scored: int) -> None:
    context.store.saved_views.save(scored, "old", {"query": {"ranges": {"gone": [0, 1]}}, "sort": {"by": "row", "ascending": True}}, author=WHO)
    assert record_lists.views(context, scored)["views"][0]["total"] is None


# --- search


@pytest.mark.parametrize(("typed", "wanted"), [
    ("two dogs", '"two" AND "dogs" *'), ('"two dogs" beach', '"two dogs" AND "beach" *'), ("dogs -cat", '"dogs" NOT "cat"'), ("cat ", '"cat"'), ('"open quote', '"open quote"'),
    ("'; DROP TABLE record; --", '"\';" AND "drop" AND "table" AND "record;"'), ("?!", None), ("-cat", None), ("🙂", None), ("NEAR(a b)", '"near(a" AND "b)"'), ("a*", '"a*"'), ('say ""', '"say"')])
def test_what_is_typed_becomes_words_never_syntax(typed: str, wanted: str | None) -> None:
    if typed.startswith("'"):  # a mark alone is no word
        assert expression(typed) == '"drop" AND "table" AND "record;"'
    else:
        assert expression(typed) == wanted


def test_search_finds_the_same_with_and_without_an_index(context: StudioContext, scored: int) -> None:
    index = context.store.derived.text_index(scored)
    for typed in ("question 17.0", '"question 17.0"', "שלום", "elsewhere.example", "r17", "nothing of this", '"; DROP TABLE record; --', "\\", "%"):
        plain = index.search(typed).tolist()
        context.store.derived.build_text_index(scored, lambda done, of: None)
        assert index.ready
        with_index = index.search(typed).tolist()
        assert set(plain) <= set(with_index), typed  # words may stand anywhere, the plain string only together
        index._path.unlink()


def test_a_stopped_index_leaves_nothing_and_search_goes_on(context: StudioContext, scored: int) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, of: int) -> None:
        if done:
            raise Stopped

    with pytest.raises(Stopped):
        context.store.derived.build_text_index(scored, stop)
    assert not context.store.derived.text_index(scored).ready and record_lists.search_state(context.store, scored) == "scan"
    assert [path for path in context.store.derived.folder(scored).iterdir() if "words" in path.name] == []
    assert len(context.store.derived.search(scored, "Question")) == 60


def test_a_damaged_index_is_no_failed_search(context: StudioContext, scored: int) -> None:
    context.store.derived.build_text_index(scored, lambda done, of: None)
    path = context.store.derived.folder(scored) / "words.sqlite3"
    path.write_bytes(b"not a database" * 1000)
    assert len(context.store.derived.search(scored, "Question")) == 60


def test_what_was_derived_goes_with_its_data_set(context: StudioContext, scored: int) -> None:
    context.store.derived.build_text_index(scored, lambda done, of: None)
    lists_of(context.store).find(scored, RecordQuery())
    assert context.store.derived.folder(scored).is_dir()
    context.store.datasets.delete(scored)
    assert not context.store.derived.folder(scored).exists()
    with pytest.raises(NotFound):
        record_lists.page(context, {"dataset": scored})


def test_damaged_columns_are_read_from_the_database_again(context: StudioContext, scored: int, workspace: Workspace) -> None:
    lists_of(context.store).find(scored, RecordQuery())
    for path in context.store.derived.folder(scored).glob("*.npz"):
        path.write_bytes(path.read_bytes()[:200])
    other = open_context(workspace)
    assert found(other, scored, {"ranges": {"question": [10, 12]}}) == [10, 11, 12]
    other.store.close()


# --- clusters that are gone


def test_cuts_that_ask_for_clusters_that_are_gone_are_shown_without_and_it_is_said(context: StudioContext, scored: int) -> None:
    context.store.selections.save(scored, "current", {**shares(1.0, 1.0, per_type=False).as_json(), "per_cluster": 1}, author=WHO)
    told = selections.overview(context, scored)
    assert told["counts"]["kept"] == 58 and "cluster" in told["problem"]["error"] and told["problem"]["hint"]
    with pytest.raises(SettingError, match="cluster"):
        record_lists.page(context, {"dataset": scored})
