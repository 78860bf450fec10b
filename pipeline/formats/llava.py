"""LLaVA conversations: a JSON list, or one object a line (JSONL). Reads them as records and writes records as a list.

    {"id": "7", "image": "a/b.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhat …?"}, {"from": "gpt", "value": "…"}]}

A gpt `value` may be a list of answer candidates, with an optional `score` list beside it; `image` may be a list, or absent.
Reading never drops, repairs or reorders: a row becomes a Record, or a Problem with its place. What a record has beyond the
known fields is kept as it is and written again. Looks at no image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from pipeline.errors import DataError
from pipeline.formats.findings import Note, Problem
from pipeline.formats.instruction_types import infer_type, told_type
from pipeline.formats.jsonstream import Value, read_values
from pipeline.formats.textfile import open_text
from pipeline.records import IMAGE_TAG, Record, Turn

MAX_TEXT_CHARS = 200_000
MAX_TURNS = 2_000
MAX_CANDIDATES = 1_000
MAX_IMAGES = 100
MAX_KEY_CHARS = 500

_ROLES = {"human": "human", "gpt": "gpt", "user": "human", "assistant": "gpt", "system": "system"}
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(?:file|data|javascript):", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")
_ALTERNATE = "Turns go human, gpt, human, gpt …: correct the order in the file, or leave the row out."


class RowError(ValueError):
    """Why one row is no usable record; `way_out` says what to do."""

    def __init__(self, what: str, way_out: str) -> None:
        super().__init__(what)
        self.what, self.way_out = what, way_out


def read(path: Path) -> Iterator[Record | Problem | Note]:
    """Records of a file in their order, each preceded by the notes on it; problems where rows can't be used.

    Recognised by content: JSON list, JSONL, objects one after another; UTF-8, UTF-16, BOM, gzip. Memory stays at one record.
    Raises DataError where the file as a whole is no such thing.
    """
    for found, _share in read_with_progress(path):
        yield found


def read_with_progress(path: Path) -> Iterator[tuple[Record | Problem | Note, float]]:
    """As `read`, each with the share of the file read so far (0 to 1)."""
    share = 0.0
    for item in read_values(open_text(path).chunks(), path.name):
        if not isinstance(item, Value):
            yield item, share
            continue
        share = item.share
        notes: list[Note] = []
        try:
            record = parse(item.value, item.row, item.place, notes)
        except RowError as error:
            yield Problem(item.row, item.place, error.what, error.way_out), share
            continue
        for note in notes:
            yield note, share
        yield record, share


def parse(value: Any, row: int, place: str, notes: list[Note]) -> Record:
    """One decoded JSON value as a record; appends to `notes`. Raises RowError."""
    if not isinstance(value, dict):
        raise RowError(f"the row is {_kind(value)}, not an object", 'A record looks like {"id": …, "image": …, "conversations": […]}.')
    note = lambda kind, what="": notes.append(Note(row, place, kind, what))  # noqa: E731
    messages = _messages(value)
    extra = {key: field for key, field in value.items() if key not in ("id", "image", "conversations")}
    key = _key(value, row, extra, note)
    paths, listed = _images(value, extra, note)
    turns = _turns(messages, note)
    _check_tags(turns, len(paths), note)
    told, unknown = told_type(extra)
    if unknown is not None and told is None:
        note("unknown_type", f"the type {unknown[:60]!r} is not known")
    kind = told or infer_type([turn.question for turn in turns], [turn.answers[0] for turn in turns])
    return Record(key=key, turns=turns, type=kind, type_told=told is not None, images=(None,) * len(paths), image_paths=paths,
                  image_problems=(None,) * len(paths), image_listed=listed, extra=extra, row=row)


def _messages(value: dict[str, Any]) -> list[Any]:
    if "conversations" not in value:
        if "messages" in value:
            raise RowError("no `conversations`, but `messages`", "That is the chat format; rename to `conversations` with from / value, human / gpt.")
        lists = [key for key, field in value.items() if isinstance(field, list) and field and isinstance(field[0], dict)]
        raise RowError("no `conversations` in the record",
                       f"If the records are in the list {lists[0][:40]!r}, save only that list." if lists else "Add the conversation, or leave the row out.")
    messages = value["conversations"]
    if not isinstance(messages, list):
        raise RowError(f"`conversations` is {_kind(messages)}, not a list", "Make it a list of {\"from\", \"value\"} messages.")
    if not messages:
        raise RowError("`conversations` is empty", "Add at least one question with its answer, or leave the row out.")
    if len(messages) > 2 * MAX_TURNS + 1:
        raise RowError(f"{len(messages):,} messages in one conversation; at most {2 * MAX_TURNS:,} are read", "Split the conversation into several records.")
    return messages


def _key(value: dict[str, Any], row: int, extra: dict[str, Any], note: Any) -> str:
    raw = value.get("id")
    if raw is None or raw == "":
        note("no_id")
        return f"row-{row}"
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        raise RowError(f"`id` is {_kind(raw)}", "Make it a string or a number.")
    if not isinstance(raw, str):
        extra["id"] = raw
    key = str(raw)
    if len(key) > MAX_KEY_CHARS:
        raise RowError(f"an `id` of {len(key):,} characters; at most {MAX_KEY_CHARS} are read", "Shorten it.")
    return key


def _images(value: dict[str, Any], extra: dict[str, Any], note: Any) -> tuple[tuple[str, ...], bool]:
    raw = value.get("image")
    if raw is None or raw == "":
        if "image" in value:
            extra["image"] = raw
            note("empty_image_field")
        return (), False
    listed = isinstance(raw, list)
    paths = raw if listed else [raw]
    if len(paths) > MAX_IMAGES:
        raise RowError(f"{len(paths):,} images in one record; at most {MAX_IMAGES} are read", "Split the record.")
    for path in paths:
        _check_path(path)
    return tuple(paths), listed


def _check_path(path: Any) -> None:
    if not isinstance(path, str) or not path:
        raise RowError(f"an image path that is {'empty' if path == '' else _kind(path)}", "Give each image as the path of a file inside the image folder or zip.")
    shown = repr(path[:120])
    if _ADDRESS.match(path):
        raise RowError(f"the image {shown} is an address; nothing is fetched", "Download the images first and give their paths inside the image folder or zip.")
    if path.startswith(("/", "\\", "~")) or _DRIVE.match(path):
        raise RowError(f"the image path {shown} is absolute", "Give the path relative to the image folder or zip.")
    if ".." in path.replace("\\", "/").split("/"):
        raise RowError(f"the image path {shown} leaves its folder (..)", "Give the path relative to the image folder or zip, without `..`.")


def _turns(messages: list[Any], note: Any) -> tuple[Turn, ...]:
    roles = [_role(message, number) for number, message in enumerate(messages, 1)]
    if any(message["from"] in ("user", "assistant") for message in messages):
        note("roles")
    system = messages[0] if roles[0] == "system" else None
    first = 1 if system is not None else 0
    if system is not None:
        note("system")
        _text(system["value"], "message 1")
    for number, role in enumerate(roles[first:], first + 1):
        wanted = "human" if (number - first) % 2 else "gpt"
        if role != wanted:
            raise RowError(f"message {number} is from {role!r} where {wanted!r} is due", _ALTERNATE)
    if len(roles) == first:
        raise RowError("a system message alone", "Add at least one question with its answer, or leave the row out.")
    if roles[-1] == "human":
        raise RowError("the conversation ends with a question that has no answer", "Add the answer, or take the last question away.")
    return tuple(_turn(messages[i], messages[i + 1], i + 1, system if i == first else None, note) for i in range(first, len(messages), 2))


def _role(message: Any, number: int) -> str:
    if not isinstance(message, dict):
        raise RowError(f"message {number} is {_kind(message)}, not an object", 'A message looks like {"from": "human", "value": "…"}.')
    for field in ("from", "value"):
        if field not in message:
            raise RowError(f"message {number} has no `{field}`", 'A message looks like {"from": "human", "value": "…"}.')
    role = message["from"]
    if not isinstance(role, str) or role not in _ROLES:
        raise RowError(f"message {number} is from {str(role)[:40]!r}", "Roles are human and gpt (user and assistant are read, too).")
    return _ROLES[role]


def _turn(human: dict[str, Any], gpt: dict[str, Any], number: int, system: dict[str, Any] | None, note: Any) -> Turn:
    question = _text(human["value"], f"message {number}")
    if not question.strip():
        raise RowError(f"message {number} is an empty question", "Write the question, or leave the row out.")
    if IMAGE_TAG in question and not question.replace(IMAGE_TAG, "").strip():
        note("wordless_question", f"message {number}")
    raw = gpt["value"]
    listed = isinstance(raw, list)
    if listed and not 1 <= len(raw) <= MAX_CANDIDATES:
        raise RowError(f"message {number + 1} has {len(raw):,} answer candidates; 1 to {MAX_CANDIDATES:,} are read", "Give at least one answer, or leave the row out.")
    answers = tuple(_text(text, f"message {number + 1}") for text in (raw if listed else [raw]))
    if not any(text.strip() for text in answers):
        raise RowError(f"message {number + 1} is an empty answer", "Write the answer, or leave the row out.")
    if not all(text.strip() for text in answers):
        note("empty_candidate", f"message {number + 1}")
    extra = {"human": _rest(human), "gpt": _rest(gpt)}
    scores = _scores(extra["gpt"], len(answers) if listed else 0, number + 1, note)
    if system is not None:
        extra["system"] = system
    return Turn(question, answers, listed, scores, {side: fields for side, fields in extra.items() if fields})


def _rest(message: dict[str, Any]) -> dict[str, Any]:
    return {} if len(message) == 2 else {key: field for key, field in message.items() if key not in ("from", "value")}


def _scores(fields: dict[str, Any], candidates: int, number: int, note: Any) -> tuple[float | None, ...] | None:
    """Takes a fitting `score` list out of a gpt message's other fields; leaves any other where it is."""
    if "score" not in fields:
        return None
    raw = fields["score"]
    fits = isinstance(raw, list) and len(raw) == candidates and all(
        score is None or (isinstance(score, (int, float)) and not isinstance(score, bool) and abs(score) < 1e300) for score in raw)
    if not fits:
        note("scores_unread", f"message {number}: `score` is {_kind(raw)}" + (f" of {len(raw)}" if isinstance(raw, list) else "") + f" beside {max(1, candidates)} answer(s)")
        return None
    del fields["score"]
    return tuple(raw)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise RowError(f"{where} holds {_kind(value)} where a text is due", "Make it a text" + (", or a list of texts in a gpt message." if "message" in where else "."))
    if len(value) > MAX_TEXT_CHARS:
        raise RowError(f"{where} has {len(value):,} characters; at most {MAX_TEXT_CHARS:,} are read", "Shorten or split it.")
    return value


