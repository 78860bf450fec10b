"""`make bench-screen`, or `python -m tests.bench.screen [--records 158000,1000000] [--keep FOLDER]`: rows 11 and 12, the screen at scale.

Makes a data set of each size, imports it by the real job, fills in scores, opens it in a real Chromium, and measures what a
person waits for. Prints a table and writes the JSON beside it. With --keep the prepared workspaces stay in FOLDER/<records>
and are used again.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.__main__ import machine, tell
from tests.bench.material import Figure, Shown
from tests.bench.screen_page import bulk, chromium, context_of, drag, floor, heap_mib, lists, opening, places, walk
from tests.bench.screen_server import BULK, Asker, Times, about, ask_everything, decide_in_bulk, flag_of
from tests.bench.screen_workspace import Prepared, prepare, process_cost
from tests.browser.conftest import StudioProcess, free_port

MIB_MOST = 1.5 * 1024
RELOADS = 4


def import_rows(made: Prepared) -> list[Figure]:
    """Row 11: what the import took beside a plain parse of the same file, both in seconds of CPU."""
    cost, size = made.measured["import"], f"{made.records:,} records, {made.measured['file_mb']:,} MB"
    times = cost["cpu_s"] / made.measured["parse_cpu_s"]
    return [Figure("11", f"import ÷ plain JSON parse, {size}", f"{times:.1f} × ({cost['cpu_s']:.0f} s of CPU, {cost['wall_s']:.0f} s)", "≤ 5", times <= 5, made.measured),
            Figure("11", "peak memory of the import", f"{cost['peak_mib']:.0f} MiB", "≤ 1.5 GiB", cost["peak_mib"] <= MIB_MOST)]


class Row12:
    """Figures of row 12 at one size, shown as they come."""

    def __init__(self, records: int, figures: Shown) -> None:
        self._records, self._figures = records, figures

    def add(self, name: str, ms: float, most: float | None, more: dict[str, Any] | None = None, note: str = "") -> None:
        """One figure in milliseconds; `most` None: told without a goal."""
        self._figures.append(Figure("12", f"{self._records:,}: {name}", f"{ms:,.0f} ms{note}", f"≤ {most:,.0f} ms" if most else "", None if most is None else ms <= most, more or {}))

    def times(self, times: Times, most: float | None) -> None:
        """The 95th percentile of many."""
        self.add(f"{times.name}, p95", times.at(0.95), most, times.as_json(), f" (p50 {times.at(0.5):,.0f})")


def screen_rows(made: Prepared, figures: Shown) -> None:
    """Row 12: opening, dragging, filtering, searching, walking and deciding in Chromium, and the server's own part of it."""
    show = Row12(made.records, figures)
    server = StudioProcess(made.workspace, free_port(), ("--no-demo",)).start()
    assert server.process is not None
    try:
        asker = Asker(server.url, made.dataset_id)
        asker.get("/api/selections/overview")  # reads the scores from the database once and keeps them in files
        server.kill()
        server.start()
        with chromium() as browser:
            context = context_of(browser)
            page = context.new_page()
            _open(page, f"{server.url}/?tab=select&dataset={made.dataset_id}", show)
            before = asker.get("/api/selections/overview")[1].json()["spec"]
            _use(page, context, asker, made.records, show)
            figures.append(Figure("12", f"{made.records:,}: memory of the page's scripts", f"{heap_mib(page):.0f} MiB", "", None))
        asker.put("/api/selections/current", {"spec": before, "seen": asker.get("/api/selections/overview")[1].json()["spec_id"]})  # the drag moved them
        _server(asker, made.records, show)
        peak = process_cost(server.process.pid)
        if peak is not None:
            figures.append(Figure("12", f"{made.records:,}: peak memory of the server", f"{peak[1]:.0f} MiB", "≤ 1.5 GiB", peak[1] <= MIB_MOST, {"cpu_s": peak[0]}))
    finally:
        server.stop()


def _open(page: Any, address: str, show: Row12) -> None:
    cold = opening(page, address)
    page.wait_for_timeout(1_500)
    warm = []
    for _ in range(RELOADS):
        warm.append(opening(page, None))
        page.wait_for_timeout(800)
    middle = {name: sorted(run[name] for run in warm)[len(warm) // 2] for name in cold}
    more = {"cold": cold, "warm": warm}
    show.add("first paint, warm", middle["first paint"], 1_000, more, f" (server just started, new browser: {cold['first paint']:,.0f})")
    for name, most in (("first counts", 3_000), ("canvas with bars", 3_000), ("first cards", 3_000)):
        show.add(f"open to {name}, warm", middle[name], most, None, f" (server just started, new browser: {cold[name]:,.0f})")


def _use(page: Any, context: Any, asker: Asker, records: int, show: Row12) -> None:
    least, dragged = floor(context), drag(page)
    show.times(dragged["counts"], 50)
    show.times(least, None)
    show.add("drag of a cut by the page's own clock, p95", dragged["desk"]["p95"], 50, dragged["desk"])
    show.add("exact numbers after letting go", dragged["settled"], None)
    page.wait_for_timeout(500)
    for times in lists(page, flag_of(asker)):
        show.times(times, 150 if times.name.startswith("filter") else 300)
    show.times(places(page, records), 300)
    for times in walk(page):
        show.times(times, None)
    done = bulk(page, about(asker, min(BULK, records // 4)))
    for name, ms in done.items():
        show.add(f"{name} by the page", ms, None)


def _server(asker: Asker, records: int, show: Row12) -> None:
    for times in ask_everything(asker, records):
        most = 300 if times.name.startswith(("page", "search")) else 150 if "filter" in times.name else None
        show.times(Times(f"server: {times.name}", times.ms), most)
    decided, steps = decide_in_bulk(asker, records)
    for times in steps:
        show.times(Times(f"server: {times.name}, {decided:,} records", times.ms), None)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.screen", description="Measure the screen at scale in a real Chromium: JSON and table.")
    parser.add_argument("--records", default="158000,1000000", help="sizes of the data sets (default: 158000,1000000)")
    parser.add_argument("--keep", type=Path, default=None, help="folder of prepared workspaces, FOLDER/<records>; without it a temporary one")
    parser.add_argument("--json", type=Path, default=None, help="where the JSON goes (default: bench-screen-DATE.json)")
    told = parser.parse_args(arguments)
    here = machine()
    print(f"{here['name']}, {here['cores']} cores, load {here['load_at_start']} at the start\n", flush=True)
    figures = Shown()
    with tempfile.TemporaryDirectory(prefix="bench-screen-") as temporary:
        for size in told.records.split(","):
            made = prepare((told.keep or Path(temporary)) / str(int(size)), int(size))
            for figure in import_rows(made):
                figures.append(figure)
            screen_rows(made, figures)
    here["load_at_end"] = round(os.getloadavg()[0], 1)
    tell(here, figures, told.json or Path(f"bench-screen-{time.strftime('%Y%m%d-%H%M%S')}.json"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
