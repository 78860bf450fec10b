"""POST /api/imports: check the wish, then queue the import as a job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import SettingError
from pipeline.records import Job
from studio import uploads
from studio.api.shapes import job_shape
from studio.context import StudioContext

Text = Annotated[str, Field(max_length=4096)]


class Place(BaseModel):
    """Where a file is: sent before (`upload`, a token) or on this machine (`path`)."""

    model_config = ConfigDict(extra="forbid", strict=True)
    upload: Text = ""
    path: Text = ""


class ImportWish(BaseModel):
    """A data set to bring in. `images` without upload and path: none, or beside the file where the records say so."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: Text
    file: Place
    images: Place = Place()


def start_import(context: StudioContext, wish: ImportWish) -> Job:
    """Queue the import. Raises SettingError on a taken or unusable name, NotFound and SettingError on missing files."""
    name = wish.name.strip()
    if not name or len(name) > 120 or not name.isprintable():
        raise SettingError(f"{name[:40]!r} is no usable data-set name", hint="Use 1 to 120 printable characters.", place="Name")
    waiting = [job for job in context.store.jobs.active() if job.kind == "import" and str(job.params.get("name", "")).casefold() == name.casefold()]
    if waiting or context.store.datasets.find(name):
        raise SettingError(f"a data set named {name!r} is already here", hint="Choose another name, or delete the old one first.", place="Name")
    file = place_of(context, wish.file, "File")
    if file is None:
        raise SettingError("no data file was named", hint="Choose a LLaVA JSON or JSONL file.", place="File")
    if not file.is_file():
        raise SettingError(f"{file} is not a file", hint="Name the JSON or JSONL file itself.", place="File")
    images = place_of(context, wish.images, "Images")
    sent = [place.upload for place in (wish.file, wish.images) if place.upload]
    return context.submit("import", None, {"name": name, "file": str(file), "images": str(images) if images else "", "uploaded": bool(sent), "uploads": sent})


def place_of(context: StudioContext, place: Place, label: str) -> Path | None:
    """The path a wish means, None where it names nothing. Raises SettingError where nothing is there."""
    if place.upload:
        return uploads.find(context.workspace, place.upload).path
    told = place.path.strip().strip("\"'")
    if not told:
        return None
    path = Path(told)
    try:
        path = path.expanduser()
        if not path.is_absolute():
            raise SettingError(f"{told!r} does not start at the root", hint="Give the whole path, for example /home/you/llava/data.json.", place=label)
        if not path.exists():
            raise SettingError(f"there is nothing at {told}", hint="Check the path; it is looked up on the machine that runs the studio.", place=label)
    except (OSError, ValueError, RuntimeError) as error:
        raise SettingError(f"{told[:200]!r} can't be looked up: {error}", hint="Check the path.", place=label) from error
    return path


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/imports")

    @routes.post("", status_code=202)
    def start(wish: ImportWish) -> dict[str, Any]:
        return job_shape(start_import(context, wish))

    return routes
