"""Which texts stand beside each other for one image or one question."""

from __future__ import annotations

from pipeline.records import WHOLE, Record, Rewrite, Turn
from pipeline.store import Store
from pipeline.teaching.items import MOST_CANDIDATES, answer_item, pair_item, question_item, question_items, shown_order
from pipeline.teaching.orders import scores_of_order

import pytest

from pipeline.errors import SettingError

SHA = "a" * 64


def record(number: int, *turns: tuple[str, tuple[str, ...]], image: str | None = SHA, extra: dict | None = None) -> Record:
    return Record(f"r{number}", tuple(Turn(question, answers) for question, answers in turns), "conversation", True, (image,) if image else (),
                  ("a.jpg",) if image else (), (None,) if image else (), extra=extra or {}, id=number, dataset_id=1)


def rewrite(number: int, record_id: int, turn: int, part: str, text: str, key: str = "k") -> Rewrite:
    return Rewrite(record_id, turn, WHOLE if part == "question" else 0, part, "", "", text, False, "", id=number, key=key)  # type: ignore[arg-type]


def test_the_question_sets_of_one_image_are_one_item_with_their_sources():
    item = question_item([record(1, ("<image>\nWho?", ("A",)), ("Where?", ("B",))), record(2, ("Why?\n<image>", ("C",)))])
    assert item is not None and (item.candidates, item.sources) == (("Who?\nWhere?", "Why?"), ("record 1", "record 2"))
    assert (item.kind, item.turn, item.record_id, item.image, item.image_name, item.question) == ("question", WHOLE, 1, SHA, "a.jpg", "")


def test_the_same_question_set_twice_is_one_candidate_with_both_sources():
    item = question_item([record(1, ("Who?", ("A",))), record(2, ("<image>\nWho?", ("B",)))])
    assert item is not None and (item.candidates, item.sources) == (("Who?",), ("record 1 · record 2",))


def test_rewritten_questions_of_one_run_make_one_more_set():
    records = [record(1, ("<image>\nWho?", ("A",)), ("Where?", ("B",)), ("When?", ("C",)))]
    item = question_item(records, [rewrite(7, 1, 0, "question", "Who is it?"), rewrite(8, 1, 2, "question", "At what time?"), rewrite(9, 1, 1, "question", "In which place?", key="other")])
    assert item is not None and item.candidates == ("Who?\nWhere?\nWhen?", "Who is it?\nWhere?\nAt what time?", "Who?\nIn which place?\nWhen?")
    assert item.sources == ("record 1", "rewrites 7, 8", "rewrite 9")


def test_answers_of_a_turn_and_their_rewrites_are_one_item_and_empty_ones_are_none():
    item = answer_item(record(3, ("<image>\nWho?", ("A cat.", " ", "A dog.")), extra={"facts": ["There is a cat.", 5]}), 0, [rewrite(4, 3, 0, "answer", "One cat."), rewrite(5, 3, 1, "answer", "Else")])
    assert item is not None and (item.question, item.candidates) == ("Who?", ("A cat.", "A dog.", "One cat."))
    assert item.sources == ("record 3, answer 1", "record 3, answer 3", "rewrite 4") and item.facts == ("There is a cat.",)
    assert answer_item(record(3, ("Who?", ("", " "))), 0) is None


def test_more_candidates_than_anybody_keeps_apart_are_cut():
    item = answer_item(record(3, ("Who?", tuple(f"Answer {n}" for n in range(20)))), 0)
    assert item is not None and item.candidates == tuple(f"Answer {n}" for n in range(MOST_CANDIDATES))


def test_text_only_records_name_themselves_so_that_a_split_keeps_them_apart():
    first, second = (answer_item(record(n, ("Who?", ("A", "B")), image=None), 0) for n in (1, 2))
    assert first and second and (first.image, first.image_name, first.digest != second.digest) == (None, "r1", True)


def test_a_pair_is_always_the_same_two_answers_with_a_picture():
    item = answer_item(record(3, ("Who?", ("A", "B", "C", "D"))), 0)
    assert item is not None
    pair = pair_item(item)
    assert pair is not None and pair == pair_item(item) and len(pair.candidates) == 2
    assert [item.sources[item.candidates.index(text)] for text in pair.candidates] == list(pair.sources)
    single = answer_item(record(3, ("Who?", ("A",))), 0)
    blind = answer_item(record(3, ("Who?", ("A", "B")), image=None), 0)
    assert single and blind and pair_item(single) is None and pair_item(blind) is None


def test_each_rater_sees_a_mixed_order_that_stays():
    orders = {tuple(shown_order("d" * 32, f"rater {n}", 4)) for n in range(30)}
    assert len(orders) > 5 and all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert shown_order("d", "Ann", 4) == shown_order("d", "Ann", 4)


def test_items_are_read_from_the_store_by_groups_and_gone_records_are_left_out(store: Store):
    dataset = store.datasets.create("d", "s")
    store.records.add(dataset, [record(0, ("Who?", ("A",))), record(0, ("Why?", ("B",)))])
    one, two = store.records.ids(dataset)
    store.rewrites.add("k", [rewrite(0, two, 0, "question", "What for?")])
    items = question_items(store, [[one, two], [999]])
    assert [item.candidates for item in items] == [("Who?", "Why?", "What for?")]


def test_an_order_becomes_evenly_spaced_scores_and_ties_share_their_mean():
    assert scores_of_order([[2], [0], [1]], 3) == (0.5, 0.0, 1.0)
    assert scores_of_order([[2], [0, 1]], 3) == (0.25, 0.25, 1.0)
    assert scores_of_order([[1, 0]], 2) == (0.5, 0.5) and scores_of_order([[0]], 1) == (0.5,)


@pytest.mark.parametrize(("order", "told"), [([[0]], "candidate 1 is missing"), ([[0], [0], [1]], "more than once"), ([[0], [2]], "candidate 2 is not one of the 2")])
def test_an_order_that_is_none_is_refused_with_the_candidate(order, told):
    with pytest.raises(SettingError, match=told) as error:
        scores_of_order(order, 2)
    assert error.value.place == "order"
