"""Brings the demo data set in on the first start, as an ordinary import job."""

from __future__ import annotations

import logging

from pipeline.settings import assets_dir
from studio.context import StudioContext

log = logging.getLogger(__name__)

DEMO_NAME = "Demo"


def bring_demo(context: StudioContext) -> bool:
    """Queue the import of assets/demo where this workspace is new; True when it was queued."""
    file = assets_dir() / "demo" / "demo.json"
    if not file.is_file() or context.store.datasets.all(ready_only=False) or context.store.jobs.recent(kinds=["import"], limit=1):
        return False
    context.submit("import", None, {"name": DEMO_NAME, "file": str(file), "images": str(file.parent / "images")})
    return True
