"""The Select tab in a real browser: drag a cut, type one, keep by key, undo, save, compare, reload; and the browser's cascade against Python's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from pipeline.curation import CURRENT, curate
from pipeline.records import WHOLE, Score
from pipeline.selection import ALL
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.browser.conftest import StudioProcess, both_themes
from tests.studio.seeding import HOSTILE, scorer_key, seed_dataset

pytestmark = pytest.mark.browser

RECORDS = 120
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def store(studio_server: StudioProcess) -> Store:
    """The store of the running studio, opened beside it as the command line would."""
    return Store(Workspace.open(studio_server.workspace))


def seed(store: Store, name: str, *, unscored: int = 4) -> int:
    """120 records, three candidates each, scores drawn at random; the first few have none."""
    dataset_id = seed_dataset(store, name, records=RECORDS, candidates=3)
    rng = np.random.default_rng(5)
    question, answer = scorer_key("question"), scorer_key("answer")
    store.scores.register(question)
    store.scores.register(answer)
    for place, record_id in enumerate(store.records.ids(dataset_id)):
        none = place < unscored
        store.scores.add(question.digest, [Score(record_id, WHOLE, WHOLE, None if none else float(rng.normal()), "the image is cut off" if none else "")])
        store.scores.add(answer.digest, [Score(record_id, 0, c, None if none else float(rng.normal()), "the image is cut off" if none else "") for c in range(3)])
    return dataset_id


def open_select(page: Page, server: StudioProcess, dataset_id: int) -> None:
    page.goto(f"{server.url}/?tab=select&dataset={dataset_id}")
    expect(page.locator(".select-grid .pick:not(.skeleton)").first).to_be_visible(timeout=120_000)


def show(page: Page, which: str) -> None:
    """Let the grid show "kept", "dropped", "hand" or "unscored" records only."""
    with page.expect_response("**/api/record-lists/page"):
        page.locator(f'[data-show="{which}"]').click()
    expect(page.locator(".select-chips .filter-chip")).to_have_count(1)


def kept(page: Page, group: str = "all") -> int:
    text = page.locator(f'[data-kept="{group}"] .kept-count').inner_text()
    return int(re.match(r"[\d,]+", text).group().replace(",", ""))  # type: ignore[union-attr]


def expect_kept(page: Page, number: int) -> None:
    expect(page.locator('[data-kept="all"] .kept-count')).to_have_text(re.compile(f"^{number:,}\\b"))


def surface(page: Page, stage: str, group: str) -> Locator:
    return page.locator(f'.cut-panel[data-stage="{stage}"][data-group="{group}"] .cut-surface')


def drag(page: Page, place: Locator, start: float, end: float, *, seen: list[int] | None = None, group: str = "all") -> None:
    """Take the plot at a part of its width and go to another, noting the kept count on the way."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    for part in np.linspace(start, end, 12):
        page.mouse.move(box["x"] + float(part) * box["width"], y)
        page.wait_for_timeout(40)
        if seen is not None:
            seen.append(kept(page, group))
    page.mouse.up()


def stored_spec(store: Store, dataset_id: int) -> dict[str, Any]:
    return next(s.spec for s in store.selections.all(dataset_id) if s.name == CURRENT)


