"""The cascade canvas in a real browser: binned counts against the Python cascade, the joint view with its brush, the flow, links to cuts, two people at once."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from pipeline.curation import curate
from pipeline.decisions import Decisions
from pipeline.records import INSTRUCTION_TYPES
from pipeline.selection import ALL, STAGES, Cut, SelectionSpec, funnel_counts, select
from pipeline.store import Store
from pipeline.store.scores import ScoreTable
from studio.selection_axes import BINS, axis_of, cube
from tests.browser.conftest import StudioProcess, Watch, both_themes
from tests.browser.test_select import RECORDS, kept, open_select, seed, stored_spec, store, surface

pytestmark = pytest.mark.browser

COUNT = """async ([blob, axes, bins, spec, hand]) => {
  const c = await import("/studio/js/select/cube.js");
  const cube = c.readCube(Uint8Array.from(atob(blob), (x) => x.charCodeAt(0)).buffer, axes, bins);
  return c.count(cube, spec, { hand });
}"""


# --- binned counts

def table_of(question: np.ndarray, answer: np.ndarray, types: np.ndarray) -> ScoreTable:
    n = len(types)
    return ScoreTable(np.arange(1, n + 1, dtype=np.int64), types.astype(np.uint8), np.full(n, -1, np.int32), question.astype(np.float32), answer.astype(np.float32), [()] * n)


def random_table(rng: np.random.Generator, n: int) -> ScoreTable:
    """Correlated scores; one in twenty is missing on either side."""
    question = rng.normal(size=n)
    answer = 0.5 * question + rng.normal(size=n)
    question[rng.random(n) < 0.05] = np.nan
    answer[rng.random(n) < 0.05] = np.nan
    return table_of(question, answer, rng.choice(3, n, p=[0.4, 0.15, 0.45]))


def axes_of(table: ScoreTable) -> dict[str, dict[str, float] | None]:
    found = {stage: axis_of(getattr(table, stage)) for stage in STAGES}
    return {stage: axis and {"low": axis[0], "high": axis[1]} for stage, axis in found.items()}


def counted(page: Page, table: ScoreTable, spec: SelectionSpec, decisions: Decisions) -> dict[str, Any]:
    """What the page makes of a table and a spec."""
    code = decisions.at(table.ids)
    hand = {name: {"keep": int(((table.type == t) & (code > 0)).sum()), "drop": int(((table.type == t) & (code < 0)).sum())} for t, name in enumerate(INSTRUCTION_TYPES)}
    return page.evaluate(COUNT, [base64.b64encode(cube(table, decisions)).decode(), axes_of(table), BINS, spec.as_json(), hand])


def random_cut(rng: np.random.Generator, most: int) -> Cut:
    mode = str(rng.choice(["share", "value", "count", "random", "pass"]))
    amount = {"share": float(rng.choice([0, 1, 0.3, rng.random()])), "value": float(rng.normal()), "count": int(rng.integers(0, most)), "random": int(rng.integers(0, most)), "pass": 1}[mode]
    return Cut(mode, amount)  # type: ignore[arg-type]


def random_spec(rng: np.random.Generator, most: int) -> SelectionSpec:
    per_type = bool(rng.random() < 0.5)
    groups = INSTRUCTION_TYPES if per_type else (ALL,)
    return SelectionSpec({g: random_cut(rng, most) for g in groups}, {g: random_cut(rng, most) for g in groups}, per_type=per_type)


@pytest.fixture
def bare(page: Page, studio_server: StudioProcess) -> Page:
    """A page of the studio's address with nothing on it, to import modules in."""
    page.goto(f"{studio_server.url}/studio/logo.svg")
    return page


def test_binned_counts_are_within_one_per_cent_of_the_python_cascade(bare: Page) -> None:
    rng = np.random.default_rng(11)
    table = random_table(rng, 100_000)
    for _ in range(25):
        spec = random_spec(rng, 20_000)
        marked = rng.choice(table.ids, 400, replace=False)
        decisions = Decisions.of({int(i): str(rng.choice(["keep", "drop"])) for i in marked})
        expected = funnel_counts(table, select(table, spec, decisions))
        found = {row["group"]: row for row in counted(bare, table, spec, decisions)["funnel"]}
        for row in expected:
            ours, allowed = found[row["group"]], 0.01 * row["imported"]
            assert ours["imported"] == row["imported"] and ours["scored"] == row["scored"]
            for name in ("question", "answer", "kept"):
                assert abs(ours[name] - row[name]) <= allowed, (name, row["group"], spec)


