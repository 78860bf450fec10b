"""A candidate against the present scorer: the paired difference, side changes at the cut, and the job over two tiny scorers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.pipeline.scoring_material import fill
from tests.pipeline.test_scoring_comparison import FakeContext
from tests.pipeline.tiny_llava import make_adapter, make_tiny_llava

from pipeline.errors import DataError, JobCancelled, NotFound, SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.records import INSTRUCTION_TYPES
from pipeline.scoring import run as scoring
from pipeline.scoring.forward import Feature
from pipeline.scoring.scorers import load_scorer, save_scorer
from pipeline.selection import ALL, Cut, SelectionSpec, authors_preset, shares
from pipeline.store import Store
from pipeline.store.scores import ScoreTable
from pipeline.store.text_scores import text_digest
from pipeline.teaching import adoption, trial
from pipeline.teaching.held_out import held_out_rule
from pipeline.teaching.paired import paired_accuracy
from pipeline.teaching.preferences import Rated, image_digest, is_held_out
from pipeline.teaching.side_changes import side_changes
from pipeline.workspace import Workspace

NAN = float("nan")


def rated(images: int, texts: int = 3) -> list[Rated]:
    return [Rated("question", f"photo {n}", tuple(f"text {n}.{t}" for t in range(texts)), tuple(t / texts for t in range(texts))) for n in range(images)]


# --- the paired difference

def test_the_difference_is_taken_pair_by_pair_with_an_interval() -> None:
    items = rated(40)
    right = [float(place % 3) for place in range(120)]
    wrong = [value if place // 3 % 2 else -value for place, value in enumerate(right)]
    found = paired_accuracy(items, right, wrong)
    assert found is not None
    assert (found.candidate.value, found.present.value, found.difference, found.candidate.pairs, found.candidate.images) == (1.0, 0.5, 0.5, 120, 40)
    assert (found.only_candidate, found.only_present) == (60, 0) and 0.3 < found.low < 0.5 < found.high < 0.7
    assert found.told and found.words.startswith("The candidate puts more pairs in people's order than the present one: the candidate's difference is +50.0 points")
    back = paired_accuracy(items, wrong, right)
    assert back is not None and back.difference == -0.5 and "The present scorer puts more pairs" in back.words and "−50.0" in back.words


def test_what_can_not_be_told_is_said_with_the_number_of_pairs_it_would_take() -> None:
    chance = np.random.default_rng(0)
    found = paired_accuracy(rated(20), chance.normal(size=60).tolist(), chance.normal(size=60).tolist())
    assert found is not None and not found.told and found.needed and found.needed > 60
    assert found.words.startswith("No difference can be told from 60 pairs on 20 images") and f"About {found.needed:,} pairs" in found.words
    few = paired_accuracy(rated(2), [1.0] * 6, [0.0] * 6)
    assert few is not None and few.words.startswith("Too few to conclude from: 6 pairs on 2 images, at least 20")
    assert paired_accuracy([Rated("question", "a", ("x", "y"), (0.5, 0.5))], [1.0, 2.0], [1.0, 2.0]) is None


def test_a_text_without_a_score_loses_and_two_of_them_are_level() -> None:
    found = paired_accuracy(rated(1), [None, None, 1.0], [0.0, 1.0, None])
    assert found is not None and found.candidate.value == pytest.approx(2.5 / 3) and found.present.value == pytest.approx(1 / 3)


def test_held_out_goes_by_the_images_a_scorer_lists_else_by_the_rule() -> None:
    listed = held_out_rule({"image_digests": [image_digest("a")], "split": {"seed": 5, "share": 1.0}})
    assert not listed("a") and listed("b")
    names = [f"image {n}" for n in range(200)]
    assert [held_out_rule({})(name) for name in names] == [is_held_out(name) for name in names]
    assert all(held_out_rule({"split": {"seed": 0, "share": 1.0}})(name) for name in names) and not any(held_out_rule({"split": {"share": 0.0}})(name) for name in names)


# --- side changes

def table(question: list[float], answer: list[float] | None = None) -> ScoreTable:
    n = len(question)
    return ScoreTable(np.arange(1, n + 1), np.array([place % 3 for place in range(n)], np.uint8), np.full(n, -1, np.int32), np.array(question, np.float32),
                      np.array(answer if answer is not None else [NAN] * n, np.float32), [()] * n)


def counts(found: Any) -> dict[str, tuple[int, ...]]:
    return {group.group: (group.records, group.stay_in, group.go_out, group.come_in, group.stay_out) for group in found.groups}


def test_records_change_sides_type_by_type() -> None:
    present, candidate = table([float(n) for n in range(30)], [0.0] * 30), table([float(-n) for n in range(30)], [0.0] * 30)
    found = side_changes("question", present, candidate, shares(0.3, 1.0))
    assert counts(found) == {ALL: (30, 0, 9, 9, 12), **{name: (10, 0, 3, 3, 4) for name in INSTRUCTION_TYPES}}
    assert found.going_out.tolist() == list(range(21, 30)) and found.coming_in.tolist() == list(range(9)) and not found.one_stage and not found.same_number


def test_the_same_order_on_another_scale_changes_nothing_even_at_an_absolute_cut() -> None:
    present, candidate = table([float(n) for n in range(30)]), table([1000.0 + 5 * n for n in range(30)])
    spec = SelectionSpec({ALL: Cut("value", 12.0)}, {ALL: Cut("share", 0.3)})
    found = side_changes("question", present, candidate, spec)
    assert counts(found)[ALL] == (30, 18, 0, 0, 12) and found.same_number and found.one_stage  # no answer is scored: the question cut alone decides


def test_only_records_scored_by_both_are_compared_and_people_outrank_both() -> None:
    present, candidate = table([float(n) for n in range(12)]), table([float(-n) for n in range(12)])
    present.question[0] = candidate.question[1] = NAN
    found = side_changes("question", present, candidate, shares(0.5, 0.5, per_type=False), {12: "keep", 3: "drop"})
    assert (found.compared, found.total) == (10, 12) and counts(found)[ALL][0] == 10
    assert 11 not in found.going_out.tolist() and 2 not in found.coming_in.tolist()
    with pytest.raises(SettingError, match="same records"):
        side_changes("question", present, table([1.0]), authors_preset())


# --- the job

@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_llava(tmp_path_factory.mktemp("trial") / "llava"))


def teach(workspace: Workspace, base: str, name: str, seed: int, **training: Any) -> None:
    save_scorer(workspace.scorers_dir / name, kind="question", base=base, features=(Feature(2, "mean"), Feature(-1, "last")), span="text", image_preparation="pad",
                weights=np.random.default_rng(seed).normal(size=(2, 32)), bias=0.0, figures={}, training={"image_digests": [], **training})


@pytest.fixture
def dataset(store: Store, workspace: Workspace, base: str) -> int:
    """18 records, two taught scorers of which the first is adopted, and ratings of 12 items on as many images."""
    dataset_id = fill(store, workspace, records=18)
    teach(workspace, base, "first", 1)
    teach(workspace, base, "second", 2)
    adoption.decide(store, workspace, "question", "first", "adopted", "Ada")
    items = [RatingItem("question", "", tuple(f"Is {n} {'very ' * c}red?" for c in range(3)), f"{n:064x}", f"{n}.png", "queue", dataset_id=dataset_id) for n in range(12)]
    for item_id in store.ratings.add_items(items):
        store.ratings.add(Rating(item_id, "Ada", "score", (0.1, 0.5, 0.9)))
    return dataset_id


def test_a_trial_reports_accuracy_sides_and_movers_and_stores_both_sets_of_scores(store: Store, workspace: Workspace, dataset: int) -> None:
    context = FakeContext(store, workspace, dataset, {"kind": "question", "candidate": "second"})
    found = trial.run(context)  # type: ignore[arg-type]
    json.dumps(found, allow_nan=False)
    assert (found["present"]["name"], found["candidate"]["name"], found["records"], found["of"]) == ("first", "second", 18, 18)
    assert (found["accuracy"]["candidate"]["pairs"], found["accuracy"]["candidate"]["images"], found["ratings"]["with_picture"]) == (36, 12, 36)
    assert found["accuracy"]["difference"] == pytest.approx(found["accuracy"]["candidate"]["value"] - found["accuracy"]["present"]["value"])
    assert found["accuracy"]["length"]["value"] == 1.0 and found["accuracy_words"]
    whole, *types = found["sides"]["groups"]
    assert whole["records"] == 18 == sum(group["records"] for group in types) and whole["go_out"] == whole["come_in"] == len(found["sides"]["coming_in"])
    assert found["sides"]["one_stage"] and found["sides"]["selection"] == "current"
    assert found["ranks"]["shared"] == 18 and found["rises"][0]["candidate_percentile"] > found["rises"][0]["present_percentile"]
    keys = {key.adapter: (key.digest, n) for key, n, _ in store.scores.keys(dataset, "question")}
    assert keys == {"first": (found["present"]["key"], 18), "second": (found["candidate"]["key"], 18)}
    assert [step[:2] for step in context.steps][-1] == (72 + 36, 72 + 36)  # 36 texts and 18 records a scorer
    assert all(one[0] <= two[0] for one, two in zip(context.steps, context.steps[1:]))


def test_a_stopped_trial_goes_on_where_it_was_and_a_second_one_scores_nothing(store: Store, workspace: Workspace, dataset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"kind": "question", "candidate": "second"}
    context = FakeContext(store, workspace, dataset, params)
    step = context.step
    monkeypatch.setattr(context, "step", lambda done, total, stage="", message="": (_ for _ in ()).throw(JobCancelled()) if stage == "Data set: second" else step(done, total, stage, message))
    with pytest.raises(JobCancelled):
        trial.run(context)  # type: ignore[arg-type]
    found = trial.run(FakeContext(store, workspace, dataset, params))  # type: ignore[arg-type]
    assert found["scored_now"] == {"present": 0, "candidate": 18} and found["texts_now"] == 0
    again = trial.run(FakeContext(store, workspace, dataset, params))  # type: ignore[arg-type]
    assert again["scored_now"] == {"present": 0, "candidate": 0} and again["accuracy"] == found["accuracy"] and again["sides"] == found["sides"]
    key = found["candidate"]["key"]
    value, reason = next(iter(store.text_scores.of(key, [text_digest(f"{3:064x}", "\nIs 3 red?")]).values()))
    assert isinstance(value, float) and reason == ""


def test_a_sample_is_scored_alone_and_files_bring_pairs_of_their_own(store: Store, workspace: Workspace, dataset: int, base: str, tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    file.write_text("\n".join(json.dumps({"id": f"{n}.jpg", "questions": [["What?"], ["Why?", "How?"]], "score": [0.2, 0.7]}) for n in range(8)), encoding="utf-8")
    teach(workspace, base, "third", 3, image_digests=[image_digest(f"{n}.jpg") for n in range(5)])
    found = trial.run(FakeContext(store, workspace, dataset, {"kind": "question", "candidate": "third", "sample": 9, "files": [str(file)], "gathered": False}))  # type: ignore[arg-type]
    assert (found["records"], found["of"], found["sides"]["compared"], found["scored_now"]) == (9, 18, 9, {"present": 9, "candidate": 9})
    assert (found["ratings"]["pairs"], found["ratings"]["trained_on"], found["ratings"]["files"]) == (3, 5, ["people.jsonl"])
    assert found["accuracy_words"].startswith("Too few to conclude from: 3 pairs")


def test_without_pairs_the_rest_of_the_report_stands_and_says_what_is_needed(store: Store, workspace: Workspace, dataset: int) -> None:
    found = trial.run(FakeContext(store, workspace, dataset, {"kind": "question", "candidate": "second", "sample": 6, "gathered": False}))  # type: ignore[arg-type]
    assert found["accuracy"] is None and "at least 20 pairs" in found["accuracy_words"] and found["sides"]["compared"] == 6


@pytest.mark.parametrize(("params", "error", "word"), [
    ({"kind": "poem", "candidate": "second"}, SettingError, "no kind"), ({"kind": "question", "candidate": "nobody"}, NotFound, "no question scorer"),
    ({"kind": "question", "candidate": "first"}, SettingError, "already"), ({"kind": "question", "candidate": "second", "sample": 2}, SettingError, "no sample"),
    ({"kind": "question", "candidate": "second", "files": ["/nowhere.jsonl"]}, DataError, "can't be read")], ids=["kind", "unknown", "same", "sample", "file"])
def test_a_trial_that_can_not_be_is_refused_before_work_starts(store: Store, workspace: Workspace, dataset: int, params: dict[str, Any], error: type, word: str) -> None:
    context = FakeContext(store, workspace, dataset, params)
    with pytest.raises(error, match=word):
        trial.run(context)  # type: ignore[arg-type]
    assert len(context.shelf) == 0 and not store.scores.keys(dataset, "question")


def test_a_trial_does_not_make_its_scores_the_ones_that_count_before_somebody_adopts(store: Store, workspace: Workspace, dataset: int) -> None:
    def counting() -> str:
        return store.scores.keys(dataset, "question")[0][0].adapter

    found = trial.run(FakeContext(store, workspace, dataset, {"kind": "question", "candidate": "second"}))  # type: ignore[arg-type]
    assert counting() == "first" and [row["key"] for row in store.database.rows("SELECT key FROM tried_key")] == [found["candidate"]["key"]]
    kept = adoption.decide(store, workspace, "question", "second", "kept", "Ada")
    assert counting() == "first"
    store.scorer_verdicts.undo(kept.id, "Ada")
    adopted = adoption.decide(store, workspace, "question", "second", "adopted", "Ada")
    assert counting() == "second"
    store.scores.mark_used(dataset, store.scores.latest_key(dataset, "question") or "")
    store.scorer_verdicts.undo(adopted.id, "Ada")
    assert counting() == "first"
    scoring.run(FakeContext(store, workspace, dataset, {"kinds": ["question"], "scorers": {"question": "second"}}))  # type: ignore[arg-type]
    adoption.decide(store, workspace, "question", "second", "kept", "Ada")
    assert counting() == "second"  # a scoring run asked for it: what was last used counts, as ever


@pytest.mark.slow
def test_scorers_with_an_adapter_are_tried_too_taught_ones_by_name_and_the_authors_by_path(store: Store, workspace: Workspace, dataset: int, base: str, tmp_path: Path) -> None:
    make_adapter(workspace.scorers_dir / "worn", seed=3)
    teach(workspace, base, "worn", 4)
    known = adoption.find(store, workspace, "question", "worn")
    assert known.revision == load_scorer(str(known.folder), "question").revision and known.revision != known.told["sha256"]
    assert trial.run(FakeContext(store, workspace, dataset, {"kind": "question", "candidate": "worn", "sample": 6}))["candidate"]["revision"] == known.revision  # type: ignore[arg-type]

    theirs = make_adapter(tmp_path / "theirs", seed=5)
    params = {"kind": "question", "candidate": str(theirs), "sample": 6, "base": base}
    with pytest.raises(SettingError, match="nobody has tried theirs"):
        adoption.decide(store, workspace, "question", str(theirs), "adopted", "Ada")
    context = FakeContext(store, workspace, dataset, params)
    context.job = store.jobs.add("trial", "model", dataset, params)
    found = trial.run(context)  # type: ignore[arg-type]
    store.jobs.end(context.job.id, "done", result=found)
    assert (found["candidate"]["origin"], found["candidate"]["name"], found["ranks"]["shared"]) == ("adapter", "theirs", 6)
    adoption.decide(store, workspace, "question", str(theirs), "adopted", "Ada")
    assert adoption.with_scorers(context, {"kinds": ["question"]})["scorers"] == {"question": str(theirs)}  # type: ignore[arg-type]
    shutil.copy(workspace.scorers_dir / "worn" / "adapter_model.safetensors", theirs)
    with pytest.raises(SettingError, match="is not what was adopted"):
        adoption.with_scorers(context, {"kinds": ["question"]})  # type: ignore[arg-type]
