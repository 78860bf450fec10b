"""The Data tab: bring data in, see how the import went, look at the records."""

from __future__ import annotations

from studio.context import StudioContext
from studio.island import island


def build(context: StudioContext) -> None:
    """One island; assets/js/data.js draws everything over /api/datasets, /api/records, /api/uploads and /api/imports."""
    island("data")