def test_shares_and_counts_of_the_question_stage_are_exact(bare: Page) -> None:
    rng = np.random.default_rng(3)
    table = random_table(rng, 20_000)
    for share in (0.0, 1e-5, 0.001, 0.3, 0.99999, 1.0):
        for per_type in (True, False):
            groups = INSTRUCTION_TYPES if per_type else (ALL,)
            spec = SelectionSpec({g: Cut("share", share) for g in groups}, {g: Cut("share", 1.0) for g in groups}, per_type=per_type)
            expected = {row["group"]: row["question"] for row in funnel_counts(table, select(table, spec))}
            found = {row["group"]: row["question"] for row in counted(bare, table, spec, Decisions.of({}))["funnel"]}
            exact = (*groups, ALL)
            assert {g: found[g] for g in exact} == {g: expected[g] for g in exact}, (share, per_type)


@pytest.mark.parametrize("name", ["one record", "all equal", "no scores", "no answers", "one type", "two values", "no records"])
def test_ugly_tables_are_counted_too(bare: Page, name: str) -> None:
    rng = np.random.default_rng(7)
    n = {"one record": 1, "no records": 0}.get(name, 300)
    question, answer, types = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 3, n)
    if name == "all equal":
        question[:], answer[:] = 0.25, -1.5
    if name in ("no scores", "no answers"):
        answer[:] = np.nan
    if name == "no scores":
        question[:] = np.nan
    if name == "one type":
        types[:] = 1
    if name == "two values":
        question = np.where(np.arange(n) % 2, 1.0, -1.0)
    table = table_of(question, answer, types)
    for cut in (Cut("share", 0.3), Cut("count", 40), Cut("random", 50), Cut("pass", 1), Cut("share", 0)):
        spec = SelectionSpec({ALL: cut}, {ALL: Cut("share", 0.5)})
        expected = funnel_counts(table, select(table, spec))[-1]
        found = counted(bare, table, spec, Decisions.of({}))
        row = found["funnel"][-1]
        assert {key: row[key] for key in ("imported", "scored", "question")} == {key: expected[key] for key in ("imported", "scored", "question")}, (name, cut)
        assert abs(row["kept"] - expected["kept"]) <= max(2, 0.02 * n), (name, cut)
        scored = 0 if found["lines"]["question"][ALL]["at"] is None and cut.by_score else expected["scored"]
        assert sum(found["bars"]["question"][ALL]["kept"]) + sum(found["bars"]["question"][ALL]["dropped"]) == pytest.approx(scored, abs=1e-6)


def test_counting_is_fast_enough_to_follow_a_pointer(bare: Page) -> None:
    table = random_table(np.random.default_rng(2), 100_000)
    took = bare.evaluate("""async ([blob, axes, bins, spec]) => {
      const c = await import("/studio/js/select/cube.js");
      const cube = c.readCube(Uint8Array.from(atob(blob), (x) => x.charCodeAt(0)).buffer, axes, bins);
      const times = [];
      for (let i = 0; i < 60; i++) { const from = performance.now(); c.count(cube, { ...spec, question: { ...spec.question, detail: { mode: "share", amount: i / 60 } } }); times.push(performance.now() - from); }
      return times.sort((a, b) => a - b)[54];
    }""", [base64.b64encode(cube(table, Decisions.of({1: "keep"}))).decode(), axes_of(table), BINS, SelectionSpec({g: Cut("share", 0.3) for g in INSTRUCTION_TYPES}, {g: Cut("share", 0.3) for g in INSTRUCTION_TYPES}, per_type=True).as_json()])
    assert took < 8


# --- cuts as text

def test_cuts_go_into_an_address_and_come_back(bare: Page) -> None:
    rng = np.random.default_rng(5)
    specs = [random_spec(rng, 1000).as_json() for _ in range(40)]
    specs += [SelectionSpec({ALL: Cut("value", -1.25)}, {ALL: Cut("pass", 1)}, per_image=2, per_cluster=3, seed=9).as_json(),
              {**SelectionSpec({ALL: Cut("value", 1e-7)}, {ALL: Cut("count", 14000)}).as_json(), "diverse": {"method": "kcenter", "mode": "share", "amount": 0.5}, "question_key": "ab12cd34"}]
    texts, back = bare.evaluate("""async (specs) => { const link = await import("/studio/js/select/link.js");
        const texts = specs.map((spec) => link.cutsText(spec)); return [texts, texts.map((text, i) => link.readCuts(text, specs[0]).spec)]; }""", specs)
    for text, spec, found in zip(texts, specs, back, strict=True):
        cuts = {stage: {group: {**cut, "amount": 1 if cut["mode"] == "pass" else cut["amount"]} for group, cut in spec[stage].items()} for stage in STAGES}
        assert found == {**spec, **cuts}
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")  # an address carries them as they are
    assert texts[-2] == "q.all.v-1.25_a.all.p_image.2_cluster.3_seed.9"


