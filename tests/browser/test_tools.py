"""The tools of the Select tab in a real browser: solver, variety, comparison, signals, map, report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from pipeline.curation import CURRENT, curate
from pipeline.records import WHOLE, Score
from pipeline.signals.columns import folder_of, write
from pipeline.signals.map import SIGNAL
from pipeline.signals.signal import Result
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.browser.conftest import StudioProcess, both_themes
from tests.studio.seeding import HOSTILE, scorer_key, seed_dataset

pytestmark = pytest.mark.browser

RECORDS = 120
CLUSTERS = ("1 · dogs, <b>grass</b>", "2 · cars, street", "3 · cups, table")


@pytest.fixture(scope="module")
def store(studio_server: StudioProcess) -> Store:
    return Store(Workspace.open(studio_server.workspace))


def seed(store: Store, name: str, *, mapped: bool = True) -> int:
    """120 records, 40 a type, three an image, random scores but for the first four; with a map of three clusters on a ring."""
    dataset_id = seed_dataset(store, name, records=RECORDS)
    rng = np.random.default_rng(7)
    ids = store.records.ids(dataset_id)
    for kind, places in (("question", [(WHOLE, WHOLE)]), ("answer", [(0, 0), (0, 1)])):
        digest = store.scores.register(scorer_key(kind))
        store.scores.add(digest, [Score(i, turn, one, None if at < 4 else float(rng.normal()), "cut off" if at < 4 else "") for at, i in enumerate(ids) for turn, one in places])
    if mapped:
        angle = np.linspace(0, 2 * np.pi, RECORDS, endpoint=False)
        x, y, cluster = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32), (np.arange(RECORDS) * 3 // RECORDS).astype(np.int32)
        beside = {"vectors": np.stack([x, y], axis=1), "text_length": np.ones(RECORDS, np.float32)}
        write(folder_of(store, dataset_id, "map"), SIGNAL, Result({"map_x": x, "map_y": y, "cluster": cluster}, {"cluster": CLUSTERS}, beside=beside, note="Made for a test."), records=RECORDS, seconds=1.0)
    return dataset_id


def open_tool(page: Page, server: StudioProcess, dataset_id: int, key: str, name: str) -> Locator:
    """The sheet of a tool, opened by its key."""
    page.goto(f"{server.url}/?tab=select&dataset={dataset_id}")
    expect(page.locator(".select-grid .pick:not(.skeleton)").first).to_be_visible(timeout=120_000)
    page.keyboard.press(key)
    sheet = page.locator(f"dialog.{name}[open]")
    expect(sheet).to_be_visible()
    return sheet


def stored_spec(store: Store, dataset_id: int) -> dict[str, Any]:
    return next((one.spec for one in store.selections.all(dataset_id) if one.name == CURRENT), {})


def test_the_solver_finds_the_number_says_what_cannot_be_and_its_cuts_are_used(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Solve")
    sheet = open_tool(page, studio_server, dataset_id, "w", "solver")
    total = sheet.get_by_label("Records to keep")
    total.fill("24")
    expect(sheet.locator(".tool-foot")).to_contain_text("24 of 24 wanted")
    detail = sheet.get_by_label("Share of Detail, in per cent")
    detail.fill("50")
    shown = [int(text.rstrip(" %")) for text in sheet.locator(".share-row output").all_inner_texts()]
    assert sum(shown) == 100 and shown[1] == 50 and shown[0] == shown[2]
    expect(sheet.locator(".solver-table tr", has_text="Detail").locator("td").nth(2)).to_have_text("12")
    both_themes(page, screenshots, "tool-solver")
    total.fill("2,000")
    expect(sheet.locator(".solver-obstacle").first).to_contain_text("2,000 wanted, the data set has 120 records")
    both_themes(page, screenshots, "tool-solver-impossible")
    total.fill("twelve")
    expect(sheet.get_by_role("alert")).to_contain_text("“twelve” is no whole number")
    total.fill("24")
    expect(sheet.locator(".tool-foot")).to_contain_text("24 of 24 wanted")
    with page.expect_response("**/api/selections/current"):
        sheet.get_by_role("button", name="Use these cuts").click()
    expect(page.locator(".toast")).to_contain_text("Cuts for 24 records")
    view = curate(store, dataset_id)
    assert int(view.result.kept.sum()) == 24 and int((view.result.kept & (view.table.type == 1)).sum()) == 12
    with page.expect_response("**/api/selections/current"):
        page.locator(".toast").get_by_role("button", name="Back").click()
    assert stored_spec(store, dataset_id)["question"]["detail"] == {"mode": "share", "amount": 0.3}


def test_a_point_of_the_curve_is_taken_by_a_click(page: Page, studio_server: StudioProcess, store: Store) -> None:
    sheet = open_tool(page, studio_server, seed(store, "Curve"), "w", "solver")
    sheet.get_by_label("Records to keep").fill("20")
    expect(sheet.locator(".tool-foot")).to_contain_text("20 of 20 wanted")
    before = sheet.locator(".tool-foot p").inner_text()
    place = page.evaluate("""() => { const plot = document.querySelector('.solver-curve'), { xaxis, yaxis } = plot._fullLayout, { x, y } = plot.data[0], box = plot.getBoundingClientRect(), i = x.length - 2;
        return [box.left + xaxis._offset + xaxis.d2p(x[i]), box.top + yaxis._offset + yaxis.d2p(y[i])]; }""")
    page.mouse.move(*place)
    page.wait_for_timeout(150)
    page.mouse.click(*place)
    expect(sheet.locator(".tool-foot p")).not_to_have_text(before)
    expect(sheet.locator(".tool-foot")).to_contain_text("20 of 20 wanted")


def test_two_selections_are_compared_and_one_side_is_shown_in_the_grid(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    sheet = open_tool(page, studio_server, seed(store, "Compare"), "e", "compare-sheet")
    whole = sheet.locator(".compare-table tr", has_text="All types").locator("td.n")
    expect(whole).to_have_count(5)
    numbers = [int(re.match(r"[\d,]+", text).group().replace(",", "")) for text in whole.all_inner_texts()]  # type: ignore[union-attr]
    assert sum(numbers[:4]) == numbers[4] == RECORDS
    assert sheet.locator(".compare-side").count() == 4 and HOSTILE.split()[0] not in (sheet.locator("h3").first.inner_text())
    both_themes(page, screenshots, "tool-compare")
    sheet.get_by_role("button", name=re.compile("Show in the grid: Only in “As many at random”")).click()
    expect(page.locator(".lists-count")).to_have_text(re.compile(f"^{numbers[2]}\\b"))
    assert "compared" in page.url
    page.reload()
    expect(page.locator(".lists-count")).to_have_text(re.compile(f"^{numbers[2]}\\b"), timeout=60_000)


def test_a_region_of_the_map_becomes_a_filter_and_a_click_opens_the_record(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    sheet = open_tool(page, studio_server, seed(store, "Map"), "m", "map-sheet")
    expect(sheet.locator(".map-bar")).to_contain_text("120 of 120 records drawn")
    expect(sheet.locator(".map-cluster")).to_have_count(3)
    expect(sheet.locator(".map-cluster").first).to_contain_text(CLUSTERS[0])  # as text
    both_themes(page, screenshots, "tool-map")
    for name in ("Decision", "Instruction type", "Question score"):
        sheet.get_by_label("Colour by").select_option(label=name)
        expect(sheet.locator(".map-legend")).to_contain_text({"Decision": "Kept", "Instruction type": "Detail", "Question score": "116 of 120"}[name])
    both_themes(page, screenshots, "tool-map-score")
    box = sheet.locator(".plane").bounding_box()
    assert box is not None
    inset = 6
    corners = [(box["x"] + inset, box["y"] + inset), (box["x"] + box["width"] / 2, box["y"] + inset), (box["x"] + box["width"] / 2, box["y"] + box["height"] - inset), (box["x"] + inset, box["y"] + box["height"] - inset)]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=12)
    page.mouse.up()
    expect(sheet.locator(".map-found")).to_contain_text(re.compile(r"(59|60|61) of 120 records inside"))
    both_themes(page, screenshots, "tool-map-lasso")
    told = re.search(r"(\d+) of 120", sheet.locator(".map-found").inner_text())
    assert told is not None
    sheet.get_by_role("button", name="Show them in the grid").click()
    expect(page.locator(".lists-count")).to_have_text(re.compile(f"^{told.group(1)}\\b"))
    assert "lasso" in page.url
    page.keyboard.press("m")
    expect(sheet.locator(".map-bar")).to_contain_text("120 of 120 records drawn")
    right = page.locator(".plane").bounding_box()
    assert right is not None
    page.mouse.move(right["x"] + right["width"] / 2 + right["height"] / 2 / 1.08, right["y"] + right["height"] / 2)  # the first record, at the right end of the ring
    expect(sheet.locator(".map-look .pick")).to_contain_text("Question 0.0?")
    page.mouse.down()
    page.mouse.up()
    expect(page.locator("dialog.viewer[open]")).to_contain_text("Question 0.0?")


def test_variety_shows_what_a_cap_does_before_it_is_used(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Variety")
    sheet = open_tool(page, studio_server, dataset_id, "y", "variety")
    expect(sheet.locator(".variety-heads")).to_contain_text("of 3")
    sheet.get_by_label("At most this many records per cluster").fill("2")
    expect(sheet.locator(".tool-foot")).to_contain_text("6 of 120 records kept")
    both_themes(page, screenshots, "tool-variety")
    with page.expect_response("**/api/selections/current"):
        sheet.get_by_role("button", name="Use these limits").click()
    assert stored_spec(store, dataset_id)["per_cluster"] == 2 and int(curate(store, dataset_id).result.kept.sum()) == 6


def test_without_a_map_variety_and_map_say_so_and_offer_to_make_it(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    sheet = open_tool(page, studio_server, seed(store, "Unmapped", mapped=False), "y", "variety")
    expect(sheet.locator(".variety-map")).to_contain_text("need the signal “Map”")
    expect(sheet.get_by_role("button", name="Few gaps")).to_be_disabled()
    both_themes(page, screenshots, "tool-variety-unmapped")
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    expect(page.locator("dialog.map-sheet")).to_contain_text("There is no map of this data set yet")
    expect(page.locator("dialog.map-sheet").get_by_role("button", name=re.compile("Make the map"))).to_be_enabled()


def test_a_signal_tells_its_cost_runs_and_is_there(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Signals", mapped=False)
    sheet = open_tool(page, studio_server, dataset_id, "l", "signals-sheet")
    near = sheet.locator('[data-signal="near_texts"]')
    expect(near.locator(".signal-cost")).to_contain_text(re.compile("second|about"))
    both_themes(page, screenshots, "tool-signals")
    near.get_by_role("button", name="Run: Nearly the same text").click()
    expect(near).to_have_attribute("data-state", re.compile("queued|running|ready"))
    expect(near).to_have_attribute("data-state", "ready", timeout=120_000)
    expect(near.get_by_role("button", name="Run again: Nearly the same text")).to_be_visible()


def test_the_report_is_a_file_that_shows_its_charts_without_the_studio(page: Page, studio_server: StudioProcess, store: Store, tmp_path: Path, screenshots: Path) -> None:
    dataset_id = seed(store, "Report <b>")
    sheet = open_tool(page, studio_server, dataset_id, "o", "report-sheet")
    expect(sheet.locator(".report-facts")).to_contain_text(f"{int(curate(store, dataset_id).result.kept.sum())} of {RECORDS}")
    both_themes(page, screenshots, "tool-report")
    for label, form in (("Markdown", "md"), ("Page with charts and pictures", "html")):
        with page.expect_download() as caught:
            sheet.get_by_role("link", name=label).click()
        assert caught.value.suggested_filename == f"Report-b-selection.{form}"
        caught.value.save_as(tmp_path / f"report.{form}")
    assert (tmp_path / "report.md").read_text().startswith("# The cuts as they stand")
    told = page.context.new_page()
    told.set_content((tmp_path / "report.html").read_text())
    expect(told.locator("[data-figure] .main-svg").first).to_be_visible()
    assert told.locator("[data-figure]").count() == 3 and told.locator("img").count() >= 16
    told.screenshot(path=screenshots / "report-page.png", full_page=True)


def test_the_values_behind_the_tools(page: Page, studio_server: StudioProcess, store: Store) -> None:
    page.goto(studio_server.url)
    found = page.evaluate("""async () => {
        const [{ withShare, apportion }, { readPoints, outlineOf, classed }, { readWhole }, { extentOf, indexOf }] = await Promise.all(['shares', 'points', 'sheet', 'plane'].map((name) => import(`/studio/js/select/${name}.js`)));
        const buffer = new ArrayBuffer(28 * 2);
        new Float32Array(buffer, 0, 2).set([1, 2]); new Float64Array(buffer, 16, 2).set([7, 2 ** 40]); new Int16Array(buffer, 52, 2).set([-1, 300]);
        const points = readPoints(buffer), line = { n: 3, x: [0, 1, 2], y: [0, 0, 0] }, nearest = indexOf(line, extentOf(line));
        let cut = ''; try { readPoints(new ArrayBuffer(27)); } catch (error) { cut = error.message; }
        return { shares: withShare({ a: 44, b: 24, c: 32 }, 'b', 50), all: withShare({ a: 0, b: 100, c: 0 }, 'b', 31), over: withShare({ a: 50, b: 50 }, 'a', 250), even: apportion([0, 0, 0]), x: [...points.x], id: [...points.id], cluster: [...points.cluster], cut,
            few: outlineOf([[0, 0], [1, 1]]), many: outlineOf(Array.from({ length: 5000 }, (_, i) => [i, i])).length, classes: classed([NaN, 1, 1, 1], 4).classes.map((one) => one.length),
            whole: ['14,000', '', ' 3 ', '0', '1.5', '-2', '1e3', '9'.repeat(12)].map((text) => { const { value, problem } = readWhole(text); return problem ? 'problem' : value; }), near: [nearest(1.1, 0, 0.2), nearest(0.5, 0, 0.2), nearest(2, 0.1, 0.2)] };
    }""")
    assert found["shares"] == {"a": 29, "b": 50, "c": 21} and found["all"] == {"a": 35, "b": 31, "c": 34} and found["over"] == {"a": 100, "b": 0} and found["even"] == [34, 33, 33]
    assert found["x"] == [1, 2] and found["id"] == [7, 2**40] and found["cluster"] == [-1, 300] and "cut off" in found["cut"]
    assert found["few"] is None and found["many"] <= 400 and found["classes"] == [0, 0, 0, 3] and found["near"] == [1, -1, 2]
    assert found["whole"] == [14000, None, 3, "problem", "problem", "problem", "problem", "problem"]
