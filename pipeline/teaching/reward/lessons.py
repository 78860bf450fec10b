"""Rated items of a run: gathered, split by image, written beside the run and read again. Knows no model and no screen.

One line an item: {"kind", "image", "texts", "ratings", "picture": "../../images/ab/…" or null, "facts", "origin", "type"}. Pictures
of the workspace are relative to the run folder, so that a workspace can be copied away with its runs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, SettingError
from pipeline.scoring.contract import Kind
from pipeline.store import Store
from pipeline.teaching.features import left_out_names, photo_files
from pipeline.teaching.preferences import Rated, count_pairs, is_held_out, read_rated
from pipeline.teaching.reward.settings import RewardSettings
from pipeline.workspace import Workspace

LONGEST_LIST = 200
PATHS = ("file", "images", "stand_in", "leave_out")
"""Parts of a wish that name files of this machine: only the command line may tell them."""


@dataclass(frozen=True)
class Source:
    """One origin of ratings: its items with an ordered pair, their pairs and images, how many of those are at hand."""

    origin: str
    label: str
    items: int
    pairs: int
    images: int
    with_picture: int
    ties: int


@dataclass(frozen=True)
class Material:
    """What a training reads: items with at least one strictly ordered pair, and counts of those without.

    `ties`: all candidates rated alike; `single`: one candidate only. Both teach nothing and are left out, counted.
    """

    kind: Kind
    rated: tuple[Rated, ...]
    ties: int
    single: int
    sources: tuple[Source, ...]

    @property
    def read(self) -> int:
        return len(self.rated) + self.ties + self.single


@dataclass(frozen=True)
class Wish:
    """Where a training's ratings come from: the store (of one data set or all, some origins, some raters), or a file.

    `images` is a folder with the pictures that a file names; `stand_in` one of photos that stand in for pictures not at hand,
    without those that scorers are measured on and those that the file `leave_out` names, one a line.
    """

    origins: tuple[str, ...] | None = None
    raters: tuple[str, ...] | None = None
    everywhere: bool = False
    file: str = ""
    images: str = ""
    stand_in: str = ""
    leave_out: str = ""

    @classmethod
    def parse(cls, told: Any) -> "Wish":
        """Out of a job's parameters or a request. Raises SettingError naming what is wrong."""
        told = told or {}
        if not isinstance(told, dict) or set(told) - {"origins", "raters", "everywhere", *PATHS}:
            raise SettingError("this does not say where the ratings come from", hint="Send origins and raters as lists of names.", place="ratings")
        names: dict[str, tuple[str, ...] | None] = {}
        for field in ("origins", "raters"):
            value = told.get(field)
            if value is not None and (not isinstance(value, list) or len(value) > LONGEST_LIST or not all(isinstance(one, str) and len(one) <= 500 for one in value)):
                raise SettingError(f"{field} is no list of names", hint=f"Send up to {LONGEST_LIST} names, or leave it out for all.", place=field)
            names[field] = None if value is None else tuple(value)
        paths = {field: told.get(field) or "" for field in PATHS}
        wrong = [field for field, value in paths.items() if not isinstance(value, str)]
        if wrong or not isinstance(told.get("everywhere", False), bool):
            raise SettingError(f"{(wrong or ['everywhere'])[0]} can't be understood", hint="Send a path as text.", place=(wrong or ["everywhere"])[0])
        return cls(names["origins"], names["raters"], told.get("everywhere", False), **paths)

    def as_json(self) -> dict[str, Any]:
        return {"origins": None if self.origins is None else list(self.origins), "raters": None if self.raters is None else list(self.raters),
                "everywhere": self.everywhere, **{field: getattr(self, field) for field in PATHS}}


def material(store: Store, workspace: Workspace, kind: Kind, dataset_id: int | None, wish: Wish) -> Material:
    """What this wish comes to. Raises DataError for a file that can't be used, SettingError for a folder that isn't there."""
    if wish.file:
        found = from_file(Path(wish.file), kind, Path(wish.images) if wish.images else None)
    else:
        from pipeline.teaching.gather import gather

        gathered = gather(store, workspace, kind, dataset_id=None if wish.everywhere else dataset_id, origins=wish.origins, raters=wish.raters)
        taught = [source for source in gathered.sources if source.teaches]
        found = Material(kind, tuple(gathered.rated), sum(source.ties for source in taught), 0,
                         tuple(Source(one.origin, one.label, one.items, one.pairs, one.images, one.with_picture, one.ties) for one in taught))
    return _stood_in(found, Path(wish.stand_in), Path(wish.leave_out) if wish.leave_out else None) if wish.stand_in else found


