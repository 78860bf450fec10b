"""Where an import finds its images: a folder of this machine or a zip archive, read member by member and never unpacked.

Owns the rules by which the path in a record is matched to a file, and which members of an archive are refused. Decodes nothing.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.errors import DataError
from pipeline.images import MAX_BYTES, ImageProblem

MAX_MEMBERS = 1_000_000
MAX_RATIO = 200
RATIO_AFTER_BYTES = 10 << 20
MAX_SAME_NAMES = 2_000
"""Above so many files of one base name, only the exact rules are tried."""

RULES: dict[str, str] = {
    "exact": "the path as it stands",
    "below": "below the folder that holds everything in the archive or folder",
    "tail": "without the first folders of the path in the record",
    "ending": "the only file whose path ends like this",
    "name": "the only file of this name",
    "case": "the only file of this path but for capital letters",
}

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_TEXTS = (".json", ".jsonl", ".txt", ".md", ".csv", ".tsv", ".sha256")
"""Files that often lie beside the image folder; they do not count where the common folder is looked for."""
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".git")


@dataclass(frozen=True)
class Refused:
    """A member of an archive (or file of a folder) that is not used, and why."""

    name: str
    what: str


class ImageSource(Protocol):
    """What an import asks of a place with images. `refused` counts by reason are in `refused_count`."""

    label: str
    refused: list[Refused]
    refused_count: int
    file_count: int

    def find(self, path: str) -> tuple[str, str] | None:
        """(name of the file here, rule by which it was found), None where there is none or more than one could be meant."""

    def read(self, name: str) -> bytes:
        """The bytes of a file that `find` named. Raises ImageProblem."""

    def close(self) -> None: ...


def open_source(place: Path | None) -> ImageSource:
    """A folder, a zip, or nothing at all. Raises DataError where the place is neither."""
    if place is None:
        return NoImages()
    if place.is_dir():
        return FolderImages(place)
    if not place.exists():
        raise DataError(f"there is no folder or zip {place}", hint="Check the path of the images.")
    if not place.is_file():
        raise DataError(f"{place} is neither a folder nor a zip", hint="Name a folder or a zip with the images.")
    return ZipImages(place)


class NameIndex:
    """Matches the paths of records to the names at hand. Pure."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name.replace("\\", "/"): name for name in names}
        self._by_base: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            self._by_base[name.rpartition("/")[2]].append(name)
        self._folded: dict[str, list[str]] | None = None
        self._prefixes = _common_folders(name for name in self._names if not name.lower().endswith(_TEXTS))

    def __len__(self) -> int:
        return len(self._names)

    @property
    def case_twins(self) -> list[tuple[str, str]]:
        """Pairs of names that are equal but for capital letters."""
        return [(same[0], other) for same in self._by_fold().values() if len(same) > 1 for other in same[1:]]

    def find(self, path: str) -> tuple[str, str] | None:
        """(name, rule) by the first rule of RULES that finds exactly one name."""
        wanted = "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
        found = self._exactly(wanted)
        if found:
            return found
        base = wanted.rpartition("/")[2]
        same = self._by_base.get(base, [])
        if 0 < len(same) <= MAX_SAME_NAMES:
            ending = [name for name in same if name.endswith("/" + wanted)]
            if len(ending) == 1:
                return self._names[ending[0]], "ending"
        if len(same) == 1:
            return self._names[same[0]], "name"
        folded = [] if same else [name for prefix in self._prefixes for name in self._by_fold().get((prefix + wanted).casefold(), [])]
        return (self._names[folded[0]], "case") if len(folded) == 1 else None

    def _exactly(self, wanted: str) -> tuple[str, str] | None:
        tail = wanted
        while True:
            for prefix in self._prefixes:
                name = self._names.get(prefix + tail)
                if name is not None:
                    return name, "exact" if tail == wanted and not prefix else "below" if tail == wanted else "tail"
            _, slash, tail = tail.partition("/")
            if not slash or "/" not in tail:  # a bare file name is left to the rule that asks for a unique one
                return None

    def _by_fold(self) -> dict[str, list[str]]:
        if self._folded is None:
            self._folded = defaultdict(list)
            for name in self._names:
                self._folded[name.casefold()].append(name)
        return self._folded


def _common_folders(names: Iterable[str]) -> list[str]:
    """["", "a/", "a/b/"] where every name lies below a/b/."""
    common: list[str] | None = None
    for name in names:
        folders = name.split("/")[:-1]
        if common is None:
            common = folders
        elif common != folders[:len(common)]:
            common = os.path.commonprefix([common, folders])
        if not common:
            return [""]
    return ["".join(f"{folder}/" for folder in (common or [])[:depth]) for depth in range(len(common or []) + 1)]


@dataclass
class NoImages:
    """No place was named: every image is missing."""

    label: str = "none"
    refused: list[Refused] = field(default_factory=list)
    refused_count: int = 0
    file_count: int = 0

    def find(self, path: str) -> tuple[str, str] | None:
        return None

    def read(self, name: str) -> bytes:
        raise ImageProblem("broken", "no image folder or zip was named", hint="Import again with the images.")

    def close(self) -> None:
        return


