"""A real studio on a free port, and a real Chromium that reports every error and every request that leaves the machine."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
expect.set_options(timeout=20_000)
START_WITHIN_S = 90.0
"""Ready takes 7 s on a quiet machine; a busy one is no failure of the studio."""


@dataclass
class StudioProcess:
    """One `app.py` process over one workspace. `restart` brings it back on the same workspace and port."""

    workspace: Path
    port: int
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None
    ready_line: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "StudioProcess":
        self.process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(self.port), "--workspace", str(self.workspace), *self.arguments],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=(self.workspace.parent / "server.log").open("ab"), text=True, env={**os.environ, **self.environment}, start_new_session=True)
        assert self.process.stdout is not None
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline:
            line = self.process.stdout.readline()
            if "is ready in" in line:
                self.ready_line = line.strip()
                return self
            if not line and self.process.poll() is not None:
                break
        raise AssertionError(f"the studio did not start: {(self.workspace.parent / 'server.log').read_text()[-2000:]}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the server process; workers go on, as they should."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)

    def stop(self) -> None:
        """End the server, then its workers (found by the lease they hold)."""
        self.kill(signal.SIGTERM)
        for lease in (self.workspace / "leases").glob("*.lock"):
            text = lease.read_text().strip()
            if text.isdigit() and str(self.workspace) in _command_line(int(text)):
                os.kill(int(text), signal.SIGKILL)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def studio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """A studio with an empty workspace of its own (no demo data), one a test module."""
    server = StudioProcess(tmp_path_factory.mktemp("studio") / "workspace", free_port(), ("--no-demo",)).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """A studio on its first start: the demo data set is imported by its own job."""
    server = StudioProcess(tmp_path_factory.mktemp("demo") / "workspace", free_port()).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("SKIPPED FOR LACK OF A BROWSER: no Chromium here (run `sh tests/install_chromium.sh`, or name one with CHROMIUM=/path)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, headless=True, args=CHROMIUM_FLAGS)
        yield opened
        opened.close()


@dataclass
class Watch:
    """What pages of one test did that they should not have. `allow` takes patterns of console lines that are expected."""

    problems: list[str] = field(default_factory=list)
    allow: list[str] = field(default_factory=list)

    def check(self) -> None:
        left = [line for line in self.problems if not any(re.search(pattern, line) for pattern in self.allow)]
        assert not left, "\n".join(left)

    def see(self, page: Page) -> None:
        page.on("console", lambda message: self.problems.append(f"console {message.type}: {message.text} ({message.location.get('url')})") if message.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("request", lambda request: None if re.match(r"http://127\.0\.0\.1:\d+/|data:|blob:", request.url) else self.problems.append(f"request left the machine: {request.url}"))


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fails the test at its end where a page wrote an error to the console or asked another machine."""
    found = Watch()
    yield found
    found.check()


@pytest.fixture
def browser_context(browser: Browser, watch: Watch) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light", accept_downloads=True)
    opened.set_default_timeout(30_000)
    opened.set_default_navigation_timeout(90_000)
    opened.on("page", watch.see)
    yield opened
    opened.close()


@pytest.fixture
def page(browser_context: BrowserContext) -> Page:
    """Chromium at 1280 × 800, light theme. A second tab: `page.context.new_page()`."""
    return browser_context.new_page()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Folder for pictures a person will look at: ./screenshots of the repository (not under version control)."""
    folder = ROOT / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder


def both_themes(page: Page, folder: Path, name: str) -> None:
    """Take the page as it stands in light and in dark, and leave it as it was."""
    before = page.evaluate("document.documentElement.classList.contains('dark')")
    for dark in (False, True):
        if page.evaluate("document.documentElement.classList.contains('dark')") != dark:
            page.evaluate("import('/studio/js/studio.js').then((m) => m.toggleTheme())")
        page.wait_for_timeout(350)
        page.screenshot(path=folder / f"{name}-{'dark' if dark else 'light'}.png")
    if page.evaluate("document.documentElement.classList.contains('dark')") != before:
        page.evaluate("import('/studio/js/studio.js').then((m) => m.toggleTheme())")
