"""The one page: header with the funnel, the tabs of the road, and the page's head. Lays out; decides nothing."""

from __future__ import annotations

import gradio as gr

from pipeline.settings import assets_dir
from studio.context import StudioContext
from studio.island import island
from studio.tabs import build_tab, present_tabs

TITLE = "Align² Studio"


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
    names += [f"{tab.id}/{sheet.stem}" for tab in present_tabs() for sheet in sorted((assets_dir() / "css" / tab.id).glob("*.css"))]  # parts of a tab; their modules are imported by its own
    styles = [f'<link rel="stylesheet" href="/studio/css/{name}.css">' for name in names if (assets_dir() / "css" / f"{name}.css").is_file()]
    scripts = [f'<script type="module" src="/studio/js/{name}.js"></script>' for name in names if "/" not in name and (assets_dir() / "js" / f"{name}.js").is_file()]
    return "\n".join(('<link rel="icon" type="image/svg+xml" href="/studio/logo.svg">', '<script src="/studio/js/early.js"></script>', *styles, *scripts))
