"""The Select tab: cut both stages on the histograms, look at the records near the line, keep and drop by hand."""

from __future__ import annotations

from studio.context import StudioContext
from studio.island import island


def build(context: StudioContext) -> None:
    """One island; assets/js/select.js draws everything over /api/selections."""
    island("select")