def _check_tags(turns: tuple[Turn, ...], images: int, note: Any) -> None:
    tags = 0
    for number, turn in enumerate(turns, 1):
        tags += turn.question.count(IMAGE_TAG)
        if any(IMAGE_TAG in answer for answer in turn.answers):
            raise RowError(f"an answer of turn {number} holds {IMAGE_TAG}", "The placeholder belongs into questions only: take it out of the answer.")
    if tags == images:
        return
    if tags == 0:
        note("no_image_tag")
        return
    raise RowError(f"{tags} {IMAGE_TAG} in the questions, but {images or 'no'} image{'s' if images != 1 else ''}",
                   "Give one <image> for each image, and no <image> where there is none.")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def to_object(record: Record) -> dict[str, Any]:
    """A record as the JSON object that `parse` reads as the same record again."""
    extra = dict(record.extra)
    built: dict[str, Any] = {"id": extra.pop("id", record.key)}
    if record.image_paths or record.image_listed:
        built["image"] = list(record.image_paths) if record.image_listed else record.image_paths[0]
    elif "image" in extra:
        built["image"] = extra.pop("image")
    messages: list[dict[str, Any]] = []
    for turn in record.turns:
        if "system" in turn.extra:
            messages.append(turn.extra["system"])
        messages.append({"from": "human", "value": turn.question, **turn.extra.get("human", {})})
        answer: dict[str, Any] = {"from": "gpt", "value": list(turn.answers) if turn.listed or len(turn.answers) != 1 else turn.answers[0]}
        if turn.scores is not None:
            answer["score"] = list(turn.scores)
        messages.append({**answer, **turn.extra.get("gpt", {})})
    return {**built, "conversations": messages, **extra}


def write(records: Iterable[Record], file: TextIO) -> int:
    """Write a JSON list, one record a line, and return how many. Memory stays at one record."""
    count = 0
    file.write("[")
    for count, record in enumerate(records, 1):
        file.write("\n" if count == 1 else ",\n")
        file.write(json.dumps(to_object(record), ensure_ascii=False, allow_nan=False))
    file.write("\n]\n")
    return count


def sniff(path: Path) -> bool:
    """True where the file begins like a list of objects or like an object. Raises DataError where it can't be read at all."""
    for piece, _share in open_text(path).chunks():
        start = piece.lstrip()
        if start:
            return start[0] in "[{"
    raise DataError(f"{path.name} is empty: it holds nothing but white space", hint="Export or download it again.")
