"""A run as a command: an argv list and a config file, never a shell string. Pure.

Only numbers of ours and one path of ours are arguments; everything a person typed is in the config file, where it is data.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.models.planning import Plan

TUNE, TEACH = "tune", "teach"
"""Kinds of run: a fine-tune of a LLaVA, a reward model taught from ratings."""
CONFIG = "run.json"
PROGRAM = "pipeline.training.program"
MIXED = {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}


def launch_argv(config: Path, plan: Plan, threads: int, python: str = sys.executable, *, program: str = PROGRAM, processes: int = 1) -> list[str]:
    """The command that trains: accelerate's launcher with one process on the plan's device, or `processes` on as many GPUs."""
    return [python, "-m", "accelerate.commands.launch", "--num_processes", str(processes), "--num_machines", "1", "--dynamo_backend", "no",
            *(["--multi_gpu"] if processes > 1 else []), "--mixed_precision", MIXED[plan.precision],
            *(["--cpu", "--num_cpu_threads_per_process", str(threads)] if plan.device == "cpu" else []), "-m", program, "--config", str(config)]


def run_folder_name(job_id: int, name: str) -> str:
    """`0012-my-run`: sorts by age, holds nothing but letters, digits and dashes."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower().encode("ascii", "ignore").decode())[:40].strip("-")
    return f"{job_id:04d}-{slug or 'run'}"


def config_of(*, name: str, base: Mapping[str, Any], plan: Mapping[str, Any], settings: Any, data: Mapping[str, Any], kind: str = TUNE) -> dict[str, Any]:
    """What the program reads; `settings` are those of the kind of run. Values only; paths are relative to the file."""
    return {"version": 1, "kind": kind, "name": name, "base": dict(base), "plan": dict(plan), "settings": settings.as_json(), "data": dict(data)}


def as_shell(argv: Sequence[str]) -> str:
    """For reading and copying; the studio itself never runs a shell."""
    return shlex.join(argv)


def as_python(argv: Sequence[str]) -> str:
    """The same launch as a few lines of Python."""
    items = ",\n".join(f"    {part!r}" for part in argv)
    return f"import subprocess\n\nsubprocess.run([\n{items},\n], check=True)\n"


def as_yaml(config: Mapping[str, Any]) -> str:
    """The config file as YAML (`--config` takes either)."""
    import yaml

    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)
