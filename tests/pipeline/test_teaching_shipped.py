"""What the shipped scorers are worth: their accuracy on unseen images, and their eye for planted faults in the demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import images
from pipeline.devices import probe
from pipeline.errors import DataError, ModelError, SettingError
from pipeline.models import fetch
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import SPECS
from pipeline.scoring.contract import answer_text, question_text
from pipeline.scoring.engine import Engine, Request, score_one_by_one
from pipeline.scoring.scorers import active, available, load_scorer
from pipeline.settings import assets_dir
from pipeline.teaching import proof
from pipeline.teaching.augment import EMPTY_QUESTIONS
from pipeline.teaching.judging import judge, judge_items
from pipeline.teaching.measures import auc
from pipeline.teaching.preferences import image_digest, is_held_out, read_rated

SHARP = ["Which of the two cyclists wears a helmet, and what does that say about the race?", "How many sheep stand between the gate and the tree?",
         "What color is the car parked next to the hydrant?", "What is the woman holding in her left hand, and what might she do with it next?",
         "Why might the child be looking away from the birthday cake?"]
EMPTY = ["Anything to say?", "Comment on it.", "Nice?", "What do you think?", "Thoughts on this one?"]
SALAD = "vase the of red which standing on is shelf a wooden beside"


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    try:
        fetch.fetch(say=lambda words: None)
    except ModelError as error:
        pytest.skip(f"SKIPPED FOR LACK OF THE EMBEDDED MODEL: {error.show()}")
    return load(SPECS["embedded"], plan(SPECS["embedded"], probe(), Wish("fp32", "none", "cpu")))


@pytest.mark.parametrize("kind", ["question", "answer"])
def test_each_kind_has_a_shipped_scorer_with_card_and_figures(kind: str) -> None:
    assert active(kind) == f"embedded-{kind}" and f"embedded-{kind}" in available(kind)  # type: ignore[arg-type]
    scorer = load_scorer(active(kind), kind)  # type: ignore[arg-type]
    assert {"scorer", "tfidf", "length", "cross_validated"} <= set(scorer.figures)
    card = (assets_dir() / "scorers" / scorer.name / "CARD.md").read_text()
    assert f"{scorer.figures['scorer']['value']:.1%}" in card
    assert scorer.training["command"] in card


def test_all_shipped_scorers_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in (assets_dir() / "scorers").rglob("*") if path.is_file()) < 25e6


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["question", "answer"])
def test_the_engine_gives_the_plain_forward_s_score_on_the_embedded_model(loaded: LoadedModel, kind: str) -> None:
    scorer = load_scorer(active(kind), kind)  # type: ignore[arg-type]
    photo = images.open_rgb(next((assets_dir() / "demo" / "images").glob("*.jpg")))
    texts = [question_text([f"What stands {place}?", "Why?"]) if kind == "question" else answer_text(f"What stands {place}?", f"A tree stands {place}. " * n)
             for n, place in enumerate(("left", "right", "behind the old house"), start=1)]
    outcomes = Engine(loaded, [scorer], lambda sha: photo).score([Request(kind, "x", text) for text in texts])  # type: ignore[arg-type]
    again = Engine(loaded, [scorer], lambda sha: photo).score([Request(kind, "x", text) for text in texts])  # type: ignore[arg-type]
    for text, outcome, repeated in zip(texts, outcomes, again):
        assert outcome.value == pytest.approx(score_one_by_one(loaded, scorer, photo, text), abs=1e-4)
        assert outcome.value == repeated.value


@pytest.mark.slow
def test_bf16_scores_stay_near_those_of_fp32(loaded: LoadedModel) -> None:
    """Tower, projector and the stream that layers add to stay in fp32: with a bf16 tower single scores were .3 off."""
    half = load(SPECS["embedded"], plan(SPECS["embedded"], probe(), Wish("bf16", "none", "cpu")))
    scorer = load_scorer(active("answer"))
    photo = images.open_rgb(next((assets_dir() / "demo" / "images").glob("*.jpg")))
    texts = [answer_text("What stands there?", f"{word} stands {place}, near the old gate.") for word in ("A tree", "A red car", "Nobody") for place in ("left", "behind the house")]
    exact = np.array([score_one_by_one(loaded, scorer, photo, text) for text in texts])
    ours = np.array([outcome.value for outcome in Engine(half, [scorer], lambda sha: photo).score([Request("answer", "x", text) for text in texts])], float)
    assert half.tower_dtype != half.dtype
    assert 0 < np.abs(ours - exact).max() < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "items_read", "at_least"), [("question", 48, 0.55), ("answer", 8, 0.4)])
def test_held_out_accuracy_of_the_shipped_weights_is_that_of_the_card(loaded: LoadedModel, shared_data: Path, kind: str, items_read: int, at_least: float) -> None:
    scorer = load_scorer(active(kind), kind)  # type: ignore[arg-type]
    items = read_rated(shared_data / "preference" / f"{kind}_train.jsonl", kind)  # type: ignore[arg-type]
    held_out = [item for item in items if is_held_out(item.image)][:items_read]
    assert not {image_digest(item.image) for item in held_out} & set(scorer.training["image_digests"])
    report = judge_items(loaded, scorer, held_out)
    told = scorer.figures["scorer"]
    assert report["seen"] is None and report["unscored"] <= 0.02 * report["texts"]
    assert told["low"] - 0.1 < report["new"]["value"] < told["high"] + 0.1
    assert report["new"]["value"] > at_least


@pytest.mark.slow
def test_scorers_find_planted_faults_of_the_demo_above_chance(loaded: LoadedModel) -> None:
    demo = assets_dir() / "demo"
    records = json.loads((demo / "demo.json").read_text())
    requests, good = [], []

    def ask(request: Request, planted: float) -> None:
        if planted >= 0.7 or planted <= 0.4:  # what lies between is no clear place
            requests.append(request)
            good.append(planted >= 0.7)

    for record in records:
        turns = record["conversations"]
        questions, answers = [t["value"] for t in turns if t["from"] == "human"], [t["value"] for t in turns if t["from"] == "gpt"]
        ask(Request("question", record.get("image"), question_text(questions)), record["planted"]["question"])
        for number, (question, candidates) in enumerate(zip(questions, answers)):
            for place, answer in enumerate(candidates if isinstance(candidates, list) else [candidates]):
                ask(Request("answer", record.get("image"), answer_text(question, answer)), record["planted"]["answers"][number][place])

    def read(name: str):
        path = demo / name if (demo / name).is_file() else demo / "images" / name
        return images.open_rgb(path)

    outcomes = Engine(loaded, [load_scorer(active("question")), load_scorer(active("answer"))], read).score(requests)
    for kind in ("question", "answer"):
        clear = [(outcome.value, is_good) for request, outcome, is_good in zip(requests, outcomes, good) if request.kind == kind and outcome.value is not None]
        found = auc([value for value, _ in clear], [is_good for _, is_good in clear])
        assert found is not None and found > 0.62, f"{kind}: AUC {found:.3f} over {len(clear)} clear places"


@pytest.mark.slow
def test_word_salad_and_refusals_score_below_a_plain_answer(loaded: LoadedModel) -> None:
    engine = Engine(loaded, [load_scorer(active("answer"))], lambda sha: images.open_rgb(b""))
    good, salad, refusal = (outcome.value for outcome in engine.score([
        Request("answer", None, answer_text("What stands on the shelf?", "A red vase stands on the wooden shelf, beside a small clock.")),
        Request("answer", None, answer_text("What stands on the shelf?", SALAD)),
        Request("answer", None, answer_text("What stands on the shelf?", "I'm sorry, but I cannot see the image."))]))
    assert good > salad and good > refusal  # type: ignore[operator]


@pytest.mark.slow
def test_questions_that_ask_for_looking_score_above_empty_ones(loaded: LoadedModel) -> None:
    """None of these stands in the ratings or among the made-worse texts; one odd couple is no verdict, so the means are compared."""
    assert not set(EMPTY) & set(EMPTY_QUESTIONS)
    engine = Engine(loaded, [load_scorer(active("question"))], lambda sha: images.open_rgb(b""))
    values = [outcome.value for outcome in engine.score([Request("question", None, question_text([text])) for text in SHARP + EMPTY])]
    sharp, empty = np.array(values[:len(SHARP)], float), np.array(values[len(SHARP):], float)
    assert sharp.mean() > empty.mean() + 0.5
    assert (sharp[:, None] > empty[None]).mean() > 0.8


@pytest.mark.slow
def test_judging_reports_new_and_seen_images_apart(loaded: LoadedModel, tmp_path: Path) -> None:
    """The accuracy is that of the scores: with the ratings turned round, it is the rest to 1."""
    def report(ratings: list[float]) -> dict[str, Any]:
        lines = [{"id": f"{number:012}", "questions": [[EMPTY[number]], [SHARP[number]]], "score": ratings} for number in range(3)]
        path = tmp_path / "q.jsonl"
        path.write_text("\n".join(json.dumps(line) for line in lines))
        return judge(loaded, path, None)["question"]

    found = report([0.2, 0.9])
    assert (found["items"], found["images"], found["texts"], found["pairs"], found["ties"]) == (3, 3, 6, 3, 0)
    assert found["seen"] is None and found["new"]["value"] == 1.0
    assert report([0.9, 0.2])["new"]["value"] == 0.0


def test_judging_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="no preference file"):
        judge(None, None, None)  # type: ignore[arg-type]


def test_judging_a_missing_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere.jsonl can't be read"):
        judge(None, tmp_path / "nowhere.jsonl", None)  # type: ignore[arg-type]


@pytest.mark.slow
def test_scores_fall_when_the_picture_is_swapped(loaded: LoadedModel) -> None:
    """On a slice of the demo, whose photos no training saw; the whole is measured by pipeline.teaching.proof and told in the cards."""
    found = proof.looks(loaded, [load_scorer(active("question")), load_scorer(active("answer"))], proof.demo_records()[::8], swaps=2)
    assert found["question"]["value"] > 0.6 and found["answer"]["value"] > 0.6
    for kind in ("question", "answer"):
        told = load_scorer(active(kind)).figures["looks_demo"]  # type: ignore[arg-type]
        assert told["value"] >= 0.8 and told["records"] >= 100
