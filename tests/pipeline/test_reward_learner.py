"""What is trained is what is scored: batches, head start and saving of the reward learner, on a tiny LLaVA."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline.devices import probe
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import spec_for
from pipeline.scoring.engine import score_one_by_one
from pipeline.scoring.scorers import load_scorer
from pipeline.teaching.reward.examples import Entry, Examples, Group
from pipeline.teaching.reward.settings import RewardSettings

WORDS = "what why blue green far near odd plain tall small old new".split()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learner")
    make_tiny_llava(folder / "llava")
    for number in range(3):
        Image.new("RGB", (60, 40 + number), (60 * number, 90, 200 - 60 * number)).save(folder / f"{number}.png")
    return folder


def fresh(home: Path) -> LoadedModel:
    spec = spec_for(str(home / "llava"))
    return load(spec, plan(spec, probe(), Wish(precision="fp32", quantization="none", device="cpu")))


def settings(home: Path, **told: Any) -> RewardSettings:
    return RewardSettings.parse({"base": str(home / "llava"), "layer": 2, "from_layer": 1, "rank": 4, "alpha": 8, "pool": "both", "dropout": 0, **told})


def groups(home: Path, count: int, seed: int = 0) -> list[Group]:
    chance = random.Random(seed)
    pictures = [home / "0.png", home / "1.png", home / "2.png", None]
    return [Group(tuple(Entry(pictures[number % 4], " ".join(chance.choices(WORDS, k=3 + place))) for place in range(3)), ((0, 1, 1.0), (1, 2, 1.0)), f"i{number}", "") for number in range(count)]


def prepared(home: Path, **told: Any) -> tuple[Any, Examples, LoadedModel]:
    from pipeline.teaching.reward.learner import RewardLearner

    loaded = fresh(home)
    wanted = settings(home, **told)
    examples = Examples(loaded, wanted)
    examples.fill([home / f"{number}.png" for number in range(3)], lambda done: None, lambda: False)
    return RewardLearner(loaded, wanted), examples, loaded


@pytest.mark.parametrize("told", [{}, {"pool": "last", "layer": -1, "from_layer": 0}, {"pool": "mean", "kind": "answer", "projector": False}])
def test_a_saved_scorer_gives_the_scores_that_were_trained(home: Path, tmp_path: Path, told: dict[str, Any]) -> None:
    import torch

    learner, examples, _ = prepared(home, **told)
    material = groups(home, 6)
    if told.get("kind") == "answer":
        material = [Group(tuple(Entry(one.picture, f"\nQuestion: why?\nAnswer: {one.text}") for one in group.entries), group.pairs, group.image, "") for group in material]
    learner.settle([examples.batch(material)], [(0.9, 0.5, 0.1)] * 6)
    optimizer = torch.optim.AdamW(learner.groups(learner._settings))
    learner.train()
    for _ in range(3):
        learner.loss(examples.batch(material)).backward()
        optimizer.step()
        optimizer.zero_grad()
    learner.eval()
    with torch.no_grad():
        trained = learner.scores(examples.batch(material)).tolist()
    from pipeline.teaching.reward.saving import save

    save(learner, tmp_path / "scorer", figures={}, training={})
    scorer, loaded = load_scorer(str(tmp_path / "scorer"), learner._settings.kind), fresh(home)
    plain = [score_one_by_one(loaded, scorer, Image.open(one.picture) if one.picture else None, one.text) for group in material for one in group.entries]
    assert plain == pytest.approx(trained, abs=1e-3, rel=1e-4)
    assert len({round(value, 3) for value in trained}) > 12


def test_a_batch_of_many_groups_scores_as_each_alone(home: Path) -> None:
    import torch

    learner, examples, _ = prepared(home)
    learner.settle([examples.batch(groups(home, 4))], [(0.9, 0.5, 0.1)] * 4)
    learner.eval()
    with torch.no_grad():
        together = learner.scores(examples.batch(groups(home, 4))).tolist()
        alone = [value for group in groups(home, 4) for value in learner.scores(examples.batch([group])).tolist()]
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_head_started_on_noise_does_not_believe_itself(home: Path) -> None:
    """Ratings that nothing can tell: on groups it did not see, the start is about as good as guessing, not sure and wrong."""
    import torch

    learner, examples, _ = prepared(home)
    chance = random.Random(1)
    material = groups(home, 24)
    learner.settle([examples.batch(material)], [tuple(chance.random() for _ in range(3)) for _ in material])
    learner.eval()
    with torch.no_grad():
        assert float(learner.loss(examples.batch(groups(home, 24, seed=9)))) < 0.75
