"""/api/exports: what would leave, start an export, earlier ones with their manifests; /media/export: the zip itself.

Which file is served is looked up in the finished job's own result; no path from a request ever reaches the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import zipfile
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import FileResponse

from pipeline.curation import CURRENT, Curation, spec_of
from pipeline.errors import DataError, NotFound, SettingError, StudioError
from pipeline.exporting import DATA, EVERYTHING, IMAGES, MANIFEST
from pipeline.extent import extent
from pipeline.records import WHOLE, Job
from pipeline.selection import funnel_counts
from studio import uploads
from studio.api.imports import ImportWish, Place, start_import
from studio.api.shapes import Id, QueryId, job_shape
from studio.context import StudioContext
from studio.score_tables import tables_of

LISTED = 20
MANIFEST_LIMIT_BYTES = 64 * 1024**2
PIECE_BYTES = 1 << 20
CHECKSUMS_SHOWN = 60
RECORD_OVERHEAD_BYTES = 120


@dataclass(frozen=True)
class ExportWish:
    """What a person asks for. `selection` "" is the one that is open; `to` "" the workspace's own exports folder."""

    dataset_id: int
    selection: str = ""
    to: str = ""
    zip: bool = True

    @property
    def params(self) -> dict[str, Any]:
        return {"selection": None if self.selection in ("", CURRENT) else self.selection, "to": self.to, "zip": self.zip}


def read_wish(body: Any) -> ExportWish:
    """Check a JSON body {"dataset", "selection", "to", "zip"}. Raises SettingError naming what is wrong."""
    if not isinstance(body, dict):
        raise SettingError("this is no export request", hint="Send an object with dataset and selection.")
    dataset = body.get("dataset")
    if isinstance(dataset, bool) or not isinstance(dataset, int) or not 0 <= dataset <= 2**53:
        raise SettingError("that is no data set's number", hint="Open a data set and start again.", place="dataset")
    told = {name: body.get(name) or "" for name in ("selection", "to")}
    for name, value in told.items():
        if not isinstance(value, str) or len(value) > 4096 or "\0" in value:
            raise SettingError(f"the {name} is no usable text", hint="Give a name or a path of at most 4,096 characters.", place=name)
    as_zip = body.get("zip", True)
    if not isinstance(as_zip, bool):
        raise SettingError("zip is neither true nor false", hint="Choose a folder or a zip.", place="zip")
    return ExportWish(dataset, told["selection"].strip(), told["to"].strip().strip("\"'"), as_zip)


