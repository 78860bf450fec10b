"""What people decide about scorers: which one counts, what may be chosen, undo, and folders that are gone or changed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.errors import NotFound, SettingError
from pipeline.scoring.forward import Feature
from pipeline.scoring.scorers import SPEC, active, save_scorer
from pipeline.store import Store
from pipeline.teaching import adoption
from pipeline.workspace import Workspace

SHIPPED = active("question")


def teach(workspace: Workspace, name: str, *, seed: int = 0, kind: str = "question") -> Path:
    """A taught scorer's folder with a random head."""
    folder = workspace.scorers_dir / name
    save_scorer(folder, kind=kind, base="embedded", features=(Feature(2, "mean"),), span="text", image_preparation="pad",  # type: ignore[arg-type]
                weights=np.random.default_rng(seed).normal(size=(1, 576)), bias=0.0, figures={}, training={"image_digests": []})
    return folder


def standings(store: Store, workspace: Workspace) -> dict[str, str]:
    return {scorer.reference: scorer.standing for scorer in adoption.known(store, workspace, "question")}


def test_before_any_verdict_the_shipped_scorer_counts_and_a_taught_one_can_only_be_tried(store: Store, workspace: Workspace) -> None:
    teach(workspace, "ours")
    assert standings(store, workspace) == {SHIPPED: "present", "ours": "undecided"}
    assert [scorer.reference for scorer in adoption.choosable(store, workspace, "question")] == [SHIPPED]
    assert adoption.find(store, workspace, "question", "ours").loadable == str(workspace.scorers_dir / "ours")
    assert [scorer.reference for scorer in adoption.known(store, workspace, "answer")] == [active("answer")]


def test_the_last_adopted_counts_and_the_ones_before_stay_choosable(store: Store, workspace: Workspace) -> None:
    for name in ("one", "two"):
        teach(workspace, name)
        adoption.decide(store, workspace, "question", name, "adopted", "Ada", trial=7)
    assert standings(store, workspace) == {"two": "present", "one": "choosable", SHIPPED: "choosable"}
    assert adoption.present(store, workspace, "answer").reference == active("answer")
    assert [(row.scorer, row.verdict, row.author, row.trial) for row in store.scorer_verdicts.all()] == [("two", "adopted", "Ada", 7), ("one", "adopted", "Ada", 7)]


def test_kept_is_choosable_and_discarded_is_hidden_but_not_deleted(store: Store, workspace: Workspace) -> None:
    teach(workspace, "beside")
    folder = teach(workspace, "away")
    adoption.decide(store, workspace, "question", "beside", "kept", "Ada")
    adoption.decide(store, workspace, "question", "away", "discarded", "Ada")
    assert standings(store, workspace) == {SHIPPED: "present", "beside": "choosable", "away": "discarded"}
    assert {scorer.reference for scorer in adoption.choosable(store, workspace, "question")} == {SHIPPED, "beside"} and (folder / SPEC).is_file()


def test_undo_is_one_more_row_and_brings_back_what_was_before(store: Store, workspace: Workspace) -> None:
    teach(workspace, "ours")
    kept = adoption.decide(store, workspace, "question", "ours", "kept", "Ada")
    adopted = adoption.decide(store, workspace, "question", "ours", "adopted", "Ada")
    store.scorer_verdicts.undo(adopted.id, "Bo <b>b</b>")
    assert standings(store, workspace) == {SHIPPED: "present", "ours": "choosable"}
    store.scorer_verdicts.undo(kept.id, "Bo")
    assert standings(store, workspace) == {SHIPPED: "present", "ours": "undecided"}
    assert [(row.undoes, row.undone, row.author) for row in store.scorer_verdicts.all()] == [
        (kept.id, False, "Bo"), (adopted.id, False, "Bo <b>b</b>"), (None, True, "Ada"), (None, True, "Ada")]
    with pytest.raises(SettingError, match="already"):
        store.scorer_verdicts.undo(kept.id, "Bo")
    with pytest.raises(NotFound):
        store.scorer_verdicts.undo(999, "Bo")


def test_an_adopted_scorer_that_steps_down_gives_way_to_the_one_before(store: Store, workspace: Workspace) -> None:
    for name in ("one", "two"):
        teach(workspace, name)
        adoption.decide(store, workspace, "question", name, "adopted", "Ada")
    adoption.decide(store, workspace, "question", "two", "discarded", "Ada")
    assert standings(store, workspace) == {"one": "present", SHIPPED: "choosable", "two": "discarded"}


