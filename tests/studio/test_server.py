"""The whole web application over a workspace: what it serves, what it refuses, how it says no."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline.errors import SettingError
from pipeline.records import Record, Turn
from pipeline.settings import assets_dir, repository_dir
from pipeline.workspace import Workspace
from studio.context import StudioContext, open_context
from studio.launch import arguments, listen, main
from studio.server import create_app, plotly_script
from studio.theme import DARK, LIGHT
from tests.studio.seeding import HOSTILE, seed_dataset

HOME = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioContext]:
    opened = open_context(Workspace.open(tmp_path_factory.mktemp("served") / "workspace"))
    yield opened
    opened.store.close()


@pytest.fixture(scope="module")
def client(context: StudioContext) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url=HOME, raise_server_exceptions=False) as opened:
        yield opened


def test_the_page_comes_with_our_style_modules_and_islands(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    for part in ("/studio/css/studio.css", "/studio/js/early.js", "/studio/js/studio.js", "/studio/js/header.js", "/studio/js/data.js", "island-header", "island-data"):
        assert part in page.text, part


def test_every_file_the_page_names_of_ours_is_served(client: TestClient) -> None:
    page = client.get("/").text
    for path in sorted(set(re.findall(r"/studio/[a-z]+/[\w./-]+|/studio/logo\.svg", page))):
        assert client.get(path).status_code == 200, path
    for path in re.findall(r'url\("(/[^"]+)"\)', (assets_dir() / "css" / "studio.css").read_text(encoding="utf-8")):
        assert client.get(path).status_code == 200, path


def test_every_module_import_points_to_a_file_that_is_served(client: TestClient) -> None:
    for file in (assets_dir() / "js").rglob("*.js"):
        for name in re.findall(r'from "(\.[^"]+)"', file.read_text(encoding="utf-8")):
            assert (file.parent / name).resolve().is_file(), f"{file.name} imports {name}"


def test_plotly_comes_from_the_package_on_disk(client: TestClient) -> None:
    answer = client.get("/studio/plotly.min.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.content == plotly_script().read_bytes()


def test_no_source_of_ours_names_a_foreign_address() -> None:
    for folder in ("js", "css"):
        for file in (assets_dir() / folder).rglob("*.*"):
            text = file.read_text(encoding="utf-8")
            foreign = [found for found in re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text) if "www.w3.org" not in found]
            assert not foreign, f"{file.name}: {foreign}"


def test_no_module_parses_markup() -> None:
    for file in (assets_dir() / "js").rglob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", file.read_text(encoding="utf-8")), file.name


@pytest.mark.parametrize("path", [
    "/docs", "/redoc", "/openapi.json", "/gradio_api/openapi.json", "/monitoring", "/monitoring/summary", "/gradio_api/runs", "/login", "/logout", "/gradio_api/token",
    "/gradio_api/proxy=https://canary.hf.space/x", "/gradio_api/file=https://canary.example/x", "/gradio_api/file=http://127.0.0.1/x", "/gradio_api/vibe-code", "/gradio_api/vibe-edit",
    "/gradio_api/profiling/traces", "/gradio_api/deep_link", "/gradio_api/run/predict", "/gradio_api/call/predict", "/gradio_api/api/predict", "/gradio_api/run-history/records", "/dev/reload",
])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_doors_of_gradio_that_the_page_does_not_need_are_closed(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 404


def test_gradio_serves_no_file_of_workspace_or_repository(client: TestClient, context: StudioContext) -> None:
    for path in (context.workspace.database, repository_dir() / "app.py", repository_dir() / "requirements.txt", Path("/etc/passwd")):
        for prefix in ("/gradio_api/file=", "/file="):
            answer = client.get(f"{prefix}{path}")
            assert b"SQLite format" not in answer.content and b"def main" not in answer.content and b"root:" not in answer.content
            assert answer.status_code in (403, 404), f"{prefix}{path}: {answer.status_code}"


def test_a_nul_and_a_direction_override_come_through(client: TestClient, context: StudioContext) -> None:
    dataset_id = context.store.datasets.create("Odd", "made.json")
    context.store.records.add(dataset_id, [Record(key="s", turns=(Turn("\u202e turned", ("a\x00b",)),), type="detail", type_told=False, row=1)])
    context.store.datasets.finish(dataset_id, {"read": 1})
    record = client.get("/api/records", params={"dataset": dataset_id}).json()["records"][0]
    assert record["question"] == "\u202e turned"
    assert client.get(f"/api/records/{record['id']}").json()["conversation"][0]["answers"] == ["a\x00b"]


def test_texts_of_records_go_out_verbatim_and_as_json(client: TestClient, context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store, "Hostile", records=3)
    answer = client.get("/api/records", params={"dataset": dataset_id})
    assert answer.headers["content-type"] == "application/json"
    assert HOSTILE.split()[0] in answer.json()["records"][0]["question"]


@pytest.mark.parametrize(("path", "status"), [
    ("/api/datasets/999", 404), ("/api/records/999", 404), ("/api/jobs/999", 404), ("/api/records?dataset=999", 404), ("/api/records?dataset=1&type=riddle", 409),
    ("/api/datasets/abc", 422), ("/api/records?dataset=1&offset=-1", 422), ("/api/records?dataset=1&limit=100000", 422), ("/api/datasets/99999999999999999999", 422),
    ("/api/records", 422), ("/api/nothing", 404), ("/api/records?dataset=1&text=" + "x" * 501, 422),
])
def test_a_bad_request_is_told_in_words(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_the_state_of_an_unknown_data_set_is_empty_not_an_error(client: TestClient) -> None:
    state = client.get("/api/state", params={"dataset": 12345}).json()
    assert state["funnel"] == []


def test_an_unforeseen_failure_names_a_note_and_no_inside(context: StudioContext, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(context.store.datasets, "all", fail)
    answer = client.get("/api/datasets")
    assert answer.status_code == 500
    assert "secret" not in answer.text and "note" in answer.json()["error"]


def test_colours_of_the_theme_and_the_style_sheet_are_the_same() -> None:
    text = (assets_dir() / "css" / "studio.css").read_text(encoding="utf-8")
    light, dark = re.search(r"^:root \{(.*?)^\}", text, re.S | re.M), re.search(r"^:root\.dark \{(.*?)^\}", text, re.S | re.M)
    assert light and dark
    for block, values in ((light.group(1), LIGHT), (dark.group(1), DARK)):
        found = dict(re.findall(r"--a2-([\w-]+): (#[0-9a-f]{6});", block))
        assert {name: found.get(name.replace("_", "-")) for name in values} == values


@pytest.mark.parametrize(("front", "back"), [("ink", "paper"), ("ink", "card"), ("ink_2", "card"), ("ink_3", "card"), ("ink_3", "paper"), ("accent", "card"), ("on_accent", "accent"), ("bad", "card"), ("bad", "bad_soft"), ("ink", "accent_soft")])
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_the_contrast_of_aa(theme: dict[str, str], front: str, back: str) -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(theme[front]), luminance(theme[back])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_an_open_address_is_refused_without_a_named_host() -> None:
    with pytest.raises(SettingError, match="other machines"):
        listen("0.0.0.0", 0, [])


def test_a_taken_port_is_told() -> None:
    first = listen("127.0.0.1", 0, [])
    first.listen()
    try:
        with pytest.raises(SettingError, match="can't be used"):
            listen("127.0.0.1", first.getsockname()[1], [])
    finally:
        first.close()


def test_the_studio_listens_on_this_machine_by_default() -> None:
    wish = arguments([])
    assert (wish.host, wish.port) == ("127.0.0.1", 7860)


@pytest.mark.slow
def test_the_program_says_its_address_and_ends_quietly_on_control_c(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "app.py", "--port", "0", "--no-demo", "--workspace", str(tmp_path / "w")], cwd=repository_dir(),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready = process.stdout.readline()
    address = re.fullmatch(r"Align² Studio is ready in \d+\.\d s: (http://127\.0\.0\.1:\d+)\n", ready)
    assert address, ready
    with urllib.request.urlopen(f"{address.group(1)}/api/state") as answer:
        assert json.load(answer)["datasets"] == []
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "Stopped.\n", "")


def test_a_wrong_workspace_is_told_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert main(["--port", "0", "--workspace", str(tmp_path / "file")]) == 2
    assert "can't be made" in capsys.readouterr().err


def test_json_answers_are_ascii() -> None:
    from studio.server import PlainJSON

    assert json.loads(PlainJSON({"text": "é\ud800"}).body) == {"text": "é\ud800"}


def test_small_answers_leave_at_once() -> None:
    """asyncio turns Nagle's algorithm off on sockets that say they are TCP: without that each request waits some 40 ms."""
    listening = listen("127.0.0.1", 0, [])
    try:
        assert listening.proto == socket.IPPROTO_TCP
    finally:
        listening.close()
