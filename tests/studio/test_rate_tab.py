"""The Rate and Agreement rooms' functions and routes over a seeded store."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.errors import NotFound, SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.records import WHOLE, Score
from pipeline.teaching.consensus import consensus
from studio.api import rating_agreement, ratings
from studio.api.rating_input import rater_name
from studio.context import StudioContext, open_context
from studio.server import create_app
from tests.studio.seeding import HOSTILE, scorer_key, seed_dataset, seed_scores


@pytest.fixture
def dataset(context: StudioContext) -> int:
    return seed_dataset(context.store, records=13)


def ahead(context: StudioContext, dataset: int, rater: str = "Ann", **more: Any) -> list[dict[str, Any]]:
    return ratings.upcoming_items(context, dataset, more.pop("kind", "answer"), rater, **more)["items"]


def word(item: dict[str, Any], *scores: float | None, rater: str = "Ann", **more: Any) -> dict[str, Any]:
    return {"item": item["id"], "rater": rater, "mode": "score", "scores": list(scores), "seconds": 5, **more}


def test_items_come_without_sources_in_an_order_of_the_raters_own(context: StudioContext, dataset: int) -> None:
    items = ahead(context, dataset, count=8)
    assert len({item["id"] for item in items}) == 8 and not any("sources" in item or "record_id" in item for item in items)
    assert {tuple(one["place"] for one in item["candidates"]) for item in items} == {(0, 1), (1, 0)}
    stored = context.store.ratings.item(items[0]["id"])
    assert all(stored.candidates[one["place"]] == one["text"] for one in items[0]["candidates"]) and HOSTILE in items[0]["question"]


def test_a_sent_word_is_stored_with_its_sources_told_and_is_never_offered_again(context: StudioContext, dataset: int) -> None:
    first = ahead(context, dataset, count=1)[0]
    answer = ratings.send(context, word(first, 0.2, 0.7, note="why", criteria={"grounded": [1, None], "clarity": [None, None]}))
    assert all(source.startswith("record ") for source in answer["sources"]) and answer["makes_pairs"]
    rating, = context.store.ratings.in_force()
    assert (rating.scores, rating.criteria, rating.note, rating.seconds, rating.mode) == ((0.2, 0.7), {"grounded": (1.0, None)}, "why", 5.0, "score")
    assert first["id"] not in {item["id"] for item in ahead(context, dataset, count=12)}
    assert first["id"] in {item["id"] for item in ahead(context, dataset, "Bob", count=13)}


def test_the_same_word_twice_is_stored_once(context: StudioContext, dataset: int) -> None:
    first = ahead(context, dataset, count=1)[0]
    assert ratings.send(context, word(first, 0.2, 0.7))["rating"] == ratings.send(context, word(first, 0.2, 0.7))["rating"]
    assert ratings.send(context, word(first, 0.2, 0.8))["rating"] != 1
    assert len(context.store.ratings.in_force()) == 1


def test_undo_takes_back_the_last_word_and_opens_it_as_a_draft_that_comes_first(context: StudioContext, dataset: int) -> None:
    one, two, *_ = ahead(context, dataset, count=3)
    ratings.send(context, word(one, 0.2, 0.7))
    ratings.skip(context, {"item": two["id"], "rater": "Ann", "reason": "all alike", "note": "hm", "seconds": 2})
    back = ratings.undo(context, dataset, "answer", "Ann")
    assert (back["item"]["id"], back["skipped"], back["item"]["draft"]["note"]) == (two["id"], "all alike", "hm")
    back = ratings.undo(context, dataset, "answer", "Ann")
    assert (back["item"]["id"], back["item"]["draft"]["scores"]) == (one["id"], [0.2, 0.7])
    assert [item["id"] for item in ahead(context, dataset, count=3)][:2] == [one["id"], two["id"]]
    with pytest.raises(SettingError, match="no rating here to take back"):
        ratings.undo(context, dataset, "answer", "Ann")


def test_skipped_ones_come_last_and_progress_counts_them(context: StudioContext, dataset: int) -> None:
    items = ahead(context, dataset, count=12)
    ratings.skip(context, {"item": items[0]["id"], "rater": "Ann", "reason": "can't tell", "seconds": 3})
    ratings.send(context, word(items[1], 0.1, 0.2, seconds=9))
    left = ahead(context, dataset, count=12)
    assert left[-1]["id"] == items[0]["id"] and left[-1]["skipped_before"] and items[1]["id"] not in {item["id"] for item in left}
    found = ratings.progress(context, dataset, "answer", "Ann", "score", 0)
    assert (found["rated"], found["skipped"], found["left"], found["of"], found["median_seconds"], found["per_hour"]) == (1, 1, 11, 13, 9.0, 300.0)


def test_a_draft_survives_and_comes_back_first_with_all_that_was_begun(context: StudioContext, dataset: int) -> None:
    items = ahead(context, dataset, count=4)
    draft = {"mode": "score", "scores": [0.3, None], "note": "half a sen", "at": 17}
    ratings.keep_draft(context, {"item": items[2]["id"], "rater": "Ann", "draft": draft})
    again = open_context(context.workspace)
    assert (ahead(again, dataset, count=2)[0]["id"], ahead(again, dataset, count=2)[0]["draft"]) == (items[2]["id"], draft)
    again.store.close()
    assert all(item["draft"] is None for item in ahead(context, dataset, "Bob", count=4))
    ratings.keep_draft(context, {"item": items[2]["id"], "rater": "Ann", "draft": {}})
    assert all(item["draft"] is None for item in ahead(context, dataset, count=4))


def test_an_order_is_stored_as_scores_and_inventions_count_for_grounded(context: StudioContext, dataset: int) -> None:
    one = ahead(context, dataset, count=1)[0]
    assert ratings.send(context, {"item": one["id"], "rater": "Ann", "mode": "rank", "order": [[1], [0]]})["scores"] == [0.0, 1.0]
    pair = ahead(context, dataset, "Bob", count=1, mode="hallucination")[0]
    ratings.send(context, {"item": pair["id"], "rater": "Bob", "mode": "hallucination", "order": [[0, 1]]})
    said = context.store.ratings.in_force(rater="Bob")[0]
    assert (said.scores, said.criteria) == ((0.5, 0.5), {"grounded": (0.5, 0.5)})


@pytest.mark.parametrize(("change", "place", "told"), [
    ({"scores": [0.1]}, "scores", "1 scores for 2 candidates"),
    ({"scores": [0.1, 1.01]}, "scores[1]", "1.01 is not between 0 and 1"),
    ({"scores": [0.1, -0.5]}, "scores[1]", "-0.5 is not between"),
    ({"scores": [True, 0.5]}, "scores[0]", "true is no number"),
    ({"scores": ["0.5", 0.5]}, "scores[0]", "is no number"),
    ({"scores": [float("nan"), 0.5]}, "scores[0]", "nan is not between"),
    ({"scores": [10**400, 0.5]}, "scores[0]", "is not between"),
    ({"scores": [None, None]}, "scores", "no candidate has an overall score"),
    ({"scores": "high"}, "scores", "is no list of scores"),
    ({"criteria": {"beauty": [0.1, 0.2]}}, "criteria.beauty", "is no criterion of answers"),
    ({"criteria": {"clarity": [0.1]}}, "criteria.clarity", "1 scores for 2"),
    ({"criteria": {"clarity": [0.1, 2]}}, "criteria.clarity[1]", "2 is not between"),
    ({"criteria": [1]}, "criteria", "are no criteria"),
    ({"mode": "settled"}, "mode", "is no way of rating"),
    ({"mode": "rank"}, "scores", "scores don't go with the mode rank"),
    ({"mode": "rank", "scores": None, "order": [[0]]}, "order", "candidate 1 is missing"),
    ({"mode": "rank", "scores": None, "order": [[0], 1]}, "order[1]", "is no group"),
    ({"rater": "  "}, "rater", "no name"),
    ({"rater": "x" * 61}, "rater", "61 characters"),
    ({"rater": "a\u202eb"}, "rater", "U+202E"),
    ({"rater": 5}, "rater", "no name"),
    ({"seconds": -1}, "seconds", "-1 is not between"),
    ({"note": 5}, "note", "is no note"),
    ({"note": "x" * 5000}, "note", "5,000 characters"),
    ({"item": True}, "item", "true is no item"),
])
def test_bad_input_is_refused_with_its_place_and_nothing_is_stored(context: StudioContext, dataset: int, change: dict[str, Any], place: str, told: str) -> None:
    item = ahead(context, dataset, count=1)[0]
    with pytest.raises(SettingError) as error:
        ratings.send(context, {**word(item, 0.1, 0.9), **change})
    assert error.value.place == place and told in error.value.message and error.value.hint
    assert context.store.ratings.in_force() == []


def test_unknown_items_kinds_orders_and_reasons_are_told(context: StudioContext, dataset: int) -> None:
    with pytest.raises(NotFound, match="no rating item 999"):
        ratings.send(context, {"item": 999, "rater": "Ann", "scores": [0.1]})
    with pytest.raises(NotFound, match="no rating item 999"):
        ratings.keep_draft(context, {"item": 999, "rater": "Ann", "draft": {"note": "x"}})
    with pytest.raises(SettingError, match="nothing that is rated"):
        ratings.kind_of("photo")
    with pytest.raises(SettingError, match="no way to choose"):
        ahead(context, dataset, strategy="luck")
    with pytest.raises(SettingError, match="no reason to skip"):
        ratings.skip(context, {"item": ahead(context, dataset)[0]["id"], "rater": "Ann", "reason": "bored"})
    with pytest.raises(NotFound):
        ahead(context, dataset + 7)


def test_a_name_with_markup_is_a_name_like_any_other() -> None:
    assert rater_name("  <b>Ann</b> & Zoë ") == "<b>Ann</b> & Zoë"


def test_near_the_cut_and_disagreement_go_by_scores_and_say_why_where_they_cannot(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=31)
    found = {one["id"]: one["why_not"] for one in ratings.overview(context, dataset, "question", "score", 0)["strategies"]}
    assert found["random"] == found["cluster"] == "" and "no question scores yet" in found["borderline"] and "0 of the 2 keys" in found["disagreement"]
    with pytest.raises(SettingError, match="no question scores yet"):
        ahead(context, dataset, kind="question", strategy="borderline")


def test_the_item_that_two_keys_see_most_differently_comes_first(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=31)
    seed_scores(context.store, dataset)
    other = scorer_key("question", precision="fp32")
    context.store.scores.register(other)
    ids = context.store.records.ids(dataset)
    context.store.scores.add(other.digest, [Score(one, WHOLE, WHOLE, 500.0 if place == 4 else float(place)) for place, one in enumerate(ids)])
    first = ahead(context, dataset, kind="question", strategy="disagreement", count=1, share=0.0)[0]
    assert any("Question 4.0" in one["text"] for one in first["candidates"])


def test_agreement_lists_disputes_and_a_settled_word_outranks_until_undone(context: StudioContext, dataset: int) -> None:
    items = ahead(context, dataset, count=2)
    for rater, scores in (("Ann", (0.1, 0.9)), ("Bob", (0.8, 0.2))):
        ratings.send(context, word(items[0], *scores, rater=rater))
        ratings.send(context, word(items[1], 0.5, 0.6, rater=rater))
    figures = rating_agreement.figures(context, dataset, "answer")
    assert (figures["items"], figures["shared_items"], figures["raters"], figures["alphas"][0]["units"], figures["alphas"][0]["small"]) == (2, 2, 2, 4, True)
    assert (figures["pairs"][0]["alike"], figures["pairs"][0]["ordered"]) == (1, 2)
    page = rating_agreement.disputed(context, dataset, "answer")
    assert [item["id"] for item in page["items"]] == [items[0]["id"]] and (page["open"], page["settled"], page["shared"]) == (1, 0, 2)
    with pytest.raises(SettingError, match="candidate 2 of 2 has no score"):
        rating_agreement.settle(context, {"item": items[0]["id"], "rater": "Ann", "scores": [0.1, None]})
    settled = rating_agreement.settle(context, {"item": items[0]["id"], "rater": "Ann", "scores": [0, 1]})

    def verdict() -> tuple[Any, ...]:
        found = consensus(context.store.ratings.items(), context.store.ratings.in_force())
        return next((one.scores, one.settled) for one in found if one.item.id == items[0]["id"])

    assert verdict() == ((0.0, 1.0), True)
    assert rating_agreement.disputed(context, dataset, "answer", show="settled")["items"][0]["settled"]["rater"] == "Ann"
    rating_agreement.unsettle(context, settled["rating"])
    assert verdict() == ((pytest.approx(0.45), pytest.approx(0.55)), False)
    with pytest.raises(NotFound, match="no settled rating"):
        rating_agreement.unsettle(context, settled["rating"])


def test_an_item_without_a_record_is_rated_by_its_number_too(context: StudioContext, dataset: int) -> None:
    """Items from files are no part of the pool, yet their ratings are stored and taken back like others."""
    number = context.store.ratings.add_items([RatingItem("answer", "Who?", ("A",), None, "elsewhere.jpg", "file", dataset_id=dataset)])[0]
    assert not ratings.send(context, {"item": number, "rater": "Ann", "scores": [0.4]})["makes_pairs"]
    assert ratings.undo(context, dataset, "answer", "Ann")["item"]["id"] == number
    context.store.ratings.add(Rating(number, "Ann", "import", (0.4,)))
    with pytest.raises(SettingError):
        ratings.undo(context, dataset, "answer", "Ann")


def test_the_routes_answer_and_tell_errors_with_their_place(context: StudioContext, dataset: int) -> None:
    client = TestClient(create_app(context), base_url="http://127.0.0.1")
    found = client.get("/api/ratings/next", params={"dataset": dataset, "rater": "Ann", "n": 3}).json()
    item = found["items"][0]
    more = client.get("/api/ratings/next", params={"dataset": dataset, "rater": "Ann", "n": 3, "held": [one["id"] for one in found["items"]]}).json()
    assert not {one["id"] for one in found["items"]} & {one["id"] for one in more["items"]}
    refused = client.post("/api/ratings/send", json=word(item, 0.1, 7))
    assert (refused.status_code, refused.json()["place"]) == (409, "scores[1]")
    assert client.put("/api/ratings/draft", json={"item": item["id"], "rater": "Ann", "draft": {"note": "x"}}).json()["kept"] is True
    assert client.get("/api/ratings/draft", params={"item": item["id"], "rater": "Ann"}).json()["draft"] == {"note": "x"}
    assert client.post("/api/ratings/send", json=word(item, 0.1, 0.7)).status_code == 200
    assert client.post("/api/ratings/undo", json={"dataset": dataset, "kind": "answer", "rater": "Ann"}).json()["item"]["id"] == item["id"]
    assert client.get("/api/rating-agreement", params={"dataset": dataset}).json()["raters"] == 0
    assert client.get("/api/rating-agreement/items", params={"dataset": dataset}).json()["total"] == 0
    assert client.get("/api/ratings/next", params={"dataset": dataset}).json()["place"] == "rater"
    assert client.post("/api/ratings/send", json=[1]).json()["place"] == "body"
    assert client.get("/api/ratings/next", params={"dataset": 999, "rater": "Ann"}).status_code == 404
