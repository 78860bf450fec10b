"""Every odd state of a data set gives whole answers on every route of the Select tab: nothing fails, nothing is NaN, counts add up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.errors import NotFound
from pipeline.records import WHOLE, Record, Score, Turn
from pipeline.selection import shares
from studio.api import record_lists, selections, solver
from studio.context import StudioContext
from tests.studio.seeding import scorer_key, seed_image

QUESTION, ANSWER = scorer_key("question"), scorer_key("answer")


def made(context: StudioContext, n: int, *, types: tuple[str, ...] = ("conversation", "detail", "complex"), images: int = 5, score: Callable[[int], float | None] = float) -> int:
    """A data set of n records on so many images (0: text only), each scored by its place."""
    store = context.store
    dataset_id = store.datasets.create("Odd", "made")
    shas = [seed_image(store, number) for number in range(images)]
    store.records.add(dataset_id, [Record(f"r{i}", (Turn(f"Question {i}?", (f"Answer {i}.",)),), types[i % len(types)], True, row=i + 1,  # type: ignore[arg-type]
                                          images=(shas[i % images],) if images else (), image_paths=(f"{i % images}.jpg",) if images else ()) for i in range(n)])
    store.datasets.finish(dataset_id, {"read": n})
    for key, turn in ((QUESTION, WHOLE), (ANSWER, 0)):
        store.scores.register(key)
        store.scores.add(key.digest, [Score(record_id, turn, turn, score(i), "" if score(i) is not None else "the image is cut off") for i, record_id in enumerate(store.records.ids(dataset_id))])
    return dataset_id


def ask_everything(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """Each route once; the overview. Fails where one raises, sends NaN, or counts something twice."""
    told = selections.overview(context, dataset_id)
    n = told["dataset"]["record_count"]
    assert sum(row["imported"] for row in told["funnel"][:-1]) == told["funnel"][-1]["imported"] == n
    assert told["counts"]["kept"] + told["counts"]["dropped"] == n
    cells = np.frombuffer(selections.binned(context, dataset_id), "<u4")
    assert cells.sum() == n
    page = record_lists.page(context, {"dataset": dataset_id, "query": {}})
    facets = record_lists.facets(context, {"dataset": dataset_id, "columns": ["question", "answer", "type", "reason", "show"]})
    joint = record_lists.joint(context, {"dataset": dataset_id})
    solved = solver.solve(context, {"dataset": dataset_id, "total": max(1, n // 3), "shares": None, "per_image": None, "balance": 0.5})
    for preset in told["presets"]:
        moved = selections.preview(context, {"dataset": dataset_id, "spec": preset["spec"]})
        assert 0 <= moved["counts"]["kept"] <= n
    compared = selections.compare(context, dataset_id, "preset:random", "preset:top")
    assert page["total"] == page["of"] == n and sum(facets["columns"]["question"]["all"]) + facets["columns"]["question"]["missing"] == n
    json.dumps([told, page, facets, joint, solved, compared], allow_nan=False)
    return told


def test_half_the_scores_missing_says_how_many_and_why(context: StudioContext) -> None:
    told = ask_everything(context, made(context, 40, score=lambda i: None if i % 2 else float(i)))
    assert told["unscored"]["question"] == {"without": 20, "of": 40, "reasons": [{"reason": "the image is cut off", "places": 20}]}


def test_all_scores_equal_keep_the_earlier_records(context: StudioContext) -> None:
    dataset_id = made(context, 40, score=lambda i: 1.0)
    selections.set_current(context, {"dataset": dataset_id, "spec": shares(0.5, 1.0, per_type=False).as_json()}, "test")
    told = ask_everything(context, dataset_id)
    assert told["counts"]["kept"] == 20 and told["axes"]["question"]["low"] < 1.0 < told["axes"]["question"]["high"]
    page = record_lists.page(context, {"dataset": dataset_id, "query": {"show": "kept"}, "sort": {"by": "row", "ascending": True}})
    assert [card["row"] for card in page["records"]] == list(range(1, 21))


@pytest.mark.parametrize("images", [0, 1, 5])
def test_no_images_and_all_on_one_image(context: StudioContext, images: int) -> None:
    dataset_id = made(context, 30, images=images)
    selections.set_current(context, {"dataset": dataset_id, "spec": shares(1.0, 1.0, per_image=2).as_json()}, "test")
    assert ask_everything(context, dataset_id)["counts"]["kept"] == {0: 30, 1: 2, 5: 10}[images]


def test_one_type_only_and_one_record(context: StudioContext) -> None:
    told = ask_everything(context, made(context, 12, types=("detail",)))
    assert [row["imported"] for row in told["funnel"]] == [0, 12, 0, 12]
    context.store.datasets.delete(told["dataset"]["id"])
    assert ask_everything(context, made(context, 1))["counts"]["kept"] == 1


def test_without_any_score_there_are_no_axes_and_no_error(context: StudioContext) -> None:
    told = ask_everything(context, made(context, 10, score=lambda i: None))
    assert told["axes"] == {"question": None, "answer": None} and told["counts"]["kept"] == 0


def test_a_data_set_deleted_meanwhile_is_said_to_be_gone_on_every_route(context: StudioContext) -> None:
    dataset_id = made(context, 6)
    ask_everything(context, dataset_id)
    context.store.datasets.delete(dataset_id)
    for ask in (lambda: selections.overview(context, dataset_id), lambda: selections.binned(context, dataset_id), lambda: record_lists.page(context, {"dataset": dataset_id}),
                lambda: record_lists.columns(context, dataset_id), lambda: record_lists.joint(context, {"dataset": dataset_id}), lambda: record_lists.views(context, dataset_id)):
        with pytest.raises(NotFound):
            ask()
