"""The large sets are LLaVA data that an import reads without a remark, and their scores look like those of two scorers."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.formats import llava
from pipeline.importing import ImportParams, import_file
from pipeline.records import INSTRUCTION_TYPES, WHOLE, Record
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.tools import large_sets
from tests.tools.large_sets import LargeSet, fill, main, write
from tests.tools.photos import write_photos
from tests.tools.vocabulary import SIZES, vocabulary

RECORDS = 1_500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 1,500 records on 60 images."""
    place = tmp_path_factory.mktemp("large")
    write(LargeSet.of(RECORDS, image_limit=60, seed=3), place / "set.json", place / "images")
    return place


@pytest.fixture(scope="module")
def records(folder: Path) -> list[Record]:
    found = list(llava.read(folder / "set.json"))
    assert [item for item in found if not isinstance(item, Record)] == []  # no problem and no note
    return found  # type: ignore[return-value]


@pytest.fixture(scope="module")
def filled(folder: Path) -> tuple[Store, int, str, str]:
    workspace = Workspace.open(folder / "workspace")
    store = Store(workspace)
    dataset_id = import_file(store, workspace, ImportParams(folder / "set.json", folder / "images", "large", False))["dataset_id"]
    return store, dataset_id, *fill(store, dataset_id, seed=3)


def test_the_same_seed_writes_the_same_bytes_and_another_one_does_not(folder: Path, tmp_path: Path) -> None:
    digest = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()  # noqa: E731
    for seed in (3, 4):
        write(LargeSet.of(RECORDS, image_limit=60, seed=seed), tmp_path / f"{seed}.json", tmp_path / f"images-{seed}")
    assert digest(tmp_path / "3.json") == digest(folder / "set.json") != digest(tmp_path / "4.json")
    pictures = sorted((folder / "images").iterdir())
    assert [digest(path) for path in pictures] == [digest(tmp_path / "images-3" / path.name) for path in pictures]


def test_types_turns_and_images_have_the_proportions_of_llava(records: list[Record]) -> None:
    assert len(records) == RECORDS and all(record.type_told for record in records)
    share = {type: sum(record.type == type for record in records) / RECORDS for type in INSTRUCTION_TYPES}
    assert share == pytest.approx({"conversation": 0.367, "detail": 0.146, "complex": 0.487}, abs=0.04)
    assert {len(record.turns) for record in records if record.type == "conversation"} == {1, 2, 3, 4, 5}
    assert {len(record.turns) for record in records if record.type != "conversation"} == {1}
    assert 0.002 < sum(not record.image_paths for record in records) / RECORDS < 0.02
    assert len({path for record in records for path in record.image_paths}) == 60
    assert LargeSet.of(158_000, image_limit=10 ** 6).images == 81_500
    assert LargeSet.of(1).images == 1


def test_detail_answers_are_long_and_those_of_conversations_short(records: list[Record]) -> None:
    words = {type: np.median([len(turn.answers[0].split()) for record in records if record.type == type for turn in record.turns]) for type in INSTRUCTION_TYPES}
    assert 10 < words["conversation"] < 30 and 90 < words["complex"] < words["detail"] < 140


def test_words_follow_zipf_and_some_are_rare(records: list[Record]) -> None:
    assert len(vocabulary().words["noun"]) == len(set(vocabulary().words["noun"])) == SIZES["noun"] and sum(SIZES.values()) == 20_000
    found = Counter(word for record in records for turn in record.turns for word in re.findall(r"\w+", turn.answers[0].lower()))
    nouns = np.array([found[word] for word in vocabulary().words["noun"][:3_000]])
    assert nouns[0] > 4 * nouns[20] > 12 * nouns[200] > 0
    assert 500 < sum(count == 1 for count in found.values())


