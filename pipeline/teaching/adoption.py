"""Which scorers there are, which one counts, and what people decided about them.

A scorer is known by its kind and its reference: the folder's name where it ships with the code or was taught in this workspace,
the whole path where it was named by one (the authors' adapters). Rules, written down once:
· the present scorer of a kind is the one adopted last whose latest verdict still says so; without one it is the shipped one;
· shipped scorers, those kept and those adopted before may be chosen by hand; a taught one nobody has decided on may only be tried;
· a discarded one is hidden from the choices and never deleted; undoing the verdict brings it back;
· a scorer whose weights changed since people decided on it is not what they decided on: it is refused, not used.
Reads folders and the store; loads no weights, so that the web process may call it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import ModelError, NotFound, SettingError
from pipeline.models import adapters
from pipeline.models.adapter_folder import CONFIG
from pipeline.models.specs import published
from pipeline.scoring import scorers
from pipeline.scoring.contract import Kind
from pipeline.store.scorer_verdicts import ScorerVerdict, VerdictWord

if TYPE_CHECKING:
    from pipeline.store import Store
    from pipeline.worker import JobContext
    from pipeline.workspace import Workspace

KINDS: tuple[Kind, ...] = ("question", "answer")
Origin = Literal["shipped", "taught", "adapter"]
Standing = Literal["present", "choosable", "undecided", "discarded"]
STANDINGS: tuple[Standing, ...] = ("present", "choosable", "undecided", "discarded")


@dataclass(frozen=True)
class KnownScorer:
    """One scorer as its folder tells. `reference` is what verdicts and jobs name it by; `problem` says why it can't be used, "" where it can.

    `made_at` is when its description was written (Unix seconds) · `author` who trained it, "" where nothing is told.
    """

    kind: Kind
    reference: str
    origin: Origin
    folder: Path
    base: str = ""
    revision: str = ""
    image_preparation: str = "pad"
    figures: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    made_at: float = 0.0
    author: str = ""
    standing: Standing = "undecided"
    problem: str = ""

    @property
    def name(self) -> str:
        """The folder's name, which is also the name in a score's key."""
        return self.folder.name

    @property
    def loadable(self) -> str:
        """What `load_scorer` takes."""
        return self.reference if self.origin == "shipped" else str(self.folder)

    @property
    def choosable(self) -> bool:
        return self.standing in ("present", "choosable") and not self.problem


def known(store: "Store", workspace: "Workspace", kind: Kind | None = None) -> list[KnownScorer]:
    """Every scorer of one kind or of both, the present one first, then the newest. Adapters are those somebody decided on or tried."""
    found: list[KnownScorer] = []
    for one in KINDS if kind is None else (kind,):
        rows = store.scorer_verdicts.in_force(one)
        places: dict[str, KnownScorer] = {name: _read(scorers.scorers_dir() / name, one, name, "shipped") for name in scorers.available(one)}
        for folder in sorted(workspace.scorers_dir.iterdir()) if workspace.scorers_dir.is_dir() else ():
            if kind_of(folder) != one:
                continue
            taught = _read(folder, one, folder.name, "taught")
            if folder.name in places:
                taught = replace(taught, reference=str(folder), problem="it has the name of a scorer that ships with the studio: rename its folder")
            places[taught.reference] = taught
        for path, revision in {**_tried(store, one), **{row.scorer: row.revision for row in reversed(rows) if "/" in row.scorer}}.items():
            if path not in places:
                places[path] = _read(Path(path), one, path, "adapter", revision)
        adopted = store.scorer_verdicts.present(one)
        present_now = adopted.scorer if adopted else scorers.active(one) if scorers.available(one) else ""
        if present_now and present_now not in places:  # adopted and gone: it must be seen to be gone
            places[present_now] = KnownScorer(one, present_now, "taught", workspace.scorers_dir / present_now, problem="its folder is gone from the workspace")
        stood = [_standing(scorer, present_now, rows) for scorer in places.values()]
        found += sorted(stood, key=lambda scorer: (scorer.standing != "present", -scorer.made_at, scorer.reference))
    return found


def find(store: "Store", workspace: "Workspace", kind: Kind, name_or_folder: str) -> KnownScorer:
    """A scorer by name, or by folder where it is not in the list. Raises NotFound, ModelError for a folder that can't be read."""
    everyone = known(store, workspace, kind)
    for scorer in everyone:
        if name_or_folder in (scorer.reference, str(scorer.folder)):
            return scorer
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir() and ((folder / scorers.SPEC).is_file() or adapters.is_adapter(folder)):
        found = _read(folder.resolve(), kind, str(folder.resolve()), "adapter")
        if found.problem:
            raise ModelError(f"the scorer {found.name} can't be used: {found.problem}", hint="Restore its folder, or name another.", place=found.name)
        return found
    raise NotFound(f"there is no {kind} scorer {name_or_folder[:120]!r}", hint=f"Scorers here: {', '.join(scorer.reference for scorer in everyone)}.", place="candidate")


def present(store: "Store", workspace: "Workspace", kind: Kind) -> KnownScorer:
    """The scorer that scoring uses unless another is named.

    Raises SettingError where the adopted one can't be used any more: falling back to another would change every score unseen.
    """
    scorer = next((one for one in known(store, workspace, kind) if one.standing == "present"), None)
    if scorer is None:
        raise SettingError(f"there is no {kind} scorer", hint="Train one in the Teach tab.")
    if scorer.problem:
        raise SettingError(f"the adopted {kind} scorer {scorer.name} can't be used: {scorer.problem}", hint="Restore it, or undo its adoption under Teach, Try a scorer.", place=scorer.name)
    return scorer


