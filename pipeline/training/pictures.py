"""Images of a run as the learner takes them: visual tokens computed once and kept, or pixels made anew for each batch.

The tower is frozen, so its tokens never change; they are kept where they fit into a given size. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset

from pipeline.errors import DataError
from pipeline.models.loading import LoadedModel

AT_ONCE = 16


class Rows(Dataset):
    """Rows whose image is looked up when asked for."""

    def __init__(self, rows: Sequence[dict[str, Any]], pictures: "Pictures") -> None:
        self._rows, self._pictures = rows, pictures

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(row["sample"].ids) for row in self._rows]

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._rows[index]
        return {"sample": row["sample"], **self._pictures.of(row["path"])}


class Pictures:
    """All images of a run. `fill` computes what is kept; `attach` makes data sets of rows."""

    def __init__(self, loaded: LoadedModel, paths: Sequence[Path], room_bytes: int) -> None:
        self._loaded, self._paths = loaded, list(paths)
        width = int(loaded.model.config.vision_config.hidden_size)
        self.kept = len(self._paths) * loaded.image_tokens * width * loaded.dtype.itemsize <= room_bytes
        self._tokens: dict[Path, torch.Tensor] = {}

    def fill(self, tell: Callable[[int], None], stopping: Callable[[], bool]) -> None:
        """Compute the visual tokens of every image, where they are to be kept. Raises DataError naming an image that can't be read."""
        if not self.kept:
            return
        for start in range(0, len(self._paths), AT_ONCE):
            if stopping():
                return
            part = self._paths[start:start + AT_ONCE]
            tokens = self._loaded.image_features([read(path) for path in part]).to("cpu", self._loaded.dtype)
            for path, one in zip(part, tokens):
                self._tokens[path] = one.clone()  # a copy of its own: neither an inference tensor nor a view of the batch
            tell(min(start + AT_ONCE, len(self._paths)))

    def of(self, path: Path | None) -> dict[str, torch.Tensor]:
        """{"features": (tokens, width)}, {"pixels": (3, side, side)} or {} for text-only."""
        if path is None:
            return {}
        if self.kept:
            return {"features": self._tokens[path]}
        return {"pixels": self._loaded.pixels([read(path)])[0].cpu()}

    def attach(self, rows: Sequence[dict[str, Any]]) -> Rows:
        return Rows(rows, self)


def read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"an image can't be read: {error}", place=path.name, hint="Check the data set's images in the Data tab; import it again.") from error
