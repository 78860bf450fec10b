"""Colours, type and spacing of Gradio's own components, in light and dark.

The same values stand as CSS variables in assets/css/studio.css (--ink, --paper, --accent …), which the islands and
Plotly read; a test keeps the two together.
"""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import fonts

LIGHT = {
    "paper": "#f6f6f3", "card": "#ffffff", "sunk": "#eeeeea", "line": "#dfdfd9", "line_strong": "#c6c6be",
    "ink": "#1d201f", "ink_2": "#4e5452", "ink_3": "#68706d", "accent": "#0b6e69", "accent_strong": "#085652",
    "accent_soft": "#e0efed", "on_accent": "#ffffff", "bad": "#b3261e", "bad_soft": "#fbeae8",
}
DARK = {
    "paper": "#131615", "card": "#1b1f1e", "sunk": "#0e1110", "line": "#2c3230", "line_strong": "#434b48",
    "ink": "#e8ebe9", "ink_2": "#b3bbb8", "ink_3": "#929b97", "accent": "#4cc2b7", "accent_strong": "#79d6cd",
    "accent_soft": "#153734", "on_accent": "#08201e", "bad": "#f28b82", "bad_soft": "#3a1f1d",
}

_NAMES: dict[str, str] = {
    # Gradio's name → ours
    "body_background_fill": "paper", "body_text_color": "ink", "body_text_color_subdued": "ink_3",
    "background_fill_primary": "card", "background_fill_secondary": "paper",
    "border_color_accent": "accent", "border_color_accent_subdued": "line", "border_color_primary": "line",
    "color_accent_soft": "accent_soft", "link_text_color": "accent", "link_text_color_active": "accent_strong",
    "link_text_color_hover": "accent_strong", "link_text_color_visited": "accent", "code_background_fill": "sunk",
    "block_background_fill": "card", "block_border_color": "line", "block_info_text_color": "ink_3",
    "block_label_background_fill": "card", "block_label_border_color": "line", "block_label_text_color": "ink_2",
    "block_title_text_color": "ink_2", "panel_background_fill": "card", "panel_border_color": "line",
    "accordion_text_color": "ink", "table_text_color": "ink",
    "checkbox_background_color": "card", "checkbox_background_color_focus": "card", "checkbox_background_color_hover": "card",
    "checkbox_background_color_selected": "accent", "checkbox_border_color": "line_strong",
    "checkbox_border_color_focus": "accent", "checkbox_border_color_hover": "accent", "checkbox_border_color_selected": "accent",
    "checkbox_label_background_fill": "card", "checkbox_label_background_fill_hover": "sunk",
    "checkbox_label_background_fill_selected": "accent_soft", "checkbox_label_border_color": "line",
    "checkbox_label_border_color_hover": "line_strong", "checkbox_label_border_color_selected": "accent",
    "checkbox_label_text_color": "ink", "checkbox_label_text_color_selected": "ink",
    "error_background_fill": "bad_soft", "error_border_color": "bad", "error_text_color": "bad", "error_icon_color": "bad",
    "input_background_fill": "card", "input_background_fill_focus": "card", "input_background_fill_hover": "card",
    "input_border_color": "line_strong", "input_border_color_focus": "accent", "input_border_color_hover": "ink_3",
    "input_placeholder_color": "ink_3", "loader_color": "accent", "slider_color": "accent", "stat_background_fill": "accent_soft",
    "table_border_color": "line", "table_even_background_fill": "card", "table_odd_background_fill": "paper", "table_row_focus": "accent_soft",
    "button_primary_background_fill": "accent", "button_primary_background_fill_hover": "accent_strong",
    "button_primary_border_color": "accent", "button_primary_text_color": "on_accent", "button_primary_text_color_hover": "on_accent",
    "button_secondary_background_fill": "card", "button_secondary_background_fill_hover": "sunk",
    "button_secondary_border_color": "line_strong", "button_secondary_text_color": "ink", "button_secondary_text_color_hover": "ink",
    "button_cancel_background_fill": "card", "button_cancel_background_fill_hover": "bad_soft",
    "button_cancel_border_color": "bad", "button_cancel_text_color": "bad", "button_cancel_text_color_hover": "bad",
}


class StudioTheme(gr.themes.Base):
    """Gradio's components in the studio's colours; the fonts come from this server: Inter from assets/fonts, Plex Mono from Gradio's own files."""

    def __init__(self) -> None:
        super().__init__(
            primary_hue=gr.themes.colors.teal,
            secondary_hue=gr.themes.colors.teal,
            neutral_hue=gr.themes.colors.stone,
            text_size=gr.themes.sizes.text_sm,
            spacing_size=gr.themes.sizes.spacing_sm,
            radius_size=gr.themes.sizes.radius_md,
            font=(fonts.Font("Inter"), "ui-sans-serif", "system-ui", "sans-serif"),
            font_mono=(fonts.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"),
        )
        values: dict[str, str] = {}
        for theirs, ours in _NAMES.items():
            values[theirs] = LIGHT[ours]
            values[f"{theirs}_dark"] = DARK[ours]
        super().set(
            **values,
            color_accent=LIGHT["accent"],
            block_shadow="none", block_shadow_dark="none",
            block_label_shadow="none",
            input_shadow="none", input_shadow_dark="none",
            input_shadow_focus=f"0 0 0 3px {LIGHT['accent_soft']}", input_shadow_focus_dark=f"0 0 0 3px {DARK['accent_soft']}",
            button_primary_shadow="none", button_secondary_shadow="none",
            button_transition="background-color .12s, border-color .12s",
            button_border_width="1px", block_border_width="1px", block_title_text_weight="600", block_label_text_weight="600",
            checkbox_label_shadow="none",
        )
