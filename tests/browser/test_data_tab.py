"""The Data tab in a real browser: first start, upload, report, grid, keys, large view, deletion, two windows."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import StudioProcess, Watch, both_themes

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.canary=1"><script>window.canary=2</script> ![x](https://canary.example/x.png) [go](javascript:window.canary=3) <b>bold</b>'


def write_set(folder: Path, *, records: int = 60, name: str = "small") -> tuple[Path, Path]:
    """A LLaVA JSON with two unreadable rows, one missing image and one truncated, and the zip that belongs to it."""
    rows = [{"id": f"rec-{n:03d}", "image": f"photos/{n}.jpg",
             "conversations": [{"from": "human", "value": f"<image>\nWhat colour is picture {n}?"}, {"from": "gpt", "value": [f"It is colour {n}.", "It is blue."] if n % 3 == 0 else f"It is colour {n}."}]}
            for n in range(records)]
    rows[0]["conversations"][0]["value"] = f"<image>\n{HOSTILE}"
    rows[1]["conversations"] += [{"from": "human", "value": "And then?"}, {"from": "gpt", "value": "Nothing more."}]
    rows[2].pop("conversations")
    rows[3]["conversations"][0]["from"] = "gpt"
    rows[6].pop("image")
    rows[6]["conversations"][0]["value"] = "What is a giraffe?"
    data, archive = folder / f"{name}.json", folder / f"{name}.zip"
    data.write_text(json.dumps(rows), encoding="utf-8")
    with zipfile.ZipFile(archive, "w") as packed:
        for n in range(records):
            if n == 4:
                continue
            buffer = io.BytesIO()
            Image.new("RGB", (320, 240), (n * 4 % 256, 90, 255 - n * 4 % 256)).save(buffer, "JPEG")
            packed.writestr(f"photos/{n}.jpg", buffer.getvalue()[:400] if n == 5 else buffer.getvalue())
    return data, archive


def import_set(page: Page, server: StudioProcess, data: Path, archive: Path | None, name: str) -> None:
    """Through the form, as a person does it, up to the toast that says it is in."""
    page.goto(f"{server.url}/?view=add")
    page.get_by_label("Data file", exact=True).set_input_files(data)
    if archive:
        page.get_by_label("Images", exact=True).set_input_files(archive)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text(f"“{name}” is in")).to_be_visible(timeout=60_000)


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_set(tmp_path_factory.mktemp("small"))


def test_an_empty_studio_offers_the_form(page: Page, studio_server: StudioProcess) -> None:
    page.goto(studio_server.url)
    expect(page.get_by_role("heading", name="Bring data in")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("no data file is named")


def test_an_upload_becomes_a_data_set_with_its_report(page: Page, studio_server: StudioProcess, small_set: tuple[Path, Path], screenshots: Path) -> None:
    import_set(page, studio_server, *small_set, "Small set")
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.locator(".figure", has_text="Imported")).to_contain_text("58")
    expect(page.locator(".figure", has_text="Imported")).to_contain_text("of 60 rows")
    expect(page.get_by_role("cell", name=re.compile("conversations")).first).to_be_visible()
    page.locator("summary", has_text="Missing").click()
    expect(page.locator(".finding-rows", has_text="photos/4.jpg")).to_be_visible()
    page.locator("summary", has_text="Broken").click()
    expect(page.locator(".finding-rows", has_text="photos/5.jpg")).to_be_visible()
    both_themes(page, screenshots, "data-report")
    assert not list((studio_server.workspace / "uploads").iterdir()), "uploaded copies are gone after the import"


def test_the_report_leads_to_the_records_without_image(page: Page, studio_server: StudioProcess) -> None:
    page.goto(f"{studio_server.url}/?view=report")
    page.get_by_role("button", name="Show 2 records without").click()
    expect(page.locator(".record-card")).to_have_count(2)
    expect(page.locator(".record-card").first).to_contain_text("missing")


def test_hostile_text_is_shown_and_runs_nothing(page: Page, studio_server: StudioProcess) -> None:
    page.goto(studio_server.url)
    page.locator(".record-card").first.click()
    expect(page.locator(".viewer .question")).to_contain_text('<img src=x onerror="window.canary=1"><script>')
    page.wait_for_timeout(300)
    assert page.evaluate("window.canary") is None
    assert page.locator(".viewer .question img, .viewer .question script, .viewer .question b, .viewer .question a").count() == 0


def test_search_filters_and_the_address_keeps_them(page: Page, studio_server: StudioProcess) -> None:
    page.goto(studio_server.url)
    page.get_by_label("Search").fill("PICTURE 17")
    expect(page.locator(".record-card")).to_have_count(1)
    expect(page.get_by_text("1 of 58 records")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Search")).to_have_value("PICTURE 17")
    expect(page.locator(".record-card")).to_have_count(1)
    page.get_by_label("Search").fill("100% _ ' OR 1=1 --")
    expect(page.get_by_text("None of 58 records fits")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(".record-card")).to_have_count(24)


def test_keys_walk_the_grid_and_the_large_view_across_pages(page: Page, studio_server: StudioProcess) -> None:
    page.goto(studio_server.url)
    expect(page.locator(".record-card")).to_have_count(24)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".viewer")).to_contain_text("rec-001")
    expect(page.locator(".viewer-top")).to_contain_text("2 of 58")
    for _ in range(23):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(30)
    expect(page.locator(".viewer-top")).to_contain_text("25 of 58")
    page.keyboard.press("Escape")
    expect(page.locator(".viewer")).to_have_count(0)
    expect(page.locator(".record-card").first).to_be_focused()
    assert "page=2" in page.url
    page.keyboard.press("?")
    expect(page.locator(".key-help")).to_contain_text("Open the record")
    page.keyboard.press("Escape")
    page.keyboard.press("[")
    expect(page.get_by_text("1–24 of 58").first).to_be_visible()


def test_a_candidate_list_shows_every_answer(page: Page, studio_server: StudioProcess, screenshots: Path) -> None:
    page.goto(f"{studio_server.url}/?q=picture+9%3F")
    page.locator(".record-card").first.click()
    expect(page.locator(".viewer .answer")).to_have_count(2)
    expect(page.locator(".viewer")).to_contain_text("Answer 2 of 2")
    expect(page.locator(".viewer img")).to_have_js_property("naturalWidth", 320)
    both_themes(page, screenshots, "data-viewer")


def test_a_path_on_this_machine_is_imported_and_a_wrong_one_is_told(page: Page, studio_server: StudioProcess, small_set: tuple[Path, Path], watch: Watch) -> None:
    watch.allow.append("409")
    page.goto(f"{studio_server.url}/?view=add")
    page.get_by_role("button", name="On this machine").nth(1).click()
    page.get_by_role("button", name="On this machine").nth(0).click()
    page.get_by_label("Path: Data file").fill("/nowhere/at/all.json")
    page.get_by_label("Name").fill("By path")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("there is nothing at /nowhere/at/all.json")
    page.get_by_label("Path: Data file").fill(str(small_set[0]))
    page.get_by_label("Path: Images").fill(str(small_set[1]))
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("“By path” is in")).to_be_visible(timeout=60_000)
    assert small_set[0].is_file() and small_set[1].is_file(), "files a person pointed to are left alone"


def test_a_taken_name_is_told_before_anything_is_sent(page: Page, studio_server: StudioProcess, small_set: tuple[Path, Path]) -> None:
    page.goto(f"{studio_server.url}/?view=add")
    page.get_by_label("Data file", exact=True).set_input_files(small_set[0])
    page.get_by_label("Name").fill("by PATH")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("already here")


def test_a_cut_off_file_fails_with_its_place_and_leaves_nothing(page: Page, studio_server: StudioProcess, tmp_path: Path) -> None:
    (tmp_path / "prose.json").write_text("this is no JSON at all", encoding="utf-8")
    page.goto(f"{studio_server.url}/?view=add")
    page.get_by_label("Data file", exact=True).set_input_files(tmp_path / "prose.json")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator(".toast.bad")).to_be_visible(timeout=60_000)
    assert page.locator(".set-list li").count() == 2
    assert not list((studio_server.workspace / "uploads").iterdir())


def test_a_data_set_deleted_in_one_window_is_told_in_the_other(page: Page, studio_server: StudioProcess, watch: Watch) -> None:
    other = page.context.new_page()
    other.goto(studio_server.url)
    other.get_by_label("Open data set").select_option(label="By path · 58")
    expect(other.get_by_role("heading", name="By path")).to_be_visible()
    page.goto(studio_server.url)
    page.get_by_role("button", name="Delete By path").click()
    expect(page.get_by_role("dialog")).to_contain_text("58 records go")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".set-list li")).to_have_count(2)
    page.get_by_role("button", name="Delete By path").click()
    page.get_by_role("button", name="Delete 58 records").click()
    expect(page.locator(".set-list li")).to_have_count(1)
    other.bring_to_front()
    other.evaluate("import('/studio/js/studio.js').then((m) => m.refresh())")
    expect(other.locator(".toast", has_text="“By path” is not here any more")).to_be_visible()
    expect(other.get_by_role("heading", name="Small set")).to_be_visible()


def test_the_theme_outlives_a_reload(page: Page, studio_server: StudioProcess) -> None:
    page.goto(studio_server.url)
    page.get_by_role("button", name="Dark theme").click()
    page.reload()
    expect(page.get_by_role("button", name="Light theme")).to_be_visible()
    assert page.evaluate("document.body.classList.contains('dark') && document.documentElement.classList.contains('dark')")


def test_a_server_that_is_gone_is_told_and_comes_back(page: Page, studio_server: StudioProcess, watch: Watch) -> None:
    watch.allow += ["ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE", "ERR_CONTENT_LENGTH_MISMATCH", "Failed to fetch", "Connection", "SSE"]
    page.goto(studio_server.url)
    expect(page.locator(".record-card")).to_have_count(24)
    studio_server.kill()
    page.evaluate("import('/studio/js/studio.js').then((m) => m.refresh())")
    expect(page.locator(".offline")).to_be_visible()
    studio_server.start()
    expect(page.locator(".offline")).to_be_hidden(timeout=15_000)


def test_the_first_start_opens_the_demo_data(page: Page, demo_server: StudioProcess, screenshots: Path) -> None:
    page.goto(demo_server.url)
    expect(page.get_by_role("heading", name="Demo")).to_be_visible(timeout=60_000)
    expect(page.locator(".record-card")).to_have_count(24)
    for place in range(8):
        expect(page.locator(".record-card img").nth(place)).not_to_have_js_property("naturalWidth", 0)
    assert re.search(r"of 106", page.locator(".funnel li").first.inner_text())
    both_themes(page, screenshots, "data")
    assert "planted" not in page.evaluate("fetch('/api/records?dataset=1').then((r) => r.json()).then((p) => fetch('/api/records/' + p.records[0].id)).then((r) => r.text())")
