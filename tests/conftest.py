"""Fixtures everybody uses: an empty workspace with its store, and the optional research data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from pipeline.settings import shared_data_dir
from pipeline.store import Store
from pipeline.workspace import Workspace

settings.register_profile("shared machine", suppress_health_check=[HealthCheck.too_slow], deadline=None)  # others at work here are no finding
settings.load_profile("shared machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first, the browser last: a broken rule is told in seconds, and Playwright's event loop, which lives on the
    main thread until the session ends, can't stand in the way of `asyncio.run` elsewhere."""
    items.sort(key=lambda item: (item.get_closest_marker("browser") is not None, item.get_closest_marker("slow") is not None))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    opened = Store(workspace)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of research data. Skips loudly where it is missing."""
    folder = shared_data_dir()
    if folder is None:
        pytest.skip("SKIPPED FOR LACK OF DATA: no ../shared/data (set ALIGN2_SHARED to the folder that holds it)")
    return folder
