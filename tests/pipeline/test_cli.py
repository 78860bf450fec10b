"""The command line as a person or a script meets it: exit status, one JSON object, and the whole road in a few records."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.settings import assets_dir, repository_dir
from pipeline.store import Store

VERBS = ("import", "score", "select", "rewrite", "export", "tune", "judge", "compare", "trial", "trust", "scorers", "status", "doctor")


def run(*words: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pipeline", *words], capture_output=True, text=True, cwd=repository_dir(), timeout=timeout_s)


def answer(done: subprocess.CompletedProcess[str]) -> dict:
    """The one object on standard output; fails when there is more or less than that."""
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise AssertionError(f"not one JSON object: {done.stdout!r}\n{done.stderr}") from None


@pytest.fixture
def few_records(tmp_path: Path) -> Path:
    """Eight demo records as a LLaVA file whose images lie in assets/demo/images."""
    records = json.loads((assets_dir() / "demo" / "demo.json").read_text(encoding="utf-8"))
    path = tmp_path / "few.json"
    with_image = [record for record in records if "image" in record]
    path.write_text(json.dumps(sorted(with_image, key=lambda r: len(json.dumps(r["conversations"])))[:8]), encoding="utf-8")
    return path


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "--help"])
    assert done.exit_code == 0 and "--json" in done.stdout and "--workspace" in done.stdout


def test_an_unknown_data_set_is_one_json_error_and_exit_1(tmp_path: Path) -> None:
    done = run("score", "nowhere", "--workspace", str(tmp_path), "--json")
    assert done.returncode == 1
    assert "nowhere" in answer(done)["error"] and answer(done)["hint"]


def test_a_wrong_command_line_is_exit_2() -> None:
    assert run("export", "demo").returncode == 2


def test_an_import_of_nothing_fails_and_leaves_no_data_set(tmp_path: Path) -> None:
    empty = tmp_path / "empty.json"
    empty.write_text("")
    done = run("import", str(empty), "--name", "void", "--workspace", str(tmp_path / "w"), "--json")
    assert done.returncode == 1 and "empty" in answer(done)["error"]
    assert answer(run("doctor", "--workspace", str(tmp_path / "w"), "--json"))["workspace"]["datasets"] == []


@pytest.mark.parametrize("words", [("--question-share", "1.5"), ("--question-share", "nan"), ("--question-count", "-3"), ("--question-share", ".3", "--question-value", "1"), ("--per-image", "0")])
def test_nonsense_cuts_are_refused(store: Store, words: tuple[str, ...]) -> None:
    store.datasets.finish(store.datasets.create("few", "few.json"), {})
    done = CliRunner().invoke(app, ["select", "few", *words, "--workspace", str(store.workspace.root), "--json"])
    assert done.exit_code == 1
    assert "no scores" not in json.loads(done.stdout)["error"]


@pytest.mark.slow
def test_the_whole_road_on_eight_records(few_records: Path, tmp_path: Path) -> None:
    here = ("--workspace", str(tmp_path / "w"), "--json")
    imported = answer(run("import", str(few_records), "--images", str(assets_dir() / "demo"), "--name", "few", *here))
    assert imported["records"] == 8
    scored = run("score", "few", *here)
    assert scored.returncode == 0, scored.stdout + scored.stderr
    selected = answer(run("select", "few", "--question-share", ".5", "--answer-share", "1", "--together", *here))
    assert selected["kept"] == 4 and len(selected["kept_ids"]) == 4
    rewritten = run("rewrite", "few", "--drafts", "1", *here)
    assert rewritten.returncode == 0, rewritten.stdout + rewritten.stderr
    out = tmp_path / "out"
    exported = answer(run("export", "few", "--to", str(out), *here))
    assert exported["records"] == 4
    manifests = list(out.rglob("manifest.json"))
    assert len(manifests) == 1
    folder = manifests[0].parent
    (data_file,) = [path for path in folder.glob("*.json") if path.name != "manifest.json" and isinstance(json.loads(path.read_text(encoding="utf-8")), list)]
    again = answer(run("import", str(data_file), "--images", str(folder), "--name", "again", *here))
    assert again["records"] == 4 and again["report"]["skipped_count"] == 0
    status = answer(run("status", "few", *here))
    assert (status["imported"], status["kept"], status["exported"]) == (8, 4, 4)
    assert {d["name"] for d in answer(run("doctor", *here))["workspace"]["datasets"]} == {"few", "again"}
