"""The lists of the Select tab in a real browser: filters, the long grid, the large view, the strip, bulk marks, history, people, views."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.curation import CURRENT, curate
from pipeline.records import INSTRUCTION_TYPES, WHOLE, Record, Score, Turn
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.browser.conftest import StudioProcess, Watch, both_themes
from tests.studio.seeding import HOSTILE, scorer_key, seed_dataset

pytestmark = pytest.mark.browser

RECORDS = 400
PAGE = 48
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def store(studio_server: StudioProcess) -> Store:
    """The store of the running studio, opened beside it as the command line would."""
    return Store(Workspace.open(studio_server.workspace))


def seed(store: Store, name: str, *, records: int = RECORDS, unscored: int = 4) -> int:
    """Two candidates each, scores drawn at random; the first few have none."""
    dataset_id = seed_dataset(store, name, records=records, candidates=2)
    score(store, dataset_id, unscored=unscored)
    return dataset_id


def score(store: Store, dataset_id: int, *, unscored: int = 0) -> None:
    rng = np.random.default_rng(5)
    question, answer = scorer_key("question"), scorer_key("answer")
    for key in (question, answer):
        store.scores.register(key)
    ids = store.records.ids(dataset_id)
    records = store.records.many(ids)
    why = "the image is cut off"
    store.scores.add(question.digest, [Score(i, WHOLE, WHOLE, None if n < unscored else float(rng.normal()), why if n < unscored else "") for n, i in enumerate(ids)])
    store.scores.add(answer.digest, [Score(r.id, t, c, None if n < unscored else float(rng.normal()), why if n < unscored else "")
                                     for n, r in enumerate(records) for t, turn in enumerate(r.turns) for c in range(len(turn.answers))])


def open_lists(page: Page, server: StudioProcess, dataset_id: int, query: object = None, **more: object) -> None:
    """Open Select with its lists in sight."""
    text = query if isinstance(query, str) else json.dumps(query) if query else ""
    address = "".join(f"&{name}={quote(str(value))}" for name, value in more.items())
    page.goto(f"{server.url}/?tab=select&dataset={dataset_id}{f'&query={quote(text)}' if text else ''}{address}")
    expect(page.locator(".grid-body :is(.pick:not(.skeleton), .empty, .problem)").first).to_be_visible(timeout=120_000)
    page.evaluate("document.querySelector('.select-lists').scrollIntoView(); scrollBy(0, -100)")


def count(page: Page) -> int:
    return int(page.locator(".lists-count b").inner_text().replace(",", ""))


def address(page: Page) -> dict[str, object]:
    """The query in the address."""
    return json.loads(page.evaluate("new URLSearchParams(location.search).get('query')") or "{}")


def by_answer(store: Store, dataset_id: int) -> list[int]:
    """Record ids as the grid first shows them: answer score, highest first; missing ones last, equal ones in file order."""
    table = curate(store, dataset_id).table
    return [int(i) for i in table.ids[np.argsort(np.where(np.isnan(table.answer), np.inf, -table.answer), kind="stable")]]


def picks(page: Page) -> list[int]:
    return page.eval_on_selector_all(".select-grid .pick:not(.skeleton)", "nodes => nodes.map((n) => Number(n.dataset.record))")


# --- filters

def test_filters_narrow_the_list_stand_in_the_address_and_are_walked_by_back_and_forward(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Filters")
    table = curate(store, dataset_id).table
    open_lists(page, studio_server, dataset_id)
    assert count(page) == RECORDS
    page.locator('[data-column="type"] .facet-value', has_text="Detail").click()
    detail = int((table.type == INSTRUCTION_TYPES.index("detail")).sum())
    expect(page.locator(".lists-count")).to_have_text(f"{detail} of {RECORDS}")
    low = page.get_by_role("textbox", name="Question score: from")
    low.fill("0,5")  # a decimal comma is a number too
    low.press("Enter")
    both = int(((table.type == 1) & (table.question >= np.float32(0.5))).sum())
    expect(page.locator(".lists-count")).to_have_text(f"{both} of {RECORDS}")
    assert address(page) == {"types": ["detail"], "ranges": {"question": [0.5, None]}}
    expect(page.locator(".filter-chip")).to_have_text([re.compile("TypeDetail"), re.compile("Question scorefrom 0.5")])
    page.go_back()
    expect(page.locator(".lists-count")).to_have_text(f"{detail} of {RECORDS}")
    page.go_forward()
    expect(page.locator(".lists-count")).to_have_text(f"{both} of {RECORDS}")
    page.reload()
    expect(page.locator(".lists-count")).to_have_text(f"{both} of {RECORDS}", timeout=120_000)
    page.get_by_role("button", name="Take away: Type Detail").click()
    expect(page.locator(".lists-count")).to_have_text(f"{int((table.question >= np.float32(0.5)).sum())} of {RECORDS}")
    page.get_by_role("button", name="Clear all", exact=True).click()
    expect(page.locator(".lists-count b")).to_have_text(str(RECORDS))
    assert address(page) == {}


def test_a_range_is_brushed_on_its_histogram_and_moved_by_keys(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Brush")
    table = curate(store, dataset_id).table
    open_lists(page, studio_server, dataset_id)
    brush = page.locator('[data-column="answer"] .brush')
    brush.scroll_into_view_if_needed()
    expect(brush.locator(".bars-now")).not_to_have_attribute("d", "")
    box = brush.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 30, box["y"] + 20, steps=6)
    page.mouse.up()
    page.wait_for_function("new URLSearchParams(location.search).has('query')")
    low, high = address(page)["ranges"]["answer"]  # type: ignore[index]
    assert high is None  # beyond the edge is open
    expect(page.locator(".lists-count b")).to_have_text(str(int((table.answer >= np.float32(low)).sum())))
    handle = page.get_by_role("slider", name="Answer score: lowest")
    handle.focus()
    handle.press("Home")
    expect(page.locator(".lists-count b")).to_have_text(str(RECORDS))  # no range: records without a score are back
    fields = [page.get_by_role("textbox", name=f"Answer score: {end}") for end in ("from", "to")]
    fields[0].fill("two")
    fields[0].press("Enter")
    expect(fields[0]).to_have_attribute("aria-invalid", "true")
    expect(page.locator('[data-column="answer"] .facet-note')).to_have_text("Type a number such as 0.25, or leave it empty.")
    assert address(page) == {}


def test_a_search_takes_quotes_and_sql_as_words(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Search", records=60)
    open_lists(page, studio_server, dataset_id)
    page.keyboard.press("/")
    field = page.get_by_role("searchbox", name="Search questions and answers")
    expect(field).to_be_focused()
    page.keyboard.type("Question 7.0")
    expect(page.locator(".lists-count b")).not_to_have_text("60")
    assert 1 <= count(page) < 60
    for hostile in ("'; DROP TABLE record; --", '"unfinished', "NEAR(a b) AND * ^ : -", "%_", "\\", "<b>bold</b> OR 1=1"):
        field.fill(hostile)
        field.press("Enter")
        expect(page.locator(".grid-body :is(.empty, .pick:not(.skeleton))").first).to_be_visible()
        assert page.locator(".grid-trouble").count() == 0, hostile
    field.fill("nothing has thesewords")
    field.press("Enter")
    expect(page.locator(".grid-body .empty")).to_contain_text("None of 60 records has these words")
    page.get_by_role("button", name="Clear all filters").click()
    expect(page.locator(".lists-count b")).to_have_text("60")
    expect(field).to_have_value("")


@pytest.mark.parametrize("text", ["{nonsense", "[]", '{"show":"riddle"}', '{"colour":"red"}', '{"ranges":{"question":["a",1]}}', '{"lasso":[[1]]}'])
def test_a_filter_in_the_address_that_cannot_be_read_is_told_and_all_records_are_shown(page: Page, studio_server: StudioProcess, store: Store, text: str) -> None:
    existing = [d.id for d in store.datasets.all() if d.name == "Unreadable"]
    dataset_id = existing[0] if existing else seed(store, "Unreadable", records=12)
    open_lists(page, studio_server, dataset_id, text)
    expect(page.locator(".select-chips")).to_contain_text("The filter in the address can't be read")
    expect(page.locator(".lists-count b")).to_have_text("12")


def test_a_column_that_is_not_here_is_told_with_a_way_out(page: Page, studio_server: StudioProcess, store: Store, watch: Watch) -> None:
    watch.allow.append("409")
    dataset_id = seed(store, "Missing column", records=12)
    open_lists(page, studio_server, dataset_id, {"ranges": {"blurriness": [0, 1]}})
    expect(page.locator(".grid-trouble")).to_contain_text("there is no column 'blurriness'")
    page.get_by_role("button", name="Clear all filters").click()
    expect(page.locator(".lists-count b")).to_have_text("12")


# --- the grid

def test_a_long_list_keeps_few_cards_on_the_page_and_its_place_over_a_reload(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Long", records=1000)
    wanted = by_answer(store, dataset_id)
    open_lists(page, studio_server, dataset_id)
    assert picks(page)[:PAGE] == wanted[:PAGE]
    both_themes(page, screenshots, "select-lists")
    most = 0
    for _ in range(60):
        page.mouse.move(640, 600)
        page.mouse.wheel(0, 1200)
        page.wait_for_timeout(60)
        most = max(most, page.locator(".select-grid .pick").count())
        if page.evaluate("scrollY + innerHeight >= document.body.scrollHeight - 4") and len(page.locator(".select-grid .picks").all()) == 21:
            break
    expect(page.locator(f'.select-grid [data-record="{wanted[-1]}"]')).to_be_visible()
    assert most <= 240
    go = page.locator(".grid-go")
    go.fill("500")
    go.press("Enter")
    expect(page.locator(f'.select-grid [data-record="{wanted[499]}"]')).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(f'.select-grid [data-record="{wanted[498]}"]')).to_be_focused()
    page.wait_for_timeout(500)
    before = go.get_attribute("placeholder")
    page.reload()
    expect(page.locator(f'.select-grid [data-record="{wanted[499]}"]')).to_be_in_viewport(timeout=120_000)
    expect(go).to_have_attribute("placeholder", re.compile(re.escape((before or "").split("–")[0])))
    go.fill("5000")
    go.press("Enter")
    expect(go).to_have_attribute("aria-invalid", "true")
    expect(go).to_have_attribute("title", "Type a whole number from 1 to 1,000")


def test_arrows_walk_the_list_over_the_border_of_its_pages(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Walk")
    wanted = by_answer(store, dataset_id)
    open_lists(page, studio_server, dataset_id)
    page.locator(".grid-go").fill(str(PAGE))
    page.locator(".grid-go").press("Enter")
    expect(page.locator(f'[data-record="{wanted[PAGE - 1]}"]').last).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(f'.select-grid [data-record="{wanted[PAGE]}"]')).to_be_focused()
    page.keyboard.press("d")
    expect(page.locator(f'.select-grid [data-record="{wanted[PAGE]}"]')).to_contain_text("dropped by hand")
    expect(page.locator(f'.select-grid [data-record="{wanted[PAGE + 1]}"]')).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".viewer")).to_contain_text(f"{PAGE + 2} of {RECORDS}")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".viewer")).to_contain_text(f"{PAGE + 1} of {RECORDS}")
    expect(page.locator(".viewer-judge")).to_contain_text("Dropped by hand")
    page.keyboard.press("k")
    expect(page.locator(".viewer-judge")).to_contain_text("Kept by hand")
    expect(page.locator(".viewer-facts [data-part=history] li")).to_have_count(2)
    expect(page.locator(".viewer-facts [data-part=scores]")).to_contain_text("embedded")
    page.keyboard.press("Escape")
    expect(page.locator(f'.select-grid [data-record="{wanted[PAGE]}"]')).to_be_focused()
    assert dict(store.actions.decisions(dataset_id).items()) == {wanted[PAGE]: "keep"}


def test_order_and_size_change_the_grid(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Order", records=60)
    open_lists(page, studio_server, dataset_id)
    page.get_by_label("Order", exact=True).select_option("row")
    page.get_by_role("button", name="Last rows first").click()
    expect(page.locator(".select-grid .pick").first).to_have_attribute("data-record", str(store.records.ids(dataset_id)[0]))
    assert page.evaluate("new URLSearchParams(location.search).get('sort')") == "row"
    page.get_by_role("button", name="Large cards").click()
    expect(page.locator(".grid-body.large .pick").first).to_be_visible()
    page.reload()
    expect(page.locator(".grid-body.large .pick").first).to_have_attribute("data-record", str(store.records.ids(dataset_id)[0]), timeout=120_000)


# --- deciding

def test_all_records_of_a_filter_are_kept_with_the_count_before_and_one_undo_after(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Bulk")
    open_lists(page, studio_server, dataset_id, {"show": "dropped", "types": ["complex"]})
    wanted = count(page)
    page.keyboard.press("b")
    page.get_by_role("button", name=f"Keep all {wanted}").click()
    sheet = page.get_by_role("dialog", name=f"Keep all {wanted} records of this filter?")
    expect(sheet).to_contain_text(f"{wanted} of {wanted} are dropped now and would change sides.")
    both_themes(page, screenshots, "select-bulk")
    with page.expect_response("**/api/decisions/decide-all"):
        sheet.get_by_role("button", name=f"Keep {wanted}").click()
    expect(page.locator(".toast")).to_contain_text(f"Kept {wanted} records by hand.")
    decisions = store.actions.decisions(dataset_id)
    assert len(decisions) == wanted and set(decisions.verdict.tolist()) == {1}
    expect(page.locator('[data-show="hand"]')).to_contain_text(str(wanted))
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator('[data-show="hand"] .num')).to_have_text("0")
    assert len(store.actions.decisions(dataset_id)) == 0
    expect(page.locator(".lists-count b")).to_have_text(str(wanted))


def test_a_filter_that_holds_another_number_by_now_is_not_marked(page: Page, studio_server: StudioProcess, store: Store, watch: Watch) -> None:
    watch.allow.append("409")
    dataset_id = seed(store, "Moved", records=60)
    open_lists(page, studio_server, dataset_id, {"show": "hand"})
    store.actions.decide(dataset_id, {store.records.ids(dataset_id)[5]: "keep"}, author="Maria")
    page.get_by_role("radio", name="By hand").click()
    page.evaluate("import('/studio/js/studio.js').then((m) => m.refresh())")
    expect(page.locator(".lists-count b")).to_have_text("1")
    page.keyboard.press("b")
    page.get_by_role("button", name="Drop the one record").click()
    store.actions.decide(dataset_id, {store.records.ids(dataset_id)[6]: "keep"}, author="Maria")
    page.get_by_role("dialog").get_by_role("button", name="Drop 1").click()
    expect(page.locator(".toast.bad")).to_contain_text("this filter holds 2 records by now, not 1")
    assert set(dict(store.actions.decisions(dataset_id).items()).values()) == {"keep"}


def test_records_picked_together_are_marked_together(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Picked", records=60)
    wanted = by_answer(store, dataset_id)
    open_lists(page, studio_server, dataset_id)
    grid = page.locator(".select-grid .pick")
    grid.nth(0).click()
    page.keyboard.press("x")
    grid.nth(4).click(modifiers=["Shift"])
    grid.nth(2).click(modifiers=["Control"])
    expect(page.locator(".picked-bar")).to_contain_text("4 records picked")
    page.keyboard.press("d")
    expect(page.locator(".toast")).to_contain_text("Dropped 4 records by hand.")
    assert dict(store.actions.decisions(dataset_id).items()) == {wanted[n]: "drop" for n in (0, 1, 3, 4)}
    expect(page.locator(".picked-bar")).to_be_hidden()
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast").last).to_contain_text("Undone: Drop 4 records")
    assert len(store.actions.decisions(dataset_id)) == 0


def test_a_step_in_the_middle_of_the_history_says_what_depends_on_it(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "History", records=60)
    ids = store.records.ids(dataset_id)
    store.actions.decide_all(dataset_id, np.array(ids[:20]), "drop", author="Maria", detail="Drop 20 records (Text “blur”)")
    store.actions.decide(dataset_id, dict.fromkeys(ids[:3], "keep"), author="Tom", detail="Keep 3 records")
    open_lists(page, studio_server, dataset_id)
    page.locator(".lists-head").get_by_role("button", name="History").click()
    rows = page.locator(".lists-head .history li")
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_role("button", name=re.compile("^Undo")).click()
    sheet = page.get_by_role("dialog", name="Undo this step?")
    expect(sheet).to_contain_text("17 records change back.")
    expect(sheet).to_contain_text("3 of 20 keep what a later step said:")
    expect(sheet.locator(".undo-later")).to_contain_text("Keep 3 records3 shared · Tom")
    both_themes(page, screenshots, "select-undo")
    sheet.get_by_role("button", name="Undo, 17 change back").click()
    expect(rows).to_have_count(3)
    assert dict(store.actions.decisions(dataset_id).items()) == dict.fromkeys(ids[:3], "keep")
    page.get_by_label("Whose steps").select_option("Tom")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Keep 3 records")


def test_the_strip_moves_the_cut_or_makes_an_exception_as_the_person_chooses(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Strip")
    open_lists(page, studio_server, dataset_id)
    page.locator(".select-strip").scroll_into_view_if_needed()
    below, above = page.locator(".strip-side.below .pick"), page.locator(".strip-side.above .pick")
    expect(below).to_have_count(12)
    expect(above).to_have_count(12)
    page.wait_for_timeout(300)
    both_themes(page, screenshots, "select-strip")
    before = curate(store, dataset_id)
    page.get_by_role("button", name="moves the cut").click()
    third = int(below.nth(9).get_attribute("data-record") or 0)  # nearest to the cut stand at the right
    below.nth(9).click()
    with page.expect_response("**/api/selections/current"):
        page.keyboard.press("k")
    expect(above.first).to_have_attribute("data-record", str(third))
    after = curate(store, dataset_id)
    assert int(after.result.passed_question.sum()) == int(before.result.passed_question.sum()) + 3 and len(store.actions.decisions(dataset_id)) == 0
    page.locator(".toast", has_text="moved down by 3 records").get_by_role("button", name="Undo").click()
    expect(above.first).not_to_have_attribute("data-record", str(third))
    with page.expect_response("**/api/selections/current"):
        above.nth(1).click()
        page.keyboard.press("d")
    page.locator(".toast", has_text="moved up by 2 records").get_by_role("button", name="Undo").click()
    page.wait_for_timeout(600)
    assert int(curate(store, dataset_id).result.passed_question.sum()) == int(before.result.passed_question.sum())
    page.get_by_role("button", name="makes an exception").click()
    exception = int(above.first.get_attribute("data-record") or 0)
    above.first.click()
    with page.expect_response("**/api/decisions/decide"):
        page.keyboard.press("d")
    expect(page.locator(".toast", has_text="against the cut")).to_be_visible()
    assert dict(store.actions.decisions(dataset_id).items()) == {exception: "drop"}
    spec = next(s.spec for s in store.selections.all(dataset_id) if s.name == CURRENT)
    assert spec["question"]["conversation"]["amount"] == pytest.approx(0.3)


def test_the_second_person_hears_what_the_first_did_and_sees_it(page: Page, browser: Browser, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Two people", records=60)
    first = by_answer(store, dataset_id)[0]
    open_lists(page, studio_server, dataset_id)
    other = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    open_lists(other, studio_server, dataset_id)
    other.get_by_role("button", name="You").click()
    other.get_by_role("textbox", name="Your name").fill("Maria Ünal")
    other.keyboard.press("Enter")
    other.locator(".select-grid .pick").first.click()
    other.keyboard.press("d")
    expect(other.locator(f'.select-grid [data-record="{first}"]')).to_contain_text("dropped by hand")
    assert other.locator(".toast").count() == 0  # one's own steps are no news
    page.evaluate("import('/studio/js/studio.js').then((m) => m.refresh())")
    expect(page.locator(".toast")).to_contain_text("Maria Ünal: Drop r")
    expect(page.locator(f'.select-grid [data-record="{first}"]')).to_contain_text("dropped by hand")
    page.locator(".toast").get_by_role("button", name="Show").click()
    expect(page.locator(".lists-head .history li")).to_contain_text("Maria Ünal")
    other.context.close()


def test_two_tabs_of_one_person_follow_each_other_quietly(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Two tabs", records=60)
    open_lists(page, studio_server, dataset_id)
    other = page.context.new_page()
    open_lists(other, studio_server, dataset_id)
    other.locator(".select-grid .pick").first.click()
    other.keyboard.press("d")
    expect(other.locator(".select-grid .pick").first).to_contain_text("dropped by hand")
    page.evaluate("import('/studio/js/studio.js').then((m) => m.refresh())")
    expect(page.locator(".select-grid .pick").first).to_contain_text("dropped by hand")
    assert page.locator(".toast").count() == 0


def test_views_are_saved_opened_and_deleted_with_a_way_back(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Views", records=60)
    open_lists(page, studio_server, dataset_id, {"types": ["detail"]}, sort="question")
    assert count(page) == 20
    page.keyboard.press("v")
    page.get_by_label("Name of the view").fill(HOSTILE[:20])
    page.get_by_label("Name of the view").press("Enter")
    row = page.locator(".saved-list li")
    expect(row).to_contain_text("20 records")
    expect(row).to_contain_text(HOSTILE[:20])
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear all", exact=True).click()
    expect(page.locator(".lists-count b")).to_have_text("60")
    page.locator(".lists-head").get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Open the view").click()
    expect(page.locator(".lists-count")).to_have_text("20 of 60")
    assert address(page) == {"types": ["detail"]} and page.get_by_label("Order", exact=True).input_value() == "question"
    page.locator(".lists-head").get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Delete the view").click()
    expect(row).to_have_count(0)
    page.locator(".toast", has_text="Deleted").get_by_role("button", name="Undo").click()
    expect(row).to_have_count(1)


# --- states

def test_a_data_set_deleted_in_another_tab_is_told_and_another_one_is_opened(page: Page, studio_server: StudioProcess, store: Store, watch: Watch) -> None:
    watch.allow.append("404")
    stays, goes = seed(store, "Stays", records=12), seed(store, "Goes", records=12)
    open_lists(page, studio_server, goes, {"types": ["detail"]})
    answer = page.request.delete(f"{studio_server.url}/api/datasets/{goes}", headers={"origin": studio_server.url})
    assert answer.ok
    page.locator('[data-column="type"] .facet-value', has_text="Complex").click()
    page.evaluate("import('/studio/js/studio.js').then((m) => m.refresh())")
    expect(page.locator(".toast", has_text="“Goes” is not here any more")).to_be_visible()
    expect(page.locator(".grid-body .pick:not(.skeleton)").first).to_be_visible()
    assert address(page) == {} and stays in [d.id for d in store.datasets.all()]


def test_a_server_that_is_away_is_told_and_the_list_comes_back(page: Page, studio_server: StudioProcess, store: Store, watch: Watch) -> None:
    watch.allow.append("ERR_FAILED")
    dataset_id = seed(store, "Away", records=60)
    open_lists(page, studio_server, dataset_id)
    page.route("**/api/**", lambda route: route.abort())
    page.get_by_role("radio", name="Kept").click()
    expect(page.locator(".grid-trouble")).to_contain_text("The studio does not answer.")
    page.unroute("**/api/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".select-grid .pick:not(.skeleton)").first).to_be_visible()
    expect(page.locator(".lists-count")).to_contain_text("of 60")


def test_long_and_right_to_left_texts_without_images_stay_inside_the_page(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = store.datasets.create("Long texts", "made.json")
    texts = ("ما هي المحطات التي يتوقف فيها هذا القطار؟ " * 20, "x" * 3000, HOSTILE * 30, "<script>alert(1)</script>")
    store.records.add(dataset_id, [Record(key=f"key-{'k' * 90}-{n}", type=INSTRUCTION_TYPES[n % 3], type_told=True, row=n + 1, turns=tuple(Turn(texts[n % 4], (texts[n % 4] * 2, "")) for _ in range(1 + n % 4)))
                                   for n in range(24)])
    store.datasets.finish(dataset_id, {"read": 24})
    score(store, dataset_id)
    open_lists(page, studio_server, dataset_id)
    page.locator(".select-grid .pick").nth(3).click()
    expect(page.locator(".look-turns")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    both_themes(page, screenshots, "select-long-texts")
    page.keyboard.press("Enter")
    expect(page.locator(".viewer-judge .look-verdict")).to_be_visible()
    assert page.evaluate("[...document.querySelectorAll('.viewer *')].every((n) => n.getBoundingClientRect().right <= innerWidth)")


def test_filters_and_panel_fold_away_and_stay_so(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Folds", records=60)
    open_lists(page, studio_server, dataset_id)
    page.keyboard.press("f")
    expect(page.locator(".select-rail")).to_be_hidden()
    page.keyboard.press("i")
    expect(page.locator(".look")).to_be_hidden()
    page.reload()
    expect(page.locator(".select-grid .pick:not(.skeleton)").first).to_be_visible(timeout=120_000)
    expect(page.locator(".select-rail")).to_be_hidden()
    page.keyboard.press("/")  # a search needs its field
    expect(page.get_by_role("searchbox", name="Search questions and answers")).to_be_focused()


def test_no_key_of_the_tab_has_two_meanings(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Keys of lists", records=12)
    open_lists(page, studio_server, dataset_id)
    page.keyboard.press("?")
    keys = page.eval_on_selector_all("dialog.key-help kbd", "nodes => nodes.map((n) => n.textContent)")
    assert len(keys) == len(set(keys)), sorted(keys)
    assert {"K", "D", "C", "U", "R", "X", "B", "/", "F", "I", "S", "#", "V", "Enter"} <= set(keys)


# --- the pure parts

def test_the_cut_of_the_strip_lets_exactly_the_wished_records_change_sides(page: Page, studio_server: StudioProcess) -> None:
    page.goto(f"{studio_server.url}/")
    found = page.evaluate("""async () => {
        const { cutTo } = await import("/studio/js/select/strip.js");
        const line = { members: 10, passed: 3 };
        const below = [0.5, 0.4, 0.4, 0.1], above = [0.6, 0.8, 0.9];
        return {
          count: cutTo({ cut: { mode: "count", amount: 3 }, line, scores: below, at: 0, side: "below" }),
          ties: cutTo({ cut: { mode: "count", amount: 3 }, line, scores: below, at: 1, side: "below" }),
          share: cutTo({ cut: { mode: "share", amount: 0.3 }, line, scores: above, at: 1, side: "above" }),
          value: cutTo({ cut: { mode: "value", amount: 0.55 }, line, scores: below, at: 1, side: "below" }),
          up: cutTo({ cut: { mode: "value", amount: 0.55 }, line, scores: above, at: 0, side: "above" }),
          chance: cutTo({ cut: { mode: "random", amount: 3 }, line, scores: above, at: 0, side: "above" }),
        };
    }""")
    assert found["count"] == {"cut": {"mode": "count", "amount": 4}} and found["ties"] == {"cut": {"mode": "count", "amount": 6}}
    assert found["share"] == {"cut": {"mode": "share", "amount": 0.1}}
    assert 0.1 < found["value"]["cut"]["amount"] <= 0.4 and 0.6 < found["up"]["cut"]["amount"] <= 0.8
    assert "draws by chance" in found["chance"]["why"]


def test_what_a_bulk_mark_and_an_undo_mean_is_said_in_numbers(page: Page, studio_server: StudioProcess) -> None:
    page.goto(f"{studio_server.url}/")
    keep, drop, clear, undo, others = page.evaluate("""async () => {
        const { consequences } = await import("/studio/js/select/bulk.js"), { undoWords } = await import("/studio/js/select/history.js");
        const count = { total: 10, kept: 4, hand: { keep: 1, drop: 2 } };
        return [consequences("keep", count), consequences("drop", count), consequences("clear", count), undoWords({ records: 443, changes: 412, overruled: 31, later_steps: 2 }), undoWords({ records: 3, changes: 0, overruled: 3, later_steps: 1 })];
    }""")
    assert keep == ["6 of 10 are dropped now and would change sides.", "2 of them were dropped by hand before.", "One step back undoes it."]
    assert drop[0] == "4 of 10 are kept now and would change sides." and drop[1] == "1 of them was kept by hand before."
    assert clear == ["3 records of them carry a mark by hand; the cuts decide about them again."]
    assert undo == ["412 records change back.", "31 of 443 keep what 2 later steps said:"]
    assert others[0] == "No record changes: others have the last word on all of them."
