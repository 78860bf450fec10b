"""The report of a selection: true numbers, escaped texts, one self-contained file, and commands that repeat it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import NotFound
from pipeline.records import WHOLE, Score
from pipeline.report import gather, write
from pipeline.reporting.alternatives import alternatives
from pipeline.reporting.charts import figures
from pipeline.reporting.commands import command, command_lines
from pipeline.reporting.facts import Bars
from pipeline.reporting.html import policy
from pipeline.reporting.markdown import blocks, fenced
from pipeline.reporting.scorers import figures_of
from pipeline.reporting.words import amount_words, settings_text, spec_words
from pipeline.selection import Cut, Diverse, SelectionSpec, shares
from pipeline.store import Store
from pipeline.store.scores import ScoreTable
from pipeline.workspace import Workspace
from tests.studio.seeding import HOSTILE, scorer_key, seed_dataset, seed_scores


@pytest.fixture
def dataset_id(store: Store) -> int:
    """300 records, a hundred of each type; scores are the place in the file, the first four have none; two people marked three records."""
    found = seed_dataset(store, records=300)
    ids = store.records.ids(found)
    for kind, places in (("question", [(WHOLE, WHOLE)]), ("answer", [(0, 0), (0, 1)])):
        key = store.scores.register(scorer_key(kind))
        store.scores.add(key, [Score(i, turn, one, None if at < 4 else at + max(one, 0) / 10, "cut off" if at < 4 else "") for at, i in enumerate(ids) for turn, one in places])
    store.actions.decide(found, {ids[0]: "keep", ids[299]: "drop"}, author="Ada")
    store.actions.decide(found, {ids[299]: "keep", ids[298]: "drop"}, author="Lin | us")
    return found


def test_the_numbers_are_those_of_the_selection(store: Store, workspace: Workspace, dataset_id: int) -> None:
    told = gather(store, workspace, dataset_id)
    whole = told.funnel[-1]
    assert (told.records, whole.imported, whole.scored, whole.question, whole.answer, whole.kept) == (300, 300, 296, 89, 27, told.kept)
    assert sum(n for _, n in told.reasons) == 300 and dict(told.reasons)["kept by hand"] == 2
    assert told.unscored == {"question": 4, "answer": 4} and told.images == 100
    question = [row for row in told.cuts if row.stage == "question"]
    assert [(row.reached, row.passed) for row in question] == [(100, 29), (100, 30), (100, 30)]
    assert [sum(bar.passed) for bar in told.bars["question"]] == [29, 30, 30] and sum(bar.without for bar in told.bars["question"]) == 4


def test_marks_count_for_the_person_who_spoke_last(store: Store, workspace: Workspace, dataset_id: int) -> None:
    told = gather(store, workspace, dataset_id)
    assert [(row.person, row.keep, row.drop) for row in told.by_hand] == [("Lin | us", 1, 1), ("Ada", 1, 0)]
    assert told.by_hand_total == 3 and told.by_hand_keys == {"keep": ("r0", "r299"), "drop": ("r298",)}


def test_the_page_is_one_file_whose_scripts_are_its_own(store: Store, workspace: Workspace, dataset_id: int) -> None:
    page = write(store, workspace, dataset_id)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2 and page.count("</script>") == 3  # and the figures, which are data
    told = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert told is not None and told.group(1).replace("&#39;", "'") == policy(*scripts)
    rest = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r'(?:src|href)="(?!data:)', rest) and "http" not in re.sub(r"http-equiv|https://elsewhere", "", rest)
    assert page.count('src="data:image/jpeg;base64,') >= 16


def test_texts_of_records_stay_texts(store: Store, workspace: Workspace, dataset_id: int) -> None:
    page, text = write(store, workspace, dataset_id), write(store, workspace, dataset_id, form="md")
    assert "<img src=x" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<img src=x" not in text.replace("\\<", "") and "[link](" not in text and HOSTILE not in text
    assert "Lin \\| us" in text


def test_hostile_names_of_data_set_and_selection_are_shown_as_they_are(store: Store, workspace: Workspace) -> None:
    found = seed_dataset(store, "</script><b>& $(rm)", records=6)
    seed_scores(store, found)
    store.selections.save(found, "-x '\"</title>", shares(1.0, 1.0).as_json(), author="A")
    page = write(store, workspace, found, "-x '\"</title>")
    page = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "<b>&" not in page and "&lt;/script&gt;&lt;b&gt;&amp; $(rm)" in page and page.count("</title>") == 1
    told = gather(store, workspace, found, "-x '\"</title>")
    words = shlex.split(told.commands[-1])
    assert words[4] == "</script><b>& $(rm)" and "--selection=-x '\"</title>" in words


@pytest.mark.parametrize("records", [0, 1])
def test_a_data_set_without_scores_has_a_report_that_says_so(store: Store, workspace: Workspace, records: int) -> None:
    found = seed_dataset(store, records=records)
    for form in ("html", "md"):
        page = write(store, workspace, found, form=form)  # type: ignore[arg-type]
        assert "No scorer has scored this data set." in page and f"0 of {records}" in page
    assert set(figures(gather(store, workspace, found))) == {"funnel"}


def test_an_image_whose_thumbnail_is_gone_is_told(store: Store, workspace: Workspace, dataset_id: int) -> None:
    for path in workspace.thumbnails_dir.rglob("*.jpg"):
        path.unlink()
    told = [one for group in gather(store, workspace, dataset_id).examples for one in group.examples]
    assert all(one.thumbnail is None for one in told) and {one.no_image for one in told} <= {"the thumbnail is gone from the workspace", "text only"}


def test_examples_say_how_they_were_chosen_and_stand_on_both_sides_of_each_cut(store: Store, workspace: Workspace, dataset_id: int) -> None:
    kept, dropped, *lines = gather(store, workspace, dataset_id).examples
    assert all(one.kept for one in kept.examples) and not any(one.kept for one in dropped.examples)
    assert kept.note.endswith("drawn at random with seed 0") and len(lines) == 6
    question = lines[0].examples
    assert [one.question_score for one in question] == [216.0, 213.0, 210.0, 207.0]


def test_an_unknown_selection_is_refused(store: Store, workspace: Workspace, dataset_id: int) -> None:
    with pytest.raises(NotFound):
        gather(store, workspace, dataset_id, "nowhere")


def test_a_shipped_scorer_brings_its_figures_and_card_and_another_revision_does_not(store: Store, workspace: Workspace) -> None:
    from pipeline.scoring.scorers import load_scorer

    found = seed_dataset(store, records=6)
    seed_scores(store, found)
    strange = gather(store, workspace, found).scorers
    assert [one.missing for one in strange] == [f"embedded-{kind} is on this machine in another revision; its figures are not told here." for kind in ("question", "answer")]
    real = scorer_key("question", precision="fp32", revision=load_scorer("embedded-question").revision)
    store.scores.register(real)
    store.scores.add(real.digest, [Score(i, WHOLE, WHOLE, 1.0) for i in store.records.ids(found)])
    one = gather(store, workspace, found).scorers[0]
    assert one.digest == real.digest and one.places == 6 and one.missing == ""
    assert one.figures[0].pairs and one.card.startswith("# Question scorer")


def test_figures_that_are_no_numbers_are_left_out() -> None:
    told = figures_of({"scorer": {"value": True}, "length": {"value": 0.5, "low": "x", "pairs": 3.5}, "tfidf": 4})
    assert [(one.value, one.low, one.pairs) for one in told] == [(0.5, None, None)]


# --- the pure parts


def test_cuts_in_words() -> None:
    assert [amount_words(cut) for cut in (Cut("share", 0.3), Cut("share", 1.0), Cut("value", -0.25), Cut("count", 1200), Cut("random", 50), Cut("pass"))] == [
        "the best 30 %", "all that have a score", "scores of -0.25 or more", "the best 1,200", "50 drawn at random", "everything, with or without a score"]
    lines = spec_words(shares(0.3, 0.5, per_image=1))
    assert lines[0] == "Question stage: the best 30 %, inside each instruction type."
    assert lines[1] == "Answer stage: the best 50 % of those that passed the question stage, inside each instruction type."
    assert lines[2] == "At most 1 record on one image, those with the highest answer score."
    varied = SelectionSpec(per_cluster=3, diverse=Diverse("kcenter", 0.5))
    assert "At most 3 records of one cluster" in " ".join(spec_words(varied)) and "50 % by k-center" in " ".join(spec_words(varied))


def test_settings_are_read_back_as_they_were() -> None:
    spec = shares(0.3, 0.4, per_image=2)
    assert SelectionSpec.from_json(json.loads(settings_text(spec.as_json()))) == spec


def test_commands_survive_a_shell() -> None:
    key = scorer_key("question", precision="fp32")
    lines = command_lines("It's; rm -rf /", "a b.json", "", {"question": key, "answer": None}, ["map"], "mine")
    assert [shlex.split(line)[3] for line in lines] == ["import", "score", "signal", "select", "export"]
    assert shlex.split(lines[1])[4:] == ["It's; rm -rf /", "--question-scorer=embedded-question", "--precision=fp32", "--quantization=none", "--image=pad", "--no-answers"]
    assert shlex.split(command("select", "-name", spec="f")) == ["python", "-m", "pipeline", "select", "--spec=f", "--", "-name"]


def test_scorers_of_different_precision_are_run_one_by_one() -> None:
    lines = command_lines("d", "d.json", "", {"question": scorer_key("question", precision="fp32"), "answer": scorer_key("answer", precision="bf16")}, [], "s")
    assert [line.endswith(end) for line, end in zip(lines[1:3], ("--no-answers", "--no-questions"))] == [True, True]


def table_of(n: int, seed: int = 3) -> ScoreTable:
    draw = np.random.default_rng(seed)
    return ScoreTable(np.arange(1, n + 1), (np.arange(n) % 3).astype(np.uint8), (np.arange(n) // 2).astype(np.int32), draw.random(n).astype(np.float32), draw.random(n).astype(np.float32), [()] * n)


def test_the_same_budget_otherwise_has_the_same_size_and_the_top_has_the_highest_mean() -> None:
    table = table_of(900)
    kept = table.question > 0.8
    mine, random, top, everything = alternatives(table, kept, cluster=(np.arange(900) % 7).astype(np.int32))
    assert mine.kept == random.kept == top.kept == int(kept.sum()) and everything.kept == 900
    assert mine.shared == mine.kept and mine.by_type == random.by_type
    assert top.answer is not None and random.answer is not None and top.answer > 0.85 > random.answer
    assert everything.images == 450 and everything.clusters == everything.clusters_of == 7


def test_a_histogram_in_blocks_shows_the_cut() -> None:
    bars = Bars("detail", "Detail", (0.0, 1.0, 2.0, 3.0), (0, 1, 8), (4, 0, 0), 0, 1.0)
    assert blocks(bars) == "▄|▁█"
    assert blocks(Bars("detail", "Detail", (), (), (), 3, None)) == ""


def test_a_fence_is_longer_than_any_run_of_ticks_inside() -> None:
    assert fenced("a ```` b").startswith("`````\n")


# --- the command line


def test_the_command_line_writes_both_forms_and_its_settings_select_the_same(tmp_path: Path, store: Store, workspace: Workspace, dataset_id: int) -> None:
    from typer.testing import CliRunner

    from pipeline.cli import app

    run = lambda *words: CliRunner().invoke(app, ["--workspace", str(workspace.root), "--json", *words])  # noqa: E731
    done = run("report", "Seeded", "--html", str(tmp_path / "deep" / "a.html"), "--markdown", str(tmp_path / "a.md"))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "deep" / "a.html").read_text().startswith("<!doctype html>")
    text = (tmp_path / "a.md").read_text()
    settings = re.search(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert settings is not None
    (tmp_path / "selection.json").write_text(settings.group(1))
    again = run("select", "Seeded", "--spec", str(tmp_path / "selection.json"), "--save-as", "again")
    assert again.exit_code == 0 and json.loads(again.output)["kept"] == json.loads(done.output)["kept"]
    assert run("report", "Seeded").exit_code == 1 and "no file was named" in run("report", "Seeded").output
    (tmp_path / "selection.json").write_text("[1]")
    assert "holds no selection" in run("select", "Seeded", "--spec", str(tmp_path / "selection.json")).output
    assert "both --spec and cuts" in run("select", "Seeded", "--spec", str(tmp_path / "selection.json"), "--per-image", "2").output
