"""How many processes of this machine share a scoring run: one a GPU, or as asked. Pure: nothing is started here."""

from __future__ import annotations

from typing import Any

from pipeline.devices import Hardware
from pipeline.errors import SettingError
from pipeline.models.planning import Plan

CORES_A_WORKER = 4

def most_workers(found: Plan, hardware: Hardware) -> int:
    """One worker a GPU; on a CPU one a core, as far as each finds room for its own copy of the model."""
    if found.device == "cuda":
        return max(1, hardware.gpus)
    return max(1, hardware.cores if hardware.device == "cuda" else min(hardware.cores, int(hardware.free_gib // found.gib)))


def workers_for(wanted: Any, found: Plan, hardware: Hardware) -> int:
    """The wish where it can be met; without one all GPUs, and a single process on a CPU. Raises SettingError."""
    most = most_workers(found, hardware)
    if wanted in (None, "auto"):
        return most if found.device == "cuda" else 1
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise SettingError(f"{str(wanted)[:40]!r} is no number of workers", hint=f"1 to {most} here, or leave it out.")
    if wanted > most:
        here = f"{hardware.gpus} GPU{'s' if hardware.gpus != 1 else ''}" if found.device == "cuda" else f"{hardware.cores} cores and {hardware.free_gib:.1f} GiB free"
        each = "each needs one of its own" if found.device == "cuda" else f"each needs a core and about {found.gib:.1f} GiB"
        raise SettingError(f"{wanted} workers were asked for; this machine has {here}, and {each}", hint=f"Take at most {most}, or spread the run over several machines with Ray.")
    return wanted


def worth_offering(found: Plan, hardware: Hardware) -> tuple[int, ...]:
    """Numbers of workers a person may choose from; (1,) where sharing would gain nothing.

    On a CPU a worker should have CORES_A_WORKER: with fewer, one process with all threads is as quick and needs one model.
    """
    most = most_workers(found, hardware)
    if found.device == "cpu":
        most = max(1, min(most, hardware.cores // CORES_A_WORKER))
    return tuple(sorted({1 << power for power in range(most.bit_length())} | {most}))
