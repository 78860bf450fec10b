"""Why a score is what it is: effects against plain scoring of texts and pictures changed by hand, on a tiny LLaVA."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline.devices import probe
from pipeline.errors import JobCancelled, NotFound, SettingError
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Wish, plan
from pipeline.models.shelf import ModelShelf
from pipeline.models.specs import spec_for
from pipeline.records import Record, Turn
from pipeline.scoring import explain as explain_module
from pipeline.scoring.contract import answer_text, question_text
from pipeline.scoring.engine import EMPTY, score_one_by_one
from pipeline.scoring.explain import cells_a_side, explain, run
from pipeline.scoring.forward import FINAL, Feature
from pipeline.scoring.occlusion import Subject, grid_of, spans_of, taken_out, words_in
from pipeline.scoring.scorers import Scorer, save_scorer
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.studio.seeding import seed_image

TURNS = (Turn("<image>\nIs the red-haired man 1.8 m tall?", ("Yes, he is.", "No: about 1,700 mm (50% sure)!")),
         Turn("Why?", ("He doesn't  reach the shelf —\nsee the mark at -2.",)))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    spec = spec_for(str(make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava")))
    return load(spec, plan(spec, probe(), Wish(precision="fp32", quantization="none", device="cpu")))


def scorer(kind: str, features: tuple[Feature, ...], span: str = "text", preparation: str = "pad") -> Scorer:
    weights = np.random.default_rng(len(features)).normal(size=(len(features), 32)).astype(np.float32)
    return Scorer(f"test-{kind}", kind, "tiny", features, span, preparation, weights, 0.25, "0" * 64)  # type: ignore[arg-type]


QUESTION = scorer("question", (Feature(FINAL, "last"), Feature(1, "mean")))
ANSWER = scorer("answer", (Feature(2, "mean"), Feature(1, "last")), span="answer")


def record(**others: Any) -> Record:
    return Record(key="r", turns=TURNS, type="conversation", type_told=True, **others)


def photo(width: int = 42, height: int = 42) -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 255, (height, width, 3), dtype=np.uint8))


# --- where to cut

@pytest.mark.parametrize(("text", "words"), [
    ("Is the red-haired man 1.8 m tall?", ["Is", "the", "red-haired", "man", "1.8", "m", "tall"]),
    ("“No”: about $1,700 (50% sure), I don't know!", ["No", "about", "$1,700", "50%", "sure", "I", "don't", "know"]),
    ("below -2 °C; **bold** -- item", ["below", "-2", "°C", "bold", "--", "item"]),
    ("<image>\nWhat is\tit—a fox?", ["What", "is", "it", "—", "a", "fox"]),
    ("??? 🦊 …", ["???", "🦊", "…"]),
    ("红色的狐狸。 हिन्दी में", ["红", "色", "的", "狐", "狸", "हिन्दी", "में"]),
    ("<image>", []), ("  \n", []),
])
def test_words_are_cut_without_the_punctuation_around_them(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in words_in(text)] == words


@pytest.mark.parametrize(("text", "word", "rest"), [
    ("the red fox, here", "red", "the fox, here"), ("the red fox, here", "the", "red fox, here"), ("the fox (red) here", "red", "the fox () here"),
    ("one\n  two three", "two", "one\n three"), ("one\ntwo three", "two", "one\nthree"), ("fox", "fox", ""), ("a fox.", "fox", "a."),
])
def test_a_word_goes_with_one_blank_beside_it(text: str, word: str, rest: str) -> None:
    start = text.index(word)
    assert taken_out(text, start, start + len(word)) == rest


def test_a_subject_is_the_text_the_scorer_reads() -> None:
    assert Subject.of(record(), "question").text == question_text([turn.question for turn in TURNS])
    assert Subject.of(record(), "answer", 0, 1).text == answer_text(TURNS[0].question, TURNS[0].answers[1])


def test_a_long_text_is_cut_into_few_spans_that_hold_every_word() -> None:
    answer = " ".join(f"word{n}" for n in range(3000))
    subject = Subject("answer", ((0, "Why?"),), answer)
    spans, left_out = spans_of(subject, 120)
    assert len(spans) <= 120 and left_out == 0
    assert " ".join(answer[span.start:span.end] for span in spans if span.part == "answer") == answer
    assert spans[0].part == "question"


def test_more_turns_than_spans_leaves_words_out_and_counts_them() -> None:
    subject = Subject("question", tuple((turn, "Why so?") for turn in range(50)))
    spans, left_out = spans_of(subject, 20)
    assert len(spans) == 20 and left_out == 60 and {span.turn for span in spans} == set(range(20))


@pytest.mark.parametrize(("size", "shape"), [((640, 480), (5, 7)), ((480, 640), (7, 5)), ((300, 300), (7, 7)), ((4000, 400), (1, 7))])
def test_cells_lie_on_the_picture_and_not_on_its_padding(size: tuple[int, int], shape: tuple[int, int]) -> None:
    grid = grid_of(*size, "pad")
    assert (grid.rows, grid.columns) == shape
    covered = np.zeros((336, 336), int)
    for down, across in grid.cells(336):
        covered[down, across] += 1
    assert covered.max() == 1
    height, width = np.ptp(np.nonzero(covered), axis=1) + 1
    expected = [336 * part / max(size) - (4 if part < max(size) else 0) for part in size]  # two pixels on either side are blended with padding
    assert (width, height) == pytest.approx(expected, abs=1) and covered.sum() == width * height
    assert covered[168, 168] == 1 and covered[0, 0] == (size == (300, 300))


def test_a_cropped_picture_has_cells_only_where_the_scorer_sees_it() -> None:
    grid = grid_of(640, 480, "crop")
    assert (grid.rows, grid.columns, grid.shown) == (7, 7, (0.125, 0.0, 0.875, 1.0))
    assert grid.whole(224) == (slice(0, 224), slice(0, 224))


def test_a_longer_text_gets_a_coarser_grid() -> None:
    assert [cells_a_side(length, 9000) for length in (10, 183, 200, 300, 2048)] == [7, 7, 6, 5, 3]


# --- effects

@pytest.mark.parametrize("kind", ["question", "answer"])
def test_a_words_effect_is_the_score_with_it_minus_the_score_without(loaded: LoadedModel, kind: str) -> None:
    subject, used, picture = Subject.of(record(), kind, 0, 1), QUESTION if kind == "question" else ANSWER, photo(60, 47)  # type: ignore[arg-type]
    found = explain(loaded, used, subject, picture)
    whole = score_one_by_one(loaded, used, picture, subject.text)
    assert found.value == pytest.approx(whole, abs=1e-5)
    assert len(found.words) == (13 if kind == "answer" else 8)
    for word in found.words:
        texts = [turn.question for turn in TURNS] if kind == "question" else [TURNS[0].question, TURNS[0].answers[1]]
        place = word.turn if kind == "question" else ("question", "answer").index(word.part)
        texts[place] = taken_out(texts[place], word.start, word.end)
        plain = score_one_by_one(loaded, used, picture, question_text(texts) if kind == "question" else answer_text(*texts))
        assert word.effect == pytest.approx(whole - plain, abs=1e-5)
    assert len({round(word.effect or 0, 4) for word in found.words}) > 5


def test_offsets_slice_back_to_the_words_as_imported(loaded: LoadedModel) -> None:
    found = explain(loaded, QUESTION, Subject.of(record(), "question"), None)
    assert [TURNS[word.turn].question[word.start:word.end] for word in found.words] == ["Is", "the", "red-haired", "man", "1.8", "m", "tall", "Why"]
    answer = explain(loaded, ANSWER, Subject.of(record(), "answer", 1, 0), None)
    assert [TURNS[1].answers[0][word.start:word.end] for word in answer.words if word.part == "answer"] == ["He", "doesn't", "reach", "the", "shelf", "—", "see", "the", "mark", "at", "-2"]
    assert {word.turn for word in answer.words} == {1}


def test_a_cells_effect_is_the_score_minus_that_of_a_picture_covered_by_hand(loaded: LoadedModel) -> None:
    subject, picture = Subject.of(record(), "answer", 0, 0), photo(42, 42)
    found = explain(loaded, ANSWER, subject, picture)
    assert found.cells is not None and (found.cells.rows, found.cells.columns, found.cells.shown) == (7, 7, (0.0, 0.0, 1.0, 1.0))
    whole = score_one_by_one(loaded, ANSWER, picture, subject.text)
    mean = tuple(int(part) for part in np.asarray(picture).mean((0, 1)).round())
    for row, column in ((0, 0), (2, 5), (6, 6)):
        covered = picture.copy()
        ImageDraw.Draw(covered).rectangle((6 * column, 6 * row, 6 * column + 5, 6 * row + 5), fill=mean)
        assert found.cells.effects[row][column] == pytest.approx(whole - score_one_by_one(loaded, ANSWER, covered, subject.text), abs=1e-5)
    plain = score_one_by_one(loaded, ANSWER, Image.new("RGB", (42, 42), mean), subject.text)
    assert found.cells.whole == pytest.approx(whole - plain, abs=1e-5)
    assert len({round(effect or 0, 5) for row in found.cells.effects for effect in row}) > 20


def test_covering_a_plain_picture_with_its_own_colour_changes_nothing(loaded: LoadedModel) -> None:
    found = explain(loaded, ANSWER, Subject.of(record(), "answer", 0, 0), Image.new("RGB", (30, 19), (200, 90, 40)))
    assert found.cells is not None and [effect for row in found.cells.effects for effect in row] == pytest.approx([0.0] * 28, abs=1e-5)
    assert found.cells.whole == pytest.approx(0.0, abs=1e-5)


def test_a_cropped_picture_is_covered_in_the_middle_square(loaded: LoadedModel) -> None:
    used, picture = scorer("answer", ANSWER.features, "answer", "crop"), photo(62, 42)
    subject = Subject.of(record(), "answer", 0, 0)
    found = explain(loaded, used, subject, picture)
    covered = picture.copy()
    mean = tuple(int(part) for part in np.asarray(picture.crop((10, 0, 52, 42))).mean((0, 1)).round())
    ImageDraw.Draw(covered).rectangle((10 + 6 * 3, 6, 10 + 6 * 3 + 5, 11), fill=mean)
    expected = score_one_by_one(loaded, used, picture, subject.text) - score_one_by_one(loaded, used, covered, subject.text)
    assert found.cells is not None and found.cells.effects[1][3] == pytest.approx(expected, abs=1e-5)


def test_what_nobody_sees_is_the_yardstick(loaded: LoadedModel) -> None:
    subject, picture = Subject.of(record(), "answer", 0, 0), Image.fromarray(np.random.default_rng(5).integers(9, 240, (42, 42, 3), dtype=np.uint8))
    found = explain(loaded, ANSWER, subject, picture)
    whole = score_one_by_one(loaded, ANSWER, picture, subject.text)
    moved = [abs(whole - score_one_by_one(loaded, ANSWER, picture.point(lambda part: part + step), subject.text)) for step in (-1, 1)]
    assert found.noise == pytest.approx(max(moved), abs=1e-5) and 0 < found.noise < (found.spread["picture"] or 0)
    assert explain(loaded, ANSWER, subject, None).noise < 1e-5


def test_a_text_only_record_has_words_and_no_cells(loaded: LoadedModel) -> None:
    subject = Subject.of(record(), "answer", 0, 0)
    found = explain(loaded, ANSWER, subject, None)
    assert found.cells is None and found.value == pytest.approx(score_one_by_one(loaded, ANSWER, None, subject.text), abs=1e-5)
    assert found.spread["cell"] is None and found.spread["picture_share"] is None and found.spread["word"] == max(abs(word.effect or 0) for word in found.words)


def test_the_spread_tells_the_pictures_share_of_all_movement(loaded: LoadedModel) -> None:
    told = explain(loaded, ANSWER, Subject.of(record(), "answer", 0, 1), photo()).as_dict()
    words, cells = sum(abs(word["effect"]) for word in told["words"]), sum(abs(effect) for row in told["cells"]["effects"] for effect in row)
    assert told["spread"]["picture_share"] == pytest.approx(cells / (words + cells))
    assert told["spread"]["cell"] == max(abs(effect) for row in told["cells"]["effects"] for effect in row)


@pytest.mark.parametrize("answer", ["Yes", "Yes.", "(?)"])
def test_an_answer_of_one_word_keeps_its_number_and_the_word_has_no_effect(loaded: LoadedModel, answer: str) -> None:
    found = explain(loaded, ANSWER, Subject("answer", ((0, "Is it red?"),), answer), None)
    assert found.value is not None and [(word.part, word.effect) for word in found.words if word.effect is None] == [("answer", None)]


@pytest.mark.parametrize("subject", [Subject("answer", ((0, "Why?"),), " \n"), Subject("question", ((0, "<image>\n"),))])
def test_an_empty_text_has_a_reason_and_no_number(loaded: LoadedModel, subject: Subject) -> None:
    found = explain(loaded, ANSWER if subject.kind == "answer" else QUESTION, subject, photo())
    assert (found.value, found.reason, found.words, found.cells) == (None, EMPTY, (), None)


def test_a_text_of_3000_words_costs_a_bounded_number_of_forwards(loaded: LoadedModel) -> None:
    subject = Subject("answer", ((0, "Why?"),), " ".join(f"word{n}" for n in range(3000)))
    found = explain(loaded, ANSWER, subject, photo())
    assert len(found.words) <= 12 and found.words_left_out == 0 and found.counters.forwards < 40
    assert found.cells is not None and (found.cells.rows, found.cells.columns) == (3, 3)


def test_the_picture_is_encoded_once_for_all_words_and_short_texts_share_a_row(loaded: LoadedModel) -> None:
    found = explain(loaded, ANSWER, Subject.of(record(), "answer", 0, 0), photo())
    assert found.counters.images_encoded == 1 + 3 + 49  # as it is; brighter, darker, all covered; each cell
    texts = len(found.words) + 2
    rows = found.counters.prefix_tokens_saved // 10
    assert found.counters.prefix_tokens_saved == (texts - 1) * 10 and rows == texts - 1


def test_the_same_question_has_the_same_answer_twice(loaded: LoadedModel) -> None:
    first, second = (explain(loaded, QUESTION, Subject.of(record(), "question"), photo(60, 40)).as_dict() for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_a_lack_of_memory_halves_the_work_and_changes_no_number(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    subject = Subject.of(record(), "answer", 0, 1)
    plenty = explain(loaded, ANSWER, subject, photo())
    real = explain_module.pooled

    def scarce(model: LoadedModel, rows: Any, features: Any, looks: Any) -> Any:
        if sum(row.length for row in rows) > 200:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(model, rows, features, looks)

    monkeypatch.setattr(explain_module, "pooled", scarce)
    found = explain(loaded, ANSWER, subject, photo())
    assert [word.effect for word in found.words] == pytest.approx([word.effect for word in plenty.words], abs=1e-5)
    assert found.counters.forwards > plenty.counters.forwards


# --- the job

class FakeContext:
    """What a handler is given, with a record of what it reported. Stops after `patience` reports."""

    def __init__(self, store: Store, workspace: Workspace, params: dict[str, Any], shelf: ModelShelf, patience: int = 10_000) -> None:
        self.store, self.workspace, self.params, self.shelf, self.patience = store, workspace, params, shelf, patience
        self.reports: list[tuple[int, int, str]] = []
        self.job = SimpleNamespace(dataset_id=None, id=1, params=params, priority=10)

    def step(self, done: int, total: int, stage: str = "", message: str = "") -> None:
        self.reports.append((done, total, stage))
        if len(self.reports) > self.patience:
            raise JobCancelled()


@pytest.fixture
def shelf(loaded: LoadedModel) -> ModelShelf:
    return ModelShelf(loader=lambda spec, plan: loaded)


@pytest.fixture
def home(loaded: LoadedModel, tmp_path: Any) -> str:
    """A scorer folder for the tiny model."""
    folder = tmp_path / "scorer"
    save_scorer(folder, kind="answer", base=loaded.spec.source, features=ANSWER.features, span="answer", image_preparation="pad",
                weights=ANSWER.weights, bias=ANSWER.bias, figures={}, training={})
    return str(folder)


def stored(store: Store, *, problem: str | None = None, gone: bool = False) -> int:
    """A record with a picture, one whose picture could not be read, or one whose file is gone."""
    sha = None if problem else seed_image(store, 3)
    dataset = store.datasets.create("D", "test")
    store.records.add(dataset, [record(images=(sha,), image_paths=("a.jpg",), image_problems=(problem,))])
    store.datasets.finish(dataset, {"read": 1})
    if gone and sha:
        store.workspace.image_path(sha).unlink()
    return store.records.ids(dataset)[0]


def test_the_job_explains_an_answer_and_reports_words_then_picture(store: Store, workspace: Workspace, shelf: ModelShelf, home: str, loaded: LoadedModel) -> None:
    record_id = stored(store)
    params = {"record_id": record_id, "kind": "answer", "turn": 0, "candidate": 1, "precision": "fp32", "quantization": "none", "device": "cpu", "scorers": {"answer": home}}
    context = FakeContext(store, workspace, params, shelf)
    told = run(context)  # type: ignore[arg-type]
    assert told["value"] is not None and told["cells"]["columns"] == 7 and told["precision"] == "fp32" and told["image"] == store.records.get(record_id).image
    stages = list(dict.fromkeys(stage for _, _, stage in context.reports))
    assert stages == ["Loading", "Words", "Picture"]
    assert [done for done, _, _ in context.reports] == sorted(done for done, _, _ in context.reports) and context.reports[-1][0] == context.reports[-1][1]
    with pytest.raises(JobCancelled):
        run(FakeContext(store, workspace, params, shelf, patience=3))  # type: ignore[arg-type]


def test_another_scorer_than_the_scores_own_explains_nothing(store: Store, workspace: Workspace, shelf: ModelShelf, home: str) -> None:
    params = {"record_id": stored(store), "kind": "answer", "turn": 0, "candidate": 0, "key": "f" * 16, "device": "cpu", "precision": "fp32", "scorers": {"answer": home}}
    with pytest.raises(SettingError, match="not what it was"):
        run(FakeContext(store, workspace, params, shelf))  # type: ignore[arg-type]


@pytest.mark.parametrize(("how", "reason"), [({"problem": "the JPEG data is cut off"}, "the JPEG data is cut off"), ({"gone": True}, "the image file is gone from the workspace")])
def test_an_unreadable_image_is_a_reason_and_no_number(store: Store, workspace: Workspace, shelf: ModelShelf, home: str, how: dict[str, Any], reason: str) -> None:
    params = {"record_id": stored(store, **how), "kind": "answer", "turn": 0, "candidate": 0, "device": "cpu", "precision": "fp32", "scorers": {"answer": home}}
    told = run(FakeContext(store, workspace, params, shelf))  # type: ignore[arg-type]
    assert (told["value"], told["reason"], told["words"], told["cells"]) == (None, reason, (), None)


def test_a_place_that_is_not_there_is_refused(store: Store, workspace: Workspace, shelf: ModelShelf) -> None:
    record_id = stored(store)
    for turn, candidate in ((2, 0), (0, 2), (-1, 0), (0, -1)):
        with pytest.raises(NotFound, match="no answer"):
            run(FakeContext(store, workspace, {"record_id": record_id, "kind": "answer", "turn": turn, "candidate": candidate}, shelf))  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="no kind of score"):
        run(FakeContext(store, workspace, {"record_id": record_id, "kind": "poem"}, shelf))  # type: ignore[arg-type]
