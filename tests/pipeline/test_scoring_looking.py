"""The look head: what it computes, that the engine gives the plain way's numbers with it, and what happens to its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.test_scoring_engine import ANSWER, QUESTION, loaded, picture, requests  # noqa: F401  (the fixture is used by name)

from pipeline.errors import ModelError
from pipeline.models.loading import LoadedModel
from pipeline.scoring.engine import Engine, score_one_by_one
from pipeline.scoring.forward import Feature
from pipeline.scoring.looking import LookHead, read_look
from pipeline.scoring.scorers import load_scorer, save_scorer


def look(layer: int = 1, strength: float = 2.0) -> LookHead:
    chance = np.random.default_rng(5)
    draw = lambda *shape: chance.normal(size=shape).astype(np.float32)  # noqa: E731
    return LookHead(layer, draw(32), draw(8, 32), draw(8), draw(8, 16), draw(8), strength)


def test_the_value_is_a_cosine_of_text_and_picture_times_the_strength() -> None:
    import torch

    head = LookHead(0, np.zeros(2, np.float32), np.eye(2, dtype=np.float32), np.zeros(2, np.float32), np.eye(2, dtype=np.float32), np.zeros(2, np.float32), 3.0)
    states = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]]).expand(3, 2, 2)
    pictures = [torch.tensor([5.0, 0.0]), torch.tensor([0.0, 5.0]), None]  # the last row is a record without a picture
    assert head.values(states, [(row, 0, 2) for row in range(3)], pictures).tolist() == pytest.approx([3.0, 0.0, 0.0], abs=1e-6)


def test_the_engine_gives_the_plain_ways_scores_with_a_look_head(loaded: LoadedModel) -> None:  # noqa: F811
    scorers = [replace(QUESTION, look=look()), replace(ANSWER, look=look(layer=0))]
    wanted = requests()
    outcomes = Engine(loaded, scorers, picture).score(wanted)
    for request, outcome in zip(wanted, outcomes):
        image = None if request.image is None else picture(request.image)
        assert outcome.value == pytest.approx(score_one_by_one(loaded, scorers[request.kind == "answer"], image, request.text), abs=1e-5)
    bare = Engine(loaded, [QUESTION, ANSWER], picture).score(wanted)
    moved = [outcome.value != other.value for request, outcome, other in zip(wanted, outcomes, bare) if request.image is not None]
    assert all(moved)
    assert all(outcome.value == pytest.approx(other.value, abs=1e-6) for request, outcome, other in zip(wanted, outcomes, bare) if request.image is None)


def test_a_look_head_is_stored_beside_the_head_and_changes_the_revision(tmp_path: Path) -> None:
    told = dict(kind="question", base="embedded", features=(Feature(2, "mean"),), span="text", image_preparation="pad",
                weights=np.ones((1, 32), np.float32), bias=0.0, figures={}, training={})
    plain = save_scorer(tmp_path / "plain", **told)  # type: ignore[arg-type]
    seeing = save_scorer(tmp_path / "seeing", **told, look=look())  # type: ignore[arg-type]
    read = load_scorer(str(tmp_path / "seeing"))
    assert read.revision == seeing != plain == load_scorer(str(tmp_path / "plain")).revision
    assert read.look is not None and np.array_equal(read.look.text, look().text) and (read.look.layer, read.look.strength) == (1, 2.0)


@pytest.mark.parametrize(("damage", "words"), [
    (lambda path: path.unlink(), "has no look.safetensors"),
    (lambda path: path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1"), "its scorer.json says"),
])
def test_a_look_head_that_was_lost_or_changed_is_refused(tmp_path: Path, damage, words: str) -> None:
    promised = look().save(tmp_path)
    damage(tmp_path / "look.safetensors")
    with pytest.raises(ModelError, match=words):
        read_look(tmp_path, promised)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    promised = replace(look(), strength=float("nan")).save(tmp_path)
    with pytest.raises(ModelError, match="don't belong together"):
        read_look(tmp_path, promised)