def choosable(store: "Store", workspace: "Workspace", kind: Kind) -> list[KnownScorer]:
    """What the Score tab offers, the present one first."""
    return [scorer for scorer in known(store, workspace, kind) if scorer.choosable]


def decide(store: "Store", workspace: "Workspace", kind: Kind, name: str, verdict: VerdictWord, author: str, *, trial: int | None = None) -> ScorerVerdict:
    """Adopt a scorer, keep it beside the present one, or discard it. Raises SettingError for the one everything falls back to."""
    scorer = find(store, workspace, kind, name)
    if verdict != "discarded" and scorer.problem:
        raise SettingError(f"{scorer.name} can't be {verdict}: {scorer.problem}", hint="Restore it, or discard it.", place=scorer.name)
    if verdict == "discarded" and scorer.origin == "shipped" and scorer.reference == scorers.active(kind):
        raise SettingError(f"{scorer.name} ships with the studio and is what {kind} scoring falls back to, so it can't be discarded", hint="Adopt another one; this one stays choosable.", place=scorer.name)
    if not scorer.revision:
        raise SettingError(f"nobody has tried {scorer.name} yet", hint=f"Run: python -m pipeline trial NAME --candidate {scorer.reference} --kind {kind}", place=scorer.name)
    row = ScorerVerdict(kind, scorer.reference, scorer.revision, verdict, author, trial)
    return replace(row, id=store.scorer_verdicts.add(row))


def with_scorers(context: "JobContext", params: dict[str, Any]) -> dict[str, Any]:
    """A job's parameters with every kind's scorer named as it can be loaded: the present one where none is named.

    Raises SettingError as `present` does. Names it does not know are left for loading to judge.
    """
    named = params.get("scorers") or {}
    full: dict[str, str] = {}
    for kind in [kind for kind in params.get("kinds") or KINDS if kind in KINDS]:
        told = named.get(kind)
        if not told:
            full[kind] = _unchanged(present(context.store, context.workspace, kind)).loadable
        elif "/" not in told and told not in scorers.available(kind) and kind_of(context.workspace.scorers_dir / told) == kind:
            full[kind] = str(context.workspace.scorers_dir / told)
        else:
            full[kind] = told
    return {**params, "scorers": {**named, **full}}


def _standing(scorer: KnownScorer, present_now: str, rows: list[ScorerVerdict]) -> KnownScorer:
    latest = next((row for row in rows if row.scorer == scorer.reference), None)
    if latest is not None and not scorer.problem and latest.revision != scorer.revision and latest.verdict != "discarded":
        scorer = replace(scorer, problem=f"its weights changed since it was {latest.verdict}: {scorer.revision[:8]} now, {latest.revision[:8]} then")
    if scorer.reference == present_now:
        return replace(scorer, standing="present")
    if latest is None:
        return replace(scorer, standing="choosable" if scorer.origin == "shipped" else "undecided")
    return replace(scorer, standing="discarded" if latest.verdict == "discarded" else "choosable")


def _unchanged(scorer: KnownScorer) -> KnownScorer:
    """An adopted adapter whose files are those people decided on. Reads them, so in a worker only. Raises SettingError."""
    if scorer.origin == "adapter" and adapters.is_adapter(scorer.folder):
        now = adapters.read_adapter(scorer.folder).revision
        if now != scorer.revision:
            raise SettingError(f"the adopted {scorer.kind} scorer {scorer.name} is not what was adopted: its files are {now[:8]} now, {scorer.revision[:8]} then",
                               hint="Restore its files, or undo its adoption under Teach, Try a scorer.", place=scorer.name)
    return scorer


def _tried(store: "Store", kind: Kind) -> dict[str, str]:
    """{folder outside the workspace: revision} of what a trial was made of; "" where no trial has read it yet."""
    found: dict[str, str] = {}
    for job in reversed(store.jobs.recent(kinds=["trial"], limit=100)):
        path = str(job.params.get("candidate", ""))
        if job.params.get("kind") == kind and "/" in path:
            found[path] = str((job.result.get("candidate") or {}).get("revision") or found.get(path, ""))
    return found


def kind_of(folder: Path) -> str | None:
    """The kind that a folder's scorer.json names, None where it holds none that can be read."""
    try:
        return json.loads((folder / scorers.SPEC).read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError, AttributeError):
        return None


def _read(folder: Path, kind: Kind, reference: str, origin: Origin, revision: str = "") -> KnownScorer:
    """What a folder tells of itself; what can't be read is a scorer with a problem.

    `revision` is what is known of an adapter from its trial: reading it anew needs torch, which the web process has not.
    """
    empty = KnownScorer(kind, reference, origin, folder, revision=revision)
    try:
        if (folder / scorers.SPEC).is_file():
            told = json.loads((folder / scorers.SPEC).read_text(encoding="utf-8"))
            if told["kind"] != kind:
                return replace(empty, problem=f"it scores {told['kind']}s, not {kind}s")
            training = told.get("training") or {}
            return replace(empty, base=str(told["base"]), revision=scorers.told_revision(told), image_preparation=str(told.get("image_preparation", "pad")),
                           figures=told.get("figures") or {}, training=training, told=told, made_at=(folder / scorers.SPEC).stat().st_mtime,
                           author=str(told.get("author") or training.get("author") or training.get("by") or "")[:60])
        if adapters.is_adapter(folder):
            base = str(json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("base_model_name_or_path") or "")
            return replace(empty, base=published(base) or base, made_at=(folder / CONFIG).stat().st_mtime)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return replace(empty, problem=f"its description can't be read: {error!r}"[:200])
    return replace(empty, problem="its folder is gone" if not folder.is_dir() else f"there is no {scorers.SPEC} in its folder")
