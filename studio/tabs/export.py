"""The Export tab: choose a selection and a place, write it as a job, download it, read its manifest."""

from __future__ import annotations

from studio.context import StudioContext
from studio.island import island


def build(context: StudioContext) -> None:
    """One island; assets/js/export.js draws everything over /api/exports."""
    island("export")