def test_the_unusual_is_there_in_small_shares(records: list[Record]) -> None:
    answers = [turn.answers for record in records for turn in record.turns]
    assert any(re.search(r"sorry|apologize|unable", one[0]) for one in answers)
    assert any(re.search(r"(?:second|third|fourth) image", one[0]) for one in answers)
    assert {len(one) for one in answers} == {1, 2, 3}
    firsts = Counter((record.type, turn.question, turn.answers[0].rsplit(". ", 1)[0]) for record in records for turn in record.turns[:1] if record.type == "complex")
    assert any(count > 1 for count in firsts.values())  # nearly the same text twice
    assert {type(value) for value in records[0].extra.values()} == {str, int, float}


def test_pictures_differ_in_every_byte_and_few_are_flawed(tmp_path: Path) -> None:
    names = write_photos(tmp_path, 120, seed=1)
    assert len({(tmp_path / name).read_bytes() for name in names}) == len(set(names)) == 120
    stamp = (tmp_path / names[0]).stat().st_mtime_ns
    assert write_photos(tmp_path, 120, seed=1) == names and (tmp_path / names[0]).stat().st_mtime_ns == stamp  # what is there stays


def test_an_import_of_it_skips_nothing_and_finds_every_image(filled: tuple[Store, int, str, str]) -> None:
    store, dataset_id, *_ = filled
    report = store.datasets.get(dataset_id).report
    assert report["read"] == report["imported"] == RECORDS
    assert report["images"]["missing"]["count"] == 0 and report["images"]["found"] == 60


def test_each_place_has_a_score_or_a_reason(filled: tuple[Store, int, str, str]) -> None:
    store, dataset_id, question, answer = filled
    assert store.scores.missing(dataset_id, question) == store.scores.missing(dataset_id, answer) == []
    records = store.records.many(store.records.ids(dataset_id))
    assert len(store.scores.places(answer, [record.id for record in records])) == sum(len(turn.answers) for record in records for turn in record.turns)
    assert store.scores.places(question, [records[0].id]) == {(records[0].id, WHOLE, WHOLE)}
    unscored = dict(store.scores.problems(dataset_id, question))
    assert set(unscored) <= set(large_sets.REASONS) and 3 <= sum(unscored.values()) <= 40


def test_scores_are_correlated_and_each_type_has_its_mean(filled: tuple[Store, int, str, str]) -> None:
    store, dataset_id, question, answer = filled
    table = store.scores.table(dataset_id, question, answer)
    scored = ~np.isnan(table.question)
    assert np.array_equal(scored, ~np.isnan(table.answer))
    means = [float(table.question[scored & (table.type == number)].mean()) for number in range(3)]
    assert means == pytest.approx([large_sets.QUESTION_MEANS[type] for type in INSTRUCTION_TYPES], abs=0.25)
    alike = scored & (table.type == INSTRUCTION_TYPES.index("complex"))
    assert np.corrcoef(table.question[alike], table.answer[alike])[0, 1] == pytest.approx(0.42, abs=0.1)


def test_filling_again_changes_no_score(filled: tuple[Store, int, str, str]) -> None:
    store, dataset_id, question, answer = filled
    before = store.scores.table(dataset_id, question, answer)
    assert fill(store, dataset_id, seed=3) == (question, answer)
    after = store.scores.table(dataset_id, question, answer)
    assert np.array_equal(before.question, after.question, equal_nan=True) and np.array_equal(before.answer, after.answer, equal_nan=True)


def test_the_command_writes_a_file_and_its_images_and_fills_a_set(tmp_path: Path, filled: tuple[Store, int, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--records", "12", "--out", str(tmp_path / "small.json")]) == 0
    assert len(list(llava.read(tmp_path / "small.json"))) == 12 and len(list((tmp_path / "small-images").iterdir())) == 6
    assert "12 records on 6 images" in capsys.readouterr().out
    assert main(["--fill", "large", "--workspace", str(filled[0].workspace.root), "--seed", "3"]) == 0
    with pytest.raises(SystemExit):
        main(["--records", "0", "--out", str(tmp_path / "none.json")])
