"""What the tests of the screen share: an open studio over an empty workspace, without a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from tests.studio.seeding import seed_dataset, seed_scores

from pipeline.workspace import Workspace
from studio.context import StudioContext, open_context


@pytest.fixture
def context(workspace: Workspace) -> Iterator[StudioContext]:
    opened = open_context(workspace)
    yield opened
    opened.store.close()


@pytest.fixture
def client(context: StudioContext) -> Iterator[TestClient]:
    """The whole server over that studio, in this process. A fault of the server is an answer with 500, as for a browser."""
    from studio.server import create_app

    with TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def scored(context: StudioContext) -> int:
    """30 records, ten a type, three an image, two candidates each; question score = place, the better candidate is the second; the first two have no score."""
    dataset_id = seed_dataset(context.store)
    seed_scores(context.store, dataset_id, failed=2)
    return dataset_id
