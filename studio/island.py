"""A place in the Gradio page that plain JavaScript fills. Shared by all tabs; holds no content of its own."""

from __future__ import annotations

import gradio as gr

PREFIX = "island-"


def island(name: str, *, classes: str = "") -> gr.Column:
    """An empty node that `island(name, mount)` of assets/js/studio.js fills as soon as it is on the page.

    A column and not gr.HTML: that component compiles its template in the browser, which would need `unsafe-eval` in the
    content security policy.
    """
    return gr.Column(elem_id=f"{PREFIX}{name}", elem_classes=["island", *classes.split()], min_width=0)
