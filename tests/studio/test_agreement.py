"""The routes and functions behind "Where two keys disagree", over a seeded store."""

from __future__ import annotations

import time

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.errors import NotFound, SettingError
from pipeline.records import WHOLE, Score
from studio.api.agreement import KeyPair, disagreements, figures, key_pair
from studio.context import StudioContext
from tests.studio.seeding import HOSTILE, scorer_key, seed_dataset, seed_scores


def seed_moved(context: StudioContext, dataset: int, moved: dict[int, float], *, precision: str = "fp32") -> str:
    """Question scores under one more key: as `seed_scores` gives them, but the named places have another value."""
    key = scorer_key("question", precision=precision)
    context.store.scores.register(key)
    context.store.scores.add(key.digest, [Score(record_id, WHOLE, WHOLE, moved.get(place, float(place)))
                                          for place, record_id in enumerate(context.store.records.ids(dataset))])
    return key.digest


def test_two_keys_give_figures_with_their_denominators(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=30)
    moved = seed_moved(context, dataset, {0: 100.0, 29: -1.0})
    usual, _ = seed_scores(context.store, dataset, failed=0, only=28)
    found = figures(key_pair(context, dataset, "question", usual, moved))
    assert (found["first"]["digest"], found["second"]["precision"]) == (usual, "fp32")
    told = found["agreement"]
    assert (told["shared"], told["only_first"], told["only_second"], told["total"]) == (28, 0, 2, 30)
    assert 0.4 < told["spearman"] < 1 and told["largest_move"] == 100.0
    assert [(group["group"], group["kept"], group["both"]) for group in told["groups"]] == [("conversation", 3, 2), ("detail", 3, 3), ("complex", 3, 3)]
    assert sum(map(sum, found["joint"]["counts"])) == 28 and found["candidates"] is None


def test_one_cut_over_all_types_is_one_group(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=30)
    usual, _ = seed_scores(context.store, dataset)
    moved = seed_moved(context, dataset, {0: 100.0})
    told = figures(key_pair(context, dataset, "question", usual, moved), per_type=False, share=0.5)["agreement"]
    assert [(group["group"], group["kept"], group["both"]) for group in told["groups"]] == [("all", 15, 14)]


def test_unnamed_keys_are_the_two_used_last(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=6)
    oldest, older, newest = (seed_moved(context, dataset, {}, precision=precision) for precision in ("fp16", "fp32", "bf16"))
    def digests(first: str = "", second: str = "") -> tuple[str, str]:
        found = key_pair(context, dataset, "question", first, second)
        return found.first.digest, found.second.digest
    assert digests() == (newest, older)
    assert digests(first=older) == (older, newest)
    assert digests(second=newest) == (older, newest)
    assert digests(first=oldest) == (oldest, newest)


def test_one_key_alone_is_refused_with_the_way_out(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=6)
    key, _ = seed_scores(context.store, dataset)
    with pytest.raises(SettingError, match="1 of the 2 keys") as refused:
        key_pair(context, dataset, "question", "", "")
    assert "another precision" in refused.value.hint
    seed_moved(context, dataset, {})
    with pytest.raises(SettingError, match="the same"):
        key_pair(context, dataset, "question", key, key)
    with pytest.raises(NotFound):
        key_pair(context, dataset, "question", key, "f" * 16)
    with pytest.raises(SettingError, match="no kind"):
        key_pair(context, dataset, "poem", "", "")


def test_keys_of_another_data_set_are_refused(context: StudioContext) -> None:
    dataset, other = seed_dataset(context.store, records=6), seed_dataset(context.store, "Other", records=6)
    seed_scores(context.store, dataset, precision="bf16")
    mine, _ = seed_scores(context.store, dataset, precision="fp32")
    foreign = seed_moved(context, other, {}, precision="fp16")
    with pytest.raises(NotFound):
        key_pair(context, dataset, "question", mine, foreign)


