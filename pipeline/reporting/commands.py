"""The command lines that repeat a selection on another machine. Pure: names and settings in, shell words out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from pipeline.records import ScorerKey

SPEC_FILE = "selection.json"
"""Under which name the reader saves the settings that the report prints."""


def command_lines(dataset: str, source: str, images: str, keys: Mapping[str, ScorerKey | None], signals: Sequence[str], selection: str) -> list[str]:
    """Import, score, signals, select, export. `source` and `images` are base names; stages without a key are not scored."""
    return [command("import", source or "data.json", name=dataset, images=images), *_scoring(dataset, keys),
            *(command("signal", dataset, signal) for signal in signals),
            command("select", dataset, spec=SPEC_FILE, save_as=selection), command("export", dataset, selection=selection, to="curated")]


def command(verb: str, *arguments: str, flags: Sequence[str] = (), **options: str) -> str:
    """One line for a POSIX shell. Empty options are left out; arguments that begin with a dash are written so that they are no options."""
    told = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value] + list(flags)
    dashed = any(argument.startswith("-") for argument in arguments)
    return shlex.join(["python", "-m", "pipeline", verb, *(told + ["--", *arguments] if dashed else [*arguments, *told])])


def _scoring(dataset: str, keys: Mapping[str, ScorerKey | None]) -> list[str]:
    """One run for both kinds where they share precision, quantization and image preparation, else one each."""
    told = {kind: key for kind, key in keys.items() if key is not None}
    runs: dict[tuple[str, str, str], list[str]] = {}
    for kind, key in told.items():
        runs.setdefault((key.precision, key.quantization, key.image_preparation), []).append(kind)
    return [command("score", dataset, **{f"{kind}_scorer": told[kind].adapter for kind in kinds}, precision=precision, quantization=quantization, image=image,
                    flags=[f"--no-{kind}s" for kind in keys if kind not in kinds])
            for (precision, quantization, image), kinds in runs.items()]
