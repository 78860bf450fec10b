"""What the page sends about ratings, checked: every refusal names its place, the value and the way out. Pure."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from pipeline.errors import SettingError
from pipeline.ratings import CRITERIA, LONGEST_RATER, SKIP_REASONS, Rating, RatingItem
from pipeline.teaching.orders import scores_of_order

LONGEST_NOTE = 4000
MOST_SECONDS = 6 * 3600.0
DRAFT_BYTES = 64 * 1024
ORDERED = ("rank", "pairs", "hallucination")
SCREEN_MODES = ("score", *ORDERED)


def shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def body_of(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise SettingError(f"{shown(body)} is no rating", hint="Send an object.", place="body")
    return body


def whole(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**53:
        raise SettingError(f"{shown(value)} is no {name}", hint=f"{name} is the number the studio gave it.", place=name)
    return value


def rater_name(value: Any) -> str:
    """A name of 1 to 60 printable characters, ends stripped. Markup is text like any other."""
    if not isinstance(value, str) or not value.strip():
        raise SettingError("the rater has no name", hint="Type your name first: it tells whose rating this is.", place="rater")
    name = unicodedata.normalize("NFC", value.strip())
    if len(name) > LONGEST_RATER:
        raise SettingError(f"a name of {len(name)} characters is too long", hint=f"Use at most {LONGEST_RATER} characters.", place="rater")
    wrong = next((letter for letter in name if not letter.isprintable()), None)
    if wrong is not None:
        raise SettingError(f"the name holds a character that can't be shown (U+{ord(wrong):04X})", hint="Use letters, digits and spaces.", place="rater")
    return name


def number(value: Any, place: str, *, low: float = 0.0, high: float = 1.0) -> float:
    """A finite number in a range; no bool, no text, no NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SettingError(f"{shown(value)} is no number", hint=f"A number from {low:g} to {high:g}.", place=place)
    if not low <= value <= high:  # also NaN
        raise SettingError(f"{str(value)[:20]} is not between {low:g} and {high:g}", hint=f"A number from {low:g} to {high:g}.", place=place)
    return float(value)


def score_list(value: Any, candidates: int, place: str) -> tuple[float | None, ...]:
    """One number 0–1 or null for each candidate."""
    if not isinstance(value, list):
        raise SettingError(f"{shown(value)} is no list of scores", hint="One score for each candidate, null where there is none.", place=place)
    if len(value) != candidates:
        raise SettingError(f"{len(value)} scores for {candidates} {'candidate' if candidates == 1 else 'candidates'}",
                           hint="One score for each candidate, null where there is none.", place=place)
    return tuple(None if score is None else number(score, f"{place}[{at}]") for at, score in enumerate(value))


def note_of(body: dict[str, Any]) -> str:
    note = body.get("note", "")
    if not isinstance(note, str):
        raise SettingError(f"{shown(note)} is no note", hint="A note is text.", place="note")
    if len(note) > LONGEST_NOTE:
        raise SettingError(f"a note of {len(note):,} characters is too long", hint=f"Use at most {LONGEST_NOTE:,} characters.", place="note")
    return note


def _criteria(body: dict[str, Any], item: RatingItem) -> dict[str, tuple[float | None, ...]]:
    given = body.get("criteria") or {}
    if not isinstance(given, dict):
        raise SettingError(f"{shown(given)} are no criteria", hint="An object from criterion to scores.", place="criteria")
    known = [name for name, _ in CRITERIA[item.kind]]
    found = {}
    for name, values in given.items():
        if name not in known:
            raise SettingError(f"{shown(name)} is no criterion of {item.kind}s", hint=f"Choose among {', '.join(known)}.", place=f"criteria.{str(name)[:40]}")
        scores = score_list(values, len(item.candidates), f"criteria.{name}")
        if any(score is not None for score in scores):
            found[name] = scores
    return found


