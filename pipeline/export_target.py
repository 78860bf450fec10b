"""Where an export is written: a folder or one zip. It appears under its name whole, or not at all. Knows no record."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from pipeline.errors import DataError

BLOCK_BYTES = 1 << 20


class ExportTarget(ABC):
    """Files are added one after another under relative names; `files` has {name: (sha256, bytes)} of what was added."""

    def __init__(self, final: Path) -> None:
        self.final = final
        self.files: dict[str, tuple[str, int]] = {}
        self._part = final.with_name(f".{final.name}.part")

    @abstractmethod
    def _open(self, name: str) -> BinaryIO: ...

    @abstractmethod
    def _seal(self) -> None: ...

    @contextmanager
    def text(self, name: str) -> Iterator[TextIO]:
        """A UTF-8 text file to write into."""
        with self._open(name) as raw, _Hashing(raw) as hashing:
            wrapped = io.TextIOWrapper(hashing, encoding="utf-8", newline="\n", write_through=False)
            yield wrapped
            wrapped.flush()
            wrapped.detach()
        self.files[name] = (hashing.digest, hashing.count)

    def copy(self, name: str, source: Path, sha: str) -> None:
        """Copy a file of the workspace. Raises DataError where its content is no longer what its name says."""
        with open(source, "rb") as file, self._open(name) as raw, _Hashing(raw) as hashing:
            shutil.copyfileobj(file, hashing, BLOCK_BYTES)
        if hashing.digest != sha:
            raise DataError(f"the stored image {sha[:12]}… has changed on disk", hint="Import the data set again; the disk may be failing.")
        self.files[name] = (hashing.digest, hashing.count)

    def finish(self) -> Path:
        """Give the whole its name and return where it lies."""
        self._seal()
        os.replace(self._part, self.final)
        return self.final

    def discard(self) -> None:
        """Remove what was begun."""
        if self._part.is_dir():
            shutil.rmtree(self._part, ignore_errors=True)
        else:
            self._part.unlink(missing_ok=True)


class FolderTarget(ExportTarget):
    """A folder. An empty folder of that name is replaced, any other is left alone."""

    def __init__(self, final: Path) -> None:
        super().__init__(final)
        self.discard()
        self._part.mkdir(parents=True)

    def _open(self, name: str) -> BinaryIO:
        path = self._part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "xb")

    def _seal(self) -> None:
        if self.final.is_dir():
            self.final.rmdir()  # only ever an empty one: `free_place` saw to that


class ZipTarget(ExportTarget):
    """One zip. Images are stored as they are, texts are deflated."""

    def __init__(self, final: Path) -> None:
        super().__init__(final)
        self.discard()
        final.parent.mkdir(parents=True, exist_ok=True)
        self._zip = zipfile.ZipFile(self._part, "w", allowZip64=True)

    def _open(self, name: str) -> BinaryIO:
        member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))  # no clock in it: the same content gives the same zip
        member.compress_type = zipfile.ZIP_DEFLATED if name.endswith((".json", ".jsonl")) else zipfile.ZIP_STORED
        member.external_attr = 0o644 << 16
        return self._zip.open(member, "w", force_zip64=True)  # type: ignore[return-value]

    def _seal(self) -> None:
        self._zip.close()

    def discard(self) -> None:
        if hasattr(self, "_zip"):
            self._zip.close()
        super().discard()


def free_place(wanted: Path) -> Path:
    """`wanted` where it is free (missing, or an empty folder), else with -2, -3 … before its ending. Nothing is ever overwritten."""
    number, place = 1, wanted
    while place.exists() and not (place.is_dir() and not wanted.suffix == ".zip" and not any(place.iterdir())):
        number += 1
        place = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}" if wanted.suffix == ".zip" else f"{wanted.name}-{number}")
    return place


class _Hashing(io.RawIOBase):
    """Passes bytes on and keeps their sha256 and count."""

    def __init__(self, target: BinaryIO) -> None:
        self._target, self._hash, self.count = target, hashlib.sha256(), 0

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def, override]
        self._hash.update(data)
        self.count += len(data)
        self._target.write(data)
        return len(data)
