"""The media route: content hashes in, pictures out, nothing else."""

from __future__ import annotations

import hashlib
import io

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from pipeline.images import keep
from pipeline.workspace import Workspace
from studio.media import media_router


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (640, 480)) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    app = FastAPI()
    app.include_router(media_router(workspace))
    return TestClient(app)


def test_an_image_comes_back_byte_for_byte_and_cacheable(client: TestClient, workspace: Workspace) -> None:
    data = picture("JPEG")
    answer = client.get(f"/media/image/{keep(data, workspace).sha}")
    assert answer.content == data
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_thumbnail_is_a_small_jpeg(client: TestClient, workspace: Workspace) -> None:
    answer = client.get(f"/media/thumb/{keep(picture('PNG', size=(1000, 500)), workspace).sha}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (320, 160)


@pytest.mark.parametrize(("kind", "mode"), [("TIFF", "RGB"), ("BMP", "RGB"), ("JPEG", "CMYK")])
def test_a_kind_browsers_do_not_show_comes_as_png(client: TestClient, workspace: Workspace, kind: str, mode: str) -> None:
    answer = client.get(f"/media/image/{keep(picture(kind, mode), workspace).sha}")
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (640, 480)


@pytest.mark.parametrize("content", [b"<html><script>alert(1)</script>", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", b"GIF89a<script>alert(1)</script>", b""])
def test_what_is_no_picture_is_not_served(client: TestClient, workspace: Workspace, content: bytes) -> None:
    sha = hashlib.sha256(content).hexdigest()
    path = workspace.image_path(sha)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert client.get(f"/media/image/{sha}").status_code == 404


@pytest.mark.parametrize("name", ["0" * 64, "0" * 63, "0" * 65, "G" * 64, "A" * 64, "..%2F..%2Fstudio.sqlite3", "%2e%2e/%2e%2e/studio.sqlite3", "....//studio.sqlite3", "0" * 64 + "%00", "0" * 64 + "%0a"])
@pytest.mark.parametrize("kind", ["image", "thumb"])
def test_anything_but_a_known_hash_is_404(client: TestClient, workspace: Workspace, kind: str, name: str) -> None:
    workspace.database.write_bytes(b"secret")
    answer = client.get(f"/media/{kind}/{name}")
    assert answer.status_code == 404
    assert b"secret" not in answer.content
