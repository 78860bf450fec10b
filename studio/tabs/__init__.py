"""The table of tabs, in the order of the road. A tab is one module here with `build(context)` and one row below.

`build` runs inside the tab's Gradio container and lays out its components. Tabs don't import tabs.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass

import gradio as gr

from studio.context import StudioContext


@dataclass(frozen=True)
class Tab:
    """`id` names the module studio/tabs/{id}.py, the address `?tab={id}` and, where it exists, assets/js/{id}.js."""

    id: str
    title: str


TABS: tuple[Tab, ...] = (
    Tab("data", "Data"),
    Tab("score", "Score"),
    Tab("select", "Select"),
    Tab("rewrite", "Rewrite"),
    Tab("teach", "Teach"),
    Tab("export", "Export"),
    Tab("tune", "Fine-tune"),
)


def present_tabs() -> tuple[Tab, ...]:
    """The rows whose module is there."""
    return tuple(tab for tab in TABS if importlib.util.find_spec(f"studio.tabs.{tab.id}"))


def build_tab(tab: Tab, context: StudioContext) -> None:
    """Lay out one tab inside the Gradio container that is open now."""
    with gr.Tab(tab.title, id=tab.id, elem_id=f"tab-{tab.id}", elem_classes=["road-tab"], render_children=True):
        importlib.import_module(f"studio.tabs.{tab.id}").build(context)
