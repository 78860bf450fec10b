"""Ratings in and out in a real browser: a file with two bad lines, its report, the switch, and the download."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import StudioProcess, Watch

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.canary=1"> <b>bold</b>'


def test_a_file_of_ratings_comes_in_with_its_report_and_goes_out_again(studio_server: StudioProcess, page: Page, watch: Watch, tmp_path: Path) -> None:
    data, ratings = tmp_path / "set.json", tmp_path / "<i>mine.jsonl"
    data.write_text(json.dumps([{"id": "1", "conversations": [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A bus."}]}]))
    line = {"id": "1", "question": f"What? {HOSTILE}", "answers": [f"A bus. {HOSTILE}", "A cat."], "score": [0.9, 0.2]}
    ratings.write_text("\n".join(json.dumps(one) for one in (line, {**line, "score": [0.9, 4]}, {**line, "answers": ["alone"], "score": [1]})))
    page.goto(f"{studio_server.url}/?tab=teach&room=exchange")
    assert page.request.post(f"{studio_server.url}/api/imports", data={"name": "Small", "file": {"path": str(data)}}).ok
    page.evaluate("dispatchEvent(new Event('focus'))")  # ask the studio now instead of at its next quiet round
    expect(page.get_by_text("No preference is known yet")).to_be_visible()

    page.get_by_label("Ratings", exact=True).set_input_files(ratings)
    page.get_by_role("button", name="Bring in").click()
    report = page.get_by_role("region", name="Report", exact=True)
    expect(report.get_by_text("the score 4 is not between 0 and 1")).to_be_visible()
    expect(report.get_by_text("only one candidate")).to_be_visible()
    expect(report).to_contain_text(re.compile(r"Bad lines\s*2\s*of 3 lines"))

    page.get_by_label("Show pairs of File: <i>mine.jsonl").click()
    expect(page.locator(".xc-side.better")).to_contain_text(HOSTILE)
    with page.expect_download() as started:
        page.get_by_role("link", name="Download Rated lists").click()
    written = [json.loads(text) for text in Path(started.value.path()).read_text(encoding="utf-8").splitlines()]
    assert [(one["answers"], one["score"]) for one in written] == [(line["answers"], line["score"])]

    switch = page.get_by_role("switch", name="File: <i>mine.jsonl teaches")
    expect(page.locator(".xc-sum")).to_contain_text("1 pair about answers")
    switch.uncheck()
    expect(page.locator(".xc-sum")).to_contain_text("0 pairs about answers")
    page.reload()
    expect(switch).not_to_be_checked()
    assert page.evaluate("window.canary") is None
    watch.check()
