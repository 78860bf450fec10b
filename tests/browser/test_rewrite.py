"""The workbench in a real browser: judge by key, undo, edit with live guards, reload in mid-edit, accept all green, and hostile text."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.records import Guard, Rewrite
from pipeline.rewriting.guards import Pair, check
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.browser.conftest import StudioProcess, both_themes
from tests.studio.seeding import HOSTILE, seed_dataset

pytestmark = pytest.mark.browser

expect.set_options(timeout=60_000)  # a busy machine draws late
KEY = "embedded · fp32 · prompt 1 · 3 drafts · seed 0"
BEFORE, AFTER = "The grey cat isn't on the chair; it is under the table.", "The gray cat isn't on the chair. It is under the table."


@pytest.fixture
def dataset(studio_server: StudioProcess, request: pytest.FixtureRequest) -> int:
    """A data set of its own with eight kept records: five proposals, three originals kept."""
    store = Store(Workspace.open(studio_server.workspace))
    dataset_id = seed_dataset(store, request.node.name[:80], records=9)
    ids = store.records.ids(dataset_id)[:8]
    store.actions.decide(dataset_id, {i: "keep" for i in ids}, author="test")
    rewrites = []
    for n, record_id in enumerate(ids):
        before, after = f"{BEFORE} Number {n}. {HOSTILE}", f"{AFTER} Number {n}. {HOSTILE}"
        kept = n >= 5
        guards = (Guard("numbers", False, "missing: 2"), Guard("style", True)) if kept else check(Pair(before, after, "answer", 4.0, 3.6))
        review = {"origin": "edit", "edits": "spelling, two sentences", "draft": after, "margin": 0.12, "by_position": [0.5, -0.26], "preferred": True,
                  "drafts": [{"origin": "model", "text": "A cat.", "raw": "A cat.<|im_end|>", "edits": "", "style": 3.2, "failed": [{"name": "things kept", "detail": "missing: chair"}]},
                             {"origin": "edit", "text": after, "raw": "", "edits": "spelling, two sentences", "style": 3.6, "failed": []}]}
        rewrites.append(Rewrite(record_id, 0, 0, "answer", before, "", before if kept else after, kept, "1 draft, none passed; the nearest fails numbers: missing: 2" if kept else "",
                                tuple(guards), review | ({"kind": "guard"} if kept else {}), 4.0 + n / 10, 3.6 + n / 10))
    store.rewrites.add(KEY, rewrites)
    store.close()
    return dataset_id


def open_bench(page: Page, server: StudioProcess, dataset_id: int, more: str = "") -> None:
    page.goto(f"{server.url}/?tab=rewrite&dataset={dataset_id}{more}")
    expect(page.locator(".rw-title h2")).to_be_visible(timeout=60_000)


def queue(page: Page, name: str) -> int:
    return int(page.locator(".rw-view[data-view=bench] .seg button", has_text=name).locator(".num").inner_text())


def test_verdicts_by_key_are_stored_and_undone(page: Page, studio_server: StudioProcess, dataset: int, screenshots: Path) -> None:
    open_bench(page, studio_server, dataset)
    expect(page.locator(".rw-side del")).to_have_count(2)
    expect(page.locator(".rw-side ins")).to_have_count(2)
    expect(page.locator(".rw-side").nth(1).locator(".record-text")).to_contain_text("<img src=x onerror=alert(1)>")
    both_themes(page, screenshots, "rewrite-bench")
    page.keyboard.press("a")
    expect(page.locator(".rw-judged")).to_contain_text("1 of 5")
    expect(page.locator(".rw-side").nth(1)).to_contain_text("Number 1.")
    page.keyboard.press("r")
    expect(page.locator(".rw-judged")).to_contain_text("2 of 5")
    page.keyboard.press("j")
    expect(page.locator(".rw-side").nth(1)).to_contain_text("Number 3.")
    page.keyboard.press("k")
    expect(page.locator(".rw-side").nth(1)).to_contain_text("Number 2.")
    page.keyboard.press("u")
    expect(page.locator(".rw-judged")).to_contain_text("1 of 5")
    page.reload()
    expect(page.locator(".rw-judged")).to_contain_text("1 of 5")
    assert (queue(page, "Accepted"), queue(page, "Rejected"), queue(page, "Pending")) == (1, 0, 4)


def test_an_edit_is_checked_while_typing_and_survives_a_reload(page: Page, studio_server: StudioProcess, dataset: int) -> None:
    open_bench(page, studio_server, dataset)
    page.keyboard.press("e")
    area = page.locator("textarea.rw-area").first
    expect(area).to_be_focused()
    area.fill("Two black cats are on the chair.")
    expect(page.locator(".rw-guards .chip.bad", has_text="colours")).to_be_visible()
    expect(page.locator(".rw-side").nth(1)).to_contain_text("guards would stop this")
    page.reload()
    area = page.locator("textarea.rw-area").first
    expect(area).to_have_value("Two black cats are on the chair.")
    area.fill(f"The gray cat is not on the chair. It is under the table. Number 0. {HOSTILE}")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".rw-judged")).to_contain_text("1 of 5")
    page.reload()
    expect(page.locator(".rw-judged")).to_contain_text("1 of 5")
    assert queue(page, "Edited") == 1
    expect(page.locator("textarea.rw-area:visible")).to_have_count(0)


def test_all_green_are_accepted_after_a_count_and_one_undo_takes_them_back(page: Page, studio_server: StudioProcess, dataset: int) -> None:
    open_bench(page, studio_server, dataset)
    page.get_by_role("button", name="Accept all green (5)").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Accept 5 rewrites?")
    dialog.get_by_role("button", name="Accept 5").click()
    expect(page.locator(".rw-judged")).to_contain_text("5 of 5")
    expect(page.locator(".rw-bench")).to_contain_text("Everything is judged")
    page.keyboard.press("u")
    expect(page.locator(".rw-judged")).to_contain_text("0 of 5")


def test_a_kept_original_says_why_and_shows_every_draft(page: Page, studio_server: StudioProcess, dataset: int) -> None:
    open_bench(page, studio_server, dataset, "&rw_show=kept")
    expect(page.locator(".rw-reason")).to_contain_text("numbers: missing: 2")
    expect(page.get_by_role("button", name="Accept", exact=False).locator("visible=true").last).to_be_disabled()
    page.get_by_role("button", name="All 2 drafts").click()
    expect(page.locator("dialog.rw-drafts")).to_contain_text("A cat.<|im_end|>")
    page.keyboard.press("Escape")
    expect(page.locator("dialog.rw-drafts")).to_have_count(0)


def test_the_summary_shows_the_style_gap_and_the_reasons(page: Page, studio_server: StudioProcess, dataset: int, screenshots: Path) -> None:
    page.goto(f"{studio_server.url}/?tab=rewrite&dataset={dataset}&rw_view=came")
    expect(page.locator(".rw-tiles")).to_contain_text("5 of 8")
    expect(page.locator(".rw-plot .bars").first).to_be_attached()
    expect(page.locator(".rw-bars").first).to_contain_text("3 of 3")
    both_themes(page, screenshots, "rewrite-summary")


def test_without_kept_records_the_page_says_what_to_do(page: Page, studio_server: StudioProcess) -> None:
    store = Store(Workspace.open(studio_server.workspace))
    dataset_id = seed_dataset(store, "Nothing kept", records=3)
    store.close()
    page.goto(f"{studio_server.url}/?tab=rewrite&dataset={dataset_id}")
    expect(page.locator(".rw-bench")).to_contain_text("No record is kept yet")
    page.locator(".rw-bench").get_by_role("button", name="Go to Score").click()
    expect(page.locator("#tab-score-button, [role=tab][aria-selected=true]").first).to_contain_text("Score")
