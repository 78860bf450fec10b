"""Which picture a line of a preference file means: one of the data set's by name, or one of a folder or zip that was named.

Owns the rules of matching; the folder and the zip are pipeline.image_sources'. A name that could mean two pictures means none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from pipeline.image_sources import ImageSource
from pipeline.images import ImageProblem, keep
from pipeline.store import Store

RULES: dict[str, str] = {
    "path": "the path as a record of the data set has it",
    "file": "the only picture of the data set with this file name",
    "stem": "the only picture of the data set with this name, whatever its ending",
    "coco": "the only picture of the data set with this COCO number",
    "place": "the folder or zip that was named",
}
ENDINGS = ("", ".jpg", ".jpeg", ".png", ".webp")
"""Tried in turn behind a name in a folder or zip: rated lists name a picture by its number alone."""
MAX_EXAMPLES = 20
_COCO = re.compile(r"\d{12}$")


class Pictures:
    """Finds pictures by name, each name once, and counts what became of it."""

    def __init__(self, store: Store, of_dataset: Iterable[tuple[str, str]], source: ImageSource) -> None:
        self._store, self._source = store, source
        self._by: dict[str, dict[str, str | None]] = {"path": {}, "file": {}, "stem": {}, "coco": {}}
        for path, sha in of_dataset:
            for rule, key in _keys(path).items():
                known = self._by[rule].setdefault(key, sha)
                if known != sha:
                    self._by[rule][key] = None
        self._known: dict[str, str | None] = {}
        self.matched: Counter[str] = Counter()
        self.missing: list[dict[str, str]] = []
        self.missing_count = 0

    @property
    def named(self) -> int:
        """Names that were asked for, each once."""
        return len(self._known)

    def find(self, name: str) -> str | None:
        """sha256 of the picture in the workspace, None where it is not at hand. "" names none and is not counted."""
        if not name:
            return None
        if name not in self._known:
            self._known[name] = self._look(name)
        return self._known[name]

    def _look(self, name: str) -> str | None:
        keys = _keys(name)
        for rule in ("path", "file", "stem", "coco"):
            sha = self._by[rule].get(keys.get(rule, ""))
            if sha:
                self.matched[rule] += 1
                return sha
        if "://" in name or name.startswith("data:"):
            return self._miss(name, "an address; nothing is fetched", "Download the pictures and name their folder or zip.")
        for ending in ENDINGS:
            found = self._source.find(name + ending)
            if found:
                return self._bring_in(name, found[0])
        where = "the open data set" if self._source.label == "none" else f"the data set or {self._source.label}"
        return self._miss(name, f"no picture of this name in {where}", "Name the folder or zip with the pictures; they join the same items.")

    def _bring_in(self, name: str, file: str) -> str | None:
        try:
            image = keep(self._source.read(file), self._store.workspace)
        except ImageProblem as problem:
            return self._miss(name, problem.message, problem.hint)
        self._store.records.add_image(image.sha, width=image.width, height=image.height, format=image.format, mode=image.mode, bytes=image.bytes, notes=image.conversions)
        self.matched["place"] += 1
        return image.sha

    def _miss(self, name: str, what: str, way_out: str) -> None:
        self.missing_count += 1
        if len(self.missing) < MAX_EXAMPLES:
            self.missing.append({"name": name[:200], "what": what, "way_out": way_out})


def _keys(path: str) -> dict[str, str]:
    whole = "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
    pure = PurePosixPath(whole)
    number = _COCO.search(pure.stem)
    return {"path": whole, "file": pure.name, "stem": pure.stem, **({"coco": number.group()} if number else {})}
