"""The Select page in a real Chromium: from what a person does to what stands painted, in milliseconds of the page's own clock.

A change counts as painted in the task after the frame that drew it. Nothing here decides what is good enough: that is tests.bench.screen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.bench.screen_server import PAGE, Times, ranges, texts
from tests.browser.conftest import CHROMIUM_FLAGS

DRAG_MOVES = 90
WAIT_MS = 120_000

SEEN = {"first counts": ".kept-count b", "canvas with bars": ".cut-panel .cut-bars svg.main-svg .bars path", "first cards": ".grid-body .pick:not(.skeleton) .pick-question"}
"""What a person waits for when the page opens."""

WATCH = """
(() => {
  const seen = (window.benchSeen = {}), wanted = SEEN;
  const look = () => {
    for (const [name, selector] of Object.entries(wanted)) if (!(name in seen) && document.querySelector(selector)) { const { port1, port2 } = new MessageChannel(); seen[name] = null; port1.onmessage = () => { seen[name] = performance.now(); port1.close(); }; port2.postMessage(0); }
    if (Object.keys(seen).length < Object.keys(wanted).length) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  // after(since, ready): milliseconds from `since` to the paint of the first frame in which ready() is true
  window.benchAfter = (since, ready, most = 20000) => new Promise((resolve, reject) => {
    const poll = () => {
      let now;
      try { now = ready(); } catch (error) { return reject(error); }
      if (now) { const { port1, port2 } = new MessageChannel(); port1.onmessage = () => { resolve(performance.now() - since); port1.close(); }; port2.postMessage(0); return; }
      if (performance.now() - since > most) return reject(new Error("it did not come"));
      requestAnimationFrame(poll);
    };
    requestAnimationFrame(poll);
  });
  window.benchTag = () => document.querySelectorAll(".grid-body .pick, .grid-body .empty").forEach((node) => { node.dataset.bench = "old"; });
  window.benchFresh = () => {
    const trouble = document.querySelector(".grid-trouble");
    if (trouble) throw new Error(trouble.textContent);
    return Boolean(document.querySelector(".grid-body .pick:not(.skeleton):not([data-bench]), .grid-body .empty:not([data-bench])"));
  };
})();
""".replace("SEEN", str(SEEN).replace("'", '"'))

DRAG_WATCH = """
() => {
  const moves = (window.benchMoves = []);
  let since = null, shown = null;
  const counts = () => [...document.querySelectorAll(".kept-count b")].map((node) => node.textContent).join(" ");
  shown = counts();
  document.addEventListener("pointermove", (event) => { since ??= event.timeStamp; }, true);
  const frame = () => {
    const now = counts();
    if (now !== shown && since !== null) {
      shown = now;
      const from = since;
      since = null;
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => { moves.push(performance.now() - from); port1.close(); };
      port2.postMessage(0);
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium of this machine. Raises RuntimeError where there is none."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise RuntimeError("no Chromium here: run `sh tests/install_chromium.sh`, or name one with CHROMIUM=/path")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, headless=True, args=[*CHROMIUM_FLAGS, "--enable-precise-memory-info"])
        yield opened
        opened.close()


def context_of(browser: Browser) -> BrowserContext:
    """A browser that was never here before."""
    opened = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    opened.set_default_timeout(WAIT_MS)
    opened.set_default_navigation_timeout(WAIT_MS)
    opened.add_init_script(WATCH)
    return opened


def opening(page: Page, address: str | None) -> dict[str, float]:
    """Open an address, or load the page anew; milliseconds from the start of the navigation to the first paint and to each thing of SEEN."""
    if address is None:
        page.reload(wait_until="commit")
    else:
        page.goto(address, wait_until="commit")
    page.wait_for_function(f"() => window.benchSeen && Object.values(window.benchSeen).filter((at) => at !== null).length === {len(SEEN)}")
    seen = page.evaluate("() => window.benchSeen")
    paint = page.evaluate("() => performance.getEntriesByType('paint').find((entry) => entry.name === 'first-contentful-paint')?.startTime ?? null")
    return {"first paint": paint, **seen}


def drag(page: Page, stage: str = "question", group: str = "conversation") -> dict[str, Any]:
    """Drag one cut there and back. → counts: Times from a pointer's move to the paint of new counts, as seen from outside; desk: the page's own words; settled: ms from letting go to exact numbers."""
    page.evaluate("() => scrollTo(0, 0)")
    page.evaluate(DRAG_WATCH)
    page.evaluate("() => import('/studio/js/select/desk.js').then((m) => { m.paceOf({ reset: true }); window.benchDesk = m; })")
    panel = page.locator(f'.cut-panel[data-stage="{stage}"][data-group="{group}"]')
    box, line = panel.locator(".cut-surface").bounding_box(), panel.locator(".cut-line").bounding_box()
    assert box is not None and line is not None
    left, width, y = box["x"] + 0.3 * box["width"], 0.4 * box["width"], box["y"] + box["height"] / 2  # where scores are: each pixel changes the counts
    x = line["x"] + line["width"] / 2
    at = min(1.0, max(0.0, (x - left) / width))
    page.mouse.move(x, y)
    page.mouse.down()
    for n in range(DRAG_MOVES):
        page.mouse.move(left + width * abs((at + 2 * n / DRAG_MOVES + 1) % 2 - 1), y + n % 2)  # from the line to the right, to the left, and back
        page.wait_for_timeout(12)
    page.evaluate("""() => { window.benchSettled = new Promise((resolve) => {
        let from = null;
        document.addEventListener("pointerup", (event) => { from = event.timeStamp; }, { once: true, capture: true });
        const stop = window.benchDesk.heard("settled", () => { stop(); requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - from))); });
    }); }""")
    page.mouse.up()
    settled = page.evaluate("() => window.benchSettled")
    moves, own = page.evaluate("() => window.benchMoves"), page.evaluate("() => window.benchDesk.paceOf()")
    return {"counts": Times("drag of a cut, move to painted counts", tuple(moves)), "desk": {key: own[key] for key in ("n", "p50", "p95", "most")}, "settled": settled}


FLOOR = """<!doctype html><body style="height:760px"><p class="kept-count"><b>0</b></p><script>
let n = 0, frame = 0;
addEventListener("pointermove", () => { frame ||= requestAnimationFrame(() => { frame = 0; document.querySelector("b").textContent = ++n; }); });
</script>"""
"""A page that does nothing but count moves: what this machine and browser need for the least change."""


def floor(context: BrowserContext) -> Times:
    """The drag's own measure on a page that only counts its moves."""
    page = context.new_page()
    page.set_content(FLOOR)
    page.evaluate(DRAG_WATCH)
    for n in range(DRAG_MOVES):
        page.mouse.move(100 + 5 * n, 300 + n % 2)
        page.wait_for_timeout(12)
    moves = page.evaluate("() => window.benchMoves")
    page.close()
    return Times("the same on a page that only counts moves", tuple(moves))


def lists(page: Page, flag: str | None) -> Iterator[Times]:
    """Filter, search, order and places of the list: from the change to the cards of the new list."""
    def asked(change: str, argument: Any) -> float:
        return page.evaluate("""async ([change, argument]) => {
            const m = await import("/studio/js/select/query.js");
            benchTag();
            const since = performance.now();
            m[change](argument);
            return benchAfter(since, benchFresh);
        }""", [change, argument])

    def query(**parts: Any) -> dict[str, Any]:
        return {"ranges": None, "types": None, "flags": None, "text": None, **parts}

    yield Times("filter to cards", tuple(asked("setQuery", query(**wish)) for wish in ranges(16, "answer", flag)))
    for kind, words in texts().items():
        yield Times(f"search to cards, {kind}", tuple(asked("setQuery", query(text=word)) for word in words))
    asked("setQuery", query())
    yield Times("another order to cards", tuple(asked("setSort", {"by": by, "ascending": up}) for up in (True, False) for by in ("question", "row", "answer")))


def places(page: Page, records: int) -> Times:
    """Go to a place far down the list by its number: from Enter to its card."""
    field, took = page.locator(".grid-go"), []
    for share in (0.1, 0.35, 0.6, 0.8, 0.5, 0.2):
        place = int(records * share) // PAGE * PAGE + 5
        page.evaluate("""() => {
            benchTag();
            window.benchGone = new Promise((resolve) => document.addEventListener("keydown", (event) => resolve(benchAfter(event.timeStamp, benchFresh)), { capture: true, once: true }));
        }""")
        field.fill(str(place))
        field.press("Enter")
        took.append(page.evaluate("() => window.benchGone"))
        page.wait_for_timeout(150)
    return Times("place of the list to cards", tuple(took))


def walk(page: Page, steps: int = 40) -> tuple[Times, Times]:
    """Arrow by arrow: to the next card marked, and to its text in the panel."""
    page.evaluate("""async () => {
        const m = await import("/studio/js/select/query.js");
        benchTag();
        m.openQuery({}, { by: "question", ascending: false });
        await benchAfter(performance.now(), benchFresh);
    }""")
    page.locator(".grid-body .pick:not(.skeleton)").first.click()
    marked, told = [], []
    for _ in range(steps):
        page.evaluate("""() => {
            const before = document.querySelector(".grid-body .pick[aria-current=true]")?.dataset.record;
            const now = () => document.querySelector(".grid-body .pick[aria-current=true]");
            const key = () => now().getAttribute("aria-label").replace(/^Record /, "");
            window.benchStep = new Promise((resolve, reject) => document.addEventListener("keydown", (event) => {
                const next = () => now() && now().dataset.record !== before;
                const told = () => next() && document.querySelector(".look")?.textContent.includes(key());
                Promise.all([benchAfter(event.timeStamp, next), benchAfter(event.timeStamp, told)]).then(resolve, reject);
            }, { capture: true, once: true }));
        }""")
        page.keyboard.press("ArrowRight")
        mark, text = page.evaluate("() => window.benchStep")
        marked.append(mark)
        told.append(text)
    return Times("a step by arrow to the next card", tuple(marked)), Times("a step by arrow to its detail", tuple(told))


def bulk(page: Page, query: dict[str, Any]) -> dict[str, float]:
    """Keep all records of a filter through the menu and take it back by the toast: ms from the click to the word that it is done."""
    page.evaluate("(query) => import('/studio/js/select/query.js').then((m) => m.openQuery(query))", query)
    page.wait_for_timeout(800)
    done = {}
    page.locator(".bulk button").first.click()
    page.locator(".menu-item.by-keep").click()
    for name, button, word in (("keep all of a filter", page.locator("dialog[open] .btn.primary, dialog[open] .btn.danger").last, "Kept"), ("undo of it", page.locator(".toast button", has_text="Undo").last, "Undone")):
        page.evaluate("""(word) => { window.benchDone = new Promise((resolve) => document.addEventListener("click", (event) =>
            resolve(benchAfter(event.timeStamp, () => [...document.querySelectorAll(".toast")].some((node) => node.textContent.includes(word)))), { capture: true, once: true })); }""", word)
        button.click()
        done[name] = page.evaluate("() => window.benchDone")
    page.evaluate("() => import('/studio/js/select/query.js').then((m) => m.openQuery({}))")
    return done


def heap_mib(page: Page) -> float:
    """Memory of the page's scripts."""
    return page.evaluate("() => performance.memory.usedJSHeapSize") / 2**20
