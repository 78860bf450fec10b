"""Serves images of the workspace by content hash and nothing else: no path from outside ever reaches the disk.

The hash names the content, so answers may be cached for good. The content type comes from the first bytes; what isn't
a known picture is not served, whatever it was called when it came in.
"""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from pipeline.workspace import Workspace

_SHA256 = re.compile(r"[0-9a-f]{64}")

_HEADERS = {
    "cache-control": "private, max-age=31536000, immutable",
    "content-security-policy": "default-src 'none'; sandbox",
    "content-disposition": "inline",
}

_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"BM", 0, "image/bmp"),
)
"""First bytes, their place, the type a browser is told. SVG is missing on purpose: it can carry scripts."""


def picture_type(head: bytes) -> str | None:
    """Media type of a picture by its first 16 bytes, None where it is none that a browser shows."""
    return next((kind for mark, place, kind in _SIGNATURES if head[place:place + len(mark)] == mark), None)


def picture_response(path: Path) -> FileResponse:
    """The file as a cacheable picture. Raises HTTPException 404 where it is missing or no picture."""
    try:
        with path.open("rb") as file:
            kind = picture_type(file.read(16))
    except OSError:
        kind = None
    if kind is None:
        raise HTTPException(404, "no such picture")
    return FileResponse(path, media_type=kind, headers=_HEADERS)


def media_router(workspace: Workspace) -> APIRouter:
    """GET /media/image/{sha} (original bytes) and /media/thumb/{sha} (JPEG, at most 320 px)."""
    router = APIRouter(prefix="/media")

    @router.get("/image/{sha}")
    def image(sha: str) -> FileResponse:
        return picture_response(workspace.image_path(_checked(sha)))

    @router.get("/thumb/{sha}")
    def thumb(sha: str) -> FileResponse:
        return picture_response(workspace.thumbnail_path(_checked(sha)))

    return router


def _checked(sha: str) -> str:
    if not _SHA256.fullmatch(sha):
        raise HTTPException(404, "no such picture")
    return sha