def test_the_strongest_disagreements_carry_both_scores_percentiles_and_text(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=31)
    usual, _ = seed_scores(context.store, dataset)
    moved = seed_moved(context, dataset, {2: 200.0, 5: 150.0})
    keys = key_pair(context, dataset, "question", usual, moved)
    down = disagreements(context, keys, "second", limit=2)
    assert [card["key"] for card in down["cards"]] == ["r2", "r5"] and (down["total"], down["of"]) == (2, 31)
    card = down["cards"][0]
    assert (card["first"], card["second"], card["second_percentile"]) == (2.0, 200.0, 100.0) and card["first_percentile"] == pytest.approx(100 * 2 / 30)
    assert card["question"].endswith(HOSTILE.strip()) and card["image"] and card["type"] == "complex"
    up = disagreements(context, keys, "first", limit=48)  # all between their old and their new place fell by one or two; r0 and r1 stay
    assert up["total"] == 27 and {card["key"] for card in up["cards"]}.isdisjoint({"r2", "r5"})
    rest = disagreements(context, keys, "first", offset=20, limit=48)
    assert [card["key"] for card in rest["cards"]] == [card["key"] for card in up["cards"]][20:]


def test_an_answer_card_shows_the_turn_that_differs_most_and_both_preferred_answers(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=9, turns=2)
    _, first = seed_scores(context.store, dataset)
    key = scorer_key("answer", precision="fp32")
    context.store.scores.register(key)
    for place, record in enumerate(context.store.records.many(context.store.records.ids(dataset))):
        worth = 90.0 if place == 3 else float(place)
        context.store.scores.add(key.digest, [Score(record.id, t, c, worth * t - c) for t in range(2) for c in range(2)])
    keys = key_pair(context, dataset, "answer", first, key.digest)
    card = disagreements(context, keys, "second")["cards"][0]
    assert (card["key"], card["turn"], card["first_candidate"], card["second_candidate"]) == ("r3", 1, 1, 0)
    assert card["answer"].startswith("Answer 3.1.1") and card["other_answer"].startswith("Answer 3.1.0")
    assert (card["first_turn"], card["second_turn"]) == (pytest.approx(2.1), 90.0)
    assert figures(keys)["candidates"] == {"differ": 9, "of": 9}


def test_over_http_wrong_requests_get_a_clean_4xx(context: StudioContext) -> None:
    from studio.server import create_app

    dataset = seed_dataset(context.store, records=6)
    seed_scores(context.store, dataset, precision="fp32")
    http = TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False)
    assert http.get("/api/agreement", params={"dataset": dataset}).status_code == 409
    seed_scores(context.store, dataset)
    assert http.get("/api/agreement", params={"dataset": dataset}).json()["agreement"]["spearman"] == pytest.approx(1.0)
    assert http.get("/api/agreement/records", params={"dataset": dataset, "kind": "answer"}).json() == {"toward": "first", "total": 0, "of": 6, "offset": 0, "cards": []}
    wrong = [{"share": 0}, {"share": "nan"}, {"share": 2}, {"kind": "poem"}, {"scale": "log"}, {"first": "x" * 65}, {"first": "'; DROP"}, {"dataset": 99}]
    assert [http.get("/api/agreement", params={"dataset": dataset, **one}).status_code for one in wrong] == [422, 422, 422, 409, 422, 422, 404, 404]
    assert [http.get("/api/agreement/records", params={"dataset": dataset, **one}).status_code for one in ({"limit": 0}, {"limit": 49}, {"offset": -1}, {"toward": "both"})] == [422] * 4


def test_158_thousand_records_are_answered_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.store.scores import ScoreTable

    n = 158_000
    chance = np.random.default_rng(0)
    first = chance.normal(size=n).astype(np.float32)
    second = (first + chance.normal(0, 0.1, n)).astype(np.float32)
    tables = [ScoreTable(np.arange(n), (np.arange(n) % 3).astype(np.uint8), np.zeros(n, np.int32), first, column, [(0, 1)] * n) for column in (first, second)]
    keys = KeyPair("answer", scorer_key("answer"), scorer_key("answer", precision="fp32"), *tables)
    figures(keys)  # the import of SciPy is paid once
    took = []
    for _ in range(3):
        start = time.perf_counter()
        figures(keys)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.3
