"""`make bench`, or `python -m tests.bench [--rows 1,2,3] [--precision bf16] [--json FILE]`: prints the table, writes the JSON.

Ratios are taken inside one run. Rows 1 to 8 are those of the scoring engine; on a machine with a GPU `--shapes llava-1.5-7b`
measures the engine at those shapes with random weights. Rows 11 and 12 are those of the screen: `make bench-screen`, or
`python -m tests.bench.screen`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.material import Figure

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROWS = ("1", "2", "3", "4", "5", "6", "7", "8")


def machine() -> dict[str, object]:
    import torch

    from pipeline.devices import probe

    hardware = probe()
    return {"device": hardware.device, "name": hardware.name, "cores": hardware.cores, "threads": torch.get_num_threads(), "torch": torch.__version__,
            "python": platform.python_version(), "load_at_start": round(os.getloadavg()[0], 1), "bf16": hardware.bf16, "note": hardware.note, "date": time.strftime("%Y-%m-%d")}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the scoring engine: ratios inside one run, JSON and table.")
    parser.add_argument("--rows", default=",".join(ROWS), help="which rows, for example 1,2,6 (default: all)")
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "fp16", "fp32"], help="the type of rows 5 to 8 (default: the plan's own choice)")
    parser.add_argument("--shapes", default="", help="llava-1.5-7b or tiny: the engine at these shapes with random weights instead of the rows")
    parser.add_argument("--json", type=Path, default=None, help="where the JSON goes (default: bench-DATE.json)")
    told = parser.parse_args(arguments)
    here = machine()
    print(f"{here['name']}, {here['cores']} cores, {here['threads']} threads, load {here['load_at_start']} at the start; {here['note']}\n", flush=True)
    if told.shapes:
        from tests.bench.shapes import table

        figures = table(told.shapes)
    else:
        from tests.bench.faults import rows as fault_rows
        from tests.bench.rows import all_rows

        chosen = {row.strip() for row in told.rows.split(",")} & set(ROWS)
        quickest = ("bf16" if here["bf16"] else "fp32") if told.precision == "auto" else told.precision
        figures = all_rows((quickest, "bf16") if here["bf16"] else (quickest,), chosen) + fault_rows(quickest, chosen)
    tell(here, figures, told.json or Path(f"bench-{time.strftime('%Y%m%d-%H%M%S')}.json"))
    return 0


def tell(here: dict[str, object], figures: Sequence[Figure], path: Path) -> None:
    """Print the table and write the JSON beside it."""
    print("| # | figure | goal | measured | met |\n|---|---|---|---|---|")
    for figure in figures:
        print(f"| {figure.number} | {figure.name} | {figure.goal} | **{figure.value}** | {'' if figure.met is None else 'yes' if figure.met else 'no'} |", flush=True)
    path.write_text(json.dumps({"machine": here, "figures": [asdict(figure) for figure in figures]}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\n{path}")


if __name__ == "__main__":
    sys.exit(main())