def overview(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """Selections to choose from and the exports made so far, newest first. Raises NotFound."""
    dataset = context.store.datasets.get(dataset_id)
    stored = context.store.selections.all(dataset_id)
    named = [{"name": one.name, "label": one.name, "created_at": one.created_at} for one in stored if one.name != CURRENT]
    return {
        "dataset": {"id": dataset.id, "name": dataset.name, "records": dataset.record_count},
        "selections": [{"name": "", "label": "The cuts that are open now", "created_at": None}, *named],
        "exports_folder": str(context.workspace.exports_dir),
        "exports": [export_shape(job) for job in context.store.jobs.recent(dataset_id=dataset_id, kinds=["export"], limit=LISTED)],
    }


def export_shape(job: Job) -> dict[str, Any]:
    """A job with what lies on the disk now: `there` says whether it still does, `download` is the address of a zip."""
    path = str(job.result.get("path", ""))
    there = bool(path) and os.path.exists(path)
    is_zip = bool(job.result.get("zip"))
    return {**job_shape(job), "path": path, "there": there, "zip": is_zip, "file_name": os.path.basename(path), "selection": job.result.get("selection") or job.params.get("selection") or "",
            "zip_bytes": os.path.getsize(path) if there and is_zip else None, "download": f"/media/export/{job.id}" if there and is_zip else None}


def contents(context: StudioContext, dataset_id: int, selection: str = "") -> dict[str, Any]:
    """What an export of a selection would hold, with an estimate of its size. Raises NotFound for a foreign data set or selection."""
    dataset = context.store.datasets.get(dataset_id)
    ids, best, view = _chosen(context, dataset_id, selection)
    size = extent(context.store, ids)
    rewrites = _rewrites_inside(context, dataset_id, best)
    several = sum(len(turns) for turns in best.values())
    return {
        "selection": view.name if view else EVERYTHING, "unscored": view is None, "of": dataset.record_count, **asdict(size),
        "best_answers": several, "rewritten_questions": rewrites["question"], "rewritten_answers": rewrites["answer"],
        "estimated_bytes": size.image_bytes + size.text_bytes + RECORD_OVERHEAD_BYTES * size.records,
        "funnel": funnel_counts(view.table, view.result) if view else None, "by_hand": len(view.decisions) if view else 0,
    }


def _chosen(context: StudioContext, dataset_id: int, selection: str) -> tuple[list[int], dict[int, tuple[int, ...]], Curation | None]:
    """(ids, best candidate a turn by id, curation) as the export will choose them; without any score the whole data set leaves."""
    store = context.store
    if selection in ("", CURRENT) and not store.scores.latest_key(dataset_id, "question") and not store.scores.latest_key(dataset_id, "answer"):
        dropped = {record_id for record_id, verdict in store.actions.decisions(dataset_id).items() if verdict == "drop"}
        return [record_id for record_id in store.records.ids(dataset_id) if record_id not in dropped], {}, None
    name, spec = spec_of(store, dataset_id, selection or None)
    view = tables_of(store).curate(dataset_id, spec, name=name)
    kept = view.result.kept.nonzero()[0]
    return view.kept_ids, {int(view.table.ids[i]): view.table.best[i] for i in kept}, view


def _rewrites_inside(context: StudioContext, dataset_id: int, best: dict[int, tuple[int, ...]]) -> dict[str, int]:
    """Accepted or edited rewrites whose text the export will use: of kept records, and of the answer that is taken."""
    counts = {"question": 0, "answer": 0}
    for record_id, turn, candidate, part in context.store.rewrites.accepted(dataset_id):
        if record_id not in best:
            continue
        taken = best[record_id][turn] if turn < len(best[record_id]) else 0
        if candidate in (WHOLE, taken):
            counts[part] += 1
    return counts


def start(context: StudioContext, wish: ExportWish) -> Job:
    """Queue an export. Raises NotFound, and SettingError where nothing is kept, the place is unusable, or one is under way."""
    dataset = context.store.datasets.get(wish.dataset_id)
    ids, _, _ = _chosen(context, dataset.id, wish.selection)
    if not ids:
        raise SettingError("the selection keeps no record", hint="Loosen the cuts in Select, or keep records by hand.", place="selection")
    if wish.to:
        check_place(context, wish.to)
    running = next((job for job in context.store.jobs.active("io") if job.kind == "export" and job.dataset_id == dataset.id), None)
    if running is not None:
        raise SettingError(f"{dataset.name} is being exported already (job {running.id})", hint="Wait for it, or stop it first.")
    return context.submit("export", dataset.id, {**wish.params, "to": str(Path(wish.to).expanduser()) if wish.to else ""})


def check_place(context: StudioContext, to: str) -> None:
    """Refuse a folder that can't be meant: relative, a file, inside the workspace's own folders, or not writable. Raises SettingError."""
    try:
        place = Path(to).expanduser()
        if not place.is_absolute():
            raise SettingError(f"{to[:200]!r} does not start at the root", hint="Give the whole path, for example /home/you/curated.", place="to")
        resolved = place.resolve()
        inside, own = context.workspace.root.resolve(), context.workspace.exports_dir.resolve()
        if resolved.is_relative_to(inside) and not resolved.is_relative_to(own):
            raise SettingError(f"{to[:200]} lies inside the studio's workspace", hint=f"Choose a folder outside it, or leave the field empty for {own}.", place="to")
        if place.exists() and not place.is_dir():
            raise SettingError(f"{to[:200]} is a file", hint="Name a folder; it is made where it is missing.", place="to")
        ground = next(folder for folder in (resolved, *resolved.parents) if folder.exists())
        if not ground.is_dir() or not os.access(ground, os.W_OK):
            raise SettingError(f"{ground} can't be written", hint="Choose a folder you may write to.", place="to")
    except (OSError, ValueError, RuntimeError) as error:
        raise SettingError(f"{to[:200]!r} can't be looked up: {error}", hint="Check the path.", place="to") from error


def finished(context: StudioContext, job_id: int) -> tuple[Job, Path]:
    """A finished export that still lies on the disk. Raises NotFound for anything else, jobs of other kinds included."""
    job = context.store.jobs.get(job_id)
    if job.kind != "export" or job.state != "done" or not job.result.get("path"):
        raise NotFound(f"job {job_id} is no finished export", hint="Choose one from the list of exports.")
    path = Path(str(job.result["path"]))
    wanted = path.is_file() if job.result.get("zip") else path.is_dir()
    if path.is_symlink() or not wanted:
        raise NotFound(f"the export is not at {path} any more", hint="It was moved or deleted. Export again.")
    return job, path


def manifest(context: StudioContext, job_id: int) -> dict[str, Any]:
    """The manifest of an export as it was written, its list of files cut to the first ones. Raises NotFound, DataError."""
    job, path = finished(context, job_id)
    whole = json.loads(_member(path, MANIFEST, MANIFEST_LIMIT_BYTES))
    files = dict(whole.get("files", {}))
    order = sorted(files, key=lambda name: (name.startswith(f"{IMAGES}/"), name))
    shown = [{"name": name, **files[name]} for name in order[:CHECKSUMS_SHOWN]]
    return {**whole, "files": shown, "files_total": len(files), "files_bytes": sum(entry.get("bytes", 0) for entry in files.values()), "path": str(path), "job": job.id}


def _member(path: Path, name: str, limit: int) -> bytes:
    """One small file of an export, folder or zip. Raises DataError where it is missing, too large or damaged."""
    try:
        if path.is_dir():
            if (path / name).stat().st_size > limit:
                raise DataError(f"{name} is larger than {limit:,} bytes", hint="Open it in an editor.", place=str(path))
            return (path / name).read_bytes()
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(name).file_size > limit:
                raise DataError(f"{name} is larger than {limit:,} bytes", hint="Open it in an editor.", place=str(path))
            return archive.read(name)
    except (OSError, KeyError, zipfile.BadZipFile, ValueError) as error:
        raise DataError(f"{name} of this export can't be read: {error}", hint="The export was changed after it was made. Export again.", place=str(path)) from error


def import_again(context: StudioContext, job_id: int, body: Any) -> Job:
    """Queue an import of an export as a new data set. Raises NotFound, and SettingError where the name is taken or unusable."""
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str):
        raise SettingError("no name was given for the new data set", hint="Type a name of 1 to 120 characters.", place="Name")
    _, path = finished(context, job_id)
    if path.is_dir():
        return start_import(context, ImportWish(name=name, file=Place(path=str(path / DATA)), images=Place(path=str(path / IMAGES))))
    data = asyncio.run(uploads.receive(context.workspace, f"{path.stem}.json", None, _data_of(path)))
    try:
        return start_import(context, ImportWish(name=name, file=Place(upload=data.token), images=Place(path=str(path))))
    except StudioError:
        uploads.discard(context.workspace, data.token)
        raise


