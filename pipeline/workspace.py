"""One folder that holds everything of one workspace, so that it can be copied away.

Knows paths only; the database is opened by pipeline.store.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StoreError

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Workspace:
    """Paths below one root folder. `Workspace.open` makes the folders; the constructor touches nothing."""

    root: Path

    @classmethod
    def open(cls, root: Path | str) -> "Workspace":
        """Make the folders where needed. Raises StoreError where the place can't be written."""
        workspace = cls(Path(root).expanduser().resolve())
        try:
            for folder in (workspace.images_dir, workspace.thumbnails_dir, workspace.uploads_dir, workspace.exports_dir,
                           workspace.runs_dir, workspace.scorers_dir, workspace.derived_dir, workspace.logs_dir, workspace.leases_dir):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the workspace {workspace.root} can't be made: {error.strerror}",
                             hint="Name another folder with --workspace DIR or ALIGN2_WORKSPACE.") from error
        if not os.access(workspace.root, os.W_OK):
            raise StoreError(f"the workspace {workspace.root} can't be written", hint="Name another folder with --workspace DIR.")
        return workspace

    @property
    def database(self) -> Path:
        return self.root / "studio.sqlite3"

    @property
    def images_dir(self) -> Path:
        return self.root / "images"

    @property
    def thumbnails_dir(self) -> Path:
        return self.root / "thumbnails"

    @property
    def uploads_dir(self) -> Path:
        return self.root / "uploads"

    @property
    def exports_dir(self) -> Path:
        return self.root / "exports"

    @property
    def runs_dir(self) -> Path:
        """Fine-tune runs, one folder each."""
        return self.root / "runs"

    @property
    def scorers_dir(self) -> Path:
        """Scorers taught in this workspace, one folder each."""
        return self.root / "scorers"

    @property
    def derived_dir(self) -> Path:
        """Arrays and indexes made from the database, one folder a data set. All of it can be made again."""
        return self.root / "derived"

    @property
    def logs_dir(self) -> Path:
        return self.root / "logs"

    @property
    def leases_dir(self) -> Path:
        return self.root / "leases"

    def image_path(self, sha: str) -> Path:
        """Original bytes of an image, by content: images/ab/abcdef…"""
        return self.images_dir / _checked(sha)[:2] / sha

    def thumbnail_path(self, sha: str) -> Path:
        """JPEG of at most 320 px on the longer side."""
        return self.thumbnails_dir / _checked(sha)[:2] / f"{sha}.jpg"


def _checked(sha: str) -> str:
    if not _SHA256.fullmatch(sha):
        raise StoreError(f"{sha[:80]!r} is no image name")
    return sha
