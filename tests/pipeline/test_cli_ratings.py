"""Ratings on the command line: one object each, the exit status, and the same jobs as the screen."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from pipeline.cli import app
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.studio.seeding import seed_dataset

LINE = {"id": "0", "question": "What?", "answers": ["a", "b"], "score": [0.1, 0.9]}


def run(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(app, ["ratings", *words, "--workspace", str(workspace.root)])


def test_in_shown_and_out_again(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    seed_dataset(store, records=3)
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in (LINE, {**LINE, "score": [0.1, 3]}, {**LINE, "question": "Who?", "score": [1, 1]})))
    done = run(workspace, "import", str(file), "--dataset", "Seeded", "--json")
    report = json.loads(done.stdout)
    assert done.exit_code == 0 and (report["good"], report["bad_count"], report["images"]["found"]) == (2, 1, 1)
    again = run(workspace, "import", str(file), "--dataset", "Seeded")
    assert again.exit_code == 0 and "0 new of 2, 2 known before" in again.stdout and "line 2" in again.stdout and "3 is not between 0 and 1" in again.stdout
    shown = json.loads(run(workspace, "show", "--dataset", "Seeded", "--json").stdout)
    assert shown["answer"]["teaching"] == {"items": 1, "pairs": 1, "images": 1} and shown["answer"]["origins"]["file: mine.jsonl"]["ties"] == 1
    out = tmp_path / "out.jsonl"
    written = json.loads(run(workspace, "export", "--format", "trl", "--to", str(out), "--json").stdout)
    assert (written["lines"], written["dropped_ties"], written["dropped_items"]) == (1, 1, 1)
    assert json.loads(out.read_text())["chosen"][0]["content"] == "b"


def test_what_can_not_be_done_is_one_json_error_and_exit_1(workspace: Workspace, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps({**LINE, "score": [1]}))
    for words, told in ((("import", str(bad)), "2 answers but 1 scores"), (("import", str(tmp_path / "gone.jsonl")), "no file"), (("import", str(bad), "--contradictions", "coin"), "coin"),
                        (("export", "--to", str(tmp_path / "x"), "--format", "xml"), "xml"), (("export", "--to", str(tmp_path / "x")), "no rating"), (("show", "--dataset", "nowhere"), "nowhere")):
        done = run(workspace, *words, "--json")
        error = json.loads(done.stdout)
        assert done.exit_code == 1 and told in error["error"] and error["hint"], (words, error)


def test_every_verb_explains_itself() -> None:
    for name in ("import", "export", "show"):
        done = CliRunner().invoke(app, ["ratings", name, "--help"])
        assert done.exit_code == 0 and "--json" in done.stdout
