"""The authors' reward adapters: the same scores as merged weights give in the plainest way, or a refusal that names what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.pipeline.plain_reward import PlainReward, plain_reward, read
from tests.pipeline.tiny_llava import make_adapter, make_tiny_llava, write_json, write_weights

from pipeline.devices import probe
from pipeline.errors import ModelError, SettingError
from pipeline.models import adapters
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import spec_for
from pipeline.scoring.contract import answer_text, question_text
from pipeline.scoring.engine import Engine, Request, score_one_by_one
from pipeline.scoring.forward import FINAL, Feature
from pipeline.scoring.scorers import Scorer, load_scorer

QUESTIONS = ["<image>\nWhat is the dog doing?", "Why is it wet? "]
ANSWERS = (("What is there?\n<image>", "Two dogs, one of them wet."), ("Is it late?", " No. "))


def picture(name: str) -> Image.Image:
    """Not square, so that padding and cropping differ; "1" is wide, "2" is high."""
    shape = (50, 77, 3) if name == "1" else (90, 61, 3)
    return Image.fromarray(np.random.default_rng(int(name)).integers(0, 255, shape, dtype=np.uint8))


def loaded_as(folder: Path, quantization: str = "none") -> LoadedModel:
    spec = spec_for(str(folder))
    return load(spec, plan(spec, probe(), Wish(precision="fp32", quantization=quantization, device="cpu")))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny (the base), question (safetensors, bf16), answer (bin, fp32)."""
    folder = tmp_path_factory.mktemp("adapters")
    make_tiny_llava(folder / "tiny")
    make_adapter(folder / "question", seed=1)
    make_adapter(folder / "answer", seed=2, ending="bin", dtype="float32", rank=8, alpha=16, head="base_model.model.score.modules_to_save.weight")
    return folder


@pytest.fixture(scope="module")
def loaded(home: Path) -> LoadedModel:
    return loaded_as(home / "tiny")


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    """A copy of an adapter folder to break."""
    return shutil.copytree(home / "question", tmp_path / "broken")


def plain(home: Path, name: str) -> PlainReward:
    """The reference for one adapter, from the tiny base's tensors under their original names."""
    told = json.loads((home / "tiny" / "config.json").read_text())
    base = {}
    for key, tensor in read(home / "tiny" / "model.safetensors").items():
        base[key.removeprefix("language_model.").replace("vision_tower.", "vision_model.")] = tensor
    alphabet = [chr(byte) if 33 <= byte <= 126 else None for byte in range(256)]
    spare = iter(range(256, 400))
    for byte in range(256):  # the byte alphabet of GPT-2: printable bytes as they are, the others moved up
        if alphabet[byte] is None:
            alphabet[byte] = chr(byte) if 161 <= byte <= 172 or 174 <= byte <= 255 else chr(next(spare))
    number = {letter: 4 + place for place, letter in enumerate(sorted(alphabet))}  # type: ignore[type-var]
    return plain_reward(base, home / name, told["text_config"], told["vision_config"], lambda text: [number[alphabet[byte]] for byte in text.encode()])


def scorers(home: Path, preparation: str) -> list[Scorer]:
    return [load_scorer(str(home / kind), kind, base=str(home / "tiny"), image_preparation=preparation) for kind in ("question", "answer")]  # type: ignore[arg-type]


@pytest.mark.parametrize("preparation", ["pad", "crop"])
def test_scores_equal_those_of_merged_weights_in_the_plainest_way(home: Path, loaded: LoadedModel, preparation: str) -> None:
    first, second = plain(home, "question"), plain(home, "answer")
    requests, expected = [], []
    for image in ("1", None, "2"):
        shown = None if image is None else picture(image)
        requests.append(Request("question", image, question_text(QUESTIONS)))
        expected.append(first.question(shown, QUESTIONS, preparation))
        for question, answer in ANSWERS:
            requests.append(Request("answer", image, answer_text(question, answer)))
            expected.append(second.answer(shown, question, answer, preparation))
    found = [outcome.value for outcome in Engine(loaded, scorers(home, preparation), picture).score(requests)]
    assert found == pytest.approx(expected, abs=1e-5)
    assert len({round(value, 3) for value in expected}) == len(expected)