def test_an_adopted_scorer_that_is_gone_or_changed_is_refused_and_nothing_takes_its_place(store: Store, workspace: Workspace) -> None:
    folder = teach(workspace, "ours")
    adoption.decide(store, workspace, "question", "ours", "adopted", "Ada")
    teach(workspace, "ours", seed=1)
    with pytest.raises(SettingError, match="its weights changed since it was adopted") as refused:
        adoption.present(store, workspace, "question")
    assert "undo" in refused.value.hint and refused.value.place == "ours"
    (folder / SPEC).rename(folder / "away.json")
    with pytest.raises(SettingError, match="ours can't be used: its folder is gone"):
        adoption.present(store, workspace, "question")


def test_what_can_not_be_decided_is_refused_with_its_place(store: Store, workspace: Workspace) -> None:
    teach(workspace, "ours")
    with pytest.raises(SettingError, match="falls back to"):
        adoption.decide(store, workspace, "question", SHIPPED, "discarded", "Ada")
    with pytest.raises(NotFound, match="no question scorer 'nobody'"):
        adoption.decide(store, workspace, "question", "nobody", "adopted", "Ada")
    with pytest.raises(SettingError) as refused:
        adoption.decide(store, workspace, "question", "ours", "loved", "Ada")  # type: ignore[arg-type]
    assert refused.value.place == "verdict"
    for author in ("", "   ", "x" * 61, "a\x00b"):
        with pytest.raises(SettingError) as refused:
            adoption.decide(store, workspace, "question", "ours", "adopted", author)
        assert refused.value.place == "author"
    assert store.scorer_verdicts.all() == []


def test_a_broken_description_is_a_scorer_with_a_problem(store: Store, workspace: Workspace) -> None:
    folder = teach(workspace, "broken")
    (folder / SPEC).write_text(json.dumps({"kind": "question"}), encoding="utf-8")
    (workspace.scorers_dir / "half").mkdir()
    (workspace.scorers_dir / "half" / SPEC).write_text("{", encoding="utf-8")
    broken = adoption.find(store, workspace, "question", "broken")
    assert "can't be read" in broken.problem and not broken.choosable and "half" not in standings(store, workspace)
    with pytest.raises(SettingError, match="can't be adopted"):
        adoption.decide(store, workspace, "question", "broken", "adopted", "Ada")


def test_a_job_takes_the_adopted_scorer_by_its_folder_unless_another_is_named(store: Store, workspace: Workspace) -> None:
    folder = teach(workspace, "ours")
    adoption.decide(store, workspace, "question", "ours", "adopted", "Ada")
    context = SimpleNamespace(store=store, workspace=workspace)
    told = adoption.with_scorers(context, {"precision": "bf16"})  # type: ignore[arg-type]
    assert told == {"precision": "bf16", "scorers": {"question": str(folder), "answer": active("answer")}}
    named = adoption.with_scorers(context, {"kinds": ["question"], "scorers": {"question": SHIPPED}})  # type: ignore[arg-type]
    assert named["scorers"] == {"question": SHIPPED}
    teach(workspace, "other")
    assert adoption.with_scorers(context, {"kinds": ["question"], "scorers": {"question": "other"}})["scorers"] == {"question": str(workspace.scorers_dir / "other")}  # type: ignore[arg-type]


def test_on_the_command_line_decisions_are_made_seen_and_taken_back(workspace: Workspace) -> None:
    from typer.testing import CliRunner

    from pipeline.cli import app

    teach(workspace, "ours")

    def say(*words: str) -> dict:
        done = CliRunner().invoke(app, ["scorers", *words, "--workspace", str(workspace.root), "--json"])
        return {"exit": done.exit_code, **json.loads(done.stdout)}

    said = say("--adopt", "ours", "--as", "Ada")
    assert {row["name"]: row["standing"] for row in said["scorers"] if row["kind"] == "question"} == {"ours": "present", SHIPPED: "choosable"}
    assert said["verdicts"] == [{"number": 1, "kind": "question", "scorer": "ours", "verdict": "adopted", "by": "Ada"}] and said["exit"] == 0
    back = say("--undo", "1")
    assert [row["verdict"] for row in back["verdicts"]] == ["undo of 1", "adopted"] and back["scorers"][0]["name"] == SHIPPED
    for words, place in ((("--adopt", "nobody"), "candidate"), (("--adopt", "ours", "--keep", "ours"), ""), (("--adopt", str(workspace.scorers_dir)), "kind"), (("--discard", SHIPPED), SHIPPED)):
        wrong = say(*words)
        assert wrong["exit"] == 1 and wrong["error"] and wrong["hint"] and wrong["place"] == place
