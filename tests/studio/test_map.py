"""The map's routes: what the page draws, point by point, and what it is told where there is no map."""

from __future__ import annotations


import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.studio.seeding import seed_scores

from pipeline.errors import NotFound, SettingError
from pipeline.records import INSTRUCTION_TYPES, Record, Turn
from pipeline.signals import find
from pipeline.signals.columns import SignalColumns
from pipeline.signals.run import build
from studio.api import map as api
from studio.context import StudioContext

KINDS = (("x", "<f4"), ("y", "<f4"), ("id", "<f8"), ("question", "<f4"), ("answer", "<f4"), ("type", "u1"), ("kept", "u1"), ("cluster", "<i2"))


def seed(context: StudioContext, records: int = 40, name: str = "seeded") -> int:
    """Text-only records of two topics; the third says nothing that has a word."""
    dataset = context.store.datasets.create(name, "here")
    answers = ["!" if n == 2 else f"{'a dog with a ball' if n % 2 else 'the train in a station'} number {n}" for n in range(records)]
    context.store.records.add(dataset, [Record(f"r{n}", (Turn("?", (answer, "another")),), INSTRUCTION_TYPES[n % 3], True, row=n) for n, answer in enumerate(answers)])
    context.store.datasets.finish(dataset, {})
    return dataset


def read(blob: bytes) -> dict[str, np.ndarray]:
    """The arrays of the binary answer, read as the page does: one after the other."""
    count, rest = divmod(len(blob), 28)
    assert rest == 0
    found, at = {}, 0
    for name, kind in KINDS:
        found[name] = np.frombuffer(blob, kind, count, at)
        at += found[name].nbytes
    return found


def test_before_the_map_the_state_says_so_and_points_say_what_to_do(context: StudioContext) -> None:
    dataset = seed(context)
    told = api.overview(context, dataset)
    assert (told["state"], told["records"], told["placed"], told["clusters"]) == ("missing", 40, 0, [])
    with pytest.raises(SettingError, match="not made yet") as refused:
        api.points(context, dataset)
    assert "Map" in refused.value.hint
    for ask in (api.overview, api.points):
        with pytest.raises(NotFound):
            ask(context, 999)


def test_points_carry_place_scores_kept_and_cluster(context: StudioContext) -> None:
    dataset = seed(context)
    seed_scores(context.store, dataset, failed=2)
    build(context.store, dataset, find("map"))
    context.store.actions.decide(dataset, {context.store.records.ids(dataset)[0]: "keep"}, author="me")
    found = read(api.points(context, dataset))
    ids = np.array(context.store.records.ids(dataset))
    columns = SignalColumns(context.store).all(dataset)
    assert len(found["x"]) == 39, "the record that lies nowhere is left out"
    assert found["id"].astype(np.int64).tolist() == [i for n, i in enumerate(ids) if n != 2]
    places = np.searchsorted(ids, found["id"].astype(np.int64))
    np.testing.assert_array_equal(found["x"], columns["map_x"].array[places])
    np.testing.assert_array_equal(found["cluster"], columns["cluster"].array[places])
    assert np.isnan(found["question"][:2]).all() and found["question"][2] == 3.0 and found["answer"][2] == pytest.approx(3.1)
    assert found["type"].tolist() == (places % 3).tolist()
    assert found["kept"][0] == 1 and found["kept"][1] == 0 and 0 < found["kept"].sum() < 39


def test_fewer_points_are_spread_evenly_and_always_the_same(context: StudioContext) -> None:
    dataset = seed(context)
    build(context.store, dataset, find("map"))
    one, two = api.points(context, dataset, 10), api.points(context, dataset, 10)
    assert one == two
    gaps = np.diff(read(one)["id"])
    assert len(gaps) == 9 and gaps.min() >= 3 and gaps.max() <= 5
    assert len(read(api.points(context, dataset, 1))["id"]) == 1


def test_the_overview_lists_clusters_with_their_counts(context: StudioContext) -> None:
    dataset = seed(context)
    build(context.store, dataset, find("map"))
    told = api.overview(context, dataset)
    assert (told["state"], told["placed"], told["types"]) == ("ready", 39, list(INSTRUCTION_TYPES)) and "lie nowhere" in told["note"]
    assert sum(cluster["count"] for cluster in told["clusters"]) == 39 and [cluster["code"] for cluster in told["clusters"]] == list(range(len(told["clusters"])))
    assert told["clusters"][0]["label"].startswith("1 · ")
    context.store.records.add(dataset, [Record("new", (Turn("What?", ("A dog.",)),), "detail", True, row=99)])
    stale = api.overview(context, dataset)
    assert (stale["state"], stale["clusters"], stale["placed"]) == ("stale", [], 0)


def test_a_data_set_on_which_nothing_can_be_placed_has_no_points(context: StudioContext) -> None:
    dataset = context.store.datasets.create("empty words", "here")
    context.store.records.add(dataset, [Record("a", (Turn("?", ("!",)),), "detail", True)])
    context.store.datasets.finish(dataset, {})
    build(context.store, dataset, find("map"))
    assert api.points(context, dataset) == b"" and api.overview(context, dataset)["state"] == "ready"


def test_routes_answer_binary_and_refuse_odd_limits(context: StudioContext) -> None:
    dataset = seed(context)
    build(context.store, dataset, find("map"))
    app = FastAPI()
    app.include_router(api.router(context))
    client = TestClient(app)
    answer = client.get(f"/api/map/points?dataset={dataset}&limit=7")
    assert answer.headers["content-type"] == "application/octet-stream" and len(answer.content) == 7 * 28
    assert client.get(f"/api/map?dataset={dataset}").json()["state"] == "ready"
    for limit in ("0", "-3", "many", "99999999"):
        assert client.get(f"/api/map/points?dataset={dataset}&limit={limit}").status_code == 422
