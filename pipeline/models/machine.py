"""A small urgent job: what this machine can do, measured by the worker, because the web process never loads torch.

The answer is what pure planning and estimating need; deciding is theirs.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline.devices import Hardware, probe

if TYPE_CHECKING:
    from pipeline.worker import JobContext


def run(context: "JobContext") -> dict[str, Any]:
    """{"hardware": fields of Hardware, "flops": {"bf16": FLOP/s of one matrix product, "fp32": …}}."""
    hardware = probe()
    return {"hardware": asdict(hardware), "flops": {name: speed(hardware.device, name) for name in ("bf16", "fp16", "fp32")}}


def hardware_of(result: dict[str, Any]) -> Hardware:
    """Read back what `run` gave."""
    return Hardware(**result["hardware"])


@cache
def speed(device: str, precision: str) -> float:
    """FLOP/s of a matrix product in one precision, the best of a few short tries (under 0.1 s). Timed once a process."""
    import torch

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
    rows, inner, columns = (4096, 4096, 4096) if device == "cuda" else (1024, 576, 1536)
    left = torch.ones(rows, inner, dtype=dtype, device=device)
    right = torch.ones(columns, inner, dtype=dtype, device=device)
    best = float("inf")
    tries, until = 0, time.perf_counter() + 0.08
    while tries < 2 or (tries < 8 and time.perf_counter() < until):
        start = time.perf_counter()
        torch.nn.functional.linear(left, right)
        if device == "cuda":
            torch.cuda.synchronize()
        if tries:  # the first try picks and compiles the kernel
            best = min(best, time.perf_counter() - start)
        tries += 1
    return 2.0 * rows * inner * columns / best
