"""The screen of Align² Studio: server, tabs, charts, theme. Gradio lives here only; torch never does."""
