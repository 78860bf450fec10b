"""The import of a preference file: lines → rating items and ratings of the rater "file: NAME", with a report. A job of the io lane.

Streams: memory stays at one batch. Good lines come in, bad ones are listed; a file without a good line is refused and leaves
nothing behind. What this file said before is not said again, so that an import may be repeated or go on after a kill.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError, SettingError
from pipeline.formats.findings import Note, Problem
from pipeline.formats.jsonstream import Value, read_values
from pipeline.formats.textfile import open_text
from pipeline.image_sources import open_source
from pipeline.ratings import LONGEST_RATER, Rating, RatingItem
from pipeline.store import Store
from pipeline.store.preference_files import content_of
from pipeline.teaching.exchange import FORMATS, PreferenceFormat, recognise
from pipeline.teaching.exchange.contradictions import CHOICES, find, settle_all
from pipeline.teaching.exchange.pictures import Pictures
from pipeline.teaching.exchange.report import Report
from pipeline.teaching.exchange.statements import Line, LineError, Statement, clean_name, kind_of
from pipeline.teaching.gather import FILE
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.worker import JobContext

BATCH = 400
LONGEST_FILE_NAME = 36
"""Of a rater's 60 characters, so that a person's name and a number still fit behind the file's."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Wish:
    """What a person asked for. `dataset_id`: whose pictures are looked at and whose items these become, None for none.

    `choice`: what to do where this file contradicts another; "ask" leaves it to a person.
    """

    file: Path
    images: Path | None
    dataset_id: int | None
    choice: str = "ask"
    uploaded: bool = False

    @classmethod
    def from_json(cls, params: dict[str, Any], dataset_id: int | None) -> "Wish":
        """Read job parameters. Raises SettingError naming what is wrong."""
        for name in ("file", "images", "choice"):
            told = params.get(name)
            if told is not None and (not isinstance(told, str) or "\0" in told):
                raise SettingError(f"the import's {name} is not a text", hint="Give paths as texts.", place=name)
        if not params.get("file"):
            raise SettingError("no file was named", hint="Choose a JSON or JSONL file of ratings.", place="file")
        choice = params.get("choice") or "ask"
        if choice != "ask" and choice not in CHOICES:
            raise SettingError(f"there is no choice {choice[:40]!r}", hint=f"Choices: ask, {', '.join(CHOICES)}.", place="choice")
        images = Path(params["images"]).expanduser() if params.get("images") else None
        return cls(Path(params["file"]).expanduser(), images, dataset_id, choice, bool(params.get("uploaded")))


def run(context: "JobContext") -> dict[str, Any]:
    """Handler of "import_ratings" jobs: {"file", "images", "choice", "uploaded"} → the report."""
    wish = Wish.from_json(context.params, context.job.dataset_id)
    try:
        return import_ratings(context.store, context.workspace, wish, progress=lambda done, total, stage: context.step(done, total, stage), since=context.job.created_at)
    finally:  # not reached by a kill: then the job starts again and needs the upload still
        if wish.uploaded:
            _discard_uploads(wish, context.workspace)


def import_ratings(store: Store, workspace: Workspace, wish: Wish, *, progress: Progress = lambda done, total, stage: None, since: float | None = None) -> dict[str, Any]:
    """Read a file into the store and return the report. Raises DataError where the file can't be read or holds no good line.

    `since`: what was stored from then on counts as of this import (it was killed and goes on).
    """
    started = time.monotonic()
    text = open_text(wish.file)
    source = open_source(wish.images)
    try:
        progress(0, 0, "looking at the pictures")
        pictures = Pictures(store, store.preference_files.pictures(wish.dataset_id) if wish.dataset_id is not None else (), source)
        report, format = Report(), None
        keeper = _Keeper(store, pictures, report, wish, time.time() if since is None else since)
        for row, place, found, share in _lines(wish.file, text.chunks()):
            if isinstance(found, Problem):
                report.add_bad(found)
            elif isinstance(found, Note):
                report.add_note(found.kind, row, place, found.what)
            else:
                format = format or recognise(found)
                told = _statements(found, row, place, format)
                if isinstance(told, Problem):
                    report.add_bad(told)
                else:
                    report.add_good(row, place, told)
                    if keeper.add(told):
                        progress(report.lines, max(report.lines, round(report.lines / max(share, 1e-6))), "reading")
        keeper.flush()
        if not report.good:
            raise _nothing_good(wish.file, report, format)
        progress(report.lines, report.lines, "comparing with other files")
        told_of = _contradictions(store, wish, keeper.rater)
    finally:
        source.close()
    assert format is not None
    about = {"file": wish.file.name, "format": format.name, "format_label": format.label, "encoding": text.described, "rater": keeper.rater,
             "dataset_id": wish.dataset_id, "seconds": round(time.monotonic() - started, 2)}
    return report.as_json(pictures, told_of, about)


