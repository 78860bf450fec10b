"""The report as a download: always a file, never a page of the studio, and refused where it can't be made."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from pipeline.curation import curate
from pipeline.errors import NotFound, SettingError
from pipeline.selection import shares
from pipeline.workspace import Workspace
from studio.api import reports as api
from studio.context import StudioContext, open_context
from tests.studio.seeding import HOSTILE, seed_dataset, seed_scores


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioContext]:
    """Data set 1: 30 scored records with a stored selection of a hostile name; data set 2: nothing scored."""
    opened = open_context(Workspace.open(tmp_path_factory.mktemp("reports") / "workspace"))
    seed_scores(opened.store, seed_dataset(opened.store, 'a"b/../ünï c', records=30))
    opened.store.selections.save(1, '"; x="<script>', shares(0.5, 1.0).as_json(), author="A")
    seed_dataset(opened.store, "bare", records=2)
    yield opened
    opened.store.close()


@pytest.fixture(scope="module")
def client(context: StudioContext) -> Iterator[TestClient]:
    from studio.server import create_app

    with TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False) as opened:
        yield opened


@pytest.mark.parametrize(("form", "kind"), [("html", "text/html; charset=utf-8"), ("md", "text/markdown; charset=utf-8")])
def test_a_report_is_a_file_to_keep_and_no_page_of_the_studio(client: TestClient, form: str, kind: str) -> None:
    got = client.get("/api/reports/selection", params={"dataset": 1, "form": form})
    assert got.status_code == 200 and got.headers["content-type"] == kind
    assert got.headers["content-disposition"] == f'attachment; filename="a-b-..-n-c-selection.{form}"'
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox" and got.headers["cache-control"] == "no-store"
    assert got.headers["x-content-type-options"] == "nosniff" and HOSTILE not in got.text


def test_a_named_selection_is_told_under_its_name_and_its_file_name_is_plain(client: TestClient, context: StudioContext) -> None:
    got = client.get("/api/reports/selection", params={"dataset": 1, "name": '"; x="<script>', "form": "md"})
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+\.md"', got.headers["content-disposition"])
    kept = int(curate(context.store, 1, '"; x="<script>').result.kept.sum())
    assert f"| Kept | {kept} of 30 |" in got.text and got.text.startswith('# "; x="\\<script\\>')


def test_what_is_not_there_is_refused_with_a_hint(client: TestClient) -> None:
    for params, status, place in (({"dataset": 9}, 404, ""), ({"dataset": 1, "name": "nowhere"}, 404, ""), ({"dataset": 1, "form": "pdf"}, 409, "form"), ({"dataset": "x"}, 422, "dataset"),
                                  ({"dataset": 1, "name": "n" * 121}, 422, "name")):
        got = client.get("/api/reports/selection", params=params)
        assert got.status_code == status and got.json()["place"] == place, params


def test_the_summary_tells_what_the_report_would_hold(context: StudioContext) -> None:
    told = api.summary(context, 1, "")
    assert (told["of"], told["selection"], told["scorers"]) == (30, "", 2) and told["kept"] == int(curate(context.store, 1).result.kept.sum())
    assert told["commands"][-1].startswith("python -m pipeline export") and told["words"][0].startswith("Question stage: the best 30 %")
    with pytest.raises(NotFound):
        api.summary(context, 1, "nowhere")
    with pytest.raises(SettingError):
        api.report_file(context, 1, "", "exe")


def test_a_set_without_scores_has_a_report_too(client: TestClient) -> None:
    got = client.get("/api/reports/selection", params={"dataset": 2, "form": "md"})
    assert got.status_code == 200 and "No scorer has scored this data set." in got.text
