"""Scorers: which model reads, which states are pooled, and the one linear head that makes the number.

A scorer is a folder: `scorer.json` (what it is and what was measured), `head.safetensors`, `CARD.md`. Owns reading and
writing that folder; running the model is pipeline.scoring.engine's work, making heads is pipeline.teaching's.
A folder in the layout of the method's authors (`adapter_config.json` and weights, pipeline.models.adapters) is a scorer too:
one feature, the last token after the final norm, and an adapter that the base wears while it reads.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ModelError, SettingError
from pipeline.models import adapters
from pipeline.models.adapters import AdapterSpec
from pipeline.models.planning import Plan
from pipeline.models.specs import SPECS, ModelSpec, published, spec_for
from pipeline.records import ScorerKey
from pipeline.scoring.contract import Kind
from pipeline.scoring.forward import FINAL, Feature
from pipeline.scoring.looking import LookHead, read_look
from pipeline.settings import assets_dir

HEAD = "head.safetensors"
SPEC = "scorer.json"
PREPARATIONS = ("pad", "crop")


@dataclass(frozen=True)
class Scorer:
    """One reward model. Score = Σ weights · features + bias (+ the look head's value): a raw logit, higher is better.

    weights (F, hidden) fp32, one row a feature; `span` says what a mean is taken over: the whole text, or its answer.
    A difference of two scores is the log odds that people prefer the first. Source: Bradley–Terry, arXiv 2409.18541.
    `adapter` is what the base must wear while it reads (LoRA and projector), None for the bare base.
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
    adapter: AdapterSpec | None = None
    look: LookHead | None = None

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


def load_scorer(name_or_folder: str, kind: Kind | None = None, *, base: str | None = None, image_preparation: str | None = None) -> Scorer:
    """Read a scorer by name or folder; `base` and `image_preparation` ("pad" or "crop") override what it says of itself.

    An adapter's folder does not say its kind, so that `kind` must, and reading its head imports torch: in a worker only.
    Raises SettingError for an unknown name, another kind or a wish that can't be met, ModelError for damaged files.
    """
    if image_preparation is not None and image_preparation not in PREPARATIONS:
        raise SettingError(f"{image_preparation!r} is no image preparation", hint=f"Choose one of {', '.join(PREPARATIONS)}.")
    folder = _folder(name_or_folder)
    scorer = _shipped(folder, kind) if (folder / SPEC).is_file() else _adapted(folder, kind, base)
    if base is not None:
        scorer = replace(scorer, base=_base_name(base))
    return scorer if image_preparation is None else replace(scorer, image_preparation=image_preparation)


def _shipped(folder: Path, kind: Kind | None) -> Scorer:
    """A folder with a scorer.json."""
    try:
        told = json.loads((folder / SPEC).read_text(encoding="utf-8"))
        features = tuple(Feature(int(entry["layer"]), entry["pool"]) for entry in told["features"])
        scorer_kind, span, preparation = told["kind"], told["span"], told["image_preparation"]
        base, promised = str(told["base"]), told["sha256"]
        worn, looks = told.get("adapter"), told.get("look")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"the scorer {folder.name} can't be read: {error!r}", hint=f"Restore {folder / SPEC}, or train the scorer again.") from error
    if kind is not None and scorer_kind != kind:
        raise SettingError(f"{folder.name} scores {scorer_kind}s, not {kind}s", hint=f"Choose one of {', '.join(available(kind)) or 'none yet'}.")
    weights, bias = _head(folder, promised, len(features))
    adapter = adapters.read_adapter(folder) if worn is not None else None
    if adapter is not None and adapter.revision != worn:
        raise ModelError(f"the adapter of {folder.name} has the revision {adapter.revision[:16]}…, its scorer.json says {str(worn)[:16]}…",
                         hint="Restore all files from the same version.")
    return Scorer(folder.name, scorer_kind, base, features, span, preparation, weights, bias, told_revision(told),
                  told.get("figures", {}), told.get("training", {}), adapter, None if looks is None else read_look(folder, looks))


