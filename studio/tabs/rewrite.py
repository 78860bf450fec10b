"""The Rewrite tab: start the inner LLM, see what it came to, judge rewrite by rewrite, try any text."""

from __future__ import annotations

from studio.context import StudioContext
from studio.island import island


def build(context: StudioContext) -> None:
    """One island; assets/js/rewrite.js draws everything over /api/rewrites."""
    island("rewrite")
