"""The whole road in a real browser on the demo data: upload, score, cut, rewrite, accept, export, fine-tune, ask.

Pictures of each station, light and dark, go to ./screenshots. Nothing here is prepared beforehand: the models run, the
files are written, the loss falls.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.jobs import Lease
from pipeline.records import Job
from pipeline.settings import assets_dir
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.browser.conftest import StudioProcess, both_themes

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SCORING_S, REWRITING_S, TUNING_S = 900, 1500, 1200
"""Seconds a station may take: a quiet machine needs a fraction of it, a busy one is no failure of the studio."""


@pytest.fixture(scope="module")
def demo_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The demo data set as a person would have it: one JSON, one zip of photos."""
    folder = tmp_path_factory.mktemp("upload")
    data, archive = folder / "demo.json", folder / "photos.zip"
    data.write_bytes((assets_dir() / "demo" / "demo.json").read_bytes())
    with zipfile.ZipFile(archive, "w") as packed:
        for photo in sorted((assets_dir() / "demo" / "images").iterdir()):
            packed.write(photo, photo.name)
    return data, archive


@pytest.fixture(scope="module")
def store(studio_server: StudioProcess) -> Store:
    return Store(Workspace.open(studio_server.workspace))


def until(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {limit_s} s"
        time.sleep(0.2)


def newest(store: Store, kind: str) -> Job | None:
    return next(iter(store.jobs.recent(kinds=(kind,), limit=1)), None)


def ended_well(store: Store, kind: str, limit_s: float) -> Job:
    """The newest job of a kind, once it has ended; fails with the job's own words where it ended badly."""
    until(lambda: (job := newest(store, kind)) is not None and not job.active, limit_s, kind)
    job = newest(store, kind)
    assert job is not None and job.state == "done", f"{kind}: {job}"
    return job


def go(page: Page, server: StudioProcess, tab: str) -> None:
    """Open a station by its address, as a bookmark would; the demo is data set 1."""
    page.goto(f"{server.url}/?tab={tab}&dataset=1")
    expect(page.locator("#road [role=tab]").first).to_be_visible(timeout=90_000)


def funnel(page: Page, stage: str) -> str:
    return page.locator(f".funnel [data-stage={stage}]").inner_text()


def test_1_the_demo_is_uploaded_and_looked_at(page: Page, studio_server: StudioProcess, demo_files: tuple[Path, Path], store: Store, screenshots: Path) -> None:
    data, archive = demo_files
    page.goto(f"{studio_server.url}/?view=add")
    page.get_by_label("Data file", exact=True).set_input_files(data)
    page.get_by_label("Images", exact=True).set_input_files(archive)
    page.get_by_label("Name").fill("Demo by hand")
    page.get_by_role("button", name="Import", exact=True).click()
    ended_well(store, "import", 120)
    dataset = store.datasets.get("Demo by hand")
    assert (dataset.id, dataset.record_count, dataset.report["skipped_count"]) == (1, len(json.loads(data.read_text())), 0)
    go(page, studio_server, "data")
    expect(page.locator(".record-card")).to_have_count(24)
    page.wait_for_timeout(800)
    both_themes(page, screenshots, "road-1-data")


def test_2_scoring_survives_a_reload_and_a_killed_worker(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    go(page, studio_server, "score")
    page.get_by_role("button", name=re.compile(r"^Score \d+ records")).click(timeout=90_000)
    until(lambda: (job := newest(store, "score")) is not None and job.done > 5, SCORING_S, "the first scores")
    page.reload()
    expect(page.get_by_role("button", name=re.compile("Stop")).first).to_be_visible(timeout=60_000)  # the run is still there, with its stop button
    both_themes(page, screenshots, "road-2-scoring")
    key = store.scores.latest_key(1, "question")
    stored = len(store.records.ids(1)) - len(store.scores.missing(1, key))
    worker = Lease(Workspace.open(studio_server.workspace), "model").holder()
    assert worker is not None and stored > 0
    os.kill(worker, signal.SIGKILL)
    job = ended_well(store, "score", SCORING_S)
    assert job.attempts == 2, "the run was taken up again by a new worker"
    assert job.result["already"] >= stored > 0, "what was stored before the kill was not scored again"
    assert store.scores.missing(1, key) == [] and store.scores.missing(1, store.scores.latest_key(1, "answer")) == []
    assert job.result["failed"] == 0
    go(page, studio_server, "score")
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(1500)
    both_themes(page, screenshots, "road-3-scored")


def test_3_a_cut_is_typed_and_the_counts_follow(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    go(page, studio_server, "select")
    expect(page.locator(".select-grid .pick").first).to_be_visible(timeout=120_000)
    for label, amount in (("Conversation", "20"), ("Detail", "35"), ("Complex reasoning", "20")):
        field = page.get_by_label(f"{label}: cut by question score", exact=True)
        with page.expect_response("**/api/selections/current"):
            field.fill(amount)
            field.press("Enter")
    page.locator(".select-grid .pick").first.click()
    with page.expect_response("**/api/decisions/decide"):
        page.keyboard.press("k")
    from pipeline.curation import curate

    view = curate(store, 1)
    assert view.spec.question["detail"].amount == 0.35 and len(view.decisions) == 1
    expect(page.locator(".funnel [data-stage=answers]")).to_contain_text(str(len(view.kept_ids)))
    page.mouse.move(5, 400)
    page.wait_for_timeout(800)
    both_themes(page, screenshots, "road-4-select")


def test_4_texts_are_rewritten_and_one_is_accepted(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    page.goto(f"{studio_server.url}/?tab=rewrite&dataset=1&rw_drafts=1")  # one draft a text: a third of the time
    page.get_by_role("button", name=re.compile(r"^Rewrite \d+ texts?")).click(timeout=90_000)
    ended_well(store, "rewrite", REWRITING_S)
    rewrites = store.rewrites.all(1)
    assert rewrites and all(one.reason for one in rewrites if one.kept), "an original that is kept says why"
    go(page, studio_server, "rewrite")
    if any(not one.kept for one in rewrites):
        expect(page.locator(".rw-title h2")).to_be_visible(timeout=60_000)
        expect(page.locator(".rw-side ins, .rw-side del").first).to_be_visible()
        both_themes(page, screenshots, "road-5-rewrite")
        page.keyboard.press("a")
    else:  # guards and review may keep every original of so few texts; the workbench itself is walked in test_rewrite
        both_themes(page, screenshots, "road-5-rewrite")
        kept = next(one for one in rewrites if one.part == "answer" and len(one.original.split()) > 5)
        store.actions.judge_rewrites(1, {kept.id: ("edited", f"{kept.original} Indeed.")}, author="test")
    until(lambda: len(store.rewrites.accepted(1)) == 1, 20, "the verdict")
    page.reload()
    expect(page.locator(".funnel [data-stage=rewritten]")).to_contain_text("1")


def test_5_the_curated_set_leaves_with_its_manifest(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path, tmp_path: Path) -> None:
    go(page, studio_server, "export")
    page.get_by_role("button", name=re.compile(r"^Export \d+ records")).click(timeout=60_000)
    job = ended_well(store, "export", 120)
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Download").first.click()
    fetched.value.save_as(tmp_path / "curated.zip")
    both_themes(page, screenshots, "road-6-export")
    from pipeline.curation import curate

    with zipfile.ZipFile(tmp_path / "curated.zip") as packed:
        assert packed.testzip() is None
        (manifest_name,) = [name for name in packed.namelist() if name.endswith("manifest.json")]
        (data_name,) = [name for name in packed.namelist() if name.endswith("data.json")]
        manifest, records = json.loads(packed.read(manifest_name)), json.loads(packed.read(data_name))
    (text,) = store.rewrites.accepted(1).values()
    assert len(records) == job.result["records"] == len(curate(store, 1).kept_ids)
    assert any(text.strip() in turn["value"] for record in records for turn in record["conversations"]), "the accepted rewrite is what left"
    assert "sha256" in json.dumps(manifest)


def test_6_a_fine_tune_of_twenty_steps_lowers_the_loss(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    go(page, studio_server, "tune")
    page.get_by_label("Selection").select_option("everything", timeout=60_000)
    page.get_by_label("Name of the run").fill("Twenty steps")
    page.get_by_label("Steps", exact=True).fill("20")
    page.get_by_label(re.compile("^Batch size")).fill("2")  # half the default: 20 steps are enough to lower the loss, and take half the time
    launch = page.get_by_role("button", name="Launch 20 steps")
    expect(launch).to_be_enabled(timeout=90_000)
    both_themes(page, screenshots, "road-7-before-launch")
    launch.click()
    until(lambda: (job := newest(store, "tune")) is not None and job.done >= 2, TUNING_S, "the first steps")
    page.reload()
    expect(page.get_by_role("button", name=re.compile("Stop")).first).to_be_visible(timeout=60_000)
    job = ended_well(store, "tune", TUNING_S)
    assert job.result["steps"] == 20
    assert job.result["held_out"]["after"] < job.result["held_out"]["before"], "the loss on records no step has seen"
    curve = [value for _, value in store.jobs.metrics(job.id)["loss"]]
    assert len(curve) == 20, "every step is on the chart, also those before the reload"
    folder = Path(studio_server.workspace) / "runs" / job.result["run"]
    assert list(folder.rglob("adapter_model.safetensors")) and (folder / "manifest.json").exists()
    go(page, studio_server, "tune")
    expect(page.locator(".tune-plot .js-plotly-plot, .tune-plot.js-plotly-plot").first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(1200)
    both_themes(page, screenshots, "road-8-tuned")


def test_7_base_and_tuned_model_answer_the_same_question(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    go(page, studio_server, "tune")
    page.get_by_label("Question").fill("What is in this picture?", timeout=60_000)
    page.get_by_role("button", name="Ask both").click()
    expect(page.locator(".tune-side")).to_have_count(2, timeout=240_000)
    job = ended_well(store, "ask", 10)
    assert job.result["base"] and job.result["tuned"]
    page.locator(".tune-answers").scroll_into_view_if_needed()
    both_themes(page, screenshots, "road-9-ask")