class _Keeper:
    """Collects statements to batches and stores each in one transaction: item, then the file's word on it, unless it was said before."""

    def __init__(self, store: Store, pictures: Pictures, report: Report, wish: Wish, since: float) -> None:
        self._store, self._pictures, self._report = store, pictures, report
        self._dataset_id, self._since = wish.dataset_id, since
        self.rater = file_rater(wish.file.name)
        self._batch: list[Statement] = []
        self._seen: set[int] = set()
        """Hashes of (item, scores) of this run: what comes again is a repetition."""

    def add(self, statements: list[Statement]) -> bool:
        """True when a batch was just stored."""
        self._batch += statements
        if len(self._batch) < BATCH:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        if not self._batch:
            return
        wanted = [self._item(one) for one in self._batch]
        with self._store.database.write():
            known = self._store.preference_files.known(item.image_name for item in wanted)
            ids = [self._id_of(item, known) for item in wanted]
            said = self._store.preference_files.said(sorted(set(ids)), self.rater)
            fresh = [rating for one, item_id in zip(self._batch, ids) if (rating := self._word(one, item_id, said.setdefault(item_id, []))) is not None]
            self._store.ratings.add_many(fresh)
        self._report.without_picture += sum(item.image is None for item in wanted)
        self._batch = []

    def _item(self, one: Statement) -> RatingItem:
        return RatingItem(one.kind, one.question, one.candidates, self._pictures.find(one.image_name), one.image_name, self.rater, one.facts,
                          dataset_id=self._dataset_id, turn=one.turn)

    def _id_of(self, item: RatingItem, known: dict[Any, RatingItem]) -> int:
        """The stored item of this content, given its picture where it had none; a new one otherwise."""
        before = known.get(content_of(item))
        if before is not None and (before.image == item.image or item.image is None):
            return before.id
        if before is not None and before.image is None and item.image is not None:
            known[content_of(item)] = self._store.preference_files.attach_image(before, item.image)
            return before.id
        count = self._store.database.value("SELECT count(*) FROM rating_item WHERE digest = ?", (item.digest,))
        item_id = self._store.ratings.add_items([item])[0]
        self._report.new_items += not count
        known[content_of(item)] = self._store.ratings.item(item_id)
        return item_id

    def _word(self, one: Statement, item_id: int, said: list[tuple[str, tuple[float | None, ...], float]]) -> Rating | None:
        """The rating to store, None where this file said just that. Another word of the file on the same item gets a number behind its name."""
        mine = self.rater if not one.rater else f"{self.rater} · {one.rater}"[:LONGEST_RATER - 4].rstrip(" ·")
        same = [told for told in said if told[0] == mine or told[0].startswith(f"{mine} · ") and told[0][len(mine) + 3:].isdigit()]
        mark = hash((item_id, mine, one.scores))
        before = [at for _, scores, at in same if scores == one.scores]
        if mark in self._seen:
            self._report.fates["repeated"] += 1
            return None
        self._seen.add(mark)
        if before:
            self._report.fates["new" if min(before) >= self._since else "known"] += 1
            return None
        self._report.fates["new"] += 1
        rater = mine if not same else f"{mine} · {len({told[0] for told in same}) + 1}"
        said.append((rater, one.scores, time.time()))
        return Rating(item_id, rater, "import", one.scores)


