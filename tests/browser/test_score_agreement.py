"""Two keys compared and precisions compared, in a real browser over seeded scores: figures, plane, cards, large view, table, empty state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pipeline.records import WHOLE, Score
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.browser.conftest import StudioProcess, both_themes, free_port
from tests.studio.seeding import scorer_key, seed_dataset, seed_scores

pytestmark = pytest.mark.browser


def row(name: str, **rest: Any) -> dict[str, Any]:
    kind = {"texts": 8, "unscored": 0, "spearman": 0.9876, "kept": 3, "both": 2, "largest": 0.25, "reason": ""}
    return {"name": name, "label": name, "precision": name, "quantization": "none", "problem": "", "hint": "", "planned_gib": 0.4, "measured_gib": 0.5, "load_s": 1.0, "seconds": 4.0,
            "records_per_s": 2.0, "speedup": 1.0, "halvings": 0, "reference": False, "choice": False, "kinds": {"question": kind, "answer": kind}, **rest}


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """Data set 1 has question scores under two keys, two records moved in the second, and a finished comparison; data set 2 has one key."""
    workspace = Workspace.open(tmp_path_factory.mktemp("agreement") / "workspace")
    store = Store(workspace)
    both = seed_dataset(store, "Twice", records=40)
    moved = scorer_key("question", precision="fp32")
    store.scores.register(moved)
    store.scores.add(moved.digest, [Score(record_id, WHOLE, WHOLE, {3: 90.0, 36: -9.0}.get(place, float(place))) for place, record_id in enumerate(store.records.ids(both))])
    seed_scores(store, both, precision="bf16", failed=1)
    job = store.jobs.add("compare_precision", "model", both, {})
    store.jobs.end(job.id, "done", result={
        "sample": 8, "records": 40, "texts": 24, "share": 0.3, "kinds": ["question", "answer"], "machine": "a machine", "reference": "fp32", "advised": "bf16", "stopped": False,
        "advice": "bf16: 3.00 × the records a second of fp32.", "choice": "", "asked": ["fp32", "bf16", "nf4"], "runtime_gib": 0.6,
        "rows": [row("fp32", reference=True), row("bf16", speedup=3.0, records_per_s=6.0), row("nf4", problem="it needs about 9.0 GiB; 1.0 GiB are free", hint="Nearest that fits: bf16.", kinds={})]})
    run = store.jobs.add("score", "model", both, {"precision": "bf16", "quantization": "none"})
    store.jobs.claim("model")
    store.jobs.end(run.id, "done", result={"counters": {"texts": 120, "images_encoded": 13, "images_reused": 107, "real_tokens": 9000, "padded_tokens": 90, "shared_prefix_tokens": 4500}})
    seed_scores(store, seed_dataset(store, "Once", records=6))
    store.close()
    server = StudioProcess(workspace.root, free_port(), ("--no-demo",)).start()
    yield server
    server.stop()


def test_two_keys_show_figures_plane_and_the_strongest_disagreements(page: Page, seeded: StudioProcess, screenshots: Any) -> None:
    page.goto(f"{seeded.url}/?tab=score&dataset=1")
    section = page.locator(".agreement")
    section.scroll_into_view_if_needed()
    expect(section).to_contain_text("39 of 40 records (1 only under B)")
    expect(section.locator(".agreement-plot .heatmaplayer image, .agreement-plot .heatmaplayer .hm")).not_to_have_count(0)
    first = section.locator('[data-toward="second"] .disagreement').first
    expect(first).to_contain_text("Question 3.0?")
    expect(first).to_contain_text("90.00")
    expect(first).to_contain_text("rank 100 %")
    expect(section.locator('[data-toward="first"] .disagreement').first).to_contain_text("Question 36.0?")
    section.get_by_role("group", name="Where the share is cut").get_by_role("button", name="Over all types").click()
    expect(section).to_contain_text("11 of 12 (92 %) of the best 30 % over all types")
    both_themes(page, screenshots, "agreement-seeded")
    first.click()
    expect(page.locator("dialog.viewer .record-scores")).to_contain_text("fp32")
    expect(page.locator(".reuse-facts")).to_contain_text("1.50 × as much without sharing")
    assert page.locator('img[src="x"]').count() == 0


def test_the_comparison_is_a_table_and_a_variant_can_be_taken_over(page: Page, seeded: StudioProcess) -> None:
    page.goto(f"{seeded.url}/?tab=score&dataset=1")
    table = page.locator(".variants")
    expect(table.locator('[data-variant="nf4"]')).to_contain_text("Not run: it needs about 9.0 GiB; 1.0 GiB are free")
    expect(table.locator('[data-variant="bf16"]')).to_contain_text("3.00")
    expect(page.locator(".advice")).to_contain_text("bf16: 3.00 ×")
    table.locator('[data-variant="bf16"]').get_by_role("button", name="Use").click()
    expect(page.get_by_role("combobox", name="Precision")).to_have_value("bf16")
    page.goto(f"{seeded.url}/?tab=score&dataset=2")
    expect(page.locator(".agreement")).to_contain_text("Score again with another precision")
    expect(page.locator(".comparison")).to_contain_text("Not compared yet")
