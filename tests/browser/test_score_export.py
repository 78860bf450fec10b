"""The Score and Export tabs in a real browser over a seeded workspace: charts, keys, examples, a real export and its download."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.selection import shares
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.browser.conftest import StudioProcess, Watch, both_themes, free_port
from tests.studio.seeding import seed_dataset, seed_scores

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """Data set 1 has scores under two keys and a selection, data set 2 has none."""
    workspace = Workspace.open(tmp_path_factory.mktemp("seeded") / "workspace")
    store = Store(workspace)
    scored = seed_dataset(store, "Scored", records=60, turns=2)
    seed_scores(store, scored, precision="fp32", only=12)
    seed_scores(store, scored, precision="bf16", failed=2)
    store.selections.save(scored, "half", shares(0.5, 1.0).as_json(), author="test")
    store.selections.save(scored, "nothing", shares(0.0, 0.0).as_json(), author="test")
    seed_dataset(store, "Unscored", records=9)
    store.close()
    server = StudioProcess(workspace.root, free_port(), ("--no-demo",)).start()
    yield server
    server.stop()


def test_histograms_show_each_type_with_its_n_of_n_and_median(page: Page, seeded: StudioProcess, screenshots: Path) -> None:
    page.goto(f"{seeded.url}/?tab=score&dataset=1")
    questions = page.locator('.spread[data-kind="question"]')
    expect(questions).to_contain_text("58 of 60 scored")
    expect(questions.locator("g.trace.bars")).to_have_count(3)
    expect(questions.locator(".spread-plot")).to_have_attribute("aria-label", "Question scores: Conversation 19 of 20 scored, median 30.00; Detail 19 of 20 scored, median 31.00; Complex reasoning 20 of 20 scored, median 30.50")
    expect(page.locator(".example")).to_have_count(9)
    both_themes(page, screenshots, "score-seeded")


def test_another_key_is_another_picture_and_its_choice_survives_a_reload(page: Page, seeded: StudioProcess) -> None:
    page.goto(f"{seeded.url}/?tab=score&dataset=1")
    picker = page.get_by_label("Key of the question scores")
    picker.select_option(label="embedded-question · fp32")
    expect(page.locator('.spread[data-kind="question"]')).to_contain_text("12 of 60 scored")
    expect(page.locator('.spread[data-kind="answer"]')).to_contain_text("58 of 60 scored")
    page.reload()
    expect(page.locator('.spread[data-kind="question"]')).to_contain_text("12 of 60 scored")
    page.locator(".reasons summary").first.click()
    expect(page.locator(".reasons").first).to_contain_text("the image is cut off")


def test_examples_open_the_large_view_and_their_text_stays_text(page: Page, seeded: StudioProcess) -> None:
    page.goto(f"{seeded.url}/?tab=score&dataset=1")
    page.locator(".examples").wait_for()
    page.get_by_role("group", name="Stage").get_by_role("button", name="Answers").click()
    best = page.locator('.example-column[data-end="best"] .example').first
    expect(best).to_contain_text("Answer 59.0.1 <img src=x onerror=alert(1)>")
    assert page.locator('img[src="x"]').count() == 0
    page.get_by_role("group", name="Instruction type").get_by_role("button", name="Detail").click()
    expect(page.locator(".example .chip.detail")).to_have_count(9)
    page.locator('.example-column[data-end="worst"] .example').first.click()
    expect(page.locator("dialog.viewer .record-scores")).to_contain_text("turn 1, answer 1")
    page.keyboard.press("ArrowRight")
    expect(page.locator("dialog.viewer")).to_contain_text("8 of 9")


def test_what_is_not_scored_says_what_to_do(page: Page, seeded: StudioProcess) -> None:
    page.goto(f"{seeded.url}/?tab=score&dataset=2")
    expect(page.locator(".score-main .empty")).to_be_visible()
    page.goto(f"{seeded.url}/?tab=export&dataset=2")
    expect(page.locator(".plan")).to_contain_text("9 of 9")
    expect(page.locator(".plan")).to_contain_text("Nothing is scored yet")
    expect(page.locator(".export-main")).to_contain_text("Nothing is exported yet")


def test_a_selection_that_keeps_nothing_leads_back_to_select(page: Page, seeded: StudioProcess) -> None:
    page.goto(f"{seeded.url}/?tab=export&dataset=1")
    page.get_by_label("Selection").select_option("nothing")
    expect(page.locator(".plan")).to_contain_text("keeps 0 of 60 records")
    expect(page.get_by_role("button", name="Export", exact=True)).to_be_disabled()


def test_an_export_is_written_shown_downloaded_and_still_there_after_a_reload(page: Page, watch: Watch, seeded: StudioProcess, screenshots: Path, tmp_path: Path) -> None:
    watch.allow.append("409 .*/api/exports")  # the refused place
    page.goto(f"{seeded.url}/?tab=export&dataset=1")
    page.get_by_label("Selection").select_option("half")
    place = page.get_by_label("Where, on this machine")
    place.fill("not/a/whole/path")
    page.get_by_role("button", name="Export 30 records").click()
    expect(page.locator(".problem")).to_contain_text("does not start at the root")
    place.fill("")
    page.get_by_role("button", name="Export 30 records").click()
    card = page.locator(".export-card")
    expect(card).to_contain_text("30 of 60", timeout=60_000)
    expect(card).to_contain_text("below the question cut")
    both_themes(page, screenshots, "export-seeded")
    page.reload()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download").click()
    waiting.value.save_as(tmp_path / "got.zip")
    names = zipfile.ZipFile(tmp_path / "got.zip").namelist()
    assert {"data.json", "manifest.json", "provenance.jsonl"} < set(names) and sum(name.startswith("images/") for name in names) == 10


def test_an_export_comes_back_as_a_data_set(page: Page, watch: Watch, seeded: StudioProcess) -> None:
    watch.allow.append("409 .*/import")  # the taken name
    page.goto(f"{seeded.url}/?tab=export&dataset=1")
    page.get_by_label("As", exact=True).get_by_role("button", name="A folder").click()
    page.get_by_label("Selection").select_option("half")
    page.get_by_role("button", name="Export 30 records").click()
    expect(page.locator(".export-card .chip", has_text="folder")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Import it again").click()
    name = page.get_by_label("Name of the new data set")
    name.fill("Scored")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator(".toast.bad")).to_contain_text("already here")
    name.fill("Curated again")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_label("Open data set")).to_contain_text("Curated again · 30", timeout=60_000)