@pytest.mark.parametrize("text", ["x", "q.all.s0.3", "q.all.s0.3_a.each.s0.3", "q.all.s1.5_a.all.s0.3", "q.all.n1.5_a.all.p", "q.all.s0.3_q.all.s0.3_a.all.p", "q.all.s0.3_a.all.p_image.0", "q.all.s0x3_a.all.p",
                                  "q.all.sNaN_a.all.p", "q.all.n1e99_a.all.p", "q.poems.s0.3_a.all.p", "q.all.s0.3_a.all.p_questionkey.../etc", "q.each.s0.3_q.detail.s0.2_a.each.p", "q.all.s0.3_a.all.p_diverse.magic.s0.5", "_" * 700, "%00"])
def test_a_text_that_is_no_cuts_says_so(bare: Page, text: str) -> None:
    base = SelectionSpec({ALL: Cut()}, {ALL: Cut()}).as_json()
    found = bare.evaluate("""async ([text, base]) => (await import("/studio/js/select/link.js")).readCuts(text, base)""", [text, base])
    assert "spec" not in found and found["problem"].startswith("The cuts of this link can't be read: ") and found["hint"]


# --- on the page

def query_of(page: Page) -> dict[str, Any]:
    text = page.evaluate("new URLSearchParams(location.search).get('query')")
    return json.loads(text) if text else {}


