"""Where things live. Reads the environment; makes no folder and opens no file."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APP_NAME = "align2-studio"


def repository_dir() -> Path:
    """The folder that holds app.py, pipeline/ and assets/."""
    return Path(__file__).resolve().parent.parent


def assets_dir() -> Path:
    """Everything that ships with the code: demo data set, scorers, css, js."""
    return repository_dir() / "assets"


def models_dir() -> Path:
    """Cache of model weights. ALIGN2_MODELS overrides the system's cache folder."""
    told = os.environ.get("ALIGN2_MODELS")
    return Path(told).expanduser() if told else Path(platformdirs.user_cache_dir(APP_NAME)) / "models"


def default_workspace() -> Path:
    """Folder of the workspace when none is named. ALIGN2_WORKSPACE overrides the system's data folder.

    Outside the working directory on purpose: Gradio serves files it finds under the working directory.
    """
    told = os.environ.get("ALIGN2_WORKSPACE")
    return Path(told).expanduser() if told else Path(platformdirs.user_data_dir(APP_NAME)) / "workspace"


def shared_data_dir() -> Path | None:
    """The optional folder of research data (preference ratings, ScienceQA …), None where it is missing.

    ALIGN2_SHARED names it; else `../shared` beside the repository. Used to train and to test, never to run.
    """
    told = os.environ.get("ALIGN2_SHARED")
    folder = (Path(told).expanduser() if told else repository_dir().parent / "shared") / "data"
    return folder if folder.is_dir() else None
