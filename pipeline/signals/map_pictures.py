"""Pictures as points: what the embedded vision tower sees, averaged over the picture, brought down by PCA (scikit-learn).

Pictures are read from their thumbnails: 320 pixels are more than the tower takes in, and decode several times as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DataError
from pipeline.signals.map_text import directions
from pipeline.signals.pictures import open_small, shas_of
from pipeline.signals.signal import SignalContext

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.models.loading import LoadedModel
    from pipeline.scoring.pictures import VisualTokens
    from pipeline.workspace import Workspace

AT_ONCE = 64
PART = 1_024
FITTED = 4_096
"""Pictures that the axes are found from."""


def picture_rows(context: SignalContext, loaded: LoadedModel, width: int, stamp: str) -> np.ndarray:
    """float32 (images, width) in the numbering of `facts.image`: directions of length 1, all zero where a picture can't be read."""
    from pipeline.scoring.pictures import VisualTokens

    shas = shas_of(context.store, context.dataset_id)
    sample = shas if len(shas) <= FITTED else [shas[place] for place in np.linspace(0, len(shas) - 1, FITTED).astype(np.int64)]
    tower = int(loaded.model.config.vision_config.hidden_size)
    with closing(VisualTokens(loaded, thumbnail_reader(context.workspace), "pad")) as visual:
        fitted = context.over(sample, lambda part: {"seen": seen(visual, part, tower)}, stage="looking at pictures", name="sample", batch=AT_ONCE, part=PART, stamp=stamp)["seen"]
        center, axes = principal(fitted, width)
        if len(sample) == len(shas):
            return placed(fitted, center, axes)
        known = dict(zip(sample, fitted))

        def place(part: list[str]) -> dict[str, np.ndarray]:
            new = [sha for sha in part if sha not in known]
            fresh = dict(zip(new, seen(visual, new, tower))) if new else {}
            return {"place": placed(np.stack([known[sha] if sha in known else fresh[sha] for sha in part]), center, axes)}

        return context.over(shas, place, stage="looking at pictures", name="pictures", batch=AT_ONCE, part=PART, stamp=stamp)["place"]


def placed(rows: np.ndarray, center: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Rows (n, D) on the axes: directions (n, width), rows of zeros stay zeros."""
    return directions((rows - center) @ axes * _there(rows))


def seen(visual: VisualTokens, shas: Sequence[str], width: int) -> np.ndarray:
    """float32 (n, tower width): the mean visual token of each picture, of length 1; zeros for one that can't be read."""
    rows = np.zeros((len(shas), width), np.float32)
    visual.expect(shas)
    for row, sha in zip(rows, shas):
        tokens = visual.get(sha)
        if tokens is not None:
            row[:] = tokens.float().mean(0).cpu().numpy()
    visual.forget()
    return directions(rows)


def principal(rows: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(center (D,), axes (D, width)) of rows (n, D), rows of zeros left out; axes beyond the rank are 0."""
    from sklearn.decomposition import PCA

    there = rows[_there(rows)[:, 0]]
    axes = np.zeros((rows.shape[1], width), np.float32)
    if len(there) < 2:
        return np.zeros(rows.shape[1], np.float32), axes
    found = PCA(min(width, *there.shape), random_state=0).fit(there)
    axes[:, :found.n_components_] = found.components_.T
    return found.mean_.astype(np.float32), axes


def thumbnail_reader(workspace: Workspace) -> Callable[[str], Image]:
    """Reads an image's thumbnail, the image itself where that is gone. Raises DataError where neither can be read."""
    def read(sha: str) -> Image:
        image = open_small(workspace, sha)
        if image is None:
            raise DataError("the image can't be read")
        return image

    return read


def _there(rows: np.ndarray) -> np.ndarray:
    """bool (n, 1): False for rows of zeros."""
    return rows.any(axis=1, keepdims=True)
