"""Files on their way in: streamed to the workspace, named by a token, gone again when the sender breaks off.

Owns the folder uploads/ of the workspace. Reads no content; that is the import job's work, in its own process.
"""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from pipeline.errors import DataError, NotFound, SettingError, StoreError
from pipeline.workspace import Workspace

log = logging.getLogger(__name__)

_TOKEN = re.compile(r"[0-9a-f]{32}")
_BUFFER_BYTES = 1 << 20
SPARE_BYTES = 200 << 20
"""Room on the disk that an upload must leave for the database."""
STALE_AFTER_S = 24 * 3600.0


@dataclass(frozen=True)
class Upload:
    """One received file. `name` is the sender's file name without folders."""

    token: str
    name: str
    path: Path
    bytes: int


async def receive(workspace: Workspace, name: str, told_bytes: int | None, chunks: AsyncIterator[bytes]) -> Upload:
    """Write a stream to the workspace. Leaves nothing behind unless all of it arrived.

    `told_bytes` is the length the sender announced, None where it did not. Raises SettingError on an unusable name,
    StoreError on a full disk, DataError on an empty or cut-off body.
    """
    name = _checked_name(name)
    free = shutil.disk_usage(workspace.uploads_dir).free
    if told_bytes is not None and told_bytes + SPARE_BYTES > free:
        raise StoreError(f"{name!r} has {told_bytes:,} bytes, and the workspace's disk has {free:,} left",
                         hint="Make room, or point to the file where it lies instead of sending it.", place=name)
    token = secrets.token_hex(16)
    folder = workspace.uploads_dir / token
    folder.mkdir()
    try:
        size = await _write(folder / "part", chunks)
        if size == 0:
            raise DataError("the file is empty", hint="Choose a file with content.", place=name)
        if told_bytes is not None and size != told_bytes:
            raise DataError(f"{size:,} of {told_bytes:,} bytes arrived", hint="Send the file again.", place=name)
        path = (folder / "part").rename(folder / name)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StoreError(f"{name!r} could not be stored: {error.strerror}", hint="Make room on the workspace's disk, then send it again.", place=name) from error
    except BaseException:  # the sender went away, the limit was met, the server stops: nothing may stay
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Upload(token, name, path, size)


def find(workspace: Workspace, token: str) -> Upload:
    """A received file by its token. Raises NotFound."""
    folder = workspace.uploads_dir / token if _TOKEN.fullmatch(token) else None
    files = [path for path in folder.iterdir() if path.name != "part"] if folder and folder.is_dir() else []
    if len(files) != 1:
        raise NotFound("this upload is not here any more", hint="Choose the file again.")
    return Upload(token, files[0].name, files[0], files[0].stat().st_size)


def discard(workspace: Workspace, token: str) -> None:
    """Remove a received file; no error where it is gone."""
    if _TOKEN.fullmatch(token):
        shutil.rmtree(workspace.uploads_dir / token, ignore_errors=True)


def sweep(workspace: Workspace, in_use: set[str], *, now: float | None = None) -> int:
    """Remove uploads that nobody imported: unfinished ones and those older than a day. `in_use` are tokens of active jobs."""
    now = time.time() if now is None else now
    removed = 0
    for folder in workspace.uploads_dir.iterdir():
        if folder.name in in_use or not _TOKEN.fullmatch(folder.name):
            continue
        if (folder / "part").exists() or now - folder.stat().st_mtime > STALE_AFTER_S:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> int:
    size = 0
    waiting = bytearray()
    with open(path, "xb") as file:
        async for chunk in chunks:
            waiting += chunk
            size += len(chunk)
            if len(waiting) >= _BUFFER_BYTES:
                await run_in_threadpool(file.write, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(file.write, bytes(waiting))
    return size


def _checked_name(name: str) -> str:
    """The last part of a file name, fit for this disk. Raises SettingError where nothing usable is left."""
    last = re.sub(r"[\x00-\x1f\x7f/\\]", "_", name.replace("\\", "/").rstrip("/").rpartition("/")[2]).strip().lstrip(".")
    last = last.encode("utf-8", "replace").decode("utf-8")
    while len(last.encode("utf-8")) > 200:  # keep the ending: it says the format
        stem, dot, ending = last.rpartition(".")
        last = f"{stem[:-1]}{dot}{ending}" if stem else last[:-1]
    if not last or last == "part":
        raise SettingError(f"{name[:80]!r} is no usable file name", hint="Give the file a plain name with an ending, for example data.json.")
    return last
