"""The table of JSON routes under /api. A noun is one module here with `router(context) -> APIRouter` and one row below.

Routes are thin: they read the request, call a plain function, and shape the answer. Errors of pipeline.errors become
JSON with the right status in studio.server; routes don't catch them.
"""

from __future__ import annotations

import importlib
import importlib.util

from fastapi import APIRouter

from studio.context import StudioContext

ROUTERS: tuple[str, ...] = (
    "state", "datasets", "records", "jobs", "uploads", "imports",
    "scores", "agreement", "comparisons", "explain", "selections", "record_lists", "decisions", "solver", "signals", "map", "rewrites", "exports", "reports", "runs",
    "ratings", "rating_agreement", "rating_exchange", "lessons", "trials", "trust",
)


def api_routers(context: StudioContext) -> list[APIRouter]:
    """One router a row, in order; rows whose module isn't there are left out."""
    return [importlib.import_module(f"studio.api.{name}").router(context)
            for name in ROUTERS if importlib.util.find_spec(f"studio.api.{name}")]
