"""Serves images of the workspace by content hash and nothing else: no path from outside ever reaches the disk.

The hash names the content, so answers may be cached for good. What isn't a known picture is not served, whatever it was
called when it came in; kinds that browsers don't show go out as PNG.
"""

from __future__ import annotations

import re

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, Response

from pipeline.images import ImageProblem, viewable
from pipeline.workspace import Workspace

_SHA256 = re.compile(r"[0-9a-f]{64}")

_HEADERS = {
    "cache-control": "private, max-age=31536000, immutable",
    "content-security-policy": "default-src 'none'; sandbox",
    "content-disposition": "inline",
}


def image_response(workspace: Workspace, sha: str) -> Response:
    """The whole image. Raises HTTPException 404 where it is missing or no picture."""
    try:
        data, media_type = viewable(workspace.image_path(_checked(sha)))
    except ImageProblem as error:
        raise HTTPException(404, "no such picture") from error
    return Response(data, media_type=media_type, headers=_HEADERS)


def thumbnail_response(workspace: Workspace, sha: str) -> Response:
    """The thumbnail, a JPEG written by the import. Raises HTTPException 404 where it is missing."""
    path = workspace.thumbnail_path(_checked(sha))
    if not path.is_file():
        raise HTTPException(404, "no such picture")
    return FileResponse(path, media_type="image/jpeg", headers=_HEADERS)


def media_router(workspace: Workspace) -> APIRouter:
    """GET /media/image/{sha} and /media/thumb/{sha} (at most 320 px on the longer side)."""
    router = APIRouter(prefix="/media")

    @router.get("/image/{sha}")
    def image(sha: str) -> Response:
        return image_response(workspace, sha)

    @router.get("/thumb/{sha}")
    def thumb(sha: str) -> Response:
        return thumbnail_response(workspace, sha)

    return router


def _checked(sha: str) -> str:
    if not _SHA256.fullmatch(sha):
        raise HTTPException(404, "no such picture")
    return sha
