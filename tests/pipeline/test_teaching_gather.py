"""What teaching reads: consensus of people and files, acts beside them, and the switch of each origin."""

from __future__ import annotations

import pytest

from pipeline.ratings import Rating, RatingItem
from pipeline.records import Record, Turn
from pipeline.store import Store
from pipeline.teaching.gather import PEOPLE, gather, image_id
from pipeline.workspace import Workspace
from tests.studio.seeding import seed_dataset, seed_image


def item(store: Store, *answers: str, image: str | None = None, name: str = "1.jpg", dataset_id: int | None = None, question: str = "What?") -> int:
    return store.ratings.add_items([RatingItem("answer", question, answers, image, name, "test", dataset_id=dataset_id)])[0]


def rate(store: Store, item_id: int, rater: str, *scores: float | None, mode: str = "score") -> None:
    store.ratings.add(Rating(item_id, rater, mode, scores))  # type: ignore[arg-type]


def test_a_consensus_of_people_and_files_is_one_item_and_each_origin_is_counted_by_itself(store: Store, workspace: Workspace) -> None:
    first = item(store, "a", "b")
    rate(store, first, "ann", 1.0, 0.0)
    rate(store, first, "file: x.jsonl", 0.5, 0.0, mode="import")
    rate(store, item(store, "c", "d"), "file: x.jsonl", 0.3, 0.3, mode="import")
    found = gather(store, workspace, "answer", dataset_id=None)
    assert [(one.ratings, one.origin) for one in found.rated] == [((0.75, 0.0), "rated by ann; file: x.jsonl")]
    assert [(s.origin, s.items, s.pairs, s.images, s.ties, s.teaches) for s in found.sources] == [(PEOPLE, 1, 1, 1, 0, True), ("file: x.jsonl", 1, 1, 1, 1, True)]
    assert (found.pairs, found.images) == (1, 1)


def test_what_is_switched_off_teaches_no_more_and_is_still_told(store: Store, workspace: Workspace) -> None:
    first = item(store, "a", "b")
    rate(store, first, "ann", 1.0, 0.0)
    rate(store, first, "file: x.jsonl · bob", 0.0, 1.0, mode="import")
    store.preference_files.choose("file: x.jsonl", False, author="ann")
    found = gather(store, workspace, "answer", dataset_id=None)
    assert [one.ratings for one in found.rated] == [(1.0, 0.0)]
    assert [(s.origin, s.teaches) for s in found.sources] == [(PEOPLE, True), ("file: x.jsonl", False)]
    assert gather(store, workspace, "answer", dataset_id=None, origins=["file: x.jsonl"]).rated[0].ratings == (0.0, 1.0)
    store.preference_files.choose("file: x.jsonl", True, author="ann")
    assert gather(store, workspace, "answer", dataset_id=None).rated == []  # the two now say the opposite: a tie


def test_candidates_nobody_spoke_of_are_left_out_and_raters_can_be_named(store: Store, workspace: Workspace) -> None:
    first = item(store, "a", "b", "c")
    rate(store, first, "ann", 0.9, None, 0.1)
    rate(store, first, "bob", 0.1, 0.5, None)
    assert gather(store, workspace, "answer", dataset_id=None, raters=["ann"]).rated[0].ratings == (0.9, 0.1)
    assert gather(store, workspace, "question", dataset_id=None).rated == []


def test_only_items_of_the_named_data_set_are_given(store: Store, workspace: Workspace) -> None:
    dataset_id = seed_dataset(store, records=2)
    rate(store, item(store, "a", "b", dataset_id=dataset_id), "ann", 1, 0)
    rate(store, item(store, "c", "d"), "ann", 1, 0)
    assert gather(store, workspace, "answer", dataset_id=dataset_id).pairs == 1
    assert gather(store, workspace, "answer", dataset_id=None).pairs == 2


def test_a_picture_is_given_where_its_file_is_at_hand(store: Store, workspace: Workspace) -> None:
    sha = seed_image(store, 1)
    rate(store, item(store, "a", "b", image=sha), "ann", 1, 0)
    rate(store, item(store, "a", "b", image="0" * 64, name="gone.jpg"), "ann", 1, 0)
    found = gather(store, workspace, "answer", dataset_id=None)
    assert [one.picture for one in found.rated] == [workspace.image_path(sha), None]
    assert found.sources[0].with_picture == 1


def test_an_item_known_by_name_alone_stays_on_the_side_of_its_picture(store: Store, workspace: Workspace) -> None:
    sha = seed_image(store, 1)
    rate(store, item(store, "a", "b", image=sha, name="photos/1.jpg"), "ann", 1, 0)
    rate(store, item(store, "c", "d", name="photos/1.jpg"), "ann", 1, 0)
    assert {one.image for one in gather(store, workspace, "answer", dataset_id=None).rated} == {sha}


@pytest.mark.parametrize("image, name, told", [
    (None, "000000137730", "000000137730"), ("f" * 64, "coco/train2017/000000137730.jpg", "000000137730"), (None, "COCO_train2014_000000137730.jpg", "000000137730"),
    ("f" * 64, "photos/1.jpg", "f" * 64), (None, "photos/1.jpg", "photos/1.jpg"), (None, r"a\000000137730.jpg", "000000137730"),
])
def test_the_id_of_an_image_is_cocos_number_or_its_content_or_its_name(image: str | None, name: str, told: str) -> None:
    assert image_id(image, name) == told


def test_facts_are_the_items_own_or_else_those_of_its_record_which_tells_the_type(store: Store, workspace: Workspace) -> None:
    dataset = store.datasets.create("facts", "here")
    store.records.add(dataset, [Record("r", (Turn("What?", ("a", "b")),), "detail", True, extra={"captions": "A cat."})])
    record = store.records.ids(dataset)[0]
    for question, facts in (("What?", ()), ("Who?", ("A dog.",))):
        rate(store, store.ratings.add_items([RatingItem("answer", question, ("a", "b"), None, "r", "records", facts, dataset_id=dataset, record_id=record, turn=0)])[0], "ann", 1.0, 0.0)
    rate(store, item(store, "c", "d"), "ann", 1.0, 0.0)  # of no record
    assert [(one.facts, one.type) for one in gather(store, workspace, "answer", dataset_id=None).rated] == [(("A cat.",), "detail"), (("A dog.",), "detail"), ((), "")]
