"""Model folders from strangers: what is refused before anything is loaded, and with which words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline.errors import ModelError
from pipeline.models.folders import check_folder, tensor_shapes
from pipeline.models.specs import spec_for


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "llava")


def test_a_folder_in_llava_layout_is_a_spec_with_its_true_sizes(folder: Path) -> None:
    spec = spec_for(str(folder))
    assert (spec.source, spec.hidden, spec.layers, spec.image_tokens) == (str(folder), 32, 3, 9)
    assert 0 < spec.kept_b < spec.parameters_b < 0.001


def test_program_files_are_refused_by_name(folder: Path) -> None:
    (folder / "modeling_x.py").write_text("print('run me')")
    with pytest.raises(ModelError, match=r"modeling_x\.py"):
        check_folder(folder)


def test_pickles_instead_of_safetensors_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickles"):
        check_folder(folder)


def test_another_architecture_is_refused_by_its_name(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["BertModel"]}))
    with pytest.raises(ModelError, match="BertModel, not LlavaForConditionalGeneration"):
        check_folder(folder)


def test_a_config_that_asks_for_program_code_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "x.Y"}}))
    with pytest.raises(ModelError, match="auto_map"):
        check_folder(folder)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as refusal:
        check_folder(tmp_path)
    assert "no .safetensors" in refusal.value.message and "no config.json" in refusal.value.message


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_cut_off_weights_are_called_damaged(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match="damaged"):
        tensor_shapes(folder)


def test_a_missing_tensor_is_refused_with_its_name(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    from pipeline.devices import probe
    from pipeline.models.loading import load
    from pipeline.models.planning import Wish, plan

    tensors = load_file(folder / "model.safetensors")
    lost = next(name for name in tensors if "linear_2.weight" in name)
    del tensors[lost]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    spec = spec_for(str(folder))
    with pytest.raises(ModelError, match="1 tensors missing.*linear_2.weight"):
        load(spec, plan(spec, probe(), Wish(precision="fp32", quantization="none", device="cpu")))
