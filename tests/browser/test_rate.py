"""The Rate room in a real browser: a name, scores by key, a reload in mid-sentence, undo."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.browser.conftest import StudioProcess
from tests.studio.seeding import seed_dataset

pytestmark = pytest.mark.browser


def test_two_items_are_rated_by_keys_and_nothing_is_lost_by_a_reload_or_an_undo(page: Page, studio_server: StudioProcess) -> None:
    store = Store(Workspace.open(studio_server.workspace))
    dataset = seed_dataset(store, "Rated by keys", records=9)
    page.goto(f"{studio_server.url}/?tab=teach&room=rate&dataset={dataset}")
    page.locator(".rt-who input").fill("   ")
    page.keyboard.press("Enter")
    expect(page.locator(".rt-who [role=alert]")).to_contain_text("Type your name")
    page.locator(".rt-who input").fill("<b>Ann</b>")
    page.keyboard.press("Enter")
    expect(page.locator(".rt-rater")).to_contain_text("<b>Ann</b>")
    values, facts, note = page.locator(".rt-row.overall .rt-value"), page.locator(".rt-facts"), page.locator(".rt-note")
    expect(values).to_have_count(2)
    question = page.locator(".rt-question p")
    for done in (1, 2):
        before = question.inner_text()
        page.keyboard.press("7")
        page.keyboard.press("j")
        page.keyboard.press("3")
        page.keyboard.press("ArrowRight")
        expect(values).to_have_text(["0.70", "0.35"])
        page.keyboard.press("Enter")
        expect(question).not_to_have_text(before)
        expect(facts).to_contain_text(f"{done} of 9 rated")
    assert {tuple(sorted(rating.scores)) for rating in store.ratings.in_force(rater="<b>Ann</b>")} == {(0.35, 0.7)}
    third = question.inner_text()
    page.keyboard.press("4")
    page.keyboard.press("n")
    page.keyboard.type("half a sen")
    page.reload()
    expect(note).to_have_value("half a sen")
    expect(values).to_have_text(["0.40", "–"])
    expect(question).to_have_text(third)
    page.keyboard.press("u")
    expect(page.locator(".rt-again")).to_contain_text("Taken back")
    expect(values).to_have_text(["0.70", "0.35"])
    expect(facts).to_contain_text("1 of 9 rated")
    page.keyboard.press("Enter")
    expect(facts).to_contain_text("2 of 9 rated")
    expect(note).to_have_value("half a sen")
    page.keyboard.press("s")
    page.keyboard.press("4")
    expect(facts).to_contain_text("1 skipped")
    assert [(rating.skipped, rating.note) for rating in store.ratings.in_force() if rating.skipped] == [("all alike", "half a sen")]
    store.close()