def test_a_text_beyond_2048_positions_is_cut_where_the_authors_cut_it(home: Path, loaded: LoadedModel) -> None:
    long = "why " * 700
    cut, whole = plain(home, "answer"), Request("answer", "1", answer_text("What?", long))
    found = Engine(loaded, scorers(home, "pad"), picture).score([whole])[0].value
    assert found == pytest.approx(cut.answer(picture("1"), "What?", long, "pad"), abs=1e-5)
    assert found == pytest.approx(cut.answer(picture("1"), "What?", long + " or else", "pad"), abs=1e-5)


def test_pad_and_crop_show_the_model_different_pictures(home: Path) -> None:
    model = plain(home, "question")
    assert abs(model.question(picture("1"), QUESTIONS, "pad") - model.question(picture("1"), QUESTIONS, "crop")) > 1e-3


def states(loaded: LoadedModel) -> tuple[Any, Any]:
    """What the model makes of a fixed input: hidden states and projected visual tokens."""
    import torch

    given = torch.linspace(-1, 1, 6 * 32).reshape(1, 6, 32)
    with torch.inference_mode():
        return loaded.language_model(inputs_embeds=given, use_cache=False).last_hidden_state, loaded.project(torch.linspace(0, 1, 32).reshape(2, 16))


def same(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    import torch

    return all(torch.equal(left, right) for left, right in zip(one, other))


def test_the_bare_base_is_bit_for_bit_what_it_was(home: Path) -> None:
    loaded = loaded_as(home / "tiny")
    before, modules = states(loaded), list(loaded.model.modules())
    read_in = [adapters.read_adapter(home / name) for name in ("question", "answer")]
    for spec in read_in:
        adapters.attach(loaded, spec)
        with adapters.using(loaded, spec):
            assert not same(states(loaded), before)
    assert same(states(loaded), before) and list(loaded.model.modules()) == modules


def test_switching_puts_back_what_was_on_even_after_an_error(home: Path, loaded: LoadedModel) -> None:
    question, answer = (adapters.read_adapter(home / name) for name in ("question", "answer"))
    for spec in (question, answer, question):
        adapters.attach(loaded, spec)
    assert len(loaded.attached.adapters) == 2
    bare = states(loaded)
    with adapters.using(loaded, question):
        first = states(loaded)
        with pytest.raises(ZeroDivisionError), adapters.using(loaded, answer):
            assert not same(states(loaded), first)
            raise ZeroDivisionError
        with adapters.using(loaded, None):
            assert same(states(loaded), bare)
        assert same(states(loaded), first)
    assert same(states(loaded), bare)


def test_an_adapter_that_was_not_attached_is_not_used_silently(home: Path) -> None:
    with pytest.raises(ModelError, match="not attached"), adapters.using(loaded_as(home / "tiny"), adapters.read_adapter(home / "question")):
        pass


def test_a_fine_tuned_adapter_comes_and_goes_without_harm_to_it(home: Path) -> None:
    from peft import LoraConfig, get_peft_model

    loaded, question, other = loaded_as(home / "tiny"), adapters.read_adapter(home / "question"), adapters.read_adapter(home / "answer")
    adapters.attach(loaded, question)
    bare = states(loaded)
    with adapters.using(loaded, question):
        expected = states(loaded)
    tuned = get_peft_model(loaded.model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    assert not same(states(loaded), bare) and not same(states(loaded), expected)
    with pytest.raises(ModelError, match="carries another adapter"):
        adapters.attach(loaded, other)
    tuned.unload()
    assert same(states(loaded), bare)
    with adapters.using(loaded, question):
        assert same(states(loaded), expected)


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_on_a_quantized_base_the_adapter_adds_exactly_its_low_rank_product(home: Path, quantization: str) -> None:
    loaded, spec = loaded_as(home / "tiny", quantization), adapters.read_adapter(home / "answer")
    before = states(loaded)
    adapters.attach(loaded, spec)
    with adapters.using(loaded, spec):
        found = states(loaded)[0]
    assert same(states(loaded), before)
    assert all(not getattr(module, "support_avx512bf16_for_cpu", False) for module in loaded.model.modules())
    lora = read(home / "answer" / "adapter_model.bin")
    hooks = []
    for path, module in loaded.language_model.named_modules():
        a, b = (lora.get(f"base_model.model.model.{path}.lora_{side}.weight") for side in "AB")
        if a is not None:
            hooks.append(module.register_forward_hook(lambda _, given, out, a=a, b=b: out + 2.0 * given[0] @ a.T @ b.T))
    assert len(hooks) == 21
    assert (states(loaded)[0] - found).abs().max() < 1e-5


def test_one_text_scored_the_plain_way_wears_its_adapter_too(home: Path, loaded: LoadedModel) -> None:
    scorer = scorers(home, "pad")[0]
    expected = plain(home, "question").question(picture("2"), QUESTIONS, "pad")
    assert score_one_by_one(loaded, scorer, picture("2"), question_text(QUESTIONS)) == pytest.approx(expected, abs=1e-5)


def test_a_folder_of_the_authors_is_a_scorer(home: Path) -> None:
    scorer = load_scorer(str(home / "question"), "question", base=str(home / "tiny"))
    spec = adapters.read_adapter(home / "question")
    assert (scorer.name, scorer.features, scorer.span, scorer.bias, scorer.image_preparation) == ("question", (Feature(FINAL, "last"),), "text", 0.0, "pad")
    assert scorer.revision == spec.revision and scorer.adapter == spec and len(spec.revision) == 64
    head = read(home / "question" / "adapter_model.safetensors")["base_model.model.score.weight"].float().numpy()
    assert scorer.weights.dtype == np.float32 and np.array_equal(scorer.weights, head)


def test_an_adapter_needs_to_be_told_its_kind(home: Path) -> None:
    with pytest.raises(SettingError, match="questions or answers"):
        load_scorer(str(home / "question"), base=str(home / "tiny"))


def test_an_unknown_image_preparation_is_refused(home: Path) -> None:
    with pytest.raises(SettingError, match="'stretch'"):
        load_scorer(str(home / "question"), "question", base=str(home / "tiny"), image_preparation="stretch")


def test_an_image_preparation_may_be_chosen_for_every_scorer_and_is_part_of_its_key(home: Path) -> None:
    padded, cropped = (load_scorer("embedded-question", image_preparation=wish) for wish in ("pad", "crop"))
    found = plan(spec_for(str(home / "tiny")), probe(), Wish(device="cpu"))
    assert padded.key(found).digest != cropped.key(found).digest


@pytest.mark.parametrize("told, base", [("liuhaotian/llava-v1.5-7b", "llava-1.5-7b"), ("/data/checkpoints/llava-v1.5-13b/", "llava-1.5-13b"),
                                        ("llava-hf/llava-1.5-7b-hf", "llava-1.5-7b")])
def test_the_base_is_told_by_the_name_it_was_published_under(told: str, base: str) -> None:
    from pipeline.models.specs import published

    assert published(told) == base


def test_a_base_nobody_knows_by_that_name_is_refused_with_the_way_out(home: Path, folder: Path) -> None:
    told = json.loads((folder / "adapter_config.json").read_text())
    write_json(folder / "adapter_config.json", {**told, "base_model_name_or_path": "/somewhere/my-model"})
    with pytest.raises(SettingError, match="my-model") as refusal:
        load_scorer(str(folder), "question")
    assert "llava-1.5-7b" in refusal.value.hint


def test_a_base_of_other_sizes_is_refused_before_anything_is_loaded(home: Path) -> None:
    with pytest.raises(SettingError, match="3 layers of width 32, LLaVA-1.5 7B has 32 of 4096"):
        load_scorer(str(home / "question"), "question")


def test_another_number_of_layers_is_refused_with_both_numbers_and_changes_nothing(home: Path, tmp_path: Path) -> None:
    loaded = loaded_as(make_tiny_llava(tmp_path / "two", layers=2))
    before = states(loaded)
    with pytest.raises(ModelError, match="3 layers, the base 2"):
        adapters.attach(loaded, adapters.read_adapter(home / "question"))
    assert same(states(loaded), before) and not loaded.attached.adapters


def test_another_width_is_refused_with_both_numbers(home: Path, loaded: LoadedModel, folder: Path) -> None:
    change(folder, {f"layers.{layer}.mlp.up_proj.lora_B": lambda tensor: tensor[:60].clone() for layer in range(3)})
    before = states(loaded)
    with pytest.raises(ModelError, match=r"layers.0.mlp.up_proj goes from 32 to 60, the base's from 32 to 64"):
        adapters.attach(loaded, adapters.read_adapter(folder))
    assert same(states(loaded), before)


def test_weights_that_are_no_numbers_are_refused(loaded: LoadedModel, folder: Path) -> None:
    change(folder, {"layers.1.mlp.up_proj.lora_A": lambda tensor: tensor * float("nan")})
    with pytest.raises(ModelError, match="1 of its 46 tensors hold numbers that are not finite"):
        adapters.attach(loaded, adapters.read_adapter(folder))


def change(folder: Path, changes: dict[str, Any], file: str = "adapter_model.safetensors") -> None:
    """Rewrite tensors whose name holds a key of `changes`; None takes one away."""
    tensors = {}
    for name, tensor in read(folder / file).items():
        edit = next((edit for part, edit in changes.items() if part in name), lambda tensor: tensor)
        if edit is not None:
            tensors[name] = edit(tensor)
    write_weights(folder / file, tensors)


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        adapters.read_adapter(folder)
    assert refused.value.hint
    return refused.value.message


@pytest.mark.parametrize("name, words", [("adapter_config.json", "no adapter_config.json"), ("adapter_model.safetensors", "no adapter_model.safetensors or adapter_model.bin"),
                                         ("non_lora_trainables.bin", "without it every score would be another")])
def test_a_missing_file_is_named(folder: Path, name: str, words: str) -> None:
    (folder / name).unlink()
    assert words in refusal(folder)


def test_all_problems_are_named_at_once(folder: Path) -> None:
    for name in ("adapter_config.json", "non_lora_trainables.bin"):
        (folder / name).unlink()
    change(folder, {"score": None, "layers.1.self_attn.q_proj.lora_B": None})
    (folder / "modeling.py").write_text("")
    message = refusal(folder)
    for words in ("no adapter_config.json", "no non_lora_trainables", "no score head", "1 of 42 LoRA tensors are missing (layers.1.self_attn.q_proj.lora_B)", "modeling.py"):
        assert words in message


@pytest.mark.parametrize("part, words", [
    ("score", "no score head"),
    ("layers.2.mlp.down_proj.lora_A", "1 of 42 LoRA tensors are missing (layers.2.mlp.down_proj.lora_A)"),
    ("layers.1.", "14 of 42 LoRA tensors are missing (layers.1.self_attn.q_proj.lora_A, layers.1.self_attn.q_proj.lora_B, layers.1.self_attn.k_proj.lora_A)"),
    ("up_proj", "6 of 42 LoRA tensors are missing (layers.0.mlp.up_proj.lora_A"),
    ("lora_", "no LoRA tensors")])
def test_missing_tensors_are_counted_and_the_first_are_named(folder: Path, part: str, words: str) -> None:
    change(folder, {part: None})
    assert words in refusal(folder)


@pytest.mark.parametrize("part", ["mm_projector.0.weight", "mm_projector.2.bias"])
def test_a_projector_with_a_part_missing_is_refused(folder: Path, part: str) -> None:
    change(folder, {part: None}, "non_lora_trainables.bin")
    assert f"its projector is incomplete: {part} missing" in refusal(folder)


@pytest.mark.parametrize("part, edit, words", [
    ("layers.1.self_attn.v_proj.lora_A", lambda tensor: tensor[:3].clone(), "layers.1.self_attn.v_proj.lora_A (3, 32)"),
    ("layers.2.mlp.gate_proj.lora_A", lambda tensor: tensor[:, :31].clone(), "layers.2.mlp.gate_proj.lora_A (4, 31)"),
    ("self_attn.o_proj.lora_B", lambda tensor: tensor[:30].clone(), "3 LoRA tensors don't have the shape of rank 4 and width 32"),
    ("score", lambda tensor: tensor.repeat(2, 1), "score head must be one row")])
def test_a_wrong_shape_is_named(folder: Path, part: str, edit: Any, words: str) -> None:
    change(folder, {part: edit})
    assert words in refusal(folder)


def test_a_projector_into_another_width_is_refused(folder: Path) -> None:
    change(folder, {"mm_projector.2": lambda tensor: tensor[:24].clone()}, "non_lora_trainables.bin")
    assert "its projector ends at width (24,), its score head is for 32" in refusal(folder)


@pytest.mark.parametrize("setting", [{"use_dora": True}, {"use_rslora": True}, {"rank_pattern": {"q_proj": 8}}, {"bias": "all"}, {"peft_type": "IA3"}, {"r": 0},
                                     {"lora_alpha": "big"}])
def test_a_setting_that_is_not_plain_lora_is_refused_by_its_name(folder: Path, setting: dict[str, Any]) -> None:
    told = json.loads((folder / "adapter_config.json").read_text())
    write_json(folder / "adapter_config.json", {**told, **setting})
    assert next(iter(setting)) in refusal(folder)


def test_tensors_nobody_understands_are_refused_rather_than_left_out(folder: Path) -> None:
    tensors = read(folder / "adapter_model.safetensors")
    some = tensors["base_model.model.score.weight"]
    write_weights(folder / "adapter_model.safetensors", {**tensors, "base_model.model.model.embed_tokens.weight": some.clone()})
    assert "1 tensors are not understood (base_model.model.model.embed_tokens.weight)" in refusal(folder)


@pytest.mark.parametrize("name", ["base_model.model.score.modules_to_save.default.weight", "score.weight"])
def test_each_known_name_of_the_head_is_found(folder: Path, name: str) -> None:
    tensors = read(folder / "adapter_model.safetensors")
    tensors[name] = tensors.pop("base_model.model.score.weight")
    write_weights(folder / "adapter_model.safetensors", tensors)
    assert np.array_equal(adapters.head(adapters.read_adapter(folder)), tensors[name].float().numpy())


def test_a_projector_saved_without_prefix_is_the_same_projector(loaded: LoadedModel, folder: Path) -> None:
    import torch

    trained = read(folder / "non_lora_trainables.bin")
    (folder / "non_lora_trainables.bin").unlink()
    write_weights(folder / "non_lora_trainables.safetensors", {name.removeprefix("base_model.model.model."): tensor for name, tensor in trained.items()})
    spec = adapters.read_adapter(folder)
    adapters.attach(loaded, spec)
    with adapters.using(loaded, spec):
        assert torch.equal(loaded.projector.linear_2.weight, trained["base_model.model.model.mm_projector.2.weight"].float())


def test_the_revision_follows_weights_and_scale_but_not_the_folder(home: Path, folder: Path) -> None:
    original = adapters.read_adapter(home / "question").revision
    assert adapters.read_adapter(folder).revision == original
    told = json.loads((folder / "adapter_config.json").read_text())
    write_json(folder / "adapter_config.json", {**told, "lora_alpha": 16})
    other = adapters.read_adapter(folder).revision
    change(folder, {"layers.0.self_attn.q_proj.lora_A": lambda tensor: tensor * 2})
    assert len({original, other, adapters.read_adapter(folder).revision}) == 3


def test_a_pickle_that_asks_for_a_program_is_refused_unrun(folder: Path, tmp_path: Path) -> None:
    import torch

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"base_model.model.model.mm_projector.0.weight": Trap()}, folder / "non_lora_trainables.bin")
    assert "asks for" in refusal(folder) and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "non_lora_trainables.bin"])
def test_a_cut_off_file_is_called_damaged(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:300])
    assert "damaged" in refusal(folder)