def mode_of(value: Any) -> str:
    if value not in SCREEN_MODES:
        raise SettingError(f"{shown(value)} is no way of rating", hint=f"Choose one of {', '.join(SCREEN_MODES)}.", place="mode")
    return value


def read_rating(body: Any, item: RatingItem) -> Rating:
    """A word to be stored: `scores` in mode score, `order` (groups of candidates, best first) in the others. Raises SettingError."""
    body = body_of(body)
    mode = mode_of(body.get("mode", "score"))
    if mode in ORDERED:
        if body.get("scores") is not None:
            raise SettingError(f"scores don't go with the mode {mode}", hint="Send the order; the scores follow from it.", place="scores")
        scores: tuple[float | None, ...] = scores_of_order(_order(body.get("order")), len(item.candidates))
        if mode == "hallucination" and (item.kind != "answer" or len(item.candidates) != 2):
            raise SettingError(f"which of two invents less can't be asked of {len(item.candidates)} {item.kind} candidates", hint="Take two answers to one question.", place="mode")
    else:
        scores = score_list(body.get("scores"), len(item.candidates), "scores")
    criteria = {"grounded": scores} if mode == "hallucination" else _criteria(body, item)
    if all(score is None for score in scores):
        raise SettingError("no candidate has an overall score", hint="Give one at least, or skip the item with a reason.", place="scores")
    return Rating(item.id, rater_name(body.get("rater")), mode, scores, criteria, note=note_of(body), seconds=_seconds(body))  # type: ignore[arg-type]


def read_skip(body: Any, item: RatingItem) -> Rating:
    body = body_of(body)
    reason = body.get("reason")
    if reason not in SKIP_REASONS:
        raise SettingError(f"{shown(reason)} is no reason to skip", hint=f"Choose one of: {'; '.join(SKIP_REASONS)}.", place="reason")
    return Rating(item.id, rater_name(body.get("rater")), mode_of(body.get("mode", "score")), skipped=reason, note=note_of(body), seconds=_seconds(body))  # type: ignore[arg-type]


def read_settled(body: Any, item: RatingItem) -> Rating:
    body = body_of(body)
    scores = score_list(body.get("scores"), len(item.candidates), "scores")
    missing = next((place for place, score in enumerate(scores) if score is None), None)
    if missing is not None:
        raise SettingError(f"candidate {missing + 1} of {len(scores)} has no score", hint="A settled rating has one for each candidate.", place=f"scores[{missing}]")
    return Rating(item.id, rater_name(body.get("rater")), "settled", scores, note=note_of(body))


def read_draft(body: Any) -> dict[str, Any]:
    """What was begun, as the screen has it: kept verbatim, checked for size only, since half a word is no fault."""
    draft = body_of(body).get("draft")
    if not isinstance(draft, dict):
        raise SettingError(f"{shown(draft)} is no draft", hint="Send what was begun as an object.", place="draft")
    try:
        size = len(json.dumps(draft, allow_nan=False))
    except ValueError as error:
        raise SettingError("the draft holds a number that is none", hint="Use finite numbers.", place="draft") from error
    if size > DRAFT_BYTES:
        raise SettingError(f"a draft of {size:,} bytes is too long", hint=f"At most {DRAFT_BYTES:,} bytes.", place="draft")
    return draft


def _order(value: Any) -> list[list[int]]:
    if not isinstance(value, list):
        raise SettingError(f"{shown(value)} is no order", hint="A list of groups of candidates, best first.", place="order")
    for at, group in enumerate(value):
        if not isinstance(group, list) or not group or any(isinstance(one, bool) or not isinstance(one, int) for one in group):
            raise SettingError(f"{shown(group)} is no group of candidates", hint="A list of their numbers, counted from 0.", place=f"order[{at}]")
    return value


def _seconds(body: dict[str, Any]) -> float:
    value = body.get("seconds", 0.0)
    return min(MOST_SECONDS, number(value, "seconds", high=1e9))
