"""The Score tab: choose scorers and precision, see the plan, start, and look at how the scores spread."""

from __future__ import annotations

from studio.context import StudioContext
from studio.island import island


def build(context: StudioContext) -> None:
    """One island; assets/js/score.js draws everything over /api/scores."""
    island("score")