def test_dragging_a_cut_moves_the_counts_and_is_stored_when_let_go(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Drag")
    open_select(page, studio_server, dataset_id)
    before, seen = kept(page), []
    place = surface(page, "question", "conversation")
    with page.expect_response("**/api/selections/current") as answered:
        drag(page, place, 0.7, 0.2, seen=seen)
    assert answered.value.status == 200
    moving = seen[1:]  # the press alone moves nothing
    assert len(set(moving)) >= 3 and moving == sorted(moving)  # more and more pass as the line goes left
    expect(page.locator(".funnel [data-stage=answers]")).to_contain_text(str(kept(page)))
    view = curate(store, dataset_id)
    assert kept(page) == len(view.kept_ids) > before
    assert stored_spec(store, dataset_id)["question"]["conversation"]["amount"] != 0.3
    assert stored_spec(store, dataset_id)["question"]["detail"] == {"mode": "share", "amount": 0.3}
    both_themes(page, screenshots, "select")


def test_cuts_decisions_and_tab_are_there_after_a_reload(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Reload")
    open_select(page, studio_server, dataset_id)
    field = page.get_by_label("Detail: cut by question score", exact=True)
    with page.expect_response("**/api/selections/current"):
        field.fill("62.5")
        field.press("Enter")
    show(page, "dropped")
    page.locator(".select-grid .pick").first.click()
    with page.expect_response("**/api/decisions/decide"):
        page.keyboard.press("k")
    expect(page.locator('[data-show="hand"] .num')).to_have_text("1")  # the answer is drawn, not only received
    count = kept(page)
    page.reload()
    expect(page.get_by_label("Detail: cut by question score", exact=True)).to_have_value("62.5", timeout=120_000)
    assert kept(page) == count == len(curate(store, dataset_id).kept_ids)
    expect(page.locator('[data-show="hand"] .num')).to_have_text("1")
    expect(page.get_by_role("radio", name=re.compile("^Dropped"))).to_have_attribute("aria-checked", "true")


def test_keep_drop_clear_undo_and_redo_by_key(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Keys")
    open_select(page, studio_server, dataset_id)
    start = kept(page)
    show(page, "kept")
    picks = page.locator(".select-grid .pick")
    first, second = (int(picks.nth(n).get_attribute("data-record") or 0) for n in (0, 1))
    picks.nth(0).click()
    page.keyboard.press("d")
    expect(page.locator(f'.select-grid [data-record="{first}"]')).to_contain_text("dropped by hand")
    expect(page.locator(f'.select-grid [data-record="{second}"]')).to_have_attribute("aria-current", "true")  # on to the next
    expect_kept(page, start - 1)
    assert dict(store.actions.decisions(dataset_id).items()) == {first: "drop"}
    page.keyboard.press("u")
    expect(page.get_by_text(re.compile("^Undone: Drop "))).to_be_visible()
    expect_kept(page, start)
    assert dict(store.actions.decisions(dataset_id).items()) == {}
    page.keyboard.press("r")
    expect(page.get_by_text(re.compile("^Done again: Drop "))).to_be_visible()
    assert dict(store.actions.decisions(dataset_id).items()) == {first: "drop"}
    page.keyboard.press("ArrowLeft")
    expect(page.locator(f'.select-grid [data-record="{first}"]')).to_have_attribute("aria-current", "true")
    with page.expect_response("**/api/decisions/decide"):
        page.keyboard.press("c")
    assert dict(store.actions.decisions(dataset_id).items()) == {}
    page.locator(".lists-head").get_by_role("button", name="History").click()
    expect(page.locator(".lists-head .history li")).to_have_count(4)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_text("Keep the chosen record, or those picked, by hand")).to_be_visible()


def test_keys_nudge_the_focused_cut_and_not_the_records(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Nudge")
    open_select(page, studio_server, dataset_id)
    page.get_by_role("slider", name="Detail: answer cut", exact=True).focus()
    with page.expect_response("**/api/selections/current"):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Shift+ArrowLeft")
    expect(page.get_by_label("Detail: cut by answer score", exact=True)).to_have_value("36")
    assert stored_spec(store, dataset_id)["answer"]["detail"] == {"mode": "share", "amount": 0.36}
    expect(page.locator('.pick[aria-current="true"]')).to_have_count(0)


def test_a_bad_number_is_told_beside_its_field_and_changes_nothing(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Bad")
    open_select(page, studio_server, dataset_id)
    before = kept(page)
    field = page.get_by_label("Conversation: cut by question score", exact=True)
    told = page.locator('.cut-panel[data-stage="question"][data-group="conversation"]').get_by_role("alert")
    for typed in ("abc", "120", "-3", "1e999", "", "<b>9</b>"):
        field.fill(typed)
        field.press("Enter")
        expect(told).to_contain_text("The cut stays at 30")
        expect(field).to_have_attribute("aria-invalid", "true")
        assert kept(page) == before, typed
        field.press("Escape")
        expect(told).to_be_hidden()
        expect(field).to_have_value("30")
    cap = page.get_by_label("At most this many records per image")
    cap.fill("0")
    cap.press("Enter")
    expect(page.locator(".cap-problem")).to_contain_text("“0” is no cap per image")
    assert [s.name for s in store.selections.all(dataset_id)] == []


def test_saying_a_cut_another_way_keeps_the_same_records(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Modes")
    open_select(page, studio_server, dataset_id)
    panel = page.locator('.cut-panel[data-stage="question"][data-group="detail"]')
    for mode in ("value", "count", "value", "share"):
        before = curate(store, dataset_id).kept_ids
        with page.expect_response("**/api/selections/current"):
            panel.get_by_label("Detail: kind of question cut").select_option(mode)
        assert curate(store, dataset_id).kept_ids == before, mode
    assert stored_spec(store, dataset_id)["question"]["detail"]["mode"] == "share"
    with page.expect_response("**/api/selections/current"):
        page.get_by_role("button", name="Together", exact=True).click()
    assert stored_spec(store, dataset_id)["answer"] == {ALL: {"mode": "share", "amount": 0.3}}  # equal cuts stay as they are
    expect(page.locator(".cut-panel")).to_have_count(2)


def test_selections_are_saved_opened_and_compared(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Named")
    open_select(page, studio_server, dataset_id)
    hostile = "strict <b>0.3</b>"
    page.get_by_role("button", name="Selections").click()
    page.get_by_label("Name of the selection").fill(hostile)
    page.get_by_role("button", name="Save", exact=True).click()
    row = page.locator(".saved-list li")
    expect(row).to_contain_text(hostile)
    expect(row).to_contain_text(f"{kept(page)} of {RECORDS} kept")
    page.keyboard.press("Escape")
    strict = kept(page)
    page.get_by_role("button", name="Presets: 0.3 × 0.3 per type").click()
    with page.expect_response("**/api/selections/current"):
        page.locator('[data-preset="everything"]').click()
    assert kept(page) == RECORDS - 4
    page.get_by_role("button", name="Selections").click()
    page.get_by_role("button", name="Compare", exact=True).click()
    whole = page.locator(".compare-sheet tbody tr").last
    for place, number in enumerate((strict, RECORDS - 4 - strict, 0, 4, RECORDS)):
        expect(whole.locator("td.n").nth(place)).to_have_text(re.compile(f"^{number}\\b"))
    both_themes(page, screenshots, "select-compare")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Selections").click()
    page.get_by_role("button", name=f"Open {hostile}").click()
    expect(page.locator('[data-kept="all"]')).to_contain_text(f"{strict} of {RECORDS}")
    assert len(curate(store, dataset_id).kept_ids) == strict


def test_record_text_is_shown_as_text(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Hostile")
    open_select(page, studio_server, dataset_id)
    page.locator(".select-grid .pick").first.click()
    expect(page.locator(".look-question")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator('.select-page img[src="x"]').count() == 0
    assert HOSTILE in page.locator(".look-question").inner_text()


def test_a_data_set_without_scores_says_what_to_do(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed_dataset(store, "Unscored", records=6)
    page.goto(f"{studio_server.url}/?tab=select&dataset={dataset_id}")
    expect(page.get_by_text("Score this data set first")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Go to Score").click()
    expect(page.get_by_role("tab", name="Score")).to_have_attribute("aria-selected", "true")


def test_records_without_a_score_are_counted_explained_and_can_be_kept(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Missing")
    open_select(page, studio_server, dataset_id)
    expect(page.locator(".without")).to_contain_text(f"4 of {RECORDS} records have no question score: the image is cut off (4)")
    show(page, "unscored")
    pick = page.locator(".select-grid .pick").first
    expect(pick).to_contain_text("none")
    pick.get_by_role("button", name="Keep").click()
    expect(pick).to_contain_text("kept by hand")
    assert [word for _, word in store.actions.decisions(dataset_id).items()] == ["keep"]
