"""What this machine can do: processor or GPU, memory, and whether bf16 really is the quicker type here.

Owns measuring; deciding is pipeline.models.planning's work. Torch is imported inside `probe`.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

GIB = 2**30


@dataclass(frozen=True)
class Hardware:
    """One place to run a model on. Memory in GiB; `bf16` says that bfloat16 is the quicker choice; `note` says how it is known.

    `gpus` is how many there are, the described one being the first of them.
    """

    device: Literal["cpu", "cuda"]
    name: str
    cores: int
    total_gib: float
    free_gib: float
    bf16: bool
    note: str
    gpus: int = 0


def probe() -> Hardware:
    """Look at this machine now. Takes under a third of a second after torch's import; the timing is done once a process."""
    import torch

    cores = _cores()
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        note = "this GPU computes in bfloat16" if bf16 else "this GPU has no bfloat16 units"
        return Hardware("cuda", torch.cuda.get_device_name(), cores, total / GIB, free / GIB, bf16, note, torch.cuda.device_count())
    total_gib, free_gib = _memory_gib()
    ratio = _bf16_gain()
    words = f"a matrix product in bf16 takes {1 / ratio:.2f} × the time of fp32 here (timed)"
    return Hardware("cpu", _processor_name(), cores, total_gib, free_gib, ratio > 1.1, words)


@cache
def _bf16_gain() -> float:
    """Time of an fp32 product ÷ time of the same in bf16, at the shapes of the embedded model. About 0.1 s."""
    import torch

    times: dict[torch.dtype, float] = {}
    for dtype in (torch.float32, torch.bfloat16):
        left, right = torch.ones(256, 576, dtype=dtype), torch.ones(1536, 576, dtype=dtype)
        torch.nn.functional.linear(left, right)  # the first call picks and compiles the kernel
        best = float("inf")
        for _ in range(4):
            start = time.perf_counter()
            torch.nn.functional.linear(left, right)
            best = min(best, time.perf_counter() - start)
        times[dtype] = best
    return times[torch.float32] / times[torch.bfloat16]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gib() -> tuple[float, float]:
    """Total and available main memory, within the limit of the container where one is set."""
    sizes = {"MemTotal": 0.0, "MemAvailable": 0.0}
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, rest = line.partition(":")
            if name in sizes:
                sizes[name] = int(rest.split()[0]) / 2**20
    except OSError:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
        return total, total / 2
    total, free = sizes["MemTotal"], sizes["MemAvailable"]
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")) / GIB
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")) / GIB
    except (OSError, ValueError):
        return total, free
    return min(total, limit), min(free, limit - used)


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "CPU"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")
