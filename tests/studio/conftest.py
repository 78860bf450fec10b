"""What the tests of the screen share: an open studio over an empty workspace, without a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.workspace import Workspace
from studio.context import StudioContext, open_context


@pytest.fixture
def context(workspace: Workspace) -> Iterator[StudioContext]:
    opened = open_context(workspace)
    yield opened
    opened.store.close()