async def _data_of(path: Path) -> AsyncIterator[bytes]:
    """The records of a zipped export, a piece at a time. Raises DataError where the zip is damaged."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(DATA) as file:
            while piece := file.read(PIECE_BYTES):
                yield piece
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{DATA} of this export can't be read: {error}", hint="The zip was changed after it was made. Export again.", place=str(path)) from error


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter()

    @routes.get("/api/exports")
    def read(dataset: QueryId) -> dict[str, Any]:
        return overview(context, dataset)

    @routes.get("/api/exports/contents")
    def inside(dataset: QueryId, selection: Annotated[str, Query(max_length=200)] = "") -> dict[str, Any]:
        return contents(context, dataset, selection)

    @routes.post("/api/exports", status_code=202)
    def begin(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return job_shape(start(context, read_wish(body)))

    @routes.get("/api/exports/{job_id}/manifest")
    def told(job_id: Id) -> dict[str, Any]:
        return manifest(context, job_id)

    @routes.post("/api/exports/{job_id}/import", status_code=202)
    def again(job_id: Id, body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return job_shape(import_again(context, job_id, body))

    @routes.get("/media/export/{job_id}")
    def download(job_id: Id) -> FileResponse:
        _, path = finished(context, job_id)
        if not path.is_file():
            raise NotFound(f"export {job_id} is a folder, not a zip", hint=f"It lies at {path}.")
        name = re.sub(r"[^\w.-]+", "-", path.name)
        return FileResponse(path, media_type="application/zip", filename=name, headers={"cache-control": "no-store", "content-security-policy": "default-src 'none'; sandbox"})

    return routes