def _adapted(folder: Path, kind: Kind | None, base: str | None) -> Scorer:
    """A folder in the authors' layout. Its base is checked here as far as its sizes are known before it is loaded."""
    if kind is None:
        raise SettingError(f"the adapter {folder.name} does not say whether it scores questions or answers",
                           hint="Choose it as question scorer or as answer scorer.")
    adapter = adapters.read_adapter(folder)
    name = _base_name(base) if base is not None else _base_of(adapter)
    spec = spec_for(name)
    if not adapter.only and (spec.name in SPECS or Path(spec.source).is_dir()) and (spec.layers, spec.hidden) != (adapter.layers, adapter.hidden):
        raise SettingError(f"the adapter {folder.name} is for {adapter.layers} layers of width {adapter.hidden}, {spec.label} has {spec.layers} of {spec.hidden}",
                           hint=f"Use it with its own base{f', {adapter.base}' if adapter.base else ''}.")
    return Scorer(folder.name, kind, name, (Feature(FINAL, "last"),), "text", "pad", adapters.head(adapter), 0.0, adapter.revision, adapter=adapter)


def _base_of(adapter: AdapterSpec) -> str:
    """The base that an adapter's config names: a folder that is here, or a published model under the name it has in our table."""
    if adapter.base and Path(adapter.base).expanduser().is_dir():
        return _base_name(adapter.base)
    known = published(adapter.base)
    if known is None:
        raise SettingError(f"the adapter {adapter.name} names the base {adapter.base[:120]!r}, which is no folder here and no model known by that name",
                           hint="Name its base: a folder, or one of " + ", ".join(SPECS) + ".")
    return known


def _base_name(base: str) -> str:
    """A base as scores are keyed by it: its name in the table, else its folder or hub id."""
    spec = spec_for(base)
    return spec.name if spec.name in SPECS else spec.source


def told_revision(told: Mapping[str, Any]) -> str:
    """The revision of a scorer, from what its scorer.json tells: its head's sha256; with an adapter or a look head that of all its parts."""
    parts = [str(told["sha256"]), *(str(told[name]) for name in ("adapter", "look") if told.get(name) is not None)]
    return parts[0] if len(parts) == 1 else hashlib.sha256(" ".join(parts).encode()).hexdigest()


def save_scorer(folder: Path, *, kind: Kind, base: str, features: tuple[Feature, ...], span: str, image_preparation: str,
                weights: np.ndarray, bias: float, figures: dict[str, Any], training: dict[str, Any], look: LookHead | None = None) -> str:
    """Write head and scorer.json (last) beside the adapter's files, where there are any; returns the revision."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({"weight": weights.astype(np.float32), "bias": np.array([bias], np.float32)}, folder / HEAD)
    digest = hashlib.sha256((folder / HEAD).read_bytes()).hexdigest()
    looks = look.save(folder) if look is not None else None
    adapter = adapters.read_adapter(folder).revision if adapters.is_adapter(folder) else None
    body = {"kind": kind, "base": base, "features": [{"layer": f.layer, "pool": f.pool} for f in features], "span": span,
            "image_preparation": image_preparation, "sha256": digest, **({"adapter": adapter} if adapter else {}), **({"look": looks} if looks else {}), "figures": figures, "training": training}
    scratch = folder / f"{SPEC}.part"
    scratch.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    scratch.replace(folder / SPEC)
    return told_revision(body)


def _folder(name_or_folder: str) -> Path:
    if re.fullmatch(r"[\w.-]+", name_or_folder) and _is_scorer(scorers_dir() / name_or_folder):
        return scorers_dir() / name_or_folder
    folder = Path(name_or_folder).expanduser()
    if _is_scorer(folder):
        return folder.resolve()
    raise SettingError(f"there is no scorer {name_or_folder[:120]!r}", hint=f"Scorers here: {', '.join(available()) or 'none yet'}.")


def _is_scorer(folder: Path) -> bool:
    return (folder / SPEC).is_file() or adapters.is_adapter(folder)


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
