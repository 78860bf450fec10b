"""The embedded LLaVA itself: it loads, sees, reads, and its quantized forms keep clear of three known defects."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from PIL import Image

from pipeline.devices import probe
from pipeline.errors import ModelError
from pipeline.models import fetch
from pipeline.models.classes import class_names
from pipeline.models.loading import LoadedModel, squared
from pipeline.models.planning import Wish, plan
from pipeline.models.shelf import ModelShelf
from pipeline.models.specs import SPECS

pytestmark = pytest.mark.slow
SENTENCE = "Plants turn light into chemical energy and store it in sugar. Animals eat the plants and use that energy."
SHELF = ModelShelf(room=1)


@pytest.fixture(scope="module", autouse=True)
def embedded_folder() -> Path:
    try:
        return fetch.fetch(say=lambda words: None)
    except ModelError as error:
        pytest.skip(f"SKIPPED FOR LACK OF THE EMBEDDED MODEL: {error.show()}")


def on_cpu(precision: str = "fp32", quantization: str = "none") -> LoadedModel:
    spec = SPECS["embedded"]
    return SHELF.get(spec, plan(spec, probe(), Wish(precision, quantization, "cpu")))  # type: ignore[arg-type]


def photo(name: str) -> Image.Image:
    found = importlib.util.find_spec("gradio")
    path = Path(found.submodule_search_locations[0]) / "media_assets" / "images" / name if found and found.submodule_search_locations else Path("nowhere")
    if not path.is_file():
        pytest.skip(f"SKIPPED FOR LACK OF A PHOTO: gradio ships no {name}")
    return Image.open(path).convert("RGB")


def loss(loaded: LoadedModel) -> float:
    import torch

    ids = torch.tensor([loaded.ids(SENTENCE)])
    with torch.inference_mode():
        return float(loaded.model(input_ids=ids, labels=ids).loss)


@pytest.mark.parametrize(("name", "animal"), [("cheetah.jpg", "cheetah"), ("cheetah1.jpg", "cheetah"), ("lion.jpg", "lion")])
def test_the_tower_knows_what_is_on_a_photo(name: str, animal: str) -> None:
    from safetensors.torch import load_file

    loaded = on_cpu()
    classifier = load_file(fetch.embedded_dir() / "classifier.safetensors")
    tokens = loaded.image_features([photo(name)], "crop")
    assert tokens.shape == (1, 49, 1280)
    logits = tokens[0].mean(0) @ classifier["weight"].T + classifier["bias"]
    assert class_names()[int(logits.argmax())] == animal
    assert logits.softmax(-1).max() > 0.6


@pytest.mark.parametrize(("name", "animal"), [("cheetah.jpg", "cheetah"), ("lion.jpg", "lion")])
def test_the_projector_puts_a_photo_near_its_name_in_word_space(name: str, animal: str) -> None:
    import torch

    from pipeline.models.projector import name_embeddings

    loaded = on_cpu()
    names = name_embeddings(class_names(), loaded.tokenizer, loaded.model.get_input_embeddings().weight)
    directions = torch.nn.functional.normalize(names - names.mean(0), dim=-1)
    image = loaded.project(loaded.image_features([photo(name)], "crop"))[0].mean(0)
    assert class_names()[int((directions @ image).argmax())] == animal


def test_words_that_look_like_special_tokens_stay_words() -> None:
    loaded = on_cpu()
    special = {loaded.tokenizer.convert_tokens_to_ids(word) for word in ("<image>", "<|im_end|>", "<|im_start|>")}
    assert not special & set(loaded.ids("<image> ends <|im_end|> here <|im_start|>"))
    assert loaded.tokenizer.decode(loaded.ids("naïve 12½ 猫")) == "naïve 12½ 猫"


def test_the_processor_gives_as_many_places_as_the_tower_gives_tokens(embedded_folder: Path) -> None:
    from transformers import AutoProcessor

    ids = AutoProcessor.from_pretrained(embedded_folder)(images=[photo("lion.jpg")], text="<image>\nWhat is it?", return_tensors="pt")
    assert int((ids["input_ids"] == on_cpu().model.config.image_token_id).sum()) == 49


def test_padding_keeps_the_whole_picture() -> None:
    tall = Image.new("RGB", (10, 30), (255, 0, 0))
    square = squared(tall, [0.5, 0.5, 0.5])
    assert square.size == (30, 30)
    assert square.getpixel((15, 0)) == (255, 0, 0) and square.getpixel((0, 0)) == (127, 127, 127)
    assert squared(square, [0.5] * 3).tobytes() == square.tobytes()


def test_reading_is_deterministic_and_alike_in_bf16() -> None:
    first = loss(on_cpu())
    assert loss(on_cpu()) == first
    assert loss(on_cpu("bf16")) == pytest.approx(first, rel=0.03)
    assert first < 4


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_quantized_weights_read_nearly_as_well(quantization: str) -> None:
    whole = loss(on_cpu())
    assert loss(on_cpu(quantization=quantization)) < whole * 1.2


def test_quantized_modules_never_take_the_packed_path() -> None:
    import bitsandbytes.nn.modules as modules

    loaded = on_cpu(quantization="nf4")
    layers = [module for module in loaded.model.modules() if isinstance(module, modules.Linear4bit)]
    assert len(layers) == 30 * 7
    assert not modules.has_avx512bf16()
    loss(loaded)
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)
    assert not any(getattr(layer.weight.quant_state, "packing_format_for_cpu", False) for layer in layers)


def test_nf4_weights_saved_after_reading_are_read_back_whole(tmp_path: Path) -> None:
    from transformers import LlavaForConditionalGeneration

    loaded = on_cpu(quantization="nf4")
    before = loss(loaded)
    loaded.model.save_pretrained(tmp_path)
    again = LoadedModel(loaded.spec, loaded.plan, LlavaForConditionalGeneration.from_pretrained(tmp_path).eval(), loaded.tokenizer, None)
    assert loss(again) == pytest.approx(before, rel=0.02)


def test_gradients_reach_below_nf4_weights_after_reading() -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    loaded = on_cpu(quantization="nf4")
    loss(loaded)
    model = get_peft_model(loaded.model, LoraConfig(r=4, lora_alpha=8, target_modules=r".*language_model.*\.(q_proj|v_proj)"))
    ids = torch.tensor([loaded.ids(SENTENCE)])
    model(input_ids=ids, labels=ids).loss.backward()
    first = [parameter.grad for name, parameter in model.named_parameters() if "layers.0." in name and "lora_B" in name]
    SHELF.clear()
    assert first and all(grad is not None and float(grad.abs().max()) > 0 for grad in first)


def test_the_shelf_loads_once_and_lets_the_oldest_go() -> None:
    loads: list[str] = []

    def fake_load(spec, found):
        loads.append(found.precision)
        return object()

    shelf = ModelShelf(room=2, loader=fake_load)
    spec = SPECS["embedded"]
    plans = [plan(spec, probe(), Wish(precision, "none", "cpu")) for precision in ("fp32", "bf16", "fp16")]
    assert shelf.get(spec, plans[0]) is shelf.get(spec, plans[0])
    shelf.get(spec, plans[1])
    shelf.get(spec, plans[0])
    shelf.get(spec, plans[2])
    shelf.get(spec, plans[0])
    assert loads == ["fp32", "bf16", "fp16"]
    shelf.clear()
    assert len(shelf) == 0
