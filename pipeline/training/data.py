"""What a fine-tune reads: curated records as JSON lines beside their run. Knows the store, not the model.

One line a record: {"record": id, "key": "…", "type": "detail", "image": "../../images/ab/…" or null, "turns": [[question, answer], …]}.
Texts are those of an export: the best candidate of each turn, accepted rewrites in place of the original. Image paths
are relative to the run folder, so that a workspace can be copied away with its runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.curated_records import stream
from pipeline.curation import curate
from pipeline.errors import DataError
from pipeline.exporting import EVERYTHING
from pipeline.records import without_image_tag
from pipeline.store import Store
from pipeline.workspace import Workspace

NO_ANSWER = "no turn with both a question and an answer"
NO_IMAGE = "its image is missing or can't be read"


@dataclass(frozen=True)
class Row:
    """One training conversation. `image` is a sha256 name or None for text-only."""

    record: int
    key: str
    type: str
    image: str | None
    turns: tuple[tuple[str, str], ...]

    @property
    def characters(self) -> int:
        return sum(len(question) + len(answer) for question, answer in self.turns)


@dataclass(frozen=True)
class Gathered:
    """Rows in file order, and why kept records were left out ({reason: count})."""

    rows: tuple[Row, ...]
    left_out: Mapping[str, int]
    kept: int
    empty_turns: int
    rewritten: int
    selection: Mapping[str, Any] = field(default_factory=dict)


def gather(store: Store, dataset_id: int, selection: str | None = None) -> Gathered:
    """The records a run on this selection would be trained on. Without a name the selection that is open; EVERYTHING for all.

    Before anything was scored, the open selection is everything, as for an export. Raises NotFound for a selection that isn't stored.
    """
    unscored = not store.scores.latest_key(dataset_id, "question") and not store.scores.latest_key(dataset_id, "answer")
    everything = selection == EVERYTHING or (not selection and unscored)
    view = curate(store, dataset_id, None if everything else selection)
    ids = [i for i in store.records.ids(dataset_id) if view.decisions.get(i) != "drop"] if everything else view.kept_ids
    best = {int(record_id): chosen for record_id, chosen in zip(view.table.ids, view.table.best)}
    rows: list[Row] = []
    left_out: dict[str, int] = {}
    empty_turns = rewritten = 0
    for item in stream(store, dataset_id, ids, best):
        record = item.record
        turns = tuple((turn.question_text, without_image_tag(turn.answers[0])) for turn in record.turns)
        full = tuple(pair for pair in turns if all(pair))
        empty_turns += len(turns) - len(full)
        reason = NO_ANSWER if not full else NO_IMAGE if record.image is None and not record.text_only else ""
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        rewritten += bool(item.changes)
        rows.append(Row(record.id, record.key, record.type, record.image, full))
    told = {"name": EVERYTHING, "spec": None} if everything else {"name": view.name, "spec": view.spec.as_json()}
    return Gathered(tuple(rows), left_out, len(ids), empty_turns, rewritten, {**told, "dataset": store.datasets.get(dataset_id).name, "dataset_id": dataset_id})


def split(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(training, held out). Records of one image stay on one side; file order is kept; the same seed gives the same split.

    At least one image is held out where the share is above 0 and two or more are there.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.image or f"text {row.record}", []).append(row)
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    wanted = share * len(rows)
    out: set[str] = set()
    count = 0
    for name in names[:-1]:
        if share <= 0 or (out and count + len(groups[name]) / 2 > wanted):
            break
        out.add(name)
        count += len(groups[name])
    held = {id(row) for name in out for row in groups[name]}
    return [row for row in rows if id(row) not in held], [row for row in rows if id(row) in held]


def write_rows(path: Path, rows: Sequence[Row], workspace: Workspace) -> str:
    """Write JSON lines; returns their sha256. The file appears whole or not at all."""
    digest = hashlib.sha256()
    scratch = path.with_suffix(".part")
    with scratch.open("wb") as stream:
        for row in rows:
            image = os.path.relpath(workspace.image_path(row.image), path.parent) if row.image else None
            line = (json.dumps({**asdict(row), "image": image}) + "\n").encode("ascii")
            digest.update(line)
            stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(path)
    return digest.hexdigest()


@dataclass(frozen=True)
class Conversation:
    """One line of a run's data file, its image as a path that can be opened."""

    record: int
    image: Path | None
    turns: tuple[tuple[str, str], ...]


def read_rows(path: Path) -> Iterator[Conversation]:
    """The lines of a run's data file. Raises DataError naming the line that can't be used."""
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    told = json.loads(line)
                    image = told["image"]
                    yield Conversation(int(told["record"]), None if image is None else path.parent / image,
                                       tuple((str(question), str(answer)) for question, answer in told["turns"]))
                except (ValueError, KeyError, TypeError) as error:
                    raise DataError(f"this line is no training conversation: {error}", place=f"{path.name}, line {number}",
                                    hint="The run's data was changed by hand; start a new run.") from error
    except OSError as error:
        raise DataError(f"the run's data {path} can't be read: {error.strerror}", hint="Start a new run.") from error
