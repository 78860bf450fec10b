"""How much memory a stretch of work took at its peak: of this process on a CPU, of torch's allocator on a GPU.

Owns measuring; what a model should need is pipeline.models.planning's estimate.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from pathlib import Path

GIB = 2**30


class PeakMemory:
    """Measures from construction on; one at a time in a process, since the system keeps one peak for it.

    What was there before is not counted: neither the program itself nor what stays loaded beside it. `give_back` first.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        if device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
            self._before = torch.cuda.memory_allocated() / GIB
        else:
            self._before = _reset_peak()

    def gib(self) -> float | None:
        """Peak growth in GiB so far, None where the system doesn't tell."""
        if self.device == "cuda":
            import torch

            return max(0.0, torch.cuda.max_memory_allocated() / GIB - self._before)
        peak = _status_gib("VmHWM")
        return None if self._before is None or peak is None else max(0.0, peak - self._before)


def give_back() -> None:
    """Return what is free inside this process to the system or the GPU, as far as it can be."""
    import sys

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # glibc only; elsewhere small blocks stay with the process
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _reset_peak() -> float | None:
    """Make the kernel forget the peak so far; the present resident size in GiB, None where it refuses."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return None
    return _status_gib("VmRSS")


def _status_gib(name: str) -> float | None:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 2**20
    return None
