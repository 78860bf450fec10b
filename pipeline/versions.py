"""Versions of Python and of the packages on which scores and images depend, as manifests and reports tell them."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

TOLD = ("pillow", "numpy", "torch", "transformers")


def versions() -> dict[str, str]:
    """{"python": "3.11.9", "numpy": …}; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in TOLD:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