def from_file(path: Path, kind: Kind, images: Path | None = None) -> Material:
    """A list of preferences; pictures by file name below `images`, with or without an ending."""
    items = read_rated(path, kind)
    pictures = _by_name(images) if images is not None else {}
    items = [replace(item, picture=pictures.get(item.image) or pictures.get(Path(item.image).stem), origin=path.name) for item in items]
    kept = tuple(item for item in items if item.pairs)
    single = sum(len(item.texts) < 2 for item in items)
    ties = len(items) - len(kept) - single
    names = {item.image: item.picture for item in kept}
    return Material(kind, kept, ties, single, (Source(path.name, path.name, len(kept), count_pairs(kept), len(names), sum(one.picture is not None for one in kept), ties),))


def split(items: Sequence[Rated], settings: RewardSettings) -> tuple[list[Rated], list[Rated]]:
    """(training, held out): by the image's id alone, so that all scorers of one share and seed agree on it."""
    held = [is_held_out(item.image, settings.split_seed, settings.held_out_share) for item in items]
    return [item for item, out in zip(items, held) if not out], [item for item, out in zip(items, held) if out]


def write_items(path: Path, items: Iterable[Rated], workspace: Workspace) -> str:
    """Write JSON lines; returns their sha256. A picture outside the workspace keeps its whole path."""
    digest = hashlib.sha256()
    scratch = path.with_suffix(".part")
    with scratch.open("wb") as stream:
        for item in items:
            picture = item.picture
            inside = picture is not None and picture.resolve().is_relative_to(workspace.root)
            told = None if picture is None else os.path.relpath(picture.resolve(), workspace.runs_dir / "run") if inside else str(picture.resolve())
            line = (json.dumps({"kind": item.kind, "image": item.image, "texts": item.texts, "ratings": item.ratings, "picture": told,
                                "facts": item.facts, "origin": item.origin, "type": item.type}) + "\n").encode("ascii")
            digest.update(line)
            stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(path)
    return digest.hexdigest()


def read_items(path: Path) -> Iterator[Rated]:
    """The lines of a run's data file. Raises DataError naming the line that can't be used."""
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    told = json.loads(line)
                    picture = told["picture"]
                    yield Rated(told["kind"], str(told["image"]), tuple(told["texts"]), tuple(float(rating) for rating in told["ratings"]),
                                None if picture is None else (path.parent / picture).resolve(), tuple(told["facts"]), str(told["origin"]),
                                str(told.get("type", "")))
                except (ValueError, KeyError, TypeError) as error:
                    raise DataError(f"this line is no rated item: {error}", place=f"{path.name}, line {number}",
                                    hint="The run's data was changed by hand; start a new run.") from error
    except OSError as error:
        raise DataError(f"the run's data {path} can't be read: {error.strerror}", hint="Start a new run.") from error


def _by_name(folder: Path) -> dict[str, Path]:
    """Pictures below a folder by file name and by name without ending."""
    if not folder.is_dir():
        raise SettingError(f"{folder} is no folder", hint="Name the folder that holds the images.", place="images")
    found: dict[str, Path] = {}
    for path in photo_files(folder):
        found.setdefault(path.name, path)
        found.setdefault(path.stem, path)
    return found


def _stood_in(found: Material, folder: Path, leave_out: Path | None) -> Material:
    """Items without a picture get a photo of the folder, always the same one for an image id."""
    try:
        named = {line.strip().rsplit("/", 1)[-1] for line in leave_out.read_text(encoding="utf-8").splitlines()} if leave_out else set()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{leave_out} can't be read: {error}", hint="Name a file with one photo's name a line.", place="leave-out") from error
    photos = photo_files(folder, left_out_names() | named) if folder.is_dir() else []
    if not photos:
        raise SettingError(f"{folder} holds no photos", hint="Name a folder with .jpg, .png or .webp files.", place="stand-in")

    def photo(image: str) -> Path:
        return photos[int(hashlib.sha256(image.encode()).hexdigest(), 16) % len(photos)]

    rated = tuple(item if item.picture is not None else replace(item, picture=photo(item.image)) for item in found.rated)
    return replace(found, rated=rated)
