"""The reward of a rewrite follows what people adopted: the present scorers of the model that rewrites, with facts where they read them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline.errors import SettingError
from pipeline.models.planning import Plan
from pipeline.models.shelf import ModelShelf
from pipeline.models.specs import spec_for
from pipeline.rewriting.drafts import Source
from pipeline.rewriting.rewards import reward_for
from pipeline.scoring.contract import answer_text
from pipeline.scoring.engine import score_one_by_one
from pipeline.scoring.forward import Feature
from pipeline.scoring.scorers import load_scorer, save_scorer
from pipeline.store import Store
from pipeline.teaching import adoption
from pipeline.teaching.judging import judge_files
from pipeline.workspace import Workspace

SOURCE = Source(1, 0, 0, "answer", "Two dogs.", None, ("What is there?",), ("Two dogs play.",))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_llava(tmp_path_factory.mktemp("rewards") / "llava"))


@pytest.fixture(scope="module")
def loaded(base: str) -> Any:
    return ModelShelf().get(spec_for(base), Plan("cpu", "fp32", "none", 1.0, "test"))


@pytest.fixture
def context(store: Store, workspace: Workspace, base: str) -> Any:
    """Two taught answer scorers on the shelf; the second was taught with facts."""
    for name, seed, training in (("plain", 1, {}), ("informed", 2, {"facts": True})):
        save_scorer(workspace.scorers_dir / name, kind="answer", base=base, features=(Feature(-1, "last"),), span="text", image_preparation="crop",
                    weights=np.random.default_rng(seed).normal(size=(1, 32)), bias=0.0, figures={}, training=training)
    return SimpleNamespace(store=store, workspace=workspace)


def test_the_reward_is_that_of_the_adopted_scorer_and_changes_with_it(context: Any, loaded: Any) -> None:
    assert reward_for(loaded, context) is None  # the shipped scorers belong to another model
    for name, facts in (("plain", ""), ("informed", "\nFacts: Two dogs play.")):
        adoption.decide(context.store, context.workspace, "answer", name, "adopted", "Ada")
        reward = reward_for(loaded, context)
        assert reward is not None
        found = reward([(SOURCE, "A pair of dogs."), (Source(1, 0, -1, "question", "What is there?"), "What is seen?")])
        scorer = load_scorer(str(context.workspace.scorers_dir / name))
        assert found == [pytest.approx([score_one_by_one(loaded, scorer, None, facts + answer_text("What is there?", text)) for text in ("Two dogs.", "A pair of dogs.")], abs=1e-4), None]


def test_scorers_with_different_picture_preparations_reward_together(context: Any, loaded: Any, base: str) -> None:
    save_scorer(context.workspace.scorers_dir / "asking", kind="question", base=base, features=(Feature(-1, "last"),), span="text", image_preparation="pad",
                weights=np.ones((1, 32)), bias=0.0, figures={}, training={})
    for kind, name in (("question", "asking"), ("answer", "plain")):
        adoption.decide(context.store, context.workspace, kind, name, "adopted", "Ada")  # type: ignore[arg-type]
    reward = reward_for(loaded, context)
    assert reward is not None
    found = reward([(Source(1, 0, -1, "question", "What is there?"), "What is seen?"), (SOURCE, SOURCE.text)])
    assert None not in found and found[0][0] != found[0][1] and found[1][0] == pytest.approx(found[1][1], abs=1e-5)  # type: ignore[index]


def test_an_adopted_scorer_that_is_gone_is_told_and_not_passed_over(context: Any, loaded: Any) -> None:
    adoption.decide(context.store, context.workspace, "answer", "plain", "adopted", "Ada")
    shutil.rmtree(context.workspace.scorers_dir / "plain")
    with pytest.raises(SettingError, match="plain can't be used"):
        reward_for(loaded, context)


def test_judging_shows_facts_to_a_scorer_taught_with_them_alone(context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.scoring.engine import Engine

    path, read, score = tmp_path / "rated.jsonl", [], Engine.score
    path.write_text(json.dumps({"id": "x", "question": "What?", "answers": ["A dog.", "A cat."], "score": [1, 0], "facts": ["A dog."]}) + "\n")
    monkeypatch.setattr(Engine, "score", lambda self, requests: read.append([request.text[:7] for request in requests]) or score(self, requests))
    for name in ("plain", "informed"):
        adoption.decide(context.store, context.workspace, "answer", name, "adopted", "Ada")
        named = adoption.with_scorers(context, {"kinds": ["answer"]})["scorers"]
        assert judge_files(question_file=None, answer_file=path, precision="fp32", scorers=named)["answer"]["scorer"] == name
    assert read == [["\nQuesti"] * 2, ["\nFacts:"] * 2]
