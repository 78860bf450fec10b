"""Names for the images of an export: as near to the records' own paths as is safe. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

MAX_NAME_BYTES = 200


@dataclass
class ImageNames:
    """Gives each image of the export a safe name of its own below images/, as near to the record's path as can be."""

    taken: dict[str, str] = field(default_factory=dict)  # case-folded name → sha
    names: dict[str, str] = field(default_factory=dict)  # path in the record → name in the export
    folders: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    shas: dict[str, str] = field(default_factory=dict)  # name in the export → sha

    def place(self, path: str, sha: str) -> str:
        """The path to write into the record; the same path gets the same name again."""
        if path not in self.names:
            name = safe_path(path)
            if self._clashes(name, sha):
                if any(str(folder).casefold() in self.taken for folder in PurePosixPath(name).parents):
                    name = name.replace("/", "_")  # one of its folders is a file already
                stem, dot, ending = name.rpartition(".")
                name = f"{stem}-{sha[:12]}.{ending}" if dot else f"{name}-{sha[:12]}"
            self.names[path] = name
            self.taken[name.casefold()] = sha
            self.folders.update(str(folder).casefold() for folder in PurePosixPath(name).parents if str(folder) != ".")
            self.shas[name] = sha
            if name != _plain(path):
                self.renamed[path] = name
        return self.renamed.get(path, path)

    def _clashes(self, name: str, sha: str) -> bool:
        folded = name.casefold()
        if self.taken.get(folded, sha) != sha or folded in self.folders:
            return True
        if folded in self.taken and name not in self.shas:
            return True  # equal but for capital letters: one file on some systems
        return any(str(folder).casefold() in self.taken for folder in PurePosixPath(name).parents)


def _plain(path: str) -> str:
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def safe_path(path: str) -> str:
    """A relative path without `..`, empty parts, control characters or parts too long for a file system."""
    parts = []
    for part in _plain(path).split("/"):
        part = "".join("_" if ord(char) < 32 or ord(char) == 127 else char for char in part)
        if part == "..":
            part = "__"
        if len(part.encode("utf-8", "replace")) > MAX_NAME_BYTES:
            stem, dot, ending = part.rpartition(".")
            keep_ending = f".{ending}" if dot and len(ending) <= 8 else ""
            part = (stem or part).encode("utf-8", "replace")[:MAX_NAME_BYTES - 16].decode("utf-8", "ignore") + keep_ending
        parts.append(part)
    return "/".join(parts) or "image"
