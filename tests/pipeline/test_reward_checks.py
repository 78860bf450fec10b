"""What is known before a scorer is taught: all of it at once, each line with its count and its way out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.devices import Hardware
from pipeline.errors import DataError, SettingError
from pipeline.models.planning import Plan
from pipeline.models.specs import SPECS
from pipeline.ratings import Rating, RatingItem
from pipeline.store import Store
from pipeline.teaching.preferences import Rated, count_pairs, is_held_out
from pipeline.teaching.reward.checks import check_lessons, check_memory, estimate_memory, estimate_seconds, lesson_facts, trained_parameters
from pipeline.teaching.reward.lessons import Material, Wish, from_file, material, read_items, split, write_items
from pipeline.teaching.reward.run import check_gpus
from pipeline.teaching.reward.settings import RewardSettings, defaults_for
from pipeline.training.checks import Finding, refuse

EMBEDDED = SPECS["embedded"]
FP32 = Plan("cpu", "fp32", "none", 1.0, "r")
SETTINGS = RewardSettings()


def item(image: str, *ratings: float, texts: tuple[str, ...] = (), picture: Path | None = Path("p.jpg"), facts: tuple[str, ...] = (), origin: str = "people") -> Rated:
    return Rated("question", image, texts or tuple(f"\nWhat is number {n} of {image}?" for n in range(len(ratings))), ratings, picture, facts, origin)


def found(*items: Rated, ties: int = 0, single: int = 0) -> Material:
    return Material("question", items, ties, single, ())


def lines(material: Material, settings: RewardSettings = SETTINGS) -> list[Finding]:
    return check_lessons(lesson_facts(material, settings, EMBEDDED), settings)


def many(images: int = 40, **rest: Any) -> list[Rated]:
    return [item(f"image {n}", 0.1, 0.5, 0.9, **rest) for n in range(images)]


def test_fewer_than_twenty_pairs_are_refused_with_both_numbers() -> None:
    side = [one for one in many(40) if not is_held_out(one.image)][:6]
    held = next(one for one in many(40) if is_held_out(one.image))
    told = lines(found(*side, held))
    assert told[0].level == "bad" and "18 strictly ordered pairs" in told[0].text and "at least 20 are needed, 2 more" in told[0].text
    with pytest.raises(SettingError, match="at least 20"):
        refuse(told)
    assert lines(found(*many()))[0].level == "warn"  # enough, but few


def test_all_problems_come_together() -> None:
    told = lines(found(ties=7))
    assert [one.level for one in told] == ["bad", "bad", "bad"]
    with pytest.raises(SettingError) as caught:
        refuse(told)
    for words in ("0 strictly ordered pairs", "All 7 rated items are ties", "No ordered pair is held out"):
        assert words in caught.value.message
    assert "Rate" in caught.value.hint


def test_one_candidate_only_has_nothing_to_prefer() -> None:
    assert any("one candidate only" in one.text and one.level == "bad" for one in lines(found(single=4)))
    assert any("2 of 44 rated items have one candidate only" in one.text and one.level == "warn" for one in lines(found(*many(), single=2, ties=2)))


def test_no_held_out_pair_is_refused_with_its_way_out() -> None:
    only = [one for one in many(40) if not is_held_out(one.image)]
    told = next(one for one in lines(found(*only)) if "held out" in one.text)
    assert told.level == "bad" and "held-out share (0.2)" in told.hint


def test_missing_images_are_counted_not_refused() -> None:
    told = [one for one in lines(found(*many(30), *[item(f"gone {n}", 0, 1, picture=None) for n in range(5)])) if "at hand" in one.text]
    assert [(one.level, one.text.split(";")[0]) for one in told] == [("warn", "5 of 35 images are not at hand")]


def test_facts_need_facts() -> None:
    settings = RewardSettings(facts=True)
    assert any(one.level == "bad" and "0 of 40 items have facts" in one.text for one in lines(found(*many()), settings))
    assert any(one.level == "good" and "40 of 40" in one.text for one in lines(found(*many(facts=("A cat sits.",))), settings))


def test_files_that_contradict_each_other_are_named() -> None:
    a = item("x", 0, 1, texts=("\nA?", "\nB?"), origin="one.jsonl")
    b = item("x", 1, 0, texts=("\nA?", "\nB?"), origin="two.jsonl")
    told = [one for one in lines(found(*many(), a, b)) if "both ways" in one.text]
    assert len(told) == 1 and told[0].text.startswith("1 couple of texts is") and "one.jsonl and two.jsonl" in told[0].text


def test_the_split_is_by_image_and_the_same_for_all() -> None:
    training, held_out = split(many(60), SETTINGS)
    assert training and held_out and not {one.image for one in training} & {one.image for one in held_out}
    assert {one.image for one in held_out} == {one.image for one in many(60) if is_held_out(one.image)}
    assert split(many(60), RewardSettings(split_seed=1))[1] != held_out


def test_memory_grows_with_batch_and_shrinks_with_the_layer_and_recomputing() -> None:
    def total(**told: Any) -> float:
        settings = RewardSettings(**told)
        return estimate_memory(EMBEDDED, settings, FP32, lesson_facts(found(*many(200)), settings, EMBEDDED), 8.0).total

    assert total(batch_groups=8) > total(batch_groups=2) > total(batch_groups=2, layer=4)
    assert total(batch_groups=8, gradient_checkpointing="on") < total(batch_groups=8)
    assert trained_parameters(EMBEDDED, RewardSettings(targets="attention")) < trained_parameters(EMBEDDED, SETTINGS)


def test_what_does_not_fit_is_refused_with_ways_out() -> None:
    settings = defaults_for("llava-1.5-7b")
    facts = lesson_facts(found(*many(200)), settings, SPECS["llava-1.5-7b"])
    told = check_memory(estimate_memory(SPECS["llava-1.5-7b"], settings, Plan("cuda", "bf16", "none", 14.0, "r"), facts, 8.0), settings, Plan("cuda", "bf16", "none", 14.0, "r"))
    assert told.level == "bad" and "nf4" in told.hint
    assert check_gpus(RewardSettings(processes=4), Hardware("cuda", "x", 8, 80, 80, True, "", 1))[0].level == "bad"


def test_the_time_goes_by_an_earlier_pace_where_there_is_one() -> None:
    facts = lesson_facts(found(*many(100)), SETTINGS, EMBEDDED)
    slow, source = estimate_seconds(EMBEDDED, SETTINGS, FP32, facts, 1e11, 5.0)
    quick, _ = estimate_seconds(EMBEDDED, SETTINGS, FP32, facts, 1e11, 50.0)
    assert slow > 5 * quick and "earlier" in source
    assert estimate_seconds(EMBEDDED, SETTINGS, FP32, facts, 1e11)[0] > 0


# --- where the ratings come from

QUESTIONS = [{"id": "000000000001", "questions": [["What?"], ["Why?", "How?"]], "score": [0.1, 0.9]}, {"id": "000000000002", "questions": [["A?"], ["B?"]], "score": [0.5, 0.5]},
             {"id": "000000000003", "questions": [["A?"]], "score": [0.5]}]


def test_a_file_brings_pairs_and_counts_what_teaches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in QUESTIONS))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "000000000001.jpg").write_bytes(b"x")
    got = from_file(path, "question", tmp_path / "photos")
    assert (len(got.rated), got.ties, got.single, got.read) == (1, 1, 1, 3)
    assert got.rated[0].picture == tmp_path / "photos" / "000000000001.jpg" and got.rated[0].origin == "q.jsonl"
    assert (got.sources[0].pairs, got.sources[0].with_picture) == (1, 1)
    with pytest.raises(DataError, match="line"):
        from_file(path, "answer")
    with pytest.raises(SettingError, match="no folder"):
        from_file(path, "question", tmp_path / "none")


def test_a_photo_stands_in_always_the_same_one_and_never_one_left_out(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps(QUESTIONS[0]))
    photos = tmp_path / "free"
    photos.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (photos / name).write_bytes(b"x")
    (tmp_path / "no.txt").write_text("somewhere/a.jpg\n")
    told = Wish(file=str(path), stand_in=str(photos), leave_out=str(tmp_path / "no.txt"))
    assert material(store, store.workspace, "question", None, told).rated[0].picture == photos / "b.jpg"
    with pytest.raises(SettingError, match="no photos"):
        material(store, store.workspace, "question", None, Wish(file=str(path), stand_in=str(tmp_path / "q.jsonl")))


def test_the_store_brings_what_people_said(store: Store) -> None:
    ids = store.ratings.add_items([RatingItem("question", "", (f"What is {n}?", f"Why is {n}?"), None, f"{n}.jpg", "x") for n in range(3)])
    for number, item_id in enumerate(ids):
        store.ratings.add(Rating(item_id, "Ann", "score", (0.2, 0.8) if number else (0.5, 0.5)))
    got = material(store, store.workspace, "question", None, Wish(everywhere=True))
    assert (len(got.rated), count_pairs(got.rated), got.ties) == (2, 2, 1)
    assert material(store, store.workspace, "answer", None, Wish(everywhere=True)).rated == ()
    assert material(store, store.workspace, "question", None, Wish(origins=(), everywhere=True)).rated == ()


def test_items_come_back_as_they_were_written_and_a_copied_workspace_finds_its_pictures(store: Store) -> None:
    inside = store.workspace.image_path("ab" * 32)
    inside.parent.mkdir(parents=True)
    inside.write_bytes(b"x")
    items = [replace(item("a", 0.25, 1.0, picture=inside, facts=("A fact.",)), type="detail"), item("b", 0.0, 1.0, picture=None)]
    folder = store.workspace.runs_dir / "0001-x"
    folder.mkdir()
    write_items(folder / "train.jsonl", items, store.workspace)
    assert list(read_items(folder / "train.jsonl")) == items
    assert str(store.workspace.root) not in (folder / "train.jsonl").read_text()
    (folder / "train.jsonl").write_text('{"kind": "question"}\n')
    with pytest.raises(DataError, match="no rated item"):
        list(read_items(folder / "train.jsonl"))


def test_the_command_line_tells_what_there_is_and_refuses_nonsense_as_json(store: Store) -> None:
    from typer.testing import CliRunner

    from pipeline.cli import app

    def teach(*words: str) -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(app, ["teach", *words, "--json", "--workspace", str(store.workspace.root)])
        return done.exit_code, json.loads(done.stdout)

    ids = store.ratings.add_items([RatingItem("question", "", ("What?", "Why?"), None, "1.jpg", "x")])
    store.ratings.add(Rating(ids[0], "Ann", "score", (0.2, 0.8)))
    code, found = teach("sources", "question")
    assert code == 0 and (found["pairs"], found["sources"][0]["origin"]) == (1, "people")
    assert teach("runs") == (0, {"runs": []})
    for words, told in ((("run", "question", "--set", "rank=0"), "rank is '0'"), (("run", "both"), "kind is 'both'"), (("run", "answer", "--set", "rank"), "FIELD=VALUE"),
                        (("run", "question", "--dataset", "gone"), "gone"), (("sources", "both"), "no kind")):
        code, found = teach(*words)
        assert code == 1 and told in found["error"] and found["hint"]
    assert store.jobs.active() == []


@pytest.mark.parametrize("told", [3, {"origin": []}, {"origins": "people"}, {"raters": [1]}, {"file": 3}, {"everywhere": 1}, {"origins": ["x"] * 300}])
def test_a_wish_that_is_none_is_refused(told: Any) -> None:
    with pytest.raises(SettingError):
        Wish.parse(told)


def test_a_wish_comes_back_from_its_json() -> None:
    told = Wish(("people",), ("Ann",), True, "f.jsonl")
    assert Wish.parse(told.as_json()) == told
