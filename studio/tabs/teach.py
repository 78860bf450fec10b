"""The Teach tab: rate candidates, see how far raters agree, bring ratings in and out, train scorers on them, trust them or not."""

from __future__ import annotations

from studio.context import StudioContext
from studio.island import island


def build(context: StudioContext) -> None:
    """One island; assets/js/teach.js draws it, a module of assets/js/teach/ each of its rooms."""
    island("teach")
