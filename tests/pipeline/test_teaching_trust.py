"""The trust panel's figures over arrays with known answers, its sentences, the card, and the job over a tiny scorer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.scoring_material import fill
from tests.pipeline.test_scoring_comparison import FakeContext
from tests.pipeline.test_teaching_trial import teach
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline import images
from pipeline.errors import JobCancelled, SettingError
from pipeline.models.planning import Plan
from pipeline.ratings import Rating, RatingItem
from pipeline.rewriting.eligibility import is_refusal
from pipeline.scoring.engine import score_one_by_one
from pipeline.scoring.scorers import load_scorer
from pipeline.store import Store
from pipeline.teaching import adoption, trust, trust_run
from pipeline.teaching import trust_words as words
from pipeline.teaching.preferences import Rated
from pipeline.teaching.scorer_card import card, escaped
from pipeline.teaching.shown_texts import Shown, score_shown, shown_of
from pipeline.workspace import Workspace

NAN = float("nan")


def pairs_of(differences: list[float], gaps: list[float] | None = None) -> trust.PairSet:
    """Pairs on images of their own with these score differences (better − worse)."""
    n = len(differences)
    return trust.PairSet(np.arange(n) * 2, np.arange(n) * 2 + 1, np.array(gaps or [0.3] * n), np.arange(n), np.array(differences))


def test_pairs_hold_the_differences_of_scored_texts_and_count_the_others() -> None:
    items = [Rated("question", "a", ("x", "y", "z"), (0.1, 0.6, 0.6)), Rated("question", "b", ("p", "q"), (0.9, 0.4))]
    found = trust.pair_set(items, [1.0, 3.0, None, 5.0, 5.0])
    assert (found.better.tolist(), found.worse.tolist(), found.difference.tolist(), found.won.tolist()) == ([1, 3], [0, 4], [2.0, 0.0], [1.0, 0.5])
    assert found.gap.tolist() == pytest.approx([0.5, 0.5]) and found.image.tolist() == [0, 1] and found.unscored == 1
    assert len(trust.pair_set([], [])) == 0


def test_a_share_has_an_interval_over_whole_images_or_says_what_it_needs() -> None:
    hits = np.array([1.0, 0.0] * 50)
    apart, together = trust.share("x", hits, np.arange(100)), trust.share("x", np.r_[np.ones(50), np.zeros(50)], np.repeat(np.arange(4), 25))
    assert apart.value == together.value == 0.5 and apart.images == 100 and together.images == 4
    assert (together.high or 0) - (together.low or 0) > 2 * ((apart.high or 0) - (apart.low or 0))  # four images are not a hundred
    few = trust.share("x", np.ones(19), np.arange(19))
    assert (few.value, few.n, few.needed) == (None, 19, 20)


def test_accuracy_by_gap_puts_each_pair_in_one_bin() -> None:
    gaps = [0.1] * 25 + [0.2] * 25 + [0.3] * 25 + [0.4] * 25 + [0.5, 1.0] * 25
    found = trust.by_gap(pairs_of([1.0] * 12 + [-1.0] * 13 + [1.0] * 125, gaps[:150]))
    assert [(one.label, one.n) for one in found] == [("up to .1", 25), ("about .2", 25), ("about .3", 25), (".4", 25), (".5 and more", 50)]
    assert [one.value for one in found] == [0.48, 1.0, 1.0, 1.0, 1.0]
    assert words.gap_words(found) == "Pairs people rated up to .1 apart: 48 % right; .5 and more: 100 %. It is surer where people are, as it should be."
    assert "Too few pairs" in words.gap_words(trust.by_gap(pairs_of([1.0] * 19)))


def test_a_scorer_that_leans_on_length_is_told_from_one_that_does_not() -> None:
    items = [Rated("answer", f"{n}", (f"\nQuestion: q\nAnswer: {'long ' * 30}", "\nQuestion: q\nAnswer: short"), (0.8, 0.2) if n % 2 else (0.2, 0.8)) for n in range(80)]
    lengths = [float(len(text)) for item in items for text in item.texts]
    groups = trust.by_kind_of_pair(items, trust.pair_set(items, lengths), is_refusal)
    assert {one.label: one.value for one in groups}["People prefer the longer one"] == 1.0 and {one.label: one.value for one in groups}["People prefer the shorter one"] == 0.0
    assert "leans towards length" in words.kind_words(groups)
    fair = trust.by_kind_of_pair(items, trust.pair_set(items, [rating for item in items for rating in item.ratings]), is_refusal)
    assert not [one.label for one in fair if one.label.startswith("From")]
    mixed = [replace(item, origin=f"file: {number % 2}") for number, item in enumerate(items)]
    assert [(one.label, one.n) for one in trust.by_kind_of_pair(mixed, trust.pair_set(mixed, lengths), is_refusal)][-2:] == [("From: file: 0", 40), ("From: file: 1", 40)]
    typed = [replace(item, type=("detail", "complex", "complex", "")[number % 4]) for number, item in enumerate(items)]
    shown = {one.label: one.n for one in trust.by_kind_of_pair(typed, trust.pair_set(typed, lengths), is_refusal) if one.label.startswith("Type")}
    assert shown == {"Type: Detail": 20, "Type: Complex reasoning": 40, "Type: not known": 20}
    assert not [one.label for one in fair if one.label.startswith("Type")]  # one type is all pairs
    assert "leans" not in words.kind_words(fair) and {one.value for one in fair if one.value is not None} == {1.0}


def test_confidence_that_is_earned_lies_on_the_line_and_boasting_does_not() -> None:
    chance = np.random.default_rng(0)
    true = chance.normal(0, 1.5, 4000)
    came = np.where(chance.random(4000) < 1 / (1 + np.exp(-np.abs(true))), 1, -1) * np.abs(true)
    honest, boastful = trust.calibration(pairs_of(came.tolist())), trust.calibration(pairs_of((came * 4).tolist()))
    assert honest.error is not None and honest.error < 0.03 and 0.9 < (honest.stretch or 0) < 1.1 and sum(honest.counts) == honest.n == 4000
    assert all(abs(a - b) < 0.05 for a, b in zip(honest.predicted, honest.preferred)) and len(honest.predicted) == 5
    assert (boastful.error or 0) > 0.1 and (boastful.stretch or 0) == pytest.approx((honest.stretch or 0) / 4, rel=1e-2)
    assert "about right" in words.calibration_words(honest) and "surer than it should be" in words.calibration_words(boastful)
    always, never = trust.calibration(pairs_of([0.5] * 60)), trust.calibration(pairs_of([-0.5] * 60))
    assert (always.preferred, never.preferred) == ((1.0,), (0.0,)) and (always.error or 0) + (never.error or 0) == pytest.approx(1.0) and (always.stretch or 0) > 1 and (never.stretch or 0) < 0
    few = trust.calibration(pairs_of([1.0] * 49 + [0.0] * 9))
    assert (few.error, few.n, few.level) == (None, 49, 9) and "50 are needed" in words.calibration_words(few)


def test_a_rank_correlation_needs_texts_and_spread() -> None:
    scores = list(range(40))
    assert trust.correlation("x", scores, [n**3 for n in scores]).value == pytest.approx(1.0)
    assert trust.correlation("x", [NAN] * 25 + scores[:15], scores).value is None and trust.correlation("x", [1.0] * 40, scores).value is None
    found = [trust.correlation("Length of texts", scores, [-n for n in scores])]
    assert words.correlation_words(found).startswith("Scores fall with length of texts (Spearman −1.00, 40 texts)")


def test_refusals_are_placed_among_the_others() -> None:
    sunk = trust.refusals("x", list(range(20)), [n < 4 for n in range(20)])
    assert (sunk.refusals, sunk.texts, sunk.above) == (4, 20, 0.0) and sunk.highest_percentile == pytest.approx(100 * 3 / 19)
    floating = trust.refusals("x", list(range(20)), [n >= 16 for n in range(20)])
    assert floating.above == 1.0 and "float to the top" in words.refusal_words([sunk, floating]) and "sink" in words.refusal_words([sunk])
    assert trust.refusals("x", [1.0, 2.0, 3.0], [True, True, False]).above is None
    assert is_refusal("I'm sorry, I can't see the picture.") and is_refusal("The fourth image shows a cat.")


def test_a_scorer_that_does_not_look_is_found_out() -> None:
    chance = np.random.default_rng(0)
    own = chance.normal(size=200)
    blind, seeing = trust.looks(own.tolist(), own.tolist(), range(200)), trust.looks(own.tolist(), (own - 1).tolist(), range(200))
    assert (blind.share.value, seeing.share.value) == (0.5, 1.0) and (seeing.fall or 0) > 0.5
    assert "does not look at the picture" in words.look_words(blind) and "it looks" in words.look_words(seeing)
    few = trust.looks([1.0, None], [0.0, 1.0], ["a", "b"])
    assert (few.share.value, few.share.n, few.unscored) == (None, 1, 1) and "20 are needed" in words.look_words(few)


# --- the job and the card

@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_llava(tmp_path_factory.mktemp("trust") / "llava"))


@pytest.fixture
def dataset(store: Store, workspace: Workspace, base: str) -> int:
    dataset_id = fill(store, workspace)
    teach(workspace, base, "ours", 1)
    adoption.decide(store, workspace, "question", "ours", "adopted", "Ada")
    items = [RatingItem("question", "", tuple(f"Is {n} {'very ' * c}red?" for c in range(4)), f"{n:064x}", f"{n}.png", "queue", dataset_id=dataset_id) for n in range(12)]
    for item_id in store.ratings.add_items(items):
        store.ratings.add(Rating(item_id, "Ada", "score", (0.1, 0.4, 0.6, 0.9)))
        store.ratings.add(Rating(item_id, "<b>Bo</b>", "score", (0.2, 0.5, 0.4, 0.8)))
    return dataset_id


def test_the_job_reports_every_section_and_runs_again_without_the_model(store: Store, workspace: Workspace, dataset: int) -> None:
    params = {"kind": "question", "sample": 30}
    context = FakeContext(store, workspace, dataset, params)
    found = trust_run.run(context)  # type: ignore[arg-type]
    json.dumps(found, allow_nan=False)
    assert found["scorer"]["name"] == "ours" and found["accuracy"]["overall"]["n"] == 72 and found["accuracy"]["length"]["value"] == pytest.approx(1.0)
    assert [row["rater"] for row in found["raters"]["rows"]] == ["Ada", "<b>Bo</b>"]
    assert found["raters"]["rows"][0]["people"] == pytest.approx(5 / 6) and found["raters"]["rows"][0]["people_pairs"] == 72 and found["raters"]["rows"][0]["others"] == ("<b>Bo</b>",)
    assert found["looks"]["share"]["n"] == 30 and found["calibration"]["n"] + found["calibration"]["level"] == 72
    assert found["drift"]["rows"] == [] and "no scores of the same records under a second key" in found["drift"]["words"] and found["records_read"] == 0
    assert all(found[name]["words"] for name in ("accuracy", "gaps", "kinds", "calibration", "correlations", "refusals", "raters", "drift", "looks"))
    again = FakeContext(store, workspace, dataset, params)
    repeated = trust_run.run(again)  # type: ignore[arg-type]
    assert len(again.shelf) == 0 and repeated["looks"] == found["looks"] and repeated["accuracy"] == found["accuracy"]
    assert context.steps[-1][:2] == (again.steps[-1][0],) * 2


def test_the_job_can_be_stopped_and_nonsense_is_refused(store: Store, workspace: Workspace, dataset: int) -> None:
    context = FakeContext(store, workspace, dataset, {"kind": "question"})
    context.step = lambda done, total, stage="", message="": (_ for _ in ()).throw(JobCancelled()) if total else None  # type: ignore[method-assign]
    with pytest.raises(JobCancelled):
        trust_run.run(context)  # type: ignore[arg-type]
    for params in ({"kind": "poem"}, {"kind": "question", "sample": -1}, {"kind": "question", "seed": "x"}, {"kind": "question", "sample": True}):
        with pytest.raises(SettingError):
            trust_run.run(FakeContext(store, workspace, dataset, params))  # type: ignore[arg-type]


def test_the_card_holds_the_figures_and_shows_typed_names_as_they_are(store: Store, workspace: Workspace, dataset: int, tmp_path: Path) -> None:
    known = adoption.find(store, workspace, "question", "ours")
    bare = card(replace(known, author="<img src=x> | *Ada*", training={"ratings": "12 items", "image_digests": ["a"] * 30, "recipe": {"ridge": 0.5}}))
    assert "Not measured yet" in bare and "\\<img src=x\\> \\| \\*Ada\\*" in bare and "- recipe: ridge 0.5" in bare and "trained on: 30, listed by digest" in bare
    report = trust_run.run(FakeContext(store, workspace, dataset, {"kind": "question", "sample": 0}))  # type: ignore[arg-type]
    told = card(known, report)
    assert f"| here, on pairs that are new to it | {report['accuracy']['overall']['value']:.1%} |" in told and escaped(report["gaps"]["words"]) in told
    assert "| .5 and more |" in told and "| about .2 | " in told


def test_a_text_is_scored_behind_the_very_picture_it_is_shown_with(store: Store, workspace: Workspace, dataset: int) -> None:
    scorer = load_scorer(str(workspace.scorers_dir / "ours"))
    context = FakeContext(store, workspace, dataset, {})
    plan = Plan("cpu", "fp32", "none", 0.1, "")
    own, other = (workspace.image_path(f"{number:064x}") for number in (3, 4))
    rated = [Rated("question", "a", ("\nIs it red?", "\nIs it?"), (0.1, 0.9), own, ("A bus stands there",)), Rated("question", "b", ("\nIs it red?",), (0.5,), other), Rated("question", "c", ("\nIs it red?",), (0.5,))]
    shown = shown_of(rated)
    assert [one.picture for one in shown] == [own.name, own.name, other.name, None] and shown_of(rated, facts=True)[0].text == "\nFacts: A bus stands there.\nIs it red?"
    values = [value for value, _ in score_shown(context, scorer, plan, shown)]  # type: ignore[arg-type]
    loaded = context.shelf.get(scorer.spec, plan)
    pictures = [images.open_rgb(own), images.open_rgb(own), images.open_rgb(other), None]
    assert values == pytest.approx([score_one_by_one(loaded, scorer, picture, one.text) for picture, one in zip(pictures, shown)], abs=1e-4)
    assert len(set(values)) == 4  # the same text scores otherwise behind another picture, and behind none
    gone = score_shown(context, scorer, plan, [Shown("\nIs it blue?", workspace.root / "nowhere.png", "f" * 64)])  # type: ignore[arg-type]
    assert gone == [(None, "the picture's file is gone")]
