"""Opens the studio: `python app.py [--port N] [--workspace DIR]`. Reads settings, opens the workspace, serves."""

from __future__ import annotations

import os
import time

START = time.perf_counter()
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from studio.launch import main  # noqa: E402  (the environment above must stand before Gradio is imported)

if __name__ == "__main__":
    raise SystemExit(main(started_at=START))