def test_a_line_of_the_joint_view_cuts_the_type_that_is_shown(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Joint line")
    open_select(page, studio_server, dataset_id)
    expect(page.locator(".joint-line")).to_have_count(6)  # two cuts of three types
    page.get_by_role("group", name="Type shown").get_by_role("button", name="Detail").click()
    expect(page.locator(".joint-line")).to_have_count(2)
    line = page.get_by_role("slider", name="Detail: question cut, in both scores")
    box, field = line.bounding_box(), page.locator(".joint-surface").bounding_box()
    assert box is not None and field is not None
    y = box["y"] + 0.06 * box["height"]  # above where the other line crosses
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(field["x"] + 0.2 * field["width"], y, steps=6)
    with page.expect_response("**/api/selections/current") as answered:
        page.mouse.up()
    assert answered.value.status == 200
    spec = stored_spec(store, dataset_id)
    assert spec["question"]["detail"]["amount"] > 0.6 and spec["question"]["complex"]["amount"] == 0.3
    assert kept(page) == len(curate(store, dataset_id).kept_ids)
    line.focus()
    with page.expect_response("**/api/selections/current"):
        page.keyboard.press("ArrowRight")
    assert stored_spec(store, dataset_id)["question"]["detail"]["amount"] == pytest.approx(spec["question"]["detail"]["amount"] - 0.01, abs=1e-6)
    both_themes(page, screenshots, "select-joint")


def test_a_brush_over_both_scores_filters_the_lists(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Brush")
    open_select(page, studio_server, dataset_id)
    field = page.locator(".joint-surface").bounding_box()
    assert field is not None
    at = lambda x, y: (field["x"] + x * field["width"], field["y"] + (1 - y) * field["height"])
    page.mouse.move(*at(0.12, 0.05))
    page.mouse.down()
    page.mouse.move(*at(0.5, 0.35), steps=8)
    page.mouse.up()
    brush = page.locator(".joint-brush")
    expect(brush).to_be_visible()
    expect(brush).to_be_focused()
    table, ranges = curate(store, dataset_id).table, query_of(page)["ranges"]
    inside = sum(all((low is None or value >= low) and (high is None or value <= high) for value, (low, high) in ((q, ranges["question"]), (a, ranges["answer"]))) for q, a in zip(table.question, table.answer))
    expect(page.locator(".lists-count b")).to_have_text(str(inside))
    assert 0 < inside < RECORDS
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    moved = query_of(page)["ranges"]
    assert moved["question"][0] > ranges["question"][0] and moved["answer"][0] == ranges["answer"][0] and moved["answer"][1] > ranges["answer"][1]
    both_themes(page, screenshots, "select-brush")
    page.locator(".joint-brush").focus()
    page.keyboard.press("Escape")
    expect(brush).to_be_hidden()
    assert "ranges" not in query_of(page)
    page.locator(".joint-surface").focus()
    page.keyboard.press("Enter")
    expect(brush).to_be_focused()
    page.mouse.click(*at(0.03, 0.97))  # a click outside
    expect(brush).to_be_hidden()


def test_a_bar_and_a_flow_show_their_records(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Click")
    open_select(page, studio_server, dataset_id)
    expect(page.locator(".sankey-link").first).to_be_attached()  # drawn: nothing moves any more
    place = surface(page, "question", "conversation")
    box = place.bounding_box()
    assert box is not None
    heights = page.evaluate("""import("/studio/js/select/desk.js").then(({ desk }) => { const b = desk.live.bars.question.conversation; return b.kept.map((n, i) => n + b.dropped[i]); })""")
    tallest = int(np.argmax(heights[:len(heights) // 3]))  # left of the line, where no handle lies
    page.mouse.click(box["x"] + 8 + (tallest + 0.5) / len(heights) * (box["width"] - 16), box["y"] + 40)
    assert query_of(page)["types"] == ["conversation"] and set(query_of(page)["ranges"]) == {"question"}
    expect(page.locator(".lists-count b")).to_have_text(str(round(heights[tallest])))
    assert stored_spec_or_none(store, dataset_id) is None  # a click moves no cut
    flow = page.locator(".sankey-link").nth(1)
    x, y = flow.evaluate("(path) => { const box = path.getBoundingClientRect(), m = path.getScreenCTM(), p = path.getPointAtLength(0); return [new DOMPoint(p.x, p.y).matrixTransform(m).x + 4, new DOMPoint(p.x, p.y).matrixTransform(m).y + 2]; }")
    page.mouse.move(x, y)
    expect(page.locator(".sankey .cut-tip")).to_be_visible()
    told = page.locator(".sankey .cut-tip").inner_text()
    page.mouse.click(x, y)
    assert "ranges" not in query_of(page)
    expect(page.locator(".lists-count b")).to_have_text(told.split(": ")[1].split(" of 40")[0])


def stored_spec_or_none(store: Store, dataset_id: int) -> dict[str, Any] | None:
    return stored_spec(store, dataset_id) if store.selections.all(dataset_id) else None


def test_the_followers_stand_where_plotly_draws(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Follow")
    open_select(page, studio_server, dataset_id)
    expect(page.locator(".sankey-plot[aria-label]")).to_have_count(1)  # what isn't drawn yet needs no follower
    held: list[Route] = []
    page.route("**/api/selections/current", lambda route: held.append(route))  # the exact answer waits, so that the followers can be seen
    page.get_by_role("slider", name="Detail: question cut", exact=True).focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator(".sankey.following")).to_have_count(1)
    page.unroute("**/api/selections/current")
    for route in held:
        route.continue_()
    expect(page.locator(".sankey.following")).to_have_count(0, timeout=20_000)
    expect(page.locator(".following")).to_have_count(0)
    ours, theirs = page.evaluate("""() => {
      const round = (x) => Math.round(2 * x) / 2, box = (e) => { const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height].map(round); };
      const sorted = (list) => list.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[3] - b[3]);
      return [".sankey-live rect", ".sankey-plot .node-rect"].map((name) => sorted([...document.querySelectorAll(name)].map(box)));
    }""")
    assert len(ours) == len(theirs) >= 7
    for a, b in zip(ours, theirs):
        assert a == pytest.approx(b, abs=1.0)


def test_q_and_a_go_to_the_first_cut_of_each_stage(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Keys to cuts")
    open_select(page, studio_server, dataset_id)
    page.keyboard.press("q")
    expect(page.get_by_role("slider", name="Conversation: question cut", exact=True)).to_be_focused()
    page.keyboard.press("a")
    expect(page.get_by_role("slider", name="Conversation: answer cut", exact=True)).to_be_focused()


def test_a_cap_is_guessed_while_the_line_moves_and_counted_when_it_stands(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Cap")
    open_select(page, studio_server, dataset_id)
    cap = page.get_by_label("At most this many records per image")
    cap.fill("1")
    with page.expect_response("**/api/selections/current"):
        cap.press("Enter")
    expect(page.locator('[data-kept="all"] .kept-count b')).to_have_text(str(len(curate(store, dataset_id).kept_ids)))
    place = surface(page, "question", "conversation")
    box = place.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 40, steps=5)
    expect(page.locator('[data-kept="all"] .kept-count b')).to_contain_text("≈")
    with page.expect_response("**/api/selections/current"):
        page.mouse.up()
    expect(page.locator('[data-kept="all"] .kept-count b')).to_have_text(str(len(curate(store, dataset_id).kept_ids)))


# --- links, presets, two people

def test_a_link_shows_its_cuts_and_stores_them_only_when_asked(page: Page, studio_server: StudioProcess, store: Store, screenshots: Path) -> None:
    dataset_id = seed(store, "Link")
    address = f"{studio_server.url}/?tab=select&dataset={dataset_id}&cuts=q.each.s0.8_a.each.s0.5"
    page.goto(address)
    expect(page.get_by_text("These cuts come from the link")).to_be_visible(timeout=60_000)
    expect(page.get_by_label("Detail: cut by question score", exact=True)).to_have_value("80")
    both_themes(page, screenshots, "select-link")
    assert store.selections.all(dataset_id) == []
    page.get_by_role("button", name="Back to the stored ones").click()
    expect(page.get_by_label("Detail: cut by question score", exact=True)).to_have_value("30")
    expect(page.get_by_text("These cuts come from the link")).to_be_hidden()
    page.goto(address)
    with page.expect_response("**/api/selections/current"):
        page.get_by_role("button", name="Use them").click(timeout=60_000)
    expect(page.get_by_text("These cuts come from the link")).to_be_hidden()
    assert stored_spec(store, dataset_id)["answer"]["complex"] == {"mode": "share", "amount": 0.5}
    assert "cuts=q.each.s0.8_a.each.s0.5" in page.url
    page.goto(f"{studio_server.url}/?tab=select&dataset={dataset_id}&cuts=q.each.s8_a.<b>")
    expect(page.get_by_text("The cuts of this link can't be read")).to_be_visible(timeout=60_000)
    expect(page.get_by_label("Detail: cut by question score", exact=True)).to_have_value("80")


def test_presets_set_the_cuts_and_can_be_taken_back(page: Page, studio_server: StudioProcess, store: Store) -> None:
    dataset_id = seed(store, "Presets")
    open_select(page, studio_server, dataset_id)
    budget = kept(page)
    for name in ("As many at random", "Top score only"):
        page.get_by_role("button", name="Presets").click()
        with page.expect_response("**/api/selections/current"):
            page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator('[data-kept="all"] .kept-count b').first).to_have_text(str(budget))
        assert kept_by_store(store, dataset_id) == budget
    assert stored_spec(store, dataset_id)["question"] == {ALL: {"mode": "pass", "amount": 1}}
    with page.expect_response("**/api/selections/current"):
        page.locator(".toast").last.get_by_role("button", name="Back").click()
    assert stored_spec(store, dataset_id)["question"]["detail"]["mode"] == "random"


def kept_by_store(store: Store, dataset_id: int) -> int:
    return len(curate(store, dataset_id).kept_ids)


@pytest.mark.parametrize("choice", ["Keep mine", "Take theirs"])
def test_two_people_at_the_cuts_lose_nothing(page: Page, studio_server: StudioProcess, store: Store, watch: Watch, choice: str) -> None:
    watch.allow += ["409", "/api/state"]
    dataset_id = seed(store, f"Two people {choice}")
    open_select(page, studio_server, dataset_id)
    page.route("**/api/state*", lambda route: route.abort())  # this page hears nothing of the other
    theirs = {**curate(store, dataset_id).spec.as_json(), "question": {g: {"mode": "share", "amount": 0.9} for g in INSTRUCTION_TYPES}}
    store.selections.save(dataset_id, "current", theirs, author="Maria")
    field = page.get_by_label("Detail: cut by question score", exact=True)
    field.fill("50")
    with page.expect_response("**/api/selections/current") as answered:
        field.press("Enter")
    assert answered.value.status in (200, 409)
    expect(page.get_by_text("Maria changed the cuts meanwhile")).to_be_visible()
    expect(field).to_have_value("50")
    assert stored_spec(store, dataset_id)["question"]["detail"]["amount"] == 0.9
    page.get_by_role("button", name=choice).click()
    expect(page.get_by_text("Maria changed the cuts meanwhile")).to_be_hidden()
    expect(field).to_have_value("50" if choice == "Keep mine" else "90")
    page.wait_for_timeout(800)
    assert stored_spec(store, dataset_id)["question"]["detail"]["amount"] == (0.5 if choice == "Keep mine" else 0.9)
