"""The export job: a selection of a data set → LLaVA JSON, its images, and a manifest that says how it came about.

    data.json         the records, one answer a turn, accepted rewrites in place
    images/…          the images under the paths the records name, byte for byte as imported
    provenance.jsonl  one line for each text that differs from the import, and for each answer chosen among several
    README.md         a dataset card that says the same in words
    manifest.json     counts, scorer keys, selection, decisions, versions, sha256 of every other file; written last

Streams; appears whole or not at all; overwrites nothing.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from pipeline.curated_records import CuratedRecord, stream
from pipeline.curation import Curation, curate
from pipeline.dataset_card import CARD, checked_license, dataset_card
from pipeline.decisions import Decisions
from pipeline.errors import DataError, SettingError, StoreError
from pipeline.export_names import ImageNames
from pipeline.export_target import ExportTarget, FolderTarget, ZipTarget, free_place
from pipeline.formats import llava
from pipeline.records import Record
from pipeline.selection import REASONS, SelectionSpec, funnel_counts
from pipeline.store import Store
from pipeline.store.datasets import Dataset
from pipeline.versions import versions
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.worker import JobContext

DATA, IMAGES, PROVENANCE, MANIFEST = "data.json", "images", "provenance.jsonl", "manifest.json"
EVERYTHING = "everything"
MAX_LISTED = 1_000
SPOOL_BYTES = 16 << 20

Progress = Callable[[int, int, str], None]


def run(context: "JobContext") -> dict[str, Any]:
    """Handler of "export" jobs: {"selection": name or None, "to": folder or "", "zip": bool, "license": text} → where it lies, with counts."""
    params = context.params
    if context.job.dataset_id is None:
        raise SettingError("no data set was named", hint="Choose the data set to export.")
    for name in ("selection", "to", "license"):
        told = params.get(name)
        if told is not None and (not isinstance(told, str) or "\0" in told):
            raise SettingError(f"the export's {name} is not a text", hint="Give the selection's name, the folder and the licence as texts.")
    to = Path(params["to"]).expanduser() if params.get("to") else None
    return export(context.store, context.workspace, context.job.dataset_id, params.get("selection") or None, to, bool(params.get("zip")),
                  lambda done, total, stage: context.step(done, total, stage), license=params.get("license") or "")


def export(store: Store, workspace: Workspace, dataset_id: int, selection: str | SelectionSpec | None, to: Path | None, as_zip: bool,
           progress: Progress = lambda done, total, stage: None, *, license: str = "") -> dict[str, Any]:
    """Write one selection and return {"path", "records", "images", …}. `to` None means the workspace's exports folder.

    `license` is an identifier such as "cc-by-4.0" for the dataset card; "" says that it is unknown.

    `selection` None is the one that is open in the screen; before anything was scored or decided, the whole data set.
    Raises SettingError where nothing is kept, NotFound for an unknown selection, StoreError where the place can't be written.
    """
    license = checked_license(license)
    dataset = store.datasets.get(dataset_id)
    choice = _choose(store, dataset_id, selection)
    if not choice.ids:
        raise SettingError("the selection keeps no record", hint="Loosen the cuts in Select, or keep records by hand.")
    place = _place(workspace, dataset, to, as_zip)
    try:
        target: ExportTarget = ZipTarget(place) if as_zip else FolderTarget(place)
    except OSError as error:
        raise _disk_error(place, error) from error
    try:
        job = _Export(store, workspace, dataset_id, choice, target, progress)
        job.write_records()
        job.write_images()
        manifest = _manifest(store, dataset, choice, job) | {"license": license}
        with target.text(CARD) as file:
            file.write(dataset_card(manifest, license=license))
        manifest["files"] = {name: {"sha256": sha, "bytes": size} for name, (sha, size) in target.files.items()}
        with target.text(MANIFEST) as file:
            json.dump(manifest, file, ensure_ascii=False, indent=1, allow_nan=False)
        path = target.finish()
    except OSError as error:
        target.discard()
        raise _disk_error(place, error) from error
    except BaseException:
        target.discard()
        raise
    return {"path": str(path), "zip": as_zip, "records": job.records, "of": dataset.record_count, "selection": choice.name,
            "images": job.images_written, "images_missing": len(job.images.missing), "rewritten_texts": sum(job.origins.values()),
            "bytes": sum(size for _, size in target.files.values()), "files": len(target.files), "counts": manifest["counts"]}


@dataclass(frozen=True)
class _Choice:
    """Which records leave, and why. `view` is None where the whole data set leaves unscored."""

    name: str
    ids: list[int]
    best: dict[int, tuple[int, ...]]
    view: Curation | None
    decisions: Decisions


def _choose(store: Store, dataset_id: int, selection: str | SelectionSpec | None) -> _Choice:
    spec = selection if isinstance(selection, SelectionSpec) else None
    unscored = not store.scores.latest_key(dataset_id, "question") and not store.scores.latest_key(dataset_id, "answer")
    if selection in (None, EVERYTHING) and unscored:
        decisions = store.actions.decisions(dataset_id)
        ids = [record_id for record_id in store.records.ids(dataset_id) if decisions.get(record_id) != "drop"]
        return _Choice(EVERYTHING, ids, {}, None, decisions)
    view = curate(store, dataset_id, None if spec else selection, spec=spec)  # type: ignore[arg-type]
    best = {int(record_id): chosen for record_id, chosen in zip(view.table.ids, view.table.best)}
    return _Choice(view.name, view.kept_ids, best, view, view.decisions)


class _Export:
    """One run: writes records, provenance and images into the target, and counts."""

    def __init__(self, store: Store, workspace: Workspace, dataset_id: int, choice: _Choice, target: ExportTarget, progress: Progress) -> None:
        self._store, self._workspace, self._dataset_id = store, workspace, dataset_id
        self._choice, self._target, self._progress = choice, target, progress
        self.images = ImageNames()
        self.records = 0
        self.images_written = 0
        self.types: Counter[str] = Counter()
        self.origins: Counter[tuple[str, str]] = Counter()
        self.rewrite_keys: Counter[str] = Counter()
        self.turns_with_choice = 0
        self.turns_not_first = 0

    def write_records(self) -> None:
        with SpooledTemporaryFile(SPOOL_BYTES, "w+", encoding="utf-8") as provenance:
            with self._target.text(DATA) as file:
                self.records = llava.write((self._one(item, provenance) for item in self._items()), file)
            provenance.seek(0)
            with self._target.text(PROVENANCE) as file:
                shutil.copyfileobj(provenance, file)

    def _items(self) -> Iterator[CuratedRecord]:
        total = len(self._choice.ids)
        for number, item in enumerate(stream(self._store, self._dataset_id, self._choice.ids, self._choice.best), 1):
            if number % 200 == 0 or number == total:
                self._progress(number, total, "writing records")
            yield item

    def _one(self, item: CuratedRecord, provenance: IO[str]) -> Record:
        record = item.record
        self.types[record.type] += 1
        self._trace(item, provenance)
        paths = tuple(self._image(path, sha, problem) for path, sha, problem in zip(record.image_paths, record.images, record.image_problems))
        return replace(record, image_paths=paths)

    def _image(self, path: str, sha: str | None, problem: str | None) -> str:
        if sha is None:
            self.images.missing[path] = problem or "missing"
            return path
        return self.images.place(path, sha)

    def _trace(self, item: CuratedRecord, provenance: IO[str]) -> None:
        record = {"id": item.record.key, "row": item.record.row}
        lines: list[dict[str, Any]] = []
        for turn, (chosen, offered) in enumerate(zip(item.chosen, item.offered)):
            if offered > 1:
                self.turns_with_choice += 1
                self.turns_not_first += chosen != 0
                lines.append({**record, "turn": turn, "part": "answer", "origin": "chosen", "candidate": chosen, "of": offered})
        for change in item.changes:
            self.origins[change.part, change.origin] += 1
            self.rewrite_keys[change.rewrite_key] += 1
            lines.append({**record, **asdict(change)})
        provenance.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

    def write_images(self) -> None:
        total = len(self.images.shas)
        for number, (name, sha) in enumerate(self.images.shas.items(), 1):
            source = self._workspace.image_path(sha)
            if not source.exists():
                raise DataError(f"the stored image of {name!r} is gone from the workspace", hint="Import the data set again.")
            self._target.copy(f"{IMAGES}/{name}", source, sha)
            self.images_written = number
            if number % 20 == 0 or number == total:
                self._progress(number, total, "copying images")


def _manifest(store: Store, dataset: Dataset, choice: _Choice, job: _Export) -> dict[str, Any]:
    images = job.images
    return {
        "made_by": "Align² Studio", "layout": 1, "made_at": datetime.now(UTC).isoformat(timespec="seconds"), "versions": versions(),
        "dataset": {"name": dataset.name, "source": dataset.source, "records": dataset.record_count,
                    "import": {key: dataset.report[key] for key in ("read", "imported", "skipped_count", "encoding") if key in dataset.report}},
        "selection": {"name": choice.name, "spec": choice.view.spec.as_json() if choice.view else None},
        "scorers": _scorers(store, choice),
        "counts": _counts(choice, dataset, job),
        "decisions": dict(Counter(word for _, word in choice.decisions.items())),
        "answers": {"turns_with_several_candidates": job.turns_with_choice, "of_which_not_the_first_was_chosen": job.turns_not_first},
        "rewrites": {"texts": sum(job.origins.values()), "by_part_and_origin": {f"{part}, {origin}": n for (part, origin), n in sorted(job.origins.items())},
                     "keys": dict(job.rewrite_keys), "provenance": PROVENANCE},
        "images": {"folder": IMAGES, "files": job.images_written, "missing_count": len(images.missing), "missing": dict(islice(images.missing.items(), MAX_LISTED)),
                   "renamed_count": len(images.renamed), "renamed": dict(islice(images.renamed.items(), MAX_LISTED))},
    }


def _scorers(store: Store, choice: _Choice) -> dict[str, Any]:
    """The key of each stage in full, None where the stage had no scores."""
    digests = {"question": choice.view.spec.question_key if choice.view else None, "answer": choice.view.spec.answer_key if choice.view else None}
    return {stage: {"digest": digest, **asdict(store.scores.key(digest))} if digest else None for stage, digest in digests.items()}


def _counts(choice: _Choice, dataset: Dataset, job: _Export) -> dict[str, Any]:
    counts: dict[str, Any] = {"imported": dataset.record_count, "exported": job.records, "exported_by_type": dict(job.types)}
    if choice.view is not None:
        codes = Counter(choice.view.result.code.tolist())
        counts["stages"] = funnel_counts(choice.view.table, choice.view.result)
        counts["reasons"] = {label: codes[code] for code, label in REASONS.items() if codes[code]}
    return counts


def _place(workspace: Workspace, dataset: Dataset, to: Path | None, as_zip: bool) -> Path:
    """Where the export will lie: the named place where it is free, else a free name beside or inside it."""
    slug = re.sub(r"[^\w.-]+", "-", dataset.name).strip("-.")[:60] or "export"
    if to is None:
        return free_place(workspace.exports_dir / (f"{slug}.zip" if as_zip else slug))
    if as_zip:
        return free_place(to if to.suffix.lower() == ".zip" else to / f"{slug}.zip")
    if to.exists() and not to.is_dir():
        raise SettingError(f"{to} is a file", hint="Name a folder, or tick zip.")
    empty = not to.exists() or not any(to.iterdir())
    return to if empty else free_place(to / slug)


def _disk_error(place: Path, error: OSError) -> StoreError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StoreError(f"the export can't be written to {place}: {'the disk is full' if full else error.strerror or error}",
                      hint="Free some space, or name another folder. Nothing was left behind.")
