"""A base in LLaVA-1.5's first layout: converted once, number for number, or refused with all that is wrong; and its tokenizer's ids."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.pipeline.plain_reward import plain_reward, read
from tests.pipeline.tiny_llava import make_adapter, make_original_base, make_pieces, make_tiny_llava, write_json, write_weights

from pipeline.devices import probe
from pipeline.errors import ModelError
from pipeline.models import convert, original
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Wish, plan
from pipeline.models.sentencepieces import llama_tokenizer
from pipeline.models.specs import spec_for
from pipeline.scoring.contract import answer_text, question_text
from pipeline.scoring.engine import Engine, Request
from pipeline.scoring.scorers import load_scorer

TEXTS = ("\nQuestion: What is there?\nAnswer: two cats", "\n the dog", "\n\nA  b   ß\t 3.5", "\nsay </s> <image> 漢字 🙂", "\n▁x", "the dog", "\n")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty model cache for each test."""
    monkeypatch.setenv("ALIGN2_MODELS", str(tmp_path / "cache"))
    return tmp_path / "cache" / "original"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pieces.model, tiny (transformers' layout), base (the same weights in the first layout, .bin) and its tower."""
    folder = tmp_path_factory.mktemp("original")
    pieces = make_pieces(folder / "pieces.model")
    make_tiny_llava(folder / "tiny", pieces=pieces)
    make_original_base(folder / "base", folder / "tiny", pieces)
    return folder


@pytest.fixture
def base(home: Path, tmp_path: Path) -> Path:
    """A copy of the base and its tower to break."""
    shutil.copytree(home / "tower", tmp_path / "tower")
    shutil.copytree(home / "base", tmp_path / "base")
    told = json.loads((tmp_path / "base" / "config.json").read_text())
    write_json(tmp_path / "base" / "config.json", {**told, "mm_vision_tower": "openai/tower"})  # by its name, beside the base
    return tmp_path / "base"


def loaded_from(folder: Path) -> LoadedModel:
    spec = spec_for(str(folder))
    return load(spec, plan(spec, probe(), Wish(precision="fp32", quantization="none", device="cpu")))


def picture(name: str) -> Image.Image:
    return Image.fromarray(np.random.default_rng(int(name)).integers(0, 255, (50, 77, 3), dtype=np.uint8))


@pytest.mark.parametrize("settings", [{}, {"ending": "safetensors"}, {"tower_inside": True}], ids=["bin", "safetensors", "tower inside"])
def test_every_number_is_the_one_in_the_files(home: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    import torch

    made = loaded_from(make_original_base(tmp_path / "base", home / "tiny", home / "pieces.model", **settings)).model.state_dict()
    expected = loaded_from(home / "tiny").model.state_dict()
    assert set(made) == set(expected)
    for name, tensor in expected.items():
        rows = 380 if "embed_tokens" in name or "lm_head" in name else None
        assert torch.equal(made[name][:rows], tensor[:rows]), name


def test_what_is_not_in_the_weights_comes_from_the_config(home: Path) -> None:
    loaded = loaded_from(home / "base")
    config = loaded.model.config
    assert (config.vision_feature_layer, config.vision_feature_select_strategy, config.image_seq_length, config.projector_hidden_act) == (-2, "default", 9, "gelu")
    assert config.text_config.num_key_value_heads == 2 and config.text_config.rope_parameters["rope_theta"] == 10000.0
    assert loaded.image_processor.crop_size["height"] == 42 and loaded.start_ids == [1]


def test_the_image_token_is_added_behind_the_vocabulary_and_never_written(home: Path) -> None:
    loaded = loaded_from(home / "base")
    rows = loaded.model.get_input_embeddings().weight
    assert loaded.tokenizer.convert_tokens_to_ids("<image>") == loaded.model.config.image_token_id == 380
    assert len(rows) == 384 and np.allclose(rows[380:].numpy(), rows[:380].mean(0).numpy(), atol=1e-6)
    assert loaded.model.generation_config.suppress_tokens == [380, 381, 382, 383]


@pytest.mark.parametrize("preparation", ["pad", "crop"])
def test_an_adapter_on_it_scores_as_the_plainest_way_does_with_the_slow_tokenizer(home: Path, tmp_path: Path, preparation: str) -> None:
    import sentencepiece

    adapter = make_adapter(tmp_path / "answer", seed=5, ending="bin")
    tensors = {name: tensor for path in [*(home / "base").glob("*.bin"), *(home / "tower").glob("*.bin")] for name, tensor in read(path).items()}
    told = json.loads((home / "base" / "config.json").read_text())
    vision = json.loads((home / "tower" / "config.json").read_text())["vision_config"]
    slow = sentencepiece.SentencePieceProcessor(model_file=str(home / "pieces.model"))
    reference = plain_reward(tensors, adapter, told, vision, slow.encode)
    answers = load_scorer(str(adapter), "answer", base=str(home / "base"), image_preparation=preparation)
    questions = load_scorer(str(adapter), "question", base=str(home / "base"), image_preparation=preparation)
    long = "the lazy dog " * 900
    requests = [Request("question", "1", question_text(["What is there?", "Why?"])), Request("answer", None, answer_text("What is there?", "Two cats.")),
                Request("answer", "1", answer_text("What is there?", long))]
    expected = [reference.question(picture("1"), ["What is there?", "Why?"], preparation), reference.answer(None, "What is there?", "Two cats.", preparation),
                reference.answer(picture("1"), "What is there?", long, preparation)]
    found = [outcome.value for outcome in Engine(loaded_from(home / "base"), [questions, answers], picture).score(requests)]
    assert found == pytest.approx(expected, abs=1e-5)


def test_its_sizes_are_known_before_it_is_converted(home: Path, cache: Path) -> None:
    spec, true = spec_for(str(home / "base")), spec_for(str(home / "tiny"))
    assert (spec.hidden, spec.layers, spec.image_tokens, spec.context) == (true.hidden, true.layers, true.image_tokens, true.context)
    assert spec.parameters_b == pytest.approx(true.parameters_b, rel=0.03) and spec.kept_b == pytest.approx(true.kept_b, rel=0.05)
    assert not cache.exists()


def test_it_is_converted_once_and_again_when_a_weight_changes(base: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = original.converted(base)
    monkeypatch.setattr(convert, "convert", lambda *_: pytest.fail("converted again"))
    assert original.converted(base) == first
    monkeypatch.undo()
    monkeypatch.setenv("ALIGN2_MODELS", str(cache.parent))
    path = base / "pytorch_model-00002-of-00002.bin"
    tensors = read(path)
    tensors["model.norm.weight"] = tensors["model.norm.weight"] + 1
    write_weights(path, tensors)
    second = original.converted(base)
    assert second != first and first.is_dir()
    assert not np.array_equal(*(loaded_from(folder).language_model.norm.weight.numpy() for folder in (first, second)))


def test_a_moved_folder_is_the_same_content(base: Path) -> None:
    first = original.converted(base)
    moved = base.parent / "moved"
    base.rename(moved)
    assert original.converted(moved) == first


def test_a_killed_conversion_is_never_taken_for_done(base: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    class Killed(BaseException):
        """Not an error anybody catches."""

    def die_at_the_second(tensors: Any, path: Path, **_: Any) -> None:
        written.append(path)
        if len(written) == 2:
            raise Killed
        path.write_bytes(b"half")

    monkeypatch.setattr(convert, "save_file", die_at_the_second)
    monkeypatch.setattr(original.tempfile, "TemporaryDirectory", lambda **told: nullcontext(tempfile.mkdtemp(**told)))  # a killed process tidies nothing up
    with pytest.raises(Killed):
        original.converted(base)
    left = list(cache.glob(".llava-*-*"))
    assert len(left) == 1 and not list(cache.glob("llava-*"))
    monkeypatch.undo()
    monkeypatch.setenv("ALIGN2_MODELS", str(cache.parent))
    assert (original.converted(base) / original.MANIFEST).is_file() and not left[0].exists()


def test_a_conversion_that_lost_a_file_is_made_anew(base: Path) -> None:
    made = original.converted(base)
    next(made.glob("model-*.safetensors")).unlink()
    assert original.converted(base) == made and len(list(made.glob("model-*.safetensors"))) == 3


def test_large_files_pass_in_pieces(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "PIECE_BYTES", 20_000)
    made = original.converted(base)
    assert len(list(made.glob("model-*.safetensors"))) > 10
    assert loaded_from(made).language_model.norm.weight.shape == (32,)


def refusal(folder: Path, *, converting: bool = False) -> str:
    with pytest.raises(ModelError) as refused:
        (original.converted if converting else lambda path: spec_for(str(path)))(folder)
    assert refused.value.hint
    return refused.value.message


@pytest.mark.parametrize("changed, words", [
    ({"mm_projector_type": "linear"}, "its mm_projector_type is 'linear', known is mlp2x_gelu"),
    ({"mm_patch_merge_type": "spatial_unpad"}, "mm_patch_merge_type"),
    ({"mm_use_im_start_end": True}, "mm_use_im_start_end"),
    ({"mm_vision_select_layer": None}, "mm_vision_select_layer"),
    ({"image_aspect_ratio": "anyres"}, "anyres"),
    ({"mm_vision_tower": ""}, "names no vision tower"),
    ({"mm_vision_tower": "/nowhere/clip"}, "its vision tower '/nowhere/clip' is no folder here and no hub id"),
    ({"auto_map": {"AutoModel": "x.Y"}}, "auto_map"),
    ({"hidden_size": "32"}, "hidden_size = '32'")])
def test_a_setting_that_can_not_be_met_is_refused_by_its_name(base: Path, changed: dict[str, Any], words: str) -> None:
    told = json.loads((base / "config.json").read_text())
    write_json(base / "config.json", {**told, **changed})
    assert words in refusal(base)


def test_program_files_are_refused_in_base_and_tower(base: Path) -> None:
    (base / "modeling.py").write_text("")
    (base.parent / "tower" / "clip.py").write_text("")
    message = refusal(base)
    assert "modeling.py" in message and "clip.py" in message


def test_all_problems_are_named_at_once(base: Path) -> None:
    for path in [*base.glob("*.bin"), base / "tokenizer.model", base.parent / "tower" / "preprocessor_config.json"]:
        path.unlink()
    message = refusal(base)
    for words in ("no pytorch_model*.bin", "no tokenizer.model", "no preprocessor_config.json"):
        assert words in message


def test_a_tower_of_another_kind_is_refused(base: Path) -> None:
    config = base.parent / "tower" / "config.json"
    write_json(config, {**json.loads(config.read_text()), "model_type": "siglip"})
    assert "of the type 'siglip', not clip" in refusal(base)


def test_a_tower_without_weights_is_refused_before_anything_is_written(base: Path, cache: Path) -> None:
    (base.parent / "tower" / "pytorch_model.bin").unlink()
    assert "its vision tower openai/tower is not here or lacks weights" in refusal(base, converting=True)
    assert not list(cache.glob("llava-*"))


def test_a_tower_that_is_neither_here_nor_on_the_hub_is_refused_with_the_way_out(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*_: Any, **__: Any) -> str:
        raise OSError("no network\nmore")

    shutil.rmtree(base.parent / "tower")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ModelError, match="openai/tower is not on this machine and can't be fetched: no network$") as refused:
        original.converted(base)
    assert "beside the base" in refused.value.hint


@pytest.mark.parametrize("name, edit, words", [
    ("model.layers.1.mlp.up_proj.weight", None, "1 of 89 tensors are missing (model.language_model.layers.1.mlp.up_proj.weight)"),
    ("model.mm_projector.2.bias", None, "model.multi_modal_projector.linear_2.bias"),
    ("model.norm.weight", lambda tensor: tensor[:30].clone(), "model.language_model.norm.weight (30,), should be (32,)")])
def test_a_missing_or_misshapen_tensor_is_refused_by_its_name(base: Path, name: str, edit: Any, words: str) -> None:
    path = base / "pytorch_model-00002-of-00002.bin"
    tensors = read(path)
    taken = tensors.pop(name)
    write_weights(path, tensors | ({} if edit is None else {name: edit(taken)}))
    assert words in refusal(base, converting=True)


def test_a_tensor_nobody_understands_is_refused_but_old_buffers_are_not(base: Path) -> None:
    import torch

    path = base / "pytorch_model-00002-of-00002.bin"
    tensors = read(path) | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    write_weights(path, tensors)
    assert original.converted(base).is_dir()
    write_weights(path, tensors | {"model.image_newline": torch.ones(32)})
    assert "1 tensors are not understood (model.image_newline)" in refusal(base, converting=True)


def test_added_tokens_keep_their_ids(base: Path, home: Path) -> None:
    path = base / "pytorch_model-00001-of-00002.bin"
    tensors = read(path)
    write_json(base / "added_tokens.json", {"<im_patch>": 380})
    assert original.converted(base)
    tokenizer = loaded_from(base).tokenizer
    assert tokenizer.convert_tokens_to_ids(["<im_patch>", "<image>"]) == [380, 381]
    write_json(base / "added_tokens.json", {"<im_patch>": 390})
    assert "'<im_patch>' should be id 390" in refusal(base, converting=True)
    assert len(tensors["model.embed_tokens.weight"]) == 380


def plain_ids(home: Path, text: str) -> list[int]:
    """What the slow tokenizer gives: sentencepiece itself."""
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_file=str(home / "pieces.model")).encode(text)


def with_tokenizer(tokenizer: Any) -> LoadedModel:
    return LoadedModel(spec_for("embedded"), None, None, tokenizer, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_the_slow_tokenizer(home: Path, text: str) -> None:
    assert with_tokenizer(llama_tokenizer(home / "pieces.model")).ids(text) == plain_ids(home, text)


@pytest.mark.parametrize("text", TEXTS)
def test_a_fast_tokenizer_saved_without_the_first_blank_gives_the_same_ids(home: Path, text: str) -> None:
    from tokenizers import pre_tokenizers

    tokenizer = llama_tokenizer(home / "pieces.model")
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never", split=False)
    assert tokenizer("\n", add_special_tokens=False).input_ids == [13]
    assert with_tokenizer(tokenizer).ids(text) == plain_ids(home, text)


def test_a_text_after_the_image_begins_with_a_blank_and_a_line_break(home: Path) -> None:
    tokenizer = llama_tokenizer(home / "pieces.model")
    assert tokenizer.convert_ids_to_tokens(with_tokenizer(tokenizer).ids(question_text(["What?"])))[:2] == ["▁", "<0x0A>"]


def test_a_tokenizer_that_would_be_read_differently_is_refused(tmp_path: Path) -> None:
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["a quick dog", "two dogs"] * 20), model_prefix=str(tmp_path / "other"), vocab_size=300,
                                             model_type="bpe", byte_fallback=True, add_dummy_prefix=False, minloglevel=2, hard_vocab_limit=False)
    with pytest.raises(ModelError, match="read differently"):
        llama_tokenizer(tmp_path / "other.model")
    (tmp_path / "broken.model").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="can't be read"):
        llama_tokenizer(tmp_path / "broken.model")