class _Source:
    """What folder and zip share: the list of refused names, capped, with its full count."""

    MAX_LISTED = 1_000

    def __init__(self, label: str) -> None:
        self.label = label
        self.refused: list[Refused] = []
        self.refused_count = 0
        self._index = NameIndex(())

    @property
    def file_count(self) -> int:
        return len(self._index)

    def _refuse(self, name: str, what: str) -> None:
        self.refused_count += 1
        if len(self.refused) < self.MAX_LISTED:
            self.refused.append(Refused(name[:300], what))

    def _note_twins(self) -> None:
        for first, second in self._index.case_twins:
            self._refuse(second, f"differs from {first} in capital letters only; each is used under exactly its own name")

    def find(self, path: str) -> tuple[str, str] | None:
        return self._index.find(path)


class FolderImages(_Source):
    """Files below one folder. Links are followed only where they stay inside it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._root = folder.resolve()
        self._index = NameIndex(self._walk())
        self._note_twins()

    def _walk(self) -> Iterable[str]:
        count = 0
        for folder, below, files in os.walk(self._root, followlinks=False):
            below[:] = sorted(name for name in below if name not in _LITTER)
            relative = os.path.relpath(folder, self._root)
            for name in sorted(files):
                count += 1
                if count > MAX_MEMBERS:
                    raise DataError(f"more than {MAX_MEMBERS:,} files below {self._root}", hint="Name the folder that holds just the images.")
                shown = name if relative == "." else f"{relative}/{name}"
                if name in _LITTER:
                    continue
                if os.path.islink(os.path.join(folder, name)) and not self._inside(os.path.join(folder, name)):
                    self._refuse(shown, "a link that leads out of the folder")
                    continue
                yield shown

    def _inside(self, path: str) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    def read(self, name: str) -> bytes:
        path = self._root / name
        if not self._inside(str(path)):
            raise ImageProblem("broken", "the path leads out of the image folder", hint="Put the file itself into the folder.")
        try:
            # Not blocking, so that a pipe under an image name can't hold the import for ever.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise ImageProblem("broken", "no ordinary file", hint="Put the image file itself into the folder.")
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ImageProblem("broken", f"the file can't be read: {error.strerror}", hint="Check its permissions.") from error

    def close(self) -> None:
        return


class ZipImages(_Source):
    """Members of a zip, read one at a time into memory. Nothing is unpacked to disk, so that no member can leave its folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.name)
        _check_directory(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, UnicodeDecodeError, struct.error) as error:
            raise DataError(f"{path.name} can't be read as a zip: {error}", hint="The file is damaged or cut off: make or download it again.") from error
        usable: dict[str, zipfile.ZipInfo] = {}
        for member in self._zip.infolist():
            if member.is_dir() or any(part in _LITTER for part in member.filename.split("/")):
                continue
            reason = _why_refused(member)
            if not reason and member.filename in usable:
                reason = "its name stands twice in the archive; the last one is used"
            if reason:
                self._refuse(member.filename, reason)
            if not reason or member.filename in usable:
                usable[member.filename] = member
        if not usable and self.refused_count and all("password" in refused.what for refused in self.refused):
            self._zip.close()
            raise DataError(f"{path.name} is encrypted", hint="Make the zip again without a password.")
        self._members = usable
        self._index = NameIndex(usable)
        self._note_twins()

    def read(self, name: str) -> bytes:
        try:
            with self._zip.open(self._members[name]) as member:
                data = member.read(MAX_BYTES + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
            raise ImageProblem("broken", f"it can't be read out of the zip ({error})", hint="The archive is damaged there: make it again.") from error
        if len(data) > MAX_BYTES:
            raise ImageProblem("oversized", f"a file of more than {MAX_BYTES >> 20} MiB", hint="Make the image smaller and import again.")
        return data

    def close(self) -> None:
        self._zip.close()


def _why_refused(member: zipfile.ZipInfo) -> str:
    """Why a member is not used; empty where it may be."""
    name = member.filename.replace("\\", "/")
    if name.startswith("/") or name[1:2] == ":":
        return "an absolute path"
    if ".." in name.split("/"):
        return "a path that leaves the archive (..)"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a symbolic link"
    if member.flag_bits & 0x1:
        return "locked with a password"
    if name.lower().endswith(_ARCHIVES):
        return "an archive inside the archive is not opened"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        return f"packed by a method that is not read (number {member.compress_type})"
    if member.file_size > MAX_BYTES:
        return f"{member.file_size / 2**20:,.0f} MiB unpacked; at most {MAX_BYTES >> 20} MiB are read"
    if member.file_size > RATIO_AFTER_BYTES and member.file_size > MAX_RATIO * max(1, member.compress_size):
        return f"unpacks to {member.file_size // max(1, member.compress_size):,} times its size, like a decompression bomb"
    return ""


def _check_directory(path: Path) -> None:
    """Look at the end record before the directory is loaded: a million names take a gigabyte. Raises DataError."""
    with open(path, "rb") as file:
        head = file.read(4)
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(max(0, size - 65_557))
        tail = file.read()
    if head[:2] != b"PK":
        what = "is empty (0 bytes)" if size == 0 else "is no zip archive"
        raise DataError(f"{path.name} {what}", hint="Images go in as a folder or as a .zip; unpack a .tar or .7z into a folder first.")
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise DataError(f"{path.name} is cut off: its directory at the end is missing", hint="Make or download the zip again.")
    members, = struct.unpack_from("<H", tail, at + 10)
    wide = tail.rfind(b"PK\x06\x06", 0, at)
    if members == 0xFFFF and wide >= 0 and len(tail) >= wide + 40:
        members, = struct.unpack_from("<Q", tail, wide + 32)
    if members > MAX_MEMBERS:
        raise DataError(f"{path.name} lists {members:,} members; at most {MAX_MEMBERS:,} are read", hint="Split the archive, or unpack it into a folder.")