def file_rater(name: str) -> str:
    """The rater that stands for a file. A long name is cut and told apart from others by a piece of its hash."""
    plain = clean_name(name, 10_000) or "unnamed"
    if len(plain) > LONGEST_FILE_NAME:
        plain = f"{plain[:LONGEST_FILE_NAME - 8].rstrip()}…{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
    return FILE + plain


def _lines(file: Path, chunks: Iterator[tuple[str, float]]) -> Iterator[tuple[int, str, Any, float]]:
    """(row, place, object or finding, share of the file read)."""
    share = 0.0
    for item in read_values(chunks, file.name):
        if not isinstance(item, Value):
            yield item.row, item.place, item, share
            continue
        share = item.share
        if isinstance(item.value, dict):
            yield item.row, item.place, item.value, share
        else:
            yield item.row, item.place, Problem(item.row, item.place, f"the line is {kind_of(item.value)}, not an object", "Each line is one {…}."), share


def _statements(value: dict[str, Any], row: int, place: str, format: PreferenceFormat | None) -> list[Statement] | Problem:
    """What a line states, or why it states nothing."""
    if format is None:
        fields = ", ".join(f"`{str(name)[:30]}`" for name in list(value)[:6]) or "nothing"
        return Problem(row, place, f"no preference format that is known: the line has {fields}", _KNOWN)
    try:
        return list(format.read(Line(value)))
    except LineError as error:
        other = recognise(value)
        if other is not None and other is not format:
            return Problem(row, place, f"{error.what}: this line is in the format {other.label}, the file began with {format.label}", "Put each format into a file of its own.")
        return Problem(row, place, error.what, error.way_out)


_KNOWN = "Known: id, questions or question and answers, score · image, conversations, output_1, output_2, preference · prompt, chosen, rejected."


def _nothing_good(file: Path, report: Report, format: PreferenceFormat | None) -> DataError:
    if not report.bad:
        return DataError(f"{file.name} holds an empty list: there is no preference in it", hint="Export it again with its ratings.")
    shown = "; ".join(f"{one['place']}: {one['what']}" for one in report.bad[:5])
    more = f"; and {report.bad_count - 5:,} more" if report.bad_count > 5 else ""
    hint = report.bad[0]["way_out"] if format else f"Formats: {', '.join(one.label for one in FORMATS)}. {_KNOWN}"
    return DataError(f"none of the {report.bad_count:,} lines of {file.name} can be used. {shown}{more}", hint=hint)


def _contradictions(store: Store, wish: Wish, rater: str) -> dict[str, Any]:
    """Those this file takes part in: how many, and how many were settled by the choice that was given beforehand."""
    mine = [one for one in find(store)[0] if rater in (one.first.rater.partition(" · ")[0], one.later.rater.partition(" · ")[0])]
    settled = settle_all(store, mine, wish.choice, author="import") if mine and wish.choice != "ask" else 0
    return {"count": len(mine), "settled": settled, "choice": wish.choice,
            "examples": [{"image_name": one.first_item.image_name, "better": one.pairs[0][0][:300], "worse": one.pairs[0][1][:300], "first": one.first.rater,
                          "later": one.later.rater, "first_item": one.first_item.id, "later_item": one.later_item.id} for one in mine[:20]]}


def _discard_uploads(wish: Wish, workspace: Workspace) -> None:
    """Remove uploaded copies, and their folder once it is empty. Never touches a file outside the uploads folder."""
    uploads = workspace.uploads_dir.resolve()
    for path in (wish.file, wish.images):
        if path is None or not path.resolve().is_relative_to(uploads) or not path.is_file():
            continue
        path.unlink(missing_ok=True)
        if path.parent.resolve() != uploads and not any(path.parent.iterdir()):
            path.parent.rmdir()
