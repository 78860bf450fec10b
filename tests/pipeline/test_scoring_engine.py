"""The engine against the plain way of scoring, on a tiny LLaVA: same numbers, less work, reasons instead of zeros."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline.devices import probe
from pipeline.errors import DataError, ModelError
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import spec_for
from pipeline.scoring import engine as engine_module
from pipeline.scoring import forward as forward_module
from pipeline.scoring.contract import answer_text, question_text
from pipeline.scoring.engine import EMPTY, NO_NUMBER, Engine, Request, score_one_by_one
from pipeline.scoring.forward import FINAL, Feature
from pipeline.scoring.scorers import Scorer

WORDS = "the quick brown fox jumps over a lazy dog while two cats watch from the red wall".split()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    spec = spec_for(str(make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava")))
    return load(spec, plan(spec, probe(), Wish(precision="fp32", quantization="none", device="cpu")))


def scorer(kind: str, features: tuple[Feature, ...], span: str = "text") -> Scorer:
    weights = np.random.default_rng(len(features)).normal(size=(len(features), 32)).astype(np.float32)
    return Scorer(f"test-{kind}", kind, "tiny", features, span, "pad", weights, 0.25, "0" * 64)  # type: ignore[arg-type]


QUESTION = scorer("question", (Feature(FINAL, "last"),))
ANSWER = scorer("answer", (Feature(2, "mean"), Feature(1, "last"), Feature(0, "mean")), span="answer")


def picture(name: str) -> Image.Image:
    number = int(name)
    noise = np.random.default_rng(number).integers(0, 255, (40 + 7 * number, 60, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def requests() -> list[Request]:
    chance = np.random.default_rng(3)
    wanted: list[Request] = []
    for image in ("1", "2", None, "3"):
        for _ in range(4):
            text = " ".join(chance.choice(WORDS, chance.integers(2, 25)))
            wanted.append(Request("answer", image, answer_text("What is there?", text)))
        wanted.append(Request("question", image, question_text([f"<image>\n{text}?", "Why?"])))
    return wanted


def test_shared_prefixes_and_batches_change_no_score(loaded: LoadedModel) -> None:
    wanted = requests()
    outcomes = Engine(loaded, [QUESTION, ANSWER], picture).score(wanted)
    for request, outcome in zip(wanted, outcomes):
        image = None if request.image is None else picture(request.image)
        plain = score_one_by_one(loaded, QUESTION if request.kind == "question" else ANSWER, image, request.text)
        assert outcome.value == pytest.approx(plain, abs=1e-5)
    assert len({round(outcome.value or 0, 4) for outcome in outcomes}) == len(wanted)


def test_another_family_runs_through_its_own_layers_to_the_same_scores(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of every language model that is no Llama, with packed attention inside transformers' own layers."""
    ours = Engine(loaded, [QUESTION, ANSWER], picture).score(requests())
    before = loaded.language_model.config._attn_implementation
    monkeypatch.setattr(forward_module, "is_llama", lambda inner: False)
    theirs = Engine(loaded, [QUESTION, ANSWER], picture).score(requests())
    assert [o.value for o in theirs] == pytest.approx([o.value for o in ours], abs=1e-5)
    assert loaded.language_model.config._attn_implementation == before


def test_one_row_a_batch_gives_the_same_scores(loaded: LoadedModel) -> None:
    wide = Engine(loaded, [QUESTION, ANSWER], picture).score(requests())
    narrow = Engine(loaded, [QUESTION, ANSWER], picture, token_budget=1).score(requests())
    assert [o.value for o in narrow] == pytest.approx([o.value for o in wide], abs=1e-5)


def test_many_texts_on_one_image_are_split_into_rows_of_bearable_length(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Engine(loaded, [ANSWER], picture).score([r for r in requests() if r.kind == "answer"])
    monkeypatch.setattr(engine_module, "LONGEST_ROW", 60)
    monkeypatch.setattr(engine_module, "PREFIXES_A_ROW", 0)
    split = Engine(loaded, [ANSWER], picture).score([r for r in requests() if r.kind == "answer"])
    assert [o.value for o in split] == pytest.approx([o.value for o in whole], abs=1e-5)


def test_the_image_changes_the_score(loaded: LoadedModel) -> None:
    text = question_text(["What is it?"])
    first, second, without = Engine(loaded, [QUESTION], picture).score([Request("question", image, text) for image in ("1", "2", None)])
    assert len({first.value, second.value, without.value}) == 3


def test_each_image_is_opened_once(loaded: LoadedModel) -> None:
    opened: list[str] = []

    def reader(name: str) -> Image.Image:
        opened.append(name)
        return picture(name)

    engine = Engine(loaded, [QUESTION, ANSWER], reader)
    engine.score(requests())
    engine.score(requests())
    assert sorted(opened) == ["1", "2", "3"]
    assert engine.counters.images_encoded == 3 and engine.counters.images_reused == 2 * 15 - 3
    assert engine.counters.shared_prefix_tokens == 2 * 4 * 4 * 10


def test_an_unreadable_image_is_a_reason_and_the_others_are_scored(loaded: LoadedModel) -> None:
    def reader(name: str) -> Image.Image:
        if name == "2":
            raise DataError("the file is cut off")
        return picture(name)

    wanted = requests()
    for request, outcome in zip(wanted, Engine(loaded, [QUESTION, ANSWER], reader).score(wanted)):
        assert (outcome.value is None) == (request.image == "2")
        assert outcome.reason == ("the file is cut off" if request.image == "2" else "")


@pytest.mark.parametrize("request_", [Request("answer", "1", answer_text("What?", " ")), Request("question", "1", question_text(["<image>"]))])
def test_an_empty_text_has_no_score(loaded: LoadedModel, request_: Request) -> None:
    assert Engine(loaded, [QUESTION, ANSWER], picture).score([request_])[0] == engine_module.Outcome(None, EMPTY)


def test_not_a_number_is_none_with_a_reason(loaded: LoadedModel) -> None:
    broken = replace(QUESTION, weights=np.full((1, 32), np.inf, np.float32))
    outcome = Engine(loaded, [broken], picture).score([Request("question", "1", question_text(["What?"]))])[0]
    assert outcome == engine_module.Outcome(None, NO_NUMBER)


def test_out_of_memory_halves_until_it_fits(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Engine(loaded, [QUESTION, ANSWER], picture).score(requests())
    real = engine_module.pooled

    def small_memory(model, rows, features, looks):
        if sum(len(row.texts) for row in rows) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(model, rows, features, looks)

    monkeypatch.setattr(engine_module, "pooled", small_memory)
    engine = Engine(loaded, [QUESTION, ANSWER], picture)
    assert [o.value for o in engine.score(requests())] == pytest.approx([o.value for o in plain], abs=1e-5)
    assert engine.counters.halvings > 0


def test_another_fault_is_not_taken_for_lack_of_memory(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(model, rows, features, looks):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(engine_module, "pooled", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        Engine(loaded, [QUESTION], picture).score([Request("question", "1", question_text(["What?"]))])


def test_a_head_of_another_width_is_refused(loaded: LoadedModel) -> None:
    with pytest.raises(ModelError, match="width 576"):
        Engine(loaded, [replace(QUESTION, weights=np.zeros((1, 576), np.float32))], picture)
