"""The import job: a data file and its images → one data set of the workspace, all or nothing, with a report.

Streams: memory stays at one batch. The data set is visible only once it is whole; what a failed, stopped or killed import
left behind is removed. Knows no format and no archive: those are pipeline.formats and pipeline.image_sources.
"""

from __future__ import annotations

import errno
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import jobs
from pipeline.errors import DataError, SettingError, StoreError
from pipeline.formats import Format, recognise
from pipeline.formats.findings import Note, Problem
from pipeline.formats.textfile import open_text
from pipeline.image_sources import ImageSource, open_source
from pipeline.images import ImageProblem, StoredImage, is_misnamed, keep, remove_unfinished
from pipeline.import_report import ImportReport
from pipeline.records import Record
from pipeline.store import Store
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.worker import JobContext

BATCH_RECORDS = 2_000
BATCH_IMAGES = 48
DECODE_THREADS = 2
"""Decoding releases the interpreter's lock; two keep both cores of a small machine busy at a bounded memory."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class ImportParams:
    """What a person asked for. `images` None: no image place was named. `uploaded`: the files are temporary copies."""

    file: Path
    images: Path | None
    name: str
    uploaded: bool

    @classmethod
    def from_json(cls, params: dict[str, Any]) -> "ImportParams":
        """Read job parameters. Raises SettingError naming the one that is missing or of the wrong kind."""
        for field in ("file", "images", "name"):
            told = params.get(field)
            if told is not None and (not isinstance(told, str) or "\0" in told):
                raise SettingError(f"the import's {field} is not a text", hint="Give paths and the name as texts.")
        if not params.get("file"):
            raise SettingError("no file was named", hint="Choose a LLaVA JSON or JSONL file.")
        file = Path(params["file"]).expanduser()
        images = Path(params["images"]).expanduser() if params.get("images") else None
        return cls(file, images, (params.get("name") or "").strip() or file.name.split(".")[0], bool(params.get("uploaded")))


@dataclass(frozen=True)
class _Outcome:
    """What became of one image path: a stored image, or why there is none."""

    image: StoredImage | None = None
    rule: str = ""
    fate: str = ""
    what: str = ""
    way_out: str = ""
    misnamed: bool = False


def run(context: "JobContext") -> dict[str, Any]:
    """Handler of "import" jobs: {"file", "images", "name", "uploaded"} → the report, with `dataset_id`.

    Raises DataError or SettingError with a hint; then, as after a stop, nothing of the data set is left.
    """
    params = ImportParams.from_json(context.params)
    done = _already_done(context, params.name)
    if done is not None:
        return done
    _remove_leftovers(context)
    try:
        report = import_file(context.store, context.workspace, params, progress=lambda n, total, stage: context.step(n, total, stage), job_id=context.job.id)
        jobs.submit(context.store, "index", report["dataset_id"], {"name": params.name}, priority=jobs.BESIDE)  # search and cheap columns: the data set can be used before
        return report
    finally:  # not reached by a kill: then the job starts again and needs the upload still
        _discard_uploads(params, context.workspace)


def import_file(store: Store, workspace: Workspace, params: ImportParams, *, progress: Progress = lambda done, total, stage: None, job_id: int = 0) -> dict[str, Any]:
    """Read a file and its images into a new data set and return the report. All or nothing."""
    started = time.monotonic()
    with _disk_errors(workspace):
        format = recognise(params.file)
        text = open_text(params.file)
        source = open_source(params.images)
        try:
            dataset_id = store.datasets.create(params.name, params.file.name)
            try:
                report = _read_all(store, workspace, format, params.file, source, dataset_id, progress)
                about = {"dataset_id": dataset_id, "dataset": params.name, "job": job_id, "file": params.file.name, "format": format.label, "encoding": text.described}
                result = report.as_json(source, {**about, "seconds": round(time.monotonic() - started, 2)})
                store.datasets.finish(dataset_id, result)
            except BaseException:
                store.datasets.delete(dataset_id)
                raise
        finally:
            source.close()
    return result


def _read_all(store: Store, workspace: Workspace, format: Format, file: Path, source: ImageSource, dataset_id: int, progress: Progress) -> ImportReport:
    report = ImportReport()
    total = _estimate_rows(file)
    with ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="decode") as pool:
        importer = _Importer(store, workspace, source, dataset_id, report, pool)
        progress(0, total, "reading")
        for item, _share in format.read(file):
            if isinstance(item, Problem):
                report.add_problem(item)
            elif isinstance(item, Note):
                report.add_note(item)
            elif importer.add(item):
                progress(report.read, max(total, report.read), "reading")
        importer.flush()
    if not report.imported:
        raise _nothing_read(file, report)
    progress(report.read, report.read, "reading")
    return report


class _Importer:
    """Collects records to batches, brings in their images side by side, and stores each batch in one transaction."""

    def __init__(self, store: Store, workspace: Workspace, source: ImageSource, dataset_id: int, report: ImportReport, pool: ThreadPoolExecutor) -> None:
        self._store, self._workspace, self._source = store, workspace, source
        self._dataset_id, self._report, self._pool = dataset_id, report, pool
        self._batch: list[Record] = []
        self._new_paths: dict[str, int] = {}
        self._known: dict[str, tuple[str | None, str | None]] = {}  # path → (sha, problem)

    def add(self, record: Record) -> bool:
        """True when a batch was just stored."""
        self._batch.append(record)
        for path in record.image_paths:
            if path not in self._known:
                self._new_paths.setdefault(path, record.row)
        if len(self._batch) < BATCH_RECORDS and len(self._new_paths) < BATCH_IMAGES:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        outcomes = list(self._pool.map(self._bring_in, self._new_paths))
        for (path, row), outcome in zip(self._new_paths.items(), outcomes):
            self._settle(path, row, outcome)
        records = [self._with_images(record) for record in self._batch]
        with self._store.database.write():
            for outcome in outcomes:
                if outcome.image is not None:
                    image = outcome.image
                    self._store.records.add_image(image.sha, width=image.width, height=image.height, format=image.format, mode=image.mode,
                                                  bytes=image.bytes, notes=image.conversions)
            self._store.records.add(self._dataset_id, records)
        for record in records:
            self._report.add_record(record)
        self._batch, self._new_paths = [], {}

    def _bring_in(self, path: str) -> _Outcome:
        """Find, check and store one image; runs in a decoding thread and touches no database."""
        found = self._source.find(path)
        if found is None:
            return _missing(self._source)
        name, rule = found
        try:
            image = keep(self._source.read(name), self._workspace)
        except ImageProblem as problem:
            return _Outcome(fate=problem.kind, what=problem.message, way_out=problem.hint)
        return _Outcome(image, rule, misnamed=is_misnamed(name, image.format))

    def _settle(self, path: str, row: int, outcome: _Outcome) -> None:
        if outcome.image is None:
            self._known[path] = (None, f"{outcome.fate}: {outcome.what}")
            self._report.add_image_fate(outcome.fate, row=row, name=path, what=outcome.what, way_out=outcome.way_out)
            return
        self._known[path] = (outcome.image.sha, None)
        conversions = outcome.image.conversions + (("misnamed",) if outcome.misnamed else ())
        self._report.add_image(row=row, name=path, rule=outcome.rule, conversions=conversions)

    def _with_images(self, record: Record) -> Record:
        if not record.image_paths:
            return record
        known = [self._known[path] for path in record.image_paths]
        return replace(record, images=tuple(sha for sha, _ in known), image_problems=tuple(problem for _, problem in known))


def _missing(source: ImageSource) -> _Outcome:
    if source.label == "none":
        return _Outcome(fate="missing", what="no image folder or zip was named", way_out="Import again and name the folder or zip with the images.")
    return _Outcome(fate="missing", what=f"no such file among the {source.file_count:,} in {source.label}", way_out="Add the file, or correct its path in the record.")


def _nothing_read(file: Path, report: ImportReport) -> DataError:
    if not report.skipped:
        return DataError(f"{file.name} holds an empty list: there is no record in it", hint="Export it again with its records.")
    first = report.skipped[0]
    return DataError(f"none of the {report.read:,} rows of {file.name} can be used; the first: {first['what']}",
                     hint=first["way_out"], place=f"row {first['row']}, {first['place']}")


def _estimate_rows(file: Path) -> int:
    """How often `"conversations"` stands in the file: rows, but for texts that quote it. For the progress bar only."""
    count, rest, word = 0, "", '"conversations"'
    try:
        for piece, _share in open_text(file).chunks():
            piece = rest + piece
            count += piece.count(word)
            rest = piece[-len(word) + 1:]
    except DataError:
        pass  # a damaged file; the reader will say where
    return max(1, count)


def _already_done(context: "JobContext", name: str) -> dict[str, Any] | None:
    """The report of this very job, where it was killed after its last step."""
    dataset = context.store.datasets.find(name)
    return dataset.report if dataset and dataset.status == "ready" and dataset.report.get("job") == context.job.id else None


def _remove_leftovers(context: "JobContext") -> None:
    """Delete half data sets and half image files of imports that were killed; one lane runs one import, so none of them is alive."""
    remove_unfinished(context.workspace)
    running = {ImportParams.from_json(job.params).name for job in context.store.jobs.active("io")
               if job.kind == "import" and job.state == "running" and job.id != context.job.id}
    for dataset in context.store.datasets.all(ready_only=False):
        if dataset.status == "importing" and dataset.name not in running:
            context.log(f"removing the half data set {dataset.name!r} of an import that was killed")
            context.store.datasets.delete(dataset.id)


def _discard_uploads(params: ImportParams, workspace: Workspace) -> None:
    """Remove uploaded copies, and their folder once it is empty. Never touches a file outside the uploads folder."""
    if not params.uploaded:
        return
    uploads = workspace.uploads_dir.resolve()
    for path in (params.file, params.images):
        if path is None or not path.resolve().is_relative_to(uploads) or not path.is_file():
            continue
        path.unlink(missing_ok=True)
        if path.parent.resolve() != uploads and not any(path.parent.iterdir()):
            path.parent.rmdir()


@contextmanager
def _disk_errors(workspace: Workspace) -> Iterator[None]:
    """Turn a full or failing disk into words a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError("the disk is full; nothing of this data set was kept", hint=f"Free some space for {workspace.root} and import again.") from error
        raise StoreError(f"the disk gave an error: {error.strerror or error}", hint="Check the disk and import again.") from error
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise StoreError("the disk is full; nothing of this data set was kept", hint=f"Free some space for {workspace.root} and import again.") from error
        raise
