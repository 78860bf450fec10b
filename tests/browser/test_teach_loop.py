"""The teaching loop in one sitting, in a real browser with the real embedded model: rate, train, try, adopt, undo.

Nothing is prepared but a second rater's word on a part of the demo data; the training, the trial and the verdicts are real.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from pipeline.importing import ImportParams, import_file
from pipeline.models.fetch import embedded_ready
from pipeline.ratings import Rating
from pipeline.records import Job, without_image_tag
from pipeline.settings import assets_dir
from pipeline.store import Store
from pipeline.teaching import adoption
from pipeline.teaching.items import answer_items
from pipeline.workspace import Workspace
from tests.browser.conftest import StudioProcess, both_themes, free_port

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RECORDS = ("macaw-colours", "multimeter-reading", "spoons-five", "koala-perch", "hens-count", "narwhals-count", "taiko-sign", "colosseum-storeys")
"""Records of the demo with two turns of three or four answers; with 40 % held out, the last three lie on the side that no training sees."""
WITHIN_S = 600
"""A quiet machine needs a tenth of it; a busy one is no failure of the studio."""


@pytest.fixture(scope="module")
def rated_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """Eight demo records, each answer rated by one person as its author meant it."""
    if not embedded_ready():
        pytest.skip("SKIPPED FOR LACK OF THE MODEL: run `make model`")
    folder = tmp_path_factory.mktemp("loop")
    demo = {row["id"]: row for row in json.loads((assets_dir() / "demo" / "demo.json").read_text())}
    (folder / "part.json").write_text(json.dumps([demo[name] for name in RECORDS]))
    workspace = Workspace.open(folder / "workspace")
    store = Store(workspace)
    import_file(store, workspace, ImportParams(folder / "part.json", assets_dir() / "demo" / "images", "Part of the demo", False))
    ids = store.records.ids(1)
    key_of = {record.id: record.key for record in store.records.many(ids)}
    items = answer_items(store, ids)
    for item, number in zip(items, store.ratings.add_items(items)):
        assert item.record_id is not None
        row = demo[key_of[item.record_id]]
        written = [without_image_tag(text) for text in row["conversations"][2 * item.turn + 1]["value"]]
        meant = dict(zip(written, row["planted"]["answers"][item.turn]))
        store.ratings.add(Rating(number, "Ben", "score", tuple(meant[text] for text in item.candidates)))
    store.close()
    server = StudioProcess(workspace.root, free_port(), ("--no-demo",)).start()
    yield server
    server.stop()


def ended_well(store: Store, kind: str) -> Job:
    """The newest job of a kind, once it has ended; fails with the job's own words where it ended badly."""
    end = time.monotonic() + WITHIN_S
    while (job := next(iter(store.jobs.recent(kinds=(kind,), limit=1)), None)) is None or job.active:
        assert time.monotonic() < end, f"{kind}: not within {WITHIN_S} s, {job}"
        time.sleep(0.2)
    assert job.state == "done", f"{kind}: {job.error}"
    return job


def test_ratings_become_a_scorer_that_is_tried_adopted_and_taken_back(page: Page, rated_once: StudioProcess, screenshots) -> None:
    store = Store(Workspace.open(rated_once.workspace))
    rooms = page.get_by_role("group", name="Rooms")

    page.goto(f"{rated_once.url}/?tab=teach&dataset=1")
    page.get_by_label("Your name").fill("Ann", timeout=90_000)
    page.keyboard.press("Enter")
    facts, values = page.locator(".rt-facts"), page.locator(".rt-row.overall .rt-value")
    for done in (1, 2):
        expect(values.first).to_have_text("–")
        for place in range(values.count()):
            page.keyboard.press(str(8 - 2 * place))
            page.keyboard.press("j")
        expect(values.first).to_have_text("0.80")
        page.keyboard.press("Enter")
        expect(facts).to_contain_text(f"{done} of 16 rated")
    assert [(rating.rater, rating.scores[:1] != rating.scores[1:2]) for rating in store.ratings.in_force(rater="Ann")] == [("Ann", True)] * 2

    rooms.get_by_role("button", name="Agreement").click()
    expect(page.locator(".ag-room")).to_contain_text("2 of 16 rated by two or more")

    page.keyboard.press("]")
    page.keyboard.press("]")
    expect(page.get_by_role("button", name="Answers", exact=True)).to_have_attribute("aria-pressed", "true")  # the kind that was rated
    page.get_by_text(re.compile("^More settings")).click()
    for label, value in (("Name", "Two steps"), ("Steps", "2"), ("Held-out share", "0.4"), ("LoRA rank", "4"), ("Read after layer", "4"), ("Adapter from layer", "3"), ("Broken texts", "0"), ("Other image", "0")):
        page.get_by_label(re.compile(f"^{label}( ·.*)?$")).fill(value)
    launch = page.get_by_role("button", name="Train 2 steps")
    expect(launch).to_be_enabled(timeout=90_000)
    launch.click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible(timeout=60_000)
    job = ended_well(store, "teach")
    taught = job.result["run"]
    tiles = page.locator(".tune-tiles")
    expect(tiles).to_contain_text("Held-out pair accuracy", timeout=60_000)
    expect(tiles).to_contain_text(re.compile(r"Held-out loss.*is guessing"))
    expect(page.locator(".train-plots .js-plotly-plot").first).to_be_visible()
    both_themes(page, screenshots, "teach-trained")

    page.get_by_role("button", name="Try it", exact=True).click()
    try_it = page.locator(".tr-go")
    expect(page.locator(".tr-cost")).to_contain_text("on 3 images", timeout=90_000)  # the pairs neither scorer was trained on
    try_it.click()
    report = ended_well(store, "trial").result
    assert (report["records"], report["of"], report["present"]["reference"], report["candidate"]["reference"]) == (8, 8, "embedded-answer", taught)
    assert report["accuracy"]["candidate"]["pairs"] == report["accuracy"]["present"]["pairs"] >= 20
    expect(page.locator(".tr-accuracy")).to_contain_text("pairs are new to", timeout=60_000)
    expect(page.locator(".tr-sides")).to_contain_text(re.compile("change sides|changes sides"))
    both_themes(page, screenshots, "teach-tried")

    expect(page.locator(".tr-decide").get_by_label("Your name")).to_have_value("Ann")
    page.get_by_role("button", name="Adopt", exact=True).click()
    history = page.get_by_role("region", name="What people decided")
    expect(history).to_contain_text(f"Ann adopted {taught}")
    assert adoption.present(store, Workspace.open(rated_once.workspace), "answer").reference == taught

    page.get_by_role("tab", name="Score").click()
    default = page.get_by_label("Scorer of answers")
    expect(default).to_have_value(taught, timeout=60_000)

    page.get_by_role("tab", name="Teach").click()
    history.get_by_role("button", name="Undo").first.click()
    expect(history).to_contain_text("took back")
    assert adoption.present(store, Workspace.open(rated_once.workspace), "answer").reference == "embedded-answer"
    page.get_by_role("tab", name="Score").click()
    expect(page.locator(".scorer", has_text="Answers")).to_contain_text("embedded-answer · ", timeout=60_000)
    expect(default).to_have_count(0)  # nobody has decided on the taught one again, so there is nothing to choose
    store.close()
