"""A reward-model training as a command: an argv list and a config file, never a shell string. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.models.planning import Plan
from pipeline.teaching.reward.settings import RewardSettings
from pipeline.training import command
from pipeline.training.command import TEACH

PROGRAM = "pipeline.teaching.reward.program"


def launch_argv(config: Path, plan: Plan, threads: int, processes: int = 1, python: str = sys.executable) -> list[str]:
    """The command that teaches: accelerate's launcher, one process on the plan's device or one a GPU."""
    return command.launch_argv(config, plan, threads, python, program=PROGRAM, processes=processes if plan.device == "cuda" else 1)


def config_of(*, name: str, base: Mapping[str, Any], plan: Mapping[str, Any], settings: RewardSettings, data: Mapping[str, Any]) -> dict[str, Any]:
    """What the program reads; its kind keeps it apart from fine-tunes."""
    return command.config_of(name=name, base=base, plan=plan, settings=settings, data=data, kind=TEACH)
