"""Preference files in and out: what each format says, what is wrong with a line, what comes in twice, what contradicts, and the way round."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.errors import DataError, JobCancelled, NotFound, SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.store import Store
from pipeline.teaching.exchange import FORMATS, by_name, recognise
from pipeline.teaching.exchange.contradictions import find, reopen, settle, settle_all
from pipeline.teaching.exchange.exporting import all_told, write_file
from pipeline.teaching.exchange.importing import Wish, file_rater, import_ratings
from pipeline.teaching.exchange.statements import Line, LineError, Statement
from pipeline.teaching.gather import gather
from pipeline.workspace import Workspace
from tests.studio.seeding import HOSTILE, seed_dataset

LISTED = {"id": "7", "question": "What?", "answers": ["a", "b", "c"], "score": [0.1, 0.9, 0.9]}
SETS = {"id": "000000137730", "questions": [["What?", "Why?"], ["Where?"]], "score": [0.5, 0.7]}
RLHF = {"image": "1.jpg", "conversations": [{"from": "human", "value": "<image>\nWhat?"}], "output_1": {"from": "gpt", "value": "a"}, "output_2": {"from": "gpt", "value": "b"}, "preference": 2}
TRL = {"prompt": "What?", "images": ["1.jpg"], "chosen": "a", "rejected": "b"}
FIRST = {"image": "1.jpg", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": ["a", "b"]}]}


def says(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def read(value: dict[str, Any]) -> Statement:
    format = recognise(value)
    assert format is not None
    return next(format.read(Line(value)))


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def of(report: dict[str, Any], *names: str) -> list[Any]:
    return [report[name] for name in names]


def bring_in(store: Store, path: Path, images: Path | None = None, dataset_id: int | None = None, choice: str = "ask") -> dict[str, Any]:
    return import_ratings(store, store.workspace, Wish(path, images, dataset_id, choice))


# --- what a line says

@pytest.mark.parametrize("value, told", [
    (LISTED, ("answer", "What?", ("a", "b", "c"), (0.1, 0.9, 0.9), "7")),
    (SETS, ("question", "", ("What?\nWhy?", "Where?"), (0.5, 0.7), "000000137730")),
    (RLHF, ("answer", "What?", ("a", "b"), (0.0, 1.0), "1.jpg")),
    ({**RLHF, "output_1": "a", "output_2": "b", "preference": 1}, ("answer", "What?", ("a", "b"), (1.0, 0.0), "1.jpg")),
    (TRL, ("answer", "What?", ("a", "b"), (1.0, 0.0), "1.jpg")),
    ({"prompt": [says("user", [{"type": "image"}, {"type": "text", "text": "What?"}])], "image": {"path": "1.jpg", "bytes": None}, "chosen": [says("assistant", "a")],
      "rejected": [says("assistant", "b")]}, ("answer", "What?", ("a", "b"), (1.0, 0.0), "1.jpg")),
    ({"chosen": [says("user", "What?"), says("assistant", "a")], "rejected": [says("user", "What?"), says("assistant", "b")]}, ("answer", "What?", ("a", "b"), (1.0, 0.0), "")),
    (FIRST, ("answer", "What?", ("a", "b"), (1.0, 0.0), "1.jpg")),
])
def test_each_format_says_the_same_things(value: dict[str, Any], told: tuple) -> None:
    found = read(value)
    assert (found.kind, found.question, found.candidates, found.scores, found.image_name) == told


def test_a_number_behind_the_id_is_a_later_turn_of_the_same_picture() -> None:
    assert [(s.image_name, s.turn) for s in (read({**LISTED, "id": "7#3"}), read({**LISTED, "id": 7}))] == [("7", 2), ("7", -1)]


def test_what_is_left_out_or_averaged_within_a_good_line_is_noted() -> None:
    found = read({**LISTED, "answers": ["a", " ", "a"], "score": [0.2, 0.5, 0.8]} | {"answers": ["a", " ", "a", "b"], "score": [0.2, 0.5, 0.8, 0.1]})
    assert (found.candidates, found.scores, found.notes) == (("a", "a", "b"), (0.5, 0.5, 0.1), ("empty_candidate", "same_text"))
    folded = read({**FIRST, "conversations": [{"from": "human", "value": "Is it day?\n<image>\n\n### Answer:\nYes.\n\n### Question:\nWhat?"}, FIRST["conversations"][1]]})
    assert (folded.question, folded.notes) == ("What?", ("folded_turns",))
    assert read({**TRL, "images": ["https://x.example/1.jpg", "2.jpg"]}).notes == ("more_images", "address")


@pytest.mark.parametrize("value, what", [
    ({**LISTED, "score": [0.1, 0.9, 1.5]}, "1.5 is not between 0 and 1"), ({**LISTED, "score": [0.1, 0.9]}, "3 answers but 2 scores"), ({**LISTED, "score": [0.1, True, 0]}, "true or false"),
    ({**LISTED, "score": [0.1, "x", 0]}, "a score is a text"), ({**LISTED, "score": 1}, "not a list"), ({**LISTED, "answers": ["a"], "score": [1]}, "only one candidate"),
    ({**LISTED, "answers": ["a", ""], "score": [1, 0]}, "empty text"), ({**LISTED, "answers": ["", " "], "score": [1, 0]}, "empty text"), ({**LISTED, "answers": ["a", 3, "c"]}, "a number where a text"),
    ({**LISTED, "answers": ["a", "a", "a"]}, "all candidates are the same"), ({**LISTED, "id": None}, "no `id`"), ({**LISTED, "id": ["x"]}, "`id` is a list"), ({**LISTED, "question": " "}, "empty question"),
    ({"id": "1", "questions": [["What?"], [3]], "score": [0, 1]}, "a number where a text"), ({**LISTED, "questions": [["x"]]}, "both"),
    ({**RLHF, "preference": 0}, "neither 1 nor 2"), ({**RLHF, "preference": True}, "neither 1 nor 2"), ({**RLHF, "output_2": None}, "no `output_2`"), ({**RLHF, "output_2": {"value": ""}}, "empty text"),
    ({**RLHF, "conversations": []}, "no question"), ({**RLHF, "conversations": [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "x"}]}, "ends with an answer"),
    ({**TRL, "prompt": None}, "no `prompt`"), ({**TRL, "rejected": None}, "no `rejected`"), ({**TRL, "chosen": 3}, "a number where a text"), ({**TRL, "images": [3]}, "a number where the name"),
    ({**TRL, "chosen": [says("user", "x"), says("assistant", "y")]}, "2 messages"), ({**FIRST, "conversations": [{"from": "human", "value": "What?"}, {"from": "gpt", "value": ["a"]}]}, "only one candidate"),
])
def test_a_bad_line_says_what_is_wrong_and_the_way_out(value: dict[str, Any], what: str) -> None:
    with pytest.raises(LineError) as told:
        read(value)
    assert what in told.value.what and told.value.way_out


# --- files

def test_good_lines_come_in_and_every_bad_one_is_listed_with_its_place(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "mixed.jsonl", LISTED, {**LISTED, "score": [0.1, 0.9, 7]}, [1], TRL, {**LISTED, "question": "Tied?", "score": [0.5, 0.5, 0.5]}, SETS)
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"id": "8", "question": "Cut')
    report = bring_in(store, path)
    assert (report["lines"], report["good"], report["bad_count"]) == (7, 3, 4)
    assert [(one["row"], one["what"][:30]) for one in report["bad"]] == [(2, "the score 7 is not between 0 a"), (3, "the line is a list, not an obj"), (4, "no `id`: this line is in the f"), (7, report["bad"][3]["what"][:30])]
    assert all(one["place"] and one["way_out"] for one in report["bad"]) and "line 2" in report["bad"][0]["place"]
    assert report["kinds"] == {"question": {"items": 1, "pairs": 1}, "answer": {"items": 2, "pairs": 2}} and report["ties"]["count"] == 1
    assert report["new"] == report["new_items"] == 3 and report["rater"] == "file: mixed.jsonl"


@pytest.mark.parametrize("text, what", [("", "empty"), ("[]", "empty list"), ("not json", "not JSON"), ('{"id": 1}\n{"a": 2}', "none of the 2 lines"), (json.dumps({**LISTED, "score": [2, 1, 0]}), "none of the 1 lines")])
def test_a_file_without_one_good_line_is_refused_and_leaves_nothing(store: Store, tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=what) as told:
        bring_in(store, path)
    assert told.value.hint and store.ratings.items() == []


def test_the_same_file_again_adds_nothing_not_even_after_it_was_taken_back(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", LISTED, SETS, LISTED)
    assert of(bring_in(store, path), "new", "known", "repeated") == [2, 0, 1]
    store.ratings.retract("file: x.jsonl")
    assert of(bring_in(store, path), "new", "known", "repeated", "new_items") == [0, 2, 1, 0]
    assert len(store.ratings.in_force()) == 1
    zipped = tmp_path / "x.jsonl.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert bring_in(store, zipped)["new"] == 2  # another name: another rater's word on the same items
    assert len(store.ratings.items()) == 2


def test_an_import_that_is_stopped_keeps_what_it_stored_and_goes_on(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "long.jsonl", *({**LISTED, "id": str(n)} for n in range(1000)))

    def stop(done: int, total: int, stage: str) -> None:
        if done >= 400:
            raise JobCancelled()

    with pytest.raises(JobCancelled):
        import_ratings(store, store.workspace, Wish(path, None, None), progress=stop)
    assert len(store.ratings.in_force()) == 400
    assert of(import_ratings(store, store.workspace, Wish(path, None, None), since=0), "new", "known", "new_items") == [1000, 0, 600]
    assert len(store.ratings.in_force()) == 1000


def test_a_name_with_markup_or_of_great_length_stays_a_plain_name() -> None:
    assert file_rater("<b>x</b>\n·.jsonl") == "file: <b>x</b> -.jsonl"
    long, other = file_rater("a" * 90 + ".jsonl"), file_rater("a" * 91 + ".jsonl")
    assert len(long) <= 50 and long != other


# --- pictures

def test_pictures_are_those_of_the_data_set_by_name(store: Store, tmp_path: Path) -> None:
    dataset_id = seed_dataset(store, records=7)  # pictures 0.jpg, 1.jpg, and a record without
    report = bring_in(store, write(tmp_path / "x.jsonl", {**LISTED, "id": "1"}, {**LISTED, "image": "train/0.jpg"}, {**LISTED, "id": "unknown"}), dataset_id=dataset_id)
    assert (report["images"]["named"], report["images"]["found"], report["images"]["items_without"]) == (3, 2, 1)
    assert {rule: told["count"] for rule, told in report["images"]["matched"].items()} == {"stem": 1, "file": 1}
    assert report["images"]["missing"]["examples"][0]["name"] == "unknown"
    assert sum(item.image is not None for item in store.ratings.items(dataset_id=dataset_id)) == 2


def test_pictures_that_come_later_join_the_same_items(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", LISTED, SETS)
    assert bring_in(store, path)["images"]["found"] == 0
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), (9, 9, 9)).save(picture, "PNG")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as packed:
        packed.writestr("p/7.png", picture.getvalue())
        packed.writestr("p/000000137730.jpg", picture.getvalue()[:40])
    report = bring_in(store, path, tmp_path / "p.zip")
    assert (report["images"]["found"], report["images"]["missing"]["count"], report["new"], report["new_items"]) == (1, 1, 0, 0)
    assert [item.image is not None for item in store.ratings.items()] == [True, False]
    assert bring_in(store, path)["new_items"] == 0 and len(store.ratings.items()) == 2
    assert gather(store, store.workspace, "answer", dataset_id=None).rated[0].picture is not None


# --- contradictions

def scores(store: Store) -> list[tuple[float | None, ...]]:
    return [one.ratings for one in gather(store, store.workspace, "answer", dataset_id=None).rated]


def test_two_files_that_contradict_are_found_and_the_choice_counts_and_can_be_undone(store: Store, tmp_path: Path) -> None:
    bring_in(store, write(tmp_path / "a.jsonl", {**LISTED, "score": [0.0, 1.0, 0.4]}))
    report = bring_in(store, write(tmp_path / "b.jsonl", {**LISTED, "score": [1.0, 0.8, 0.4]}))
    assert report["contradictions"]["count"] == 1
    (one,), settled = find(store)
    assert (one.first.rater, one.later.rater, settled) == ("file: a.jsonl", "file: b.jsonl", 0)
    assert one.pairs == (("b", "a"), ("c", "a"))
    settle(store, *one.key, "first", author="ann")
    assert scores(store) == [(0.0, 1.0, 0.4)] and find(store) == ([], 1)
    assert reopen(store, author="ann") == one.key and len(find(store)[0]) == 1
    settle(store, *one.key, "later", author="ann")
    assert scores(store) == [(1.0, 0.8, 0.4)]
    reopen(store, author="ann")
    settle(store, *one.key, "both", author="ann")
    assert scores(store) == [(0.5, 0.9, 0.4)] and find(store) == ([], 1)
    assert bring_in(store, tmp_path / "b.jsonl")["new"] == 0 and find(store) == ([], 1)


def test_lines_of_different_formats_and_of_one_file_contradict_each_other_too(store: Store, tmp_path: Path) -> None:
    bring_in(store, write(tmp_path / "a.jsonl", {**LISTED, "id": "000000137730", "score": [0.9, 0.1, 0.5]}))
    bring_in(store, write(tmp_path / "b.jsonl", {**TRL, "images": ["x/000000137730.jpg"], "chosen": "b", "rejected": "a"}))
    bring_in(store, write(tmp_path / "c.jsonl", RLHF, {**RLHF, "preference": 1}))
    found = find(store)[0]
    assert [(one.first.rater, one.later.rater) for one in found] == [("file: a.jsonl", "file: b.jsonl"), ("file: c.jsonl", "file: c.jsonl · 2")]
    assert settle_all(store, found, "first", author="ann") == 2
    assert scores(store) == [(0.9, 0.1, 0.5), (0.0, 1.0)]
    with pytest.raises(NotFound):
        settle(store, *found[0].key, "first", author="ann")


def test_a_choice_given_beforehand_settles_what_the_import_meets(store: Store, tmp_path: Path) -> None:
    bring_in(store, write(tmp_path / "a.jsonl", {**LISTED, "score": [0, 1, 1]}))
    assert bring_in(store, write(tmp_path / "b.jsonl", {**LISTED, "score": [1, 0, 1]}), choice="later")["contradictions"]["settled"] == 1
    assert find(store) == ([], 1)
    with pytest.raises(SettingError, match="coin"):
        Wish.from_json({"file": "x", "choice": "coin"}, None)


# --- out again

def pairs_of(store: Store, kind: str) -> set[tuple[str, str, str]]:
    return {(one.image, one.texts[better], one.texts[worse]) for one in gather(store, store.workspace, kind, dataset_id=None).rated for better, worse in one.pairs}  # type: ignore[arg-type]


@pytest.mark.parametrize("format", [format.name for format in FORMATS if format.write])
@pytest.mark.parametrize("voice", ["consensus", "each"])
def test_an_export_read_again_gives_the_same_pairs(store: Store, tmp_path: Path, format: str, voice: str) -> None:
    dataset_id = seed_dataset(store, records=2)
    sha = store.records.page(dataset_id)[0].image
    items = store.ratings.add_items([RatingItem("answer", f"What? {HOSTILE}", (f"a\n{HOSTILE}", "b", "c"), sha, "0.jpg", "t", facts=("It is a bus.",), turn=2), RatingItem("question", "", ("What?\nWhy?", "Where?"), None, "9#2", "t"),
                                     RatingItem("answer", "Text only?", ("yes", "no"), None, "", "t")])
    for item_id, said in zip(items, [(0.1, 0.9, 0.9), (0.3, 0.2), (1, 0)]):
        store.ratings.add(Rating(item_id, "ann", "score", said))
        store.ratings.add(Rating(item_id, "<b>bob</b>", "rank", said))
    path = tmp_path / f"out.{by_name(format).ending}"
    counts = write_file(path, by_name(format), all_told(store, None, voice=voice))  # type: ignore[arg-type]
    times = 2 if voice == "each" else 1
    assert (counts.items, counts.pairs, counts.ties + counts.dropped_ties) == (3 * times, 4 * times, times)
    assert '"raters": ["ann"]' in path.read_text() if voice == "each" else '"raters": ["<b>bob</b>", "ann"]' in path.read_text()
    other = Store(Workspace.open(tmp_path / "other"))
    seed_dataset(other, records=2)
    report = bring_in(other, path, dataset_id=1)
    assert report["bad_count"] == 0 and report["images"]["found"] == 1
    for kind in ("question", "answer"):
        assert pairs_of(other, kind) == pairs_of(store, kind)
    if voice == "each":
        assert {rating.rater for rating in other.ratings.in_force()} == {f"{report['rater']} · ann", f"{report['rater']} · <b>bob</b>"}
    assert gather(other, other.workspace, "answer", dataset_id=None).rated[0].facts == ("It is a bus.",)
    other.close()


def test_what_a_format_can_not_hold_is_counted_and_nothing_to_write_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no rating"):
        write_file(tmp_path / "x.jsonl", by_name("lists"), all_told(store, None))
    store.ratings.add(Rating(store.ratings.add_items([RatingItem("answer", "W?", ("a", "b", "c"), None, "1", "t")])[0], "ann", "score", (0.5, 0.5, None)))
    with pytest.raises(SettingError, match="can't hold ties"):
        write_file(tmp_path / "x.jsonl", by_name("trl"), all_told(store, None))
    assert not list(tmp_path.glob("*x.jsonl*"))
    assert write_file(tmp_path / "x.jsonl", by_name("lists"), all_told(store, None)).as_json() == {"items": 1, "lines": 1, "pairs": 0, "ties": 1, "dropped_ties": 0, "dropped_items": 0, "images": 1}
    with pytest.raises(SettingError, match="can't be written"):
        write_file(tmp_path / "nowhere" / "x.jsonl", by_name("lists"), all_told(store, None))


@pytest.mark.parametrize("name, kind, lines, pairs", [("question_train.jsonl", "question", 698, 10_217), ("answer_train.jsonl", "answer", 443, 6_150)])
def test_the_methods_own_ratings_come_in_whole(store: Store, shared_data: Path, name: str, kind: str, lines: int, pairs: int) -> None:
    report = bring_in(store, shared_data / "preference" / name)
    assert (report["good"], report["bad_count"], report["kinds"][kind]["pairs"]) == (lines, 0, pairs)
    assert gather(store, store.workspace, kind, dataset_id=None).pairs == pairs  # type: ignore[arg-type]
