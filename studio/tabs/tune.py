"""The Fine-tune tab: plan a run, watch it, compare runs, ask base and tuned model."""

from __future__ import annotations

from studio.context import StudioContext
from studio.island import island


def build(context: StudioContext) -> None:
    """One island; assets/js/tune.js draws everything over /api/runs."""
    island("tune")
