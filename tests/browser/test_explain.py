"""Why this score, in a real browser with the real embedded model: from the button to tinted words and a covered photo, and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from pipeline.models.fetch import embedded_ready
from pipeline.models.planning import Plan
from pipeline.records import WHOLE, Record, Score, Turn
from pipeline.scoring.scorers import load_scorer
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.browser.conftest import StudioProcess, both_themes, free_port
from tests.studio.seeding import HOSTILE, seed_image

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TURNS = (Turn("<image>\nWhat is this?", ("A blue square 🦊 of 3 cm.", f"No {HOSTILE}"), listed=True), Turn("Why?", ("The camera saw a wall.",)))


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """One record with a picture and one without, scored under the shipped scorers' own keys."""
    if not embedded_ready():
        pytest.skip("SKIPPED FOR LACK OF THE MODEL: run `make model`")
    workspace = Workspace.open(tmp_path_factory.mktemp("explain") / "workspace")
    store = Store(workspace)
    dataset = store.datasets.create("Scored", "test")
    store.records.add(dataset, [
        Record(key="seen", turns=TURNS, type="conversation", type_told=True, row=1, images=(seed_image(store, 1),), image_paths=("1.jpg",), image_problems=(None,)),
        Record(key="told", turns=TURNS[1:], type="detail", type_told=True, row=2)])
    store.datasets.finish(dataset, {"read": 2})
    plan = Plan("cpu", "fp32", "none", 1.0, "")
    for kind in ("question", "answer"):
        key = load_scorer(f"embedded-{kind}").key(plan)
        store.scores.register(key)
        for record in store.records.many(store.records.ids(dataset)):
            places = [(WHOLE, WHOLE)] if kind == "question" else [(t, c) for t, turn in enumerate(record.turns) for c in range(len(turn.answers))]
            store.scores.add(key.digest, [Score(record.id, turn, candidate, 0.5) for turn, candidate in places])
    store.close()
    server = StudioProcess(workspace.root, free_port(), ("--no-demo",)).start()
    yield server
    server.stop()


def test_a_score_is_taken_apart_over_text_and_photo_and_put_back(page: Page, scored: StudioProcess, screenshots) -> None:
    page.goto(f"{scored.url}/?tab=score&dataset=1&score_examples=question")
    page.locator(".example", has_text="What is this?").first.click(timeout=60_000)
    view = page.locator("dialog.viewer")
    expect(view.get_by_role("button", name="Why this score?")).to_have_count(4)  # the question set and three answers
    view.get_by_role("button", name="Why this score? turn 1, answer 2").click()
    sentence = view.locator(".ex-sentence")
    expect(sentence).to_contain_text("The words move this score by up to", timeout=90_000)
    text = view.locator('[data-text="answer-0-1"]')
    assert text.inner_text() == f"No {HOSTILE}" and page.locator('img[src="x"]').count() == 0
    expect(view.locator(".ex-heat .ex-cell")).to_have_count(35)
    both_themes(page, screenshots, "explain")

    view.get_by_role("button", name="Why this score? turn 1, answer 1").click()
    expect(view.locator('[data-text="answer-0-0"] .ex-word')).to_have_text(["A", "blue", "square", "🦊", "of", "3", "cm"], timeout=60_000)
    assert text.locator(".ex-word").count() == 0
    view.locator('[data-text="question-0"] .ex-word').first.focus()
    page.keyboard.press("ArrowRight")
    expect(view.locator(".ex-readout")).to_contain_text("“is”")
    page.keyboard.press("h")
    expect(view.locator(".ex-heat")).to_be_hidden()
    view.get_by_role("button", name="Close the explanation").click()
    expect(view.locator(".ex-word, .ex-heat")).to_have_count(0)
    assert view.locator('[data-text="question-0"]').inner_text().strip() == "What is this?"


def test_a_record_without_a_picture_is_explained_by_its_words_alone(page: Page, scored: StudioProcess) -> None:
    page.goto(f"{scored.url}/?tab=score&dataset=1&score_examples=question")
    page.locator(".example").filter(has_not_text="What is this?").first.click(timeout=60_000)
    view = page.locator("dialog.viewer")
    view.get_by_role("button", name="Why this score? the question").click()
    expect(view.locator(".ex-sentence")).to_contain_text("no word that can be left out", timeout=90_000)
    view.get_by_role("button", name="Why this score? answer 1").click()
    expect(view.locator(".ex-sentence")).to_contain_text("This record has no picture.", timeout=60_000)
    expect(view.locator(".ex-heat")).to_have_count(0)
