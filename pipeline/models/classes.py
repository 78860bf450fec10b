"""The 1000 class names of the vision tower's classifier, in the order of its weight rows. Reads one asset, nothing else."""

from __future__ import annotations

import json
from functools import cache

from pipeline.settings import assets_dir


@cache
def class_names() -> tuple[str, ...]:
    """ImageNet class names (1000). Source: gradio's bundled label file, Apache-2.0."""
    return tuple(json.loads((assets_dir() / "projector" / "imagenet_labels.json").read_text(encoding="utf-8")))
