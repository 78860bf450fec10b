"""Choosing scorers and their base on the command line: the road from a file with photos to scores of the authors' adapters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.pipeline.plain_reward import prepare
from tests.pipeline.test_cli import answer, run
from tests.pipeline.test_models_adapters import picture, plain
from tests.pipeline.tiny_llava import make_adapter, make_tiny_llava, write_json
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.records import WHOLE
from pipeline.store import Store
from pipeline.workspace import Workspace


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny, question and answer; photos and two.json: a record with a wide photo and one of text alone."""
    folder = tmp_path_factory.mktemp("cli")
    make_tiny_llava(folder / "tiny")
    make_adapter(folder / "question", seed=1)
    make_adapter(folder / "answer", seed=2, ending="bin", dtype="float32")
    (folder / "photos").mkdir()
    picture("1").save(folder / "photos" / "wide.png")
    talk = [{"from": "human", "value": "<image>\nWhat is there?"}, {"from": "gpt", "value": "Two dogs."}, {"from": "human", "value": "Why?"}, {"from": "gpt", "value": "They live here."}]
    write_json(folder / "two.json", [{"id": "a", "image": "wide.png", "conversations": talk},  # type: ignore[arg-type]
                                     {"id": "b", "conversations": [{"from": "human", "value": "Name a colour."}, {"from": "gpt", "value": "Blue."}]}])
    return folder


@pytest.mark.parametrize("verb", ["score", "judge"])
def test_scorers_and_base_can_be_named(verb: str) -> None:
    told = CliRunner().invoke(app, [verb, "--help"]).stdout
    assert all(option in told for option in ("--question-scorer", "--answer-scorer", "--base"))


@pytest.mark.slow
def test_adapters_named_on_the_command_line_give_the_plain_scores(home: Path, tmp_path: Path) -> None:
    room = ("--workspace", str(tmp_path / "room"), "--json")
    answer(run("import", str(home / "two.json"), "--images", str(home / "photos"), "--name", "two", *room))
    chosen = ("--question-scorer", str(home / "question"), "--answer-scorer", str(home / "answer"), "--base", str(home / "tiny"), "--image", "crop", "--precision", "fp32")
    told = answer(run("score", "two", *chosen, *room))
    assert told["scorers"] == {"question": "question", "answer": "answer"} and told["failed"] == 0
    store = Store(Workspace.open(tmp_path / "room"))
    ids = store.records.ids(store.datasets.get("two").id)
    keys = {record.key: record.id for record in store.records.many(ids)}
    found = {(kind, row.turn, row.record_id): row.value
             for kind, digest in told["keys"].items() for rows in store.scores.of_records(digest, ids).values() for row in rows}
    first, second, photo = plain(home, "question"), plain(home, "answer"), picture("1")
    expected = {("question", WHOLE, keys["a"]): first.question(photo, ["What is there?", "Why?"], "crop"),
                ("question", WHOLE, keys["b"]): first.question(None, ["Name a colour."], "crop"),
                ("answer", 0, keys["a"]): second.answer(photo, "What is there?", "Two dogs.", "crop"),
                ("answer", 1, keys["a"]): second.answer(photo, "Why?", "They live here.", "crop"),
                ("answer", 0, keys["b"]): second.answer(None, "Name a colour.", "Blue.", "crop")}
    assert found == pytest.approx(expected, abs=1e-5)
    assert abs(prepare(photo, "crop") - prepare(photo, "pad")).max() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("words, told", [(("--image", "stretch"), "'stretch' is no image preparation"), (("--question-scorer", "nowhere"), "there is no scorer 'nowhere'")])
def test_a_wish_that_can_not_be_met_stops_before_work_starts(home: Path, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    room = ("--workspace", str(tmp_path / "room"), "--json")
    answer(run("import", str(home / "two.json"), "--images", str(home / "photos"), "--name", "two", *room))
    done = run("score", "two", *words, *room)
    assert done.returncode == 1 and told in answer(done)["error"]


@pytest.mark.slow
def test_an_adapter_can_be_judged_on_rated_texts(home: Path, tmp_path: Path) -> None:
    rated = tmp_path / "rated.jsonl"
    rated.write_text(json.dumps({"id": "x.jpg", "question": "What is there?", "answers": ["Two dogs.", "A cat.", ""], "score": [0.9, 0.4, 0.1]}) + "\n")
    told = answer(run("judge", "--answers", str(rated), "--answer-scorer", str(home / "answer"), "--base", str(home / "tiny"), "--precision", "fp32",
                      "--workspace", str(tmp_path / "room"), "--json"))
    model = plain(home, "answer")
    right = model.answer(None, "What is there?", "Two dogs.", "pad") > model.answer(None, "What is there?", "A cat.", "pad")
    assert told["answer"]["scorer"] == "answer" and told["answer"]["pairs"] == 3 and told["answer"]["unscored"] == 1
    assert told["answer"]["all"]["value"] == pytest.approx((2 + right) / 3, abs=1e-3)
