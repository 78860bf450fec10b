"""The trained model in this process, on a tiny LLaVA: the loss is the model's own, training lowers it, resume is exact, nothing sticks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.tiny_llava import make_tiny_llava
from tests.pipeline.training_data import seed

from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Plan
from pipeline.models.specs import spec_for
from pipeline.store import Store
from pipeline.training.data import gather, split, write_rows
from pipeline.training.runs import HELD_OUT_ROWS, MANIFEST, METRICS, TRAIN_ROWS
from pipeline.training.settings import TuneSettings

pytestmark = pytest.mark.slow
PLAN = {"device": "cpu", "precision": "fp32", "quantization": "none", "gib": 0.1, "reason": ""}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava"))


@pytest.fixture
def loaded(base: str) -> LoadedModel:
    return load(spec_for(base), Plan(**PLAN))  # type: ignore[arg-type]


@pytest.fixture
def make_run(store: Store, base: str) -> Callable[..., Path]:
    """A run folder as the job makes it; every folder holds the same data."""
    dataset = seed(store)

    def make(name: str, **settings: Any) -> Path:
        folder = store.workspace.runs_dir / name
        folder.mkdir()
        told = TuneSettings.parse({"base": base, "batch_size": 4, "max_steps": 6, "save_every": 2, "eval_every": 3, "lora_r": 4, "lora_alpha": 8,
                                   "learning_rate": 0.02, "projector_learning_rate": 0.002, "held_out_share": 0.2, **settings})
        training, held_out = split(gather(store, dataset).rows, told.held_out_share, told.seed)
        write_rows(folder / TRAIN_ROWS, training, store.workspace)
        write_rows(folder / HELD_OUT_ROWS, held_out, store.workspace)
        (folder / "run.json").write_text(json.dumps({"version": 1, "name": name, "base": {"name": base, "source": base}, "plan": PLAN,
                                                     "settings": told.as_json(), "data": {}}))
        return folder

    return make


def never() -> bool:
    return False


def train(folder: Path, stopping: Callable[[], bool] = never) -> bool:
    from pipeline.training.program import Journal, read_config
    from pipeline.training.program import train as run

    return run(read_config(folder / "run.json"), Journal(folder / METRICS), stopping)  # type: ignore[arg-type]


def told(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, (folder / METRICS).read_text().splitlines()) if event["event"] == kind]


def adapter(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return {**load_file(folder / "adapter" / "adapter_model.safetensors"), **load_file(folder / "projector.safetensors")}


def test_the_loss_equals_the_models_own_on_the_same_batch(loaded: LoadedModel) -> None:
    """Labels shifted, image features in their places, only labelled positions through the output layer: the same number."""
    import torch
    from PIL import Image

    from pipeline.training.learner import Learner
    from pipeline.training.supervision import Encoder, collate

    encoder = Encoder(loaded.tokenizer, 3, loaded.image_tokens)
    pictures = [Image.new("RGB", (50, 40), colour) for colour in ("red", "blue")]
    features = loaded.image_features(pictures)
    rows = [{"sample": encoder.sample([("What?", "A red thing."), ("Sure?", "Yes.")], True, 500), "features": features[0].clone()},
            {"sample": encoder.sample([("No image here", "None.")], False, 500)},
            {"sample": encoder.sample([("And?", "Blue.")], True, 500), "features": features[1].clone()}]
    batch = collate(rows, 0)  # type: ignore[arg-type]
    with torch.no_grad():
        expected = loaded.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"], pixel_values=loaded.pixels(pictures)).loss
    learner = Learner(loaded, TuneSettings(lora_r=4)).eval()
    with torch.no_grad():
        cached = learner(**batch)["loss"]
        pixels = learner(**{key: value for key, value in batch.items() if key != "features"}, pixel_values=loaded.pixels(pictures))["loss"]
    assert float(cached) == pytest.approx(float(expected), abs=1e-5)
    assert float(pixels) == pytest.approx(float(expected), abs=1e-5)


def test_only_adapter_and_projector_learn_and_the_tower_stays_in_evaluation(loaded: LoadedModel) -> None:
    from pipeline.training.learner import Learner

    learner = Learner(loaded, TuneSettings(lora_r=4))
    learner.train()
    names = set(learner.trained())
    assert names and all("lora_" in name or "multi_modal_projector" in name for name in names)
    assert not any("vision_tower" in name for name in names)
    assert not learner.llava.model.vision_tower.training and learner.llava.model.language_model.training
    frozen = Learner(load(loaded.spec, loaded.plan), TuneSettings(lora_r=4, projector=False))
    assert all("lora_" in name for name in frozen.trained())


def test_six_steps_lower_the_loss_and_leave_a_manifest(make_run: Callable[..., Path]) -> None:
    folder = make_run("0001-six")
    assert train(folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["steps"] == 6 and manifest["loss"]["last"] < manifest["loss"]["first"]
    assert manifest["held_out"]["after"] < manifest["held_out"]["before"]
    assert [event["step"] for event in told(folder, "evaluation")] == [0, 3, 6]
    assert [event["step"] for event in told(folder, "checkpoint")] == [2, 4, 6]
    assert set(manifest["files"]) == {"adapter/adapter_config.json", "adapter/adapter_model.safetensors", "projector.safetensors"}
    assert manifest["data"]["records"] + manifest["data"]["held_out"] == 24 and manifest["tokens_per_s"] > 0
    assert "/" not in json.loads((folder / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"]


def test_a_stopped_run_goes_on_to_the_same_adapter_as_an_unbroken_one(make_run: Callable[..., Path]) -> None:
    import torch

    unbroken, broken = make_run("0001-unbroken"), make_run("0002-broken")
    assert train(unbroken)
    assert not train(broken, stopping=lambda: len(told(broken, "step")) >= 3)
    assert not (broken / MANIFEST).exists() and told(broken, "checkpoint")[-1]["step"] == 3  # in the middle of an evaluation
    assert train(broken)
    assert told(broken, "start")[-1]["resumed_from"] == 3
    expected, found = adapter(unbroken), adapter(broken)
    assert set(expected) == set(found)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    losses = {event["step"]: event["loss"] for event in told(broken, "step")}
    assert losses == {event["step"]: event["loss"] for event in told(unbroken, "step")}


def test_looking_at_held_out_records_more_often_changes_nothing(make_run: Callable[..., Path]) -> None:
    often, seldom = make_run("0001-often", eval_every=1), make_run("0002-seldom", eval_every=6)
    assert train(often) and train(seldom)
    assert [event["loss"] for event in told(often, "step")] == [event["loss"] for event in told(seldom, "step")]


def test_a_cut_off_checkpoint_is_passed_over(make_run: Callable[..., Path]) -> None:
    folder = make_run("0001-cut")
    assert not train(folder, stopping=lambda: len(told(folder, "step")) >= 3)
    (folder / "checkpoints" / "checkpoint-3" / "complete.json").unlink()
    assert train(folder)
    assert told(folder, "start")[-1]["resumed_from"] == 2


def test_accumulated_batches_weigh_by_tokens(make_run: Callable[..., Path]) -> None:
    """Two batches of 4 in one step report the loss of one batch of 8."""
    one, two = make_run("0001-one", batch_size=8, max_steps=1), make_run("0002-two", batch_size=4, gradient_accumulation=2, max_steps=1)
    assert train(one) and train(two)
    assert told(two, "step")[0]["loss"] == pytest.approx(told(one, "step")[0]["loss"], rel=1e-4)


def test_images_beyond_the_cache_are_computed_in_each_step_to_the_same_loss(make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training import program

    kept, anew = make_run("0001-kept"), make_run("0002-anew")
    assert train(kept)
    monkeypatch.setattr(program, "FEATURE_CACHE_BYTES", 0)
    assert train(anew)
    for a, b in zip(told(kept, "step"), told(anew, "step"), strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-3)


def test_a_missing_image_stops_the_run_with_its_name(make_run: Callable[..., Path], store: Store) -> None:
    from pipeline.errors import DataError

    folder = make_run("0001-blind")
    lost = next(path for path in store.workspace.images_dir.rglob("*") if path.is_file())
    lost.unlink()
    with pytest.raises(DataError) as caught:
        train(folder)
    assert caught.value.place == lost.name and caught.value.hint


def test_a_loss_that_is_no_number_stops_the_run(make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.errors import StudioError
    from pipeline.training.learner import Learner

    honest = Learner.forward

    def broken(self: Learner, *args: Any, **rest: Any) -> dict[str, Any]:
        found = honest(self, *args, **rest)
        return {**found, "loss": found["loss"] * float("nan")} if self.training else found

    monkeypatch.setattr(Learner, "forward", broken)
    folder = make_run("0001-nan")
    with pytest.raises(StudioError, match="no number"):
        train(folder)
    assert not (folder / MANIFEST).exists()


def test_a_tuned_adapter_changes_the_model_and_leaves_it_as_it_was(make_run: Callable[..., Path], loaded: LoadedModel) -> None:
    import torch

    from pipeline.errors import ModelError
    from pipeline.training.adapter import tuned

    folder = make_run("0001-on-off")
    assert train(folder)
    ids = torch.tensor([[1, 50, 60, 70]])
    names = [name for name, _ in loaded.model.named_modules()]

    def logits() -> Any:
        with torch.inference_mode():
            return loaded.model(input_ids=ids).logits.clone()

    before = logits()
    with tuned(loaded, folder):
        assert not torch.equal(logits(), before)
    assert torch.equal(logits(), before) and [name for name, _ in loaded.model.named_modules()] == names
    (folder / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match="no finished adapter"), tuned(loaded, folder):
        pass


def test_four_bit_weights_learn_also_after_an_evaluation(make_run: Callable[..., Path], base: str) -> None:
    """An evaluation between steps must not cut the gradients below the quantized layers (a defect of bitsandbytes on CPUs)."""
    folder = make_run("0001-qlora", method="qlora", eval_every=1)
    config = json.loads((folder / "run.json").read_text())
    config["plan"]["quantization"] = "nf4"
    (folder / "run.json").write_text(json.dumps(config))
    assert train(folder)
    evaluations = [event["held_out_loss"] for event in told(folder, "evaluation")]
    assert len(evaluations) == 7 and evaluations[-1] < evaluations[0] - 0.05
    norms = [float(tensor.abs().max()) for name, tensor in adapter(folder).items() if "lora_B" in name]
    assert min(norms) > 0, "a layer's adapter never got a gradient"
