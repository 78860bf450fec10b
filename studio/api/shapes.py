"""How values of the pipeline look as JSON. Texts go out verbatim; the page puts them into the DOM as text only."""

from __future__ import annotations

import os
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Body, Depends, Header, Path, Query

from pipeline.records import TYPE_LABELS, Job, Record
from pipeline.store import Dataset

HIDDEN_FIELDS = frozenset(("planted",))
"""Fields of a record that the page is never told: the quality planted in the demo data would spoil the judging."""
MAX_ID = 2**53
Id = Annotated[int, Path(ge=0, le=MAX_ID)]
"""A row's number in a path."""
QueryId = Annotated[int, Query(ge=0, le=MAX_ID)]
"""A row's number in a query."""
Sent = Annotated[Any, Body()]
"""A JSON body of any shape; the function behind the route says what is wrong with it."""
NOBODY = "screen"
"""Author of what is done by somebody who gave no name."""


def _person(x_align_person: Annotated[str, Header(max_length=600)] = "") -> str:
    name = "".join(c for c in unquote(x_align_person) if c.isprintable()).strip()
    return name[:60] or NOBODY


Person = Annotated[str, Depends(_person)]
"""Who says so: the name a person gave on their page. A label beside what they do, never a right."""


def job_shape(job: Job, *, full: bool = False) -> dict[str, Any]:
    """A job with its progress. `left_s` is None where the end can't be told; paths inside params stay on this side.

    `result` holds only its plain values unless `full`: lists go out every second to every page and may be long.
    """
    return {
        "id": job.id, "kind": job.kind, "dataset_id": job.dataset_id, "state": job.state, "stage": job.stage, "message": job.message,
        "done": job.done, "total": job.total, "rate": job.rate, "left_s": job.left_s, "error": job.error, "hint": job.hint,
        "result": job.result if full else {name: value for name, value in job.result.items() if not isinstance(value, (dict, list))},
        "created_at": job.created_at, "started_at": job.started_at, "ended_at": job.ended_at,
        "attempts": job.attempts, "cancel_requested": job.cancel_requested, "active": job.active,
        "name": str(job.params.get("name", "")),
    }


def dataset_shape(dataset: Dataset) -> dict[str, Any]:
    """One row of the list of data sets; the report is asked for separately."""
    return {"id": dataset.id, "name": dataset.name, "source": os.path.basename(dataset.source.rstrip("/")) or dataset.source,
            "status": dataset.status, "created_at": dataset.created_at, "record_count": dataset.record_count}


def card_shape(record: Record) -> dict[str, Any]:
    """What a card of the grid shows. `candidates` is the largest number of answers of any turn."""
    return {
        "id": record.id, "key": record.key, "row": record.row, "type": record.type, "type_told": record.type_told,
        "type_label": TYPE_LABELS[record.type], "image": record.image, "text_only": record.text_only,
        "problem": next((problem for problem in record.image_problems if problem), None),
        "question": record.turns[0].question_text if record.turns else "",
        "turns": len(record.turns), "candidates": max((len(turn.answers) for turn in record.turns), default=0),
    }


def record_shape(record: Record) -> dict[str, Any]:
    """The whole record, as the large view shows it."""
    return {
        **card_shape(record), "dataset_id": record.dataset_id,
        "conversation": [{"question": turn.question, "answers": list(turn.answers), "listed": turn.listed,
                          "scores": None if turn.scores is None else list(turn.scores)} for turn in record.turns],
        "images": [{"sha": sha, "path": path, "problem": problem}
                   for sha, path, problem in zip(record.images, record.image_paths, record.image_problems)],
        "extra": {name: value for name, value in record.extra.items() if name not in HIDDEN_FIELDS},
    }
