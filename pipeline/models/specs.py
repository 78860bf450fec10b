"""Which models there are and what they need. Values only: no weights, no torch.

A spec is a name, where its weights are, and the sizes that planning needs. A folder in transformers' LLaVA layout is a
spec too, read from its config.json by pipeline.models.folders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ModelError, SettingError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class ModelSpec:
    """One base model. `source` is "embedded", a folder or a hub id; parameters in billions; `note` is for people.

    `kept_b` are the parameters that stay in full precision when the rest is quantized: tower, projector, embeddings.
    """

    name: str
    source: str
    family: str
    parameters_b: float
    kept_b: float
    image_tokens: int
    hidden: int
    layers: int
    context: int
    label: str
    note: str = ""

    @property
    def embedded(self) -> bool:
        return self.source == "embedded"

    @property
    def path(self) -> str:
        """What `from_pretrained` takes. Raises ModelError where the embedded model was not fetched yet."""
        if not self.embedded:
            return self.source
        from pipeline.models.fetch import embedded_dir, embedded_ready

        if not embedded_ready():
            raise ModelError(f"the embedded model is not in {embedded_dir()}",
                             hint="Run `make model` (or `.venv/bin/python -m pipeline.models.fetch`) once.")
        return str(embedded_dir())


SPECS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec("embedded", "embedded", "llava", 0.139, 0.033, 49, 576, 30, 8192, "Embedded LLaVA, 139M",
                  "Small enough for any machine; a poor writer."),
        ModelSpec("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", "llava", 7.06, 0.59, 576, 4096, 32, 4096, "LLaVA-1.5 7B",
                  "The model of the paper; needs a GPU and 14 GB from the hub, or a folder."),
        ModelSpec("llava-1.5-13b", "llava-hf/llava-1.5-13b-hf", "llava", 13.35, 0.67, 576, 5120, 40, 4096, "LLaVA-1.5 13B",
                  "Needs a GPU and 27 GB from the hub, or a folder."),
    )
}

PUBLISHED_AS = {"liuhaotian/llava-v1.5-7b": "llava-1.5-7b", "liuhaotian/llava-v1.5-13b": "llava-1.5-13b"}
"""Hub ids under which the same weights were first published, in the layout of their authors, and our names."""


def published(name: str) -> str | None:
    """Our name for a published base, told by the last part of a hub id or of a path on somebody's machine; None for another model."""
    last = name.strip().rstrip("/").rsplit("/", 1)[-1]
    known = {**PUBLISHED_AS, **{spec.source: spec.name for spec in SPECS.values()}}
    return {source.rsplit("/", 1)[-1]: ours for source, ours in known.items()}.get(last)


def spec_for(name_or_folder: str) -> ModelSpec:
    """A table name, a local folder in LLaVA layout, or a hub id `owner/name` → its spec.

    Raises SettingError where it is none of them, ModelError where the folder holds something else than a LLaVA.
    """
    wanted = name_or_folder.strip()
    if wanted in SPECS:
        return SPECS[wanted]
    folder = Path(wanted).expanduser()
    if wanted and folder.is_dir():
        from pipeline.models.folders import read_spec

        return read_spec(folder)
    if wanted in PUBLISHED_AS:
        return SPECS[PUBLISHED_AS[wanted]]
    if HUB_ID.fullmatch(wanted):
        return _hub_spec(wanted)
    raise SettingError(f"{wanted!r} is no model", hint=f"Choose one of {', '.join(SPECS)}, a folder in LLaVA layout, or a hub id owner/name.")


def _hub_spec(wanted: str) -> ModelSpec:
    """A spec for a hub model outside the table: its size is read from its name, 7B where the name tells nothing."""
    for spec in SPECS.values():
        if spec.source == wanted:
            return spec
    told = re.search(r"(\d+(?:\.\d+)?)b\b", wanted.lower())
    size = float(told.group(1)) if told else 7.0
    base = SPECS["llava-1.5-13b" if size > 10 else "llava-1.5-7b"]
    return ModelSpec(wanted.replace("/", "--"), wanted, "llava", size, base.kept_b, base.image_tokens, base.hidden, base.layers,
                     base.context, wanted, "Sizes are guessed from the name until it is downloaded.")
