"""What a run reads: curated texts, the split by image, the file beside the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.pipeline.training_data import seed

from pipeline.errors import DataError
from pipeline.records import WHOLE, Record, Rewrite, Score, ScorerKey, Turn
from pipeline.selection import ALL, Cut, SelectionSpec
from pipeline.store import Store
from pipeline.training.data import EVERYTHING, NO_ANSWER, NO_IMAGE, Row, gather, read_rows, split, write_rows


def score_all(store: Store, dataset: int) -> None:
    """Question score = place in the file; of two candidates the second is the better one."""
    for kind in ("question", "answer"):
        key = ScorerKey(kind, "m", "a", "0" * 64, "fp32", "none", "pad")  # type: ignore[arg-type]
        store.scores.register(key)
        scores = []
        for place, record in enumerate(store.records.many(store.records.ids(dataset))):
            if kind == "question":
                scores.append(Score(record.id, WHOLE, WHOLE, float(place)))
            else:
                scores += [Score(record.id, t, c, float(c)) for t, turn in enumerate(record.turns) for c in range(len(turn.answers))]
        store.scores.add(key.digest, scores)


def test_before_scoring_the_open_selection_is_everything(store: Store) -> None:
    found = gather(store, seed(store, records=10))
    assert (found.kept, len(found.rows), found.selection["name"]) == (10, 10, EVERYTHING)
    assert found.rows[0].turns == (("Is it 0?", "yes it is 0"), ("Sure?", "quite sure"))


def test_a_selection_gives_its_records_with_the_best_candidate(store: Store) -> None:
    dataset = seed(store, records=10)
    score_all(store, dataset)
    store.selections.save(dataset, "best four", SelectionSpec({ALL: Cut("count", 4)}, {ALL: Cut()}).as_json(), author="test")
    found = gather(store, dataset, "best four")
    assert [row.key for row in found.rows] == ["r6", "r7", "r8", "r9"]
    assert found.rows[0].turns[0] == ("Is it 0?", "no")
    assert found.selection["spec"]["question"][ALL] == {"mode": "count", "amount": 4}


def test_records_dropped_by_hand_stay_out_of_everything(store: Store) -> None:
    dataset = seed(store, records=10)
    ids = store.records.ids(dataset)
    store.actions.decide(dataset, {ids[3]: "drop"}, author="test")
    assert "r3" not in [row.key for row in gather(store, dataset, EVERYTHING).rows]


def test_accepted_rewrites_replace_their_texts_and_others_do_not(store: Store) -> None:
    dataset = seed(store, records=10)
    first, second = store.records.ids(dataset)[:2]
    store.rewrites.add("k", [Rewrite(first, 0, WHOLE, "question", "Is it 0?", "", "Is it nought?", False, ""),
                             Rewrite(first, 0, 0, "answer", "yes it is 0", "", "Yes, nought.", False, ""),
                             Rewrite(second, 0, 0, "answer", "yes it is 1", "", "Never shown", False, "")])
    by_text = {rewrite.text: rewrite.id for rewrite in store.rewrites.all(dataset)}
    store.actions.judge_rewrites(dataset, {by_text["Is it nought?"]: ("accepted", None), by_text["Yes, nought."]: ("edited", "Yes: nought!"),
                                           by_text["Never shown"]: ("rejected", None)}, author="test")
    found = gather(store, dataset)
    assert found.rows[0].turns[0] == ("Is it nought?", "Yes: nought!") and found.rows[1].turns[0] == ("Is it 1?", "yes it is 1")
    assert found.rewritten == 1


def test_empty_answers_and_lost_images_are_left_out_and_counted(store: Store) -> None:
    dataset = seed(store, records=4, text_only=4)
    store.records.add(dataset, [
        Record("empty", (Turn("Q?", ("  ",)),), "detail", True),
        Record("half", (Turn("Q?", ("",)), Turn("And?", ("Yes.",))), "detail", True),
        Record("blind", (Turn("<image>\nQ?", ("A.",)),), "detail", True, images=(None,), image_paths=("x.jpg",), image_problems=("truncated",))])
    found = gather(store, dataset)
    assert found.left_out == {NO_ANSWER: 1, NO_IMAGE: 1} and found.empty_turns == 2
    assert [row.key for row in found.rows][-1] == "half" and found.rows[-1].turns == (("And?", "Yes."),)


def rows(images: list[str | None]) -> list[Row]:
    return [Row(n, f"r{n}", "detail", image, (("q", "a"),)) for n, image in enumerate(images)]


def test_records_of_one_image_are_on_one_side() -> None:
    training, held_out = split(rows([f"i{n // 3}" for n in range(60)]), 0.1, 0)
    assert not {row.image for row in training} & {row.image for row in held_out}
    assert len(held_out) == 6 and len(training) == 54
    assert [row.record for row in training] == sorted(row.record for row in training)


def test_the_same_seed_splits_the_same_and_another_does_not() -> None:
    data = rows([f"i{n}" for n in range(40)])
    assert split(data, 0.2, 1) == split(data, 0.2, 1) != split(data, 0.2, 2)


@pytest.mark.parametrize(("images", "share", "held"), [([], 0.1, 0), (["a"], 0.5, 0), (["a", "b"], 0.01, 1), (["a"] * 9, 0.2, 0), ([None] * 10, 0.2, 2), (["a", "b"], 0.0, 0)])
def test_small_sets_keep_at_least_one_image_for_training(images: list[str | None], share: float, held: int) -> None:
    training, held_out = split(rows(images), share, 0)
    assert len(held_out) == held and len(training) + len(held_out) == len(images)


def test_the_file_reads_back_with_images_beside_a_copied_workspace(store: Store, tmp_path: Path) -> None:
    gathered = gather(store, seed(store, records=10))
    folder = store.workspace.runs_dir / "0001-run"
    folder.mkdir()
    checksum = write_rows(folder / "train.jsonl", gathered.rows, store.workspace)
    assert len(checksum) == 64 and str(store.workspace.root) not in (folder / "train.jsonl").read_text()
    moved = tmp_path / "moved"
    store.workspace.root.rename(moved)
    found = list(read_rows(moved / "runs" / "0001-run" / "train.jsonl"))
    assert [one.turns for one in found] == [row.turns for row in gathered.rows]
    assert found[0].image is not None and found[0].image.read_bytes()[:2] == b"\xff\xd8" and found[-1].image is None


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"record": 1, "image": None, "turns": [["q", "a"]]}) + "\n{\"record\": 2}\n")
    with pytest.raises(DataError) as caught:
        list(read_rows(path))
    assert caught.value.place == "train.jsonl, line 2"
