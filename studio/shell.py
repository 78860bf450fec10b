"""The one page: header with the funnel, the tabs of the road, and the page's head. Lays out; decides nothing."""

from __future__ import annotations

import gradio as gr

from pipeline.settings import assets_dir
from studio.context import StudioContext
from studio.island import island
from studio.tabs import build_tab, present_tabs

TITLE = "Align² Studio"
TEACH_ROOMS = ("rate", "agreement", "exchange", "train", "trial", "trust")
"""Style sheets of the rooms of the Teach tab; their modules are imported by its own."""


def build_blocks(context: StudioContext) -> gr.Blocks:
    """Header and tabs as Gradio Blocks, ready to be mounted."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as blocks:
        island("header", classes="header-island")
        with gr.Tabs(elem_id="road"):
            for tab in present_tabs():
                build_tab(tab, context)
    return blocks


def page_head() -> str:
    """Elements of the page's head: style sheet, theme before first paint, the island modules. All from this server."""
    names = ["studio", "header", "viewer", "explain", *(tab.id for tab in present_tabs())]
    names += [f"teach/{room}" for room in TEACH_ROOMS]
    styles = [f'<link rel="stylesheet" href="/studio/css/{name}.css">' for name in names if (assets_dir() / "css" / f"{name}.css").is_file()]
    scripts = [f'<script type="module" src="/studio/js/{name}.js"></script>' for name in names if "/" not in name and (assets_dir() / "js" / f"{name}.js").is_file()]
    return "\n".join(('<link rel="icon" type="image/svg+xml" href="/studio/logo.svg">', '<script src="/studio/js/early.js"></script>', *styles, *scripts))
