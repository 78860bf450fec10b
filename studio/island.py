"""A place in the Gradio page that plain JavaScript fills. Shared by all tabs; holds no content of its own."""

from __future__ import annotations

import html

import gradio as gr


def island(name: str, *, classes: str = "", **data: str | int) -> gr.HTML:
    """An empty node that `island(name, mount)` of assets/js/studio.js fills as soon as it is on the page.

    `data` becomes data-… attributes of the node. Values are escaped; pass ids and settings, never record text.
    """
    attributes = "".join(f' data-{key.replace("_", "-")}="{html.escape(str(value))}"' for key, value in data.items())
    return gr.HTML(f'<div class="{html.escape(f"island {classes}".strip())}" data-island="{html.escape(name)}"{attributes}></div>',
                   js_on_load=None, apply_default_css=False)
