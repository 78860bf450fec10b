"""Scorers: which model reads, which states are pooled, and the one linear head that makes the number.

A scorer is a folder: `scorer.json` (what it is and what was measured), `head.safetensors`, `CARD.md`. Owns reading and
writing that folder; running the model is pipeline.scoring.engine's work, making heads is pipeline.teaching's.
An adapter over LLaVA-1.5 is the same thing with other features (last token after the final norm): one more field here.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ModelError, SettingError
from pipeline.models.planning import Plan
from pipeline.models.specs import ModelSpec, spec_for
from pipeline.records import ScorerKey
from pipeline.scoring.contract import Kind
from pipeline.scoring.forward import Feature
from pipeline.settings import assets_dir

HEAD = "head.safetensors"
SPEC = "scorer.json"


@dataclass(frozen=True)
class Scorer:
    """One reward model. Score = Σ weights · features + bias: a raw logit, higher is better.

    weights (F, hidden) fp32, one row a feature; `span` says what a mean is taken over: the whole text, or its answer.
    A difference of two scores is the log odds that people prefer the first. Source: Bradley–Terry, arXiv 2409.18541.
    """

    name: str
    kind: Kind
    base: str
    features: tuple[Feature, ...]
    span: str
    image_preparation: str
    weights: np.ndarray
    bias: float
    revision: str
    figures: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> ModelSpec:
        return spec_for(self.base)

    def key(self, plan: Plan) -> ScorerKey:
        """What scores of this scorer under this plan belong to."""
        return ScorerKey(self.kind, self.base, self.name, self.revision, plan.precision, plan.quantization, self.image_preparation)


def scorers_dir() -> Path:
    return assets_dir() / "scorers"


def available(kind: Kind | None = None) -> list[str]:
    """Names of the scorers that ship with the code, of one kind or of both, sorted."""
    names = []
    for path in sorted(scorers_dir().glob(f"*/{SPEC}")):
        if kind is None or json.loads(path.read_text(encoding="utf-8")).get("kind") == kind:
            names.append(path.parent.name)
    return names


def active(kind: Kind) -> str:
    """The scorer used unless another is named. Raises SettingError where none is there."""
    names = available(kind)
    if not names:
        raise SettingError(f"there is no {kind} scorer in {scorers_dir()}", hint="Train one: `python -m pipeline.teaching.train --help`.")
    return f"embedded-{kind}" if f"embedded-{kind}" in names else names[0]


def load_scorer(name_or_folder: str, kind: Kind | None = None) -> Scorer:
    """Read a scorer by name or folder. Raises SettingError for an unknown name or another kind, ModelError for damaged files."""
    folder = _folder(name_or_folder)
    try:
        told = json.loads((folder / SPEC).read_text(encoding="utf-8"))
        features = tuple(Feature(int(entry["layer"]), entry["pool"]) for entry in told["features"])
        scorer_kind, span, preparation = told["kind"], told["span"], told["image_preparation"]
        base, promised = str(told["base"]), told["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"the scorer {folder.name} can't be read: {error!r}", hint=f"Restore {folder / SPEC}, or train the scorer again.") from error
    if kind is not None and scorer_kind != kind:
        raise SettingError(f"{folder.name} scores {scorer_kind}s, not {kind}s", hint=f"Choose one of {', '.join(available(kind)) or 'none yet'}.")
    weights, bias = _head(folder, promised, len(features))
    return Scorer(folder.name, scorer_kind, base, features, span, preparation, weights, bias, promised,
                  told.get("figures", {}), told.get("training", {}))


def save_scorer(folder: Path, *, kind: Kind, base: str, features: tuple[Feature, ...], span: str, image_preparation: str,
                weights: np.ndarray, bias: float, figures: dict[str, Any], training: dict[str, Any]) -> str:
    """Write head and scorer.json (last); returns the revision, the head's sha256."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({"weight": weights.astype(np.float32), "bias": np.array([bias], np.float32)}, folder / HEAD)
    revision = hashlib.sha256((folder / HEAD).read_bytes()).hexdigest()
    body = {"kind": kind, "base": base, "features": [{"layer": f.layer, "pool": f.pool} for f in features], "span": span,
            "image_preparation": image_preparation, "sha256": revision, "figures": figures, "training": training}
    (folder / SPEC).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return revision


def _folder(name_or_folder: str) -> Path:
    if re.fullmatch(r"[\w.-]+", name_or_folder) and (scorers_dir() / name_or_folder / SPEC).is_file():
        return scorers_dir() / name_or_folder
    folder = Path(name_or_folder).expanduser()
    if (folder / SPEC).is_file():
        return folder.resolve()
    raise SettingError(f"there is no scorer {name_or_folder[:120]!r}", hint=f"Scorers here: {', '.join(available()) or 'none yet'}.")


def _head(folder: Path, promised: str, features: int) -> tuple[np.ndarray, float]:
    from safetensors.numpy import load

    try:
        blob = (folder / HEAD).read_bytes()
    except OSError as error:
        raise ModelError(f"the scorer {folder.name} has no {HEAD}", hint="Restore it, or train the scorer again.") from error
    found = hashlib.sha256(blob).hexdigest()
    if found != promised:
        raise ModelError(f"{folder / HEAD} has the sha256 {found[:16]}…, its scorer.json says {promised[:16]}…",
                         hint="Restore both files from the same version.")
    try:
        tensors = load(blob)
        weights, bias = tensors["weight"], float(tensors["bias"][0])
    except Exception as error:  # safetensors raises its own, unexported kinds
        raise ModelError(f"{folder / HEAD} is damaged: {error}", hint="Restore it, or train the scorer again.") from error
    if weights.ndim != 2 or weights.shape[0] != features or not np.isfinite(weights).all() or not np.isfinite(bias):
        raise ModelError(f"the head of {folder.name} has the shape {weights.shape}, expected {features} finite rows", hint="Train the scorer again.")
    return weights, bias
