"""What a reader has to say about a file besides its records. Values only.

A `Problem` is a row that was not read; a `Note` is about a row that was. Both name the row and the place, so that
nothing is dropped, repaired or reordered without a trace.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A row that can't be used. `row` counts from 1; `place` says where in the file, `way_out` what a person can do.

    `ends` is True where the reader had to stop here, so that later rows are unread.
    """

    row: int
    place: str
    what: str
    way_out: str
    ends: bool = False


@dataclass(frozen=True)
class Note:
    """Something worth knowing about a row that was read. `kind` is one of `NOTE_KINDS`."""

    row: int
    place: str
    kind: str
    what: str = ""


NOTE_KINDS: dict[str, str] = {
    "roles": "roles named user / assistant, read as human / gpt",
    "system": "a leading system message, kept and exported again",
    "no_id": "no id; named after the row",
    "no_image_tag": "an image but no <image> in a question; the image is taken as standing before the first question",
    "empty_image_field": "an empty `image` field; read as text only",
    "empty_candidate": "one of several answer candidates is empty",
    "wordless_question": "a question of <image> alone",
    "scores_unread": "a `score` field that does not fit the answers; kept as it is, not used as scores",
    "unknown_type": "an instruction type with an unknown name; the type was inferred instead",
    "comma": "a missing or doubled comma between two rows",
    "after_end": "text after the end of the list; not read",
}
