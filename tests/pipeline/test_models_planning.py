"""Plans: what is chosen on which machine, what is refused, and what the refusal offers instead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.devices import Hardware, probe
from pipeline.errors import SettingError
from pipeline.models.planning import Wish, estimate_gib, plan
from pipeline.models.specs import SPECS, spec_for

GPU = Hardware("cuda", "a GPU", 16, 80.0, 78.0, True, "this GPU computes in bfloat16")
SMALL_GPU = replace(GPU, total_gib=12.0, free_gib=11.0)
CPU = Hardware("cpu", "a CPU", 2, 24.0, 20.0, False, "a matrix product in bf16 takes 3.4 × the time of fp32 here (timed)")
AMX = replace(CPU, bf16=True, note="a matrix product in bf16 takes 0.4 × the time of fp32 here (timed)")
EMBEDDED, SEVEN = SPECS["embedded"], SPECS["llava-1.5-7b"]


@pytest.mark.parametrize(("hardware", "precision"), [(GPU, "bf16"), (replace(GPU, bf16=False), "fp16"), (CPU, "fp32"), (AMX, "bf16")])
def test_auto_takes_the_quick_type_and_says_how_it_is_known(hardware: Hardware, precision: str) -> None:
    found = plan(EMBEDDED, hardware)
    assert (found.precision, found.quantization, found.device) == (precision, "none", hardware.device)
    assert hardware.note in found.reason


def test_auto_quantizes_no_more_than_memory_asks() -> None:
    assert plan(SEVEN, GPU).quantization == "none"
    assert plan(SEVEN, SMALL_GPU).quantization == "int8"
    assert plan(SEVEN, replace(GPU, free_gib=7.5)).quantization == "nf4"


def test_a_model_that_does_not_fit_is_refused_with_the_nearest_that_does() -> None:
    with pytest.raises(SettingError, match="needs about 1[4-9].*11.0 GiB are free") as refusal:
        plan(SEVEN, SMALL_GPU, Wish(precision="bf16", quantization="none"))
    assert "Nearest that fits: bf16, int8 weights" in refusal.value.hint


def test_adapters_beside_the_base_count_and_can_tip_the_plan() -> None:
    alone = plan(SEVEN, SMALL_GPU)
    assert plan(SEVEN, SMALL_GPU, beside_gib=1.2).gib == pytest.approx(alone.gib + 1.2, abs=0.02)
    assert (alone.quantization, plan(SEVEN, SMALL_GPU, beside_gib=SMALL_GPU.free_gib - alone.gib + 0.5).quantization) == ("int8", "nf4")
    with pytest.raises(SettingError, match="GiB are free"):
        plan(SEVEN, SMALL_GPU, Wish(quantization="nf4"), beside_gib=10)


def test_a_machine_too_small_for_everything_is_sent_to_the_embedded_model() -> None:
    with pytest.raises(SettingError) as refusal:
        plan(SEVEN, replace(CPU, free_gib=2.0))
    assert "embedded model" in refusal.value.hint


def test_a_gpu_that_is_not_there_is_refused_with_the_cpu_plan() -> None:
    with pytest.raises(SettingError, match="no GPU") as refusal:
        plan(EMBEDDED, CPU, Wish(device="cuda"))
    assert "CPU, fp32" in refusal.value.hint


def test_a_wish_is_met_as_asked() -> None:
    found = plan(EMBEDDED, CPU, Wish(precision="bf16", quantization="nf4"))
    assert (found.precision, found.quantization) == ("bf16", "nf4")
    assert "as asked" in found.reason


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(SettingError, match="'int4' is no quantization"):
        plan(EMBEDDED, CPU, Wish(quantization="int4"))  # type: ignore[arg-type]


def test_estimates_shrink_with_quantization() -> None:
    sizes = [estimate_gib(SEVEN, "cuda", "bf16", quantization) for quantization in ("none", "int8", "nf4")]
    assert sizes == sorted(sizes, reverse=True)
    assert 13 < sizes[0] < 17 and 4 < sizes[2] < 7


def test_a_hub_model_outside_the_table_is_sized_by_its_name() -> None:
    assert spec_for("someone/my-llava-13b").parameters_b == 13
    assert spec_for("llava-hf/llava-1.5-7b-hf") is SEVEN


@pytest.mark.parametrize("name", ["", "no such model", "../x", "a/b/c"])
def test_nonsense_is_no_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # what lies beside the repository is no matter
    with pytest.raises(SettingError, match="is no model"):
        spec_for(name)


def test_the_probe_describes_this_machine() -> None:
    hardware = probe()
    assert hardware.cores >= 1
    assert 0 < hardware.free_gib <= hardware.total_gib
    assert hardware.note
