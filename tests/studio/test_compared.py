"""Two selections beside each other: the numbers add up, each side has examples, and each side can be listed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.errors import NotFound, SettingError
from pipeline.record_query import RecordQuery
from pipeline.selection import shares
from pipeline.workspace import Workspace
from studio.api import record_lists, selections
from studio.compared import by_name, sides
from studio.context import StudioContext, open_context
from tests.studio.seeding import seed_dataset, seed_scores

SIDES = ("both", "left", "right", "neither")


@pytest.fixture
def context(workspace: Workspace) -> Iterator[StudioContext]:
    """Data set 1: 60 records; question score = place in the file, two have none."""
    opened = open_context(workspace)
    seed_scores(opened.store, seed_dataset(opened.store, records=60), failed=2)
    opened.store.selections.save(1, "half", shares(0.5, 1.0, per_type=False).as_json(), author="A")
    yield opened
    opened.store.close()


def listed(context: StudioContext, side: str, left: str = "half", right: str = "preset:everything") -> list[int]:
    page = record_lists.page(context, {"dataset": 1, "query": {"compared": {"left": left, "right": right, "side": side}}, "sort": {"by": "row", "ascending": True}, "limit": 200})
    return [card["row"] - 1 for card in page["records"]]


def test_the_four_sides_are_the_whole_and_can_be_listed(context: StudioContext) -> None:
    told = selections.compare(context, 1, "half", "preset:everything")
    assert {side: told["rows"][-1][side] for side in SIDES} == {"both": 29, "left": 0, "right": 29, "neither": 2}
    assert listed(context, "both") == list(range(31, 60)) and listed(context, "right") == list(range(2, 31)) and listed(context, "neither") == [0, 1]
    assert {side: len(told["examples"][side]) for side in SIDES} == {"both": 3, "left": 0, "right": 3, "neither": 2}


def test_a_selection_stored_anew_under_its_name_changes_the_list(context: StudioContext) -> None:
    assert len(listed(context, "both")) == 29
    context.store.selections.save(1, "half", shares(0.1, 1.0, per_type=False).as_json(), author="B")
    assert listed(context, "both") == list(range(54, 60))


def test_every_built_in_selection_can_be_compared_and_unknown_ones_are_refused(context: StudioContext) -> None:
    for name in ("authors", "random", "top", "everything"):
        masks = sides(by_name(context.store, 1, "current"), by_name(context.store, 1, f"preset:{name}"))
        assert sum(mask.sum() for mask in masks.values()) == 60
    for name in ("preset:nothing", "nowhere"):
        with pytest.raises(NotFound):
            listed(context, "left", right=name)


@pytest.mark.parametrize("wrong", [3, {}, {"left": "a", "right": "b"}, {"left": "a", "right": "b", "side": "up"}, {"left": "", "right": "b", "side": "left"}, {"left": "a" * 121, "right": "b", "side": "left"},
                                   {"left": "a", "right": 4, "side": "left"}, {"left": "a", "right": "b", "side": "left", "more": 1}, {"left": "a", "right": "b", "side": ["left"]}])
def test_what_is_no_side_of_a_comparison_is_told(wrong: object) -> None:
    with pytest.raises(SettingError) as told:
        RecordQuery.from_json({"compared": wrong})
    assert told.value.place == "query.compared"


def test_a_side_survives_the_trip_through_an_address() -> None:
    query = {"compared": {"left": "current", "right": "preset:random", "side": "neither"}}
    assert RecordQuery.from_json(query).as_json() == query
