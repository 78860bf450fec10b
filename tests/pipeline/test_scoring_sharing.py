"""How many processes share a run: one a GPU, as many as fit on a CPU, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.devices import Hardware
from pipeline.errors import SettingError
from pipeline.models.planning import Plan
from pipeline.scoring.pool import posts
from pipeline.scoring.sharing import workers_for, worth_offering

GPUS = Hardware("cuda", "a GPU", 32, 80.0, 70.0, True, "", gpus=4)
CPU = Hardware("cpu", "a CPU", 16, 64.0, 20.0, False, "")
ON_GPU = Plan("cuda", "bf16", "none", 14.0, "")
ON_CPU = Plan("cpu", "fp32", "none", 1.5, "")


@pytest.mark.parametrize(("wanted", "found", "hardware", "workers"), [
    (None, ON_GPU, GPUS, 4), ("auto", ON_GPU, GPUS, 4), (2, ON_GPU, GPUS, 2), (None, ON_GPU, replace(GPUS, gpus=1), 1),
    (None, ON_CPU, CPU, 1), (8, ON_CPU, CPU, 8), (None, ON_CPU, GPUS, 1), (32, ON_CPU, GPUS, 32)])
def test_all_gpus_work_and_a_cpu_is_one_process_unless_more_are_asked_for(wanted: object, found: Plan, hardware: Hardware, workers: int) -> None:
    assert workers_for(wanted, found, hardware) == workers


@pytest.mark.parametrize(("wanted", "found", "hardware", "words"), [
    (5, ON_GPU, GPUS, "this machine has 4 GPUs"), (2, ON_GPU, replace(GPUS, gpus=1), "has 1 GPU,"), (17, ON_CPU, CPU, "16 cores and 20.0 GiB"),
    (14, replace(ON_CPU, gib=2.0), CPU, "about 2.0 GiB"), (0, ON_CPU, CPU, "no number of workers"), (True, ON_GPU, GPUS, "no number"), ("many", ON_GPU, GPUS, "'many' is no")])
def test_what_does_not_fit_is_refused_with_what_does(wanted: object, found: Plan, hardware: Hardware, words: str) -> None:
    with pytest.raises(SettingError, match=words) as refusal:
        workers_for(wanted, found, hardware)
    assert refusal.value.hint


def test_a_choice_is_offered_where_it_gains_something() -> None:
    assert worth_offering(ON_GPU, GPUS) == (1, 2, 4)
    assert worth_offering(ON_GPU, replace(GPUS, gpus=6)) == (1, 2, 4, 6)
    assert worth_offering(ON_CPU, CPU) == (1, 2, 4)
    assert worth_offering(ON_CPU, replace(CPU, cores=2)) == (1,)
    assert worth_offering(ON_CPU, replace(CPU, free_gib=3.2)) == (1, 2), "two models fit"


def test_each_worker_sees_its_own_gpu_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [post.gpu for post in posts(ON_GPU, 3)] == ["0", "1", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 2,GPU-8f")
    assert [post.gpu for post in posts(ON_GPU, 3)] == ["5", "2", "GPU-8f"]
    assert [post.gpu for post in posts(ON_CPU, 2)] == ["", ""]
    assert all(post.threads >= 1 for post in posts(ON_CPU, 64))
