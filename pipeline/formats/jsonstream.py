"""Reads JSON values one by one out of a long text: the elements of one list, or one value a line. Memory stays at one value.

Every value comes with its row and place. A value that is not sound JSON becomes a Problem and reading goes on behind it
wherever its end can be told for sure; where it can't (cut off, quotes that don't match), the Problem says that it ends there.
Knows nothing of what the values mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.errors import DataError
from pipeline.formats.findings import Note, Problem
from pipeline.formats.textwindow import SPACE, TextWindow

MAX_VALUE_CHARS = 32 << 20
"""A record longer than this is passed over with a Problem."""
MAX_DEPTH = 50

_STRUCTURE = re.compile(r'["\\{}\[\]]')
_BARE = re.compile(r'[^ \t\r\n,\[\]{}"]*')
_OPENERS = ("{", "[", '"')
_RISKY_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BROKEN_BYTE = re.compile("[\udc80-\udcff]")
_FIX = "Correct this row in the file and import it again, or leave it out."


@dataclass(frozen=True)
class Value:
    """One JSON value of the file. `row` counts from 1; `share` is how much of the file had been read (0 to 1)."""

    row: int
    place: str
    value: Any
    share: float


class _Refused(ValueError):
    """Sound JSON by its grammar, but something in it would be lost or could not be written again."""


def read_values(chunks: Iterator[tuple[str, float]], name: str) -> Iterator[Value | Problem | Note]:
    """Values of a JSON list, of one value a line (JSONL), or of values one after another; told apart by content.

    Raises DataError where the text holds no list of records at all: empty, a single string or number, not JSON.
    """
    text = TextWindow(chunks)
    first = text.skip_space()
    if first == "" and text.broken:
        raise DataError(f"{name} can't be read: {text.broken}", hint="Copy or download it again.")
    if first == "":
        raise DataError(f"{name} is empty: it holds nothing but white space", hint="Export or download it again.")
    if first == "[":
        text.position += 1
        yield from _list(text)
    elif first == "{":
        yield from (_lines(text) if _one_value_a_line(text) else _values(text))
    elif first == '"':
        raise DataError(f"{name} holds one string, not a list of records", place=text.place(),
                        hint="It may have been encoded twice. Expected: a list [ {…}, {…} ], or one {…} a line.")
    else:
        raise DataError(f"{name} is not JSON: it begins with {text.peek(24)!r}", place=text.place(),
                        hint="Expected: a list [ {…}, {…} ], or one {…} a line. A CSV has to be written out as JSON first.")


def _list(text: TextWindow) -> Iterator[Value | Problem | Note]:
    row, comma_due, comma_seen = 0, False, False
    while True:
        char = text.skip_space()
        if char == "":
            yield _cut_off(text, row, "the list has no closing ]", text.broken)
            return
        if char == "]":
            if comma_seen:
                yield Note(row, text.place(), "comma", "a comma before the closing ]")
            break
        if char == ",":
            if not comma_due:
                yield Note(row, text.place(), "comma", "two commas between rows" if row else "a comma before the first row")
            text.position += 1
            comma_due, comma_seen = False, True
            continue
        if comma_due:
            if char != "{":
                yield Problem(row + 1, text.place(), f"{text.peek(24)!r} stands between two rows, where a comma or ] belongs",
                              "Correct the file there; the rows behind it were not read.", ends=True)
                return
            yield Note(row + 1, text.place(), "comma", f"no comma between rows {row} and {row + 1}")
        row += 1
        found = _next_value(text, row)
        yield found
        if isinstance(found, Problem) and found.ends:
            return
        comma_due, comma_seen = True, False
    text.position += 1
    if text.skip_space() != "":
        yield Note(row, text.place(), "after_end", f"the list ends here, but {text.peek(24)!r} follows")
    elif text.broken:
        yield Note(row, text.place(), "after_end", text.broken)


def _values(text: TextWindow) -> Iterator[Value | Problem | Note]:
    row = 0
    while (char := text.skip_space()) != "":
        if char == ",":
            yield Note(row, text.place(), "comma", f"a comma behind row {row}, outside of any list")
            text.position += 1
            continue
        row += 1
        found = _next_value(text, row)
        yield found
        if isinstance(found, Problem) and found.ends:
            return
    if text.broken:
        yield _cut_off(text, row, "the file ends early", text.broken)


def _next_value(text: TextWindow, row: int) -> Value | Problem:
    """Decode the value at the present position and step behind it."""
    place = text.place()
    while True:
        start = text.position
        try:
            value, end = _DECODER.raw_decode(text.buffer, start)
        except (ValueError, RecursionError) as error:
            end = _Balance().feed(text.buffer, start)
            if end is None or (end == len(text.buffer) and text.buffer[start] not in _OPENERS and not text.over):
                if len(text.buffer) - start > MAX_VALUE_CHARS:
                    return _pass_over(text, row, place)
                if not text.over:
                    text.more()
                    continue
                return _unfinished(text, row, place, error)
            last_line = text.line_at(end)
            where = place if place.startswith(f"line {last_line},") else f"{place} to line {last_line}"
            text.position = end
            return Problem(row, where, _describe(error, text, start), _FIX)
        if not text.over and not isinstance(value, (dict, list, str)) and _BARE.match(text.buffer, start).end() == len(text.buffer):  # type: ignore[union-attr]
            text.more()
            continue  # a number at the very end of the buffer may go on
        problem = _unsound(text.buffer, start, end, value, text.suspicious)
        text.position = end
        return Problem(row, place, problem, _FIX) if problem else Value(row, place, value, text.share)


def _lines(text: TextWindow) -> Iterator[Value | Problem]:
    row = 0
    while text.skip_space() != "":
        row += 1
        place = text.place()
        end = text.find_line_end(MAX_VALUE_CHARS)
        if end is None:
            text.drop_line()
            yield Problem(row, place, f"a line of more than {MAX_VALUE_CHARS:,} characters", "Split the record, or leave it out.")
            continue
        line = text.buffer[text.position:end]
        text.position = end
        yield _line(line, row, place, text, last=text.skip_space() == "")
    if text.broken:
        yield _cut_off(text, row, "the file ends early", text.broken)


def _line(line: str, row: int, place: str, text: TextWindow, *, last: bool) -> Value | Problem:
    try:
        value, end = _DECODER.raw_decode(line)
    except (ValueError, RecursionError) as error:
        if last and isinstance(error, json.JSONDecodeError) and _Balance().feed(line, 0) is None:
            return _cut_off_row(row, place, "the last line breaks off in the middle of a record" + (f" ({text.broken})" if text.broken else ""))
        return Problem(row, place, _describe(error, None, 0), _FIX)
    rest = line[end:].strip()
    if rest:
        way_out = "Put the rows between [ and ], or take the commas away." if rest == "," else _FIX
        return Problem(row, place, f"{rest[:24]!r} follows the record on the same line", way_out)
    problem = _unsound(line, 0, end, value, text.suspicious)
    return Problem(row, place, problem, _FIX) if problem else Value(row, place, value, text.share)


def _one_value_a_line(text: TextWindow) -> bool:
    """True where the first line is a whole value, or is broken while the second line is a whole one."""
    end = text.find_line_end(MAX_VALUE_CHARS)
    if end is None:
        return False
    first = text.buffer[text.position:end]
    if _Balance().feed(first, 0) is not None:
        return True
    second = _line_after(text, len(first))
    try:
        return second.startswith("{") and not second[_DECODER.raw_decode(second)[1]:].strip()
    except (ValueError, RecursionError):
        return False


def _line_after(text: TextWindow, length: int) -> str:
    """The first line with anything in it behind the `length` characters that come next."""
    while True:
        start = SPACE.match(text.buffer, text.position + length).end()  # type: ignore[union-attr]
        end = text.buffer.find("\n", start)
        if end >= 0 or text.over or len(text.buffer) > MAX_VALUE_CHARS:
            return text.buffer[start:end] if end >= 0 else text.buffer[start:]
        text.more()


def _pass_over(text: TextWindow, row: int, place: str) -> Problem:
    """Step behind a value that is too long to hold, a piece at a time."""
    balance = _Balance()
    while True:
        end = balance.feed(text.buffer, text.position)
        if end is not None:
            text.position = end
            return Problem(row, place, f"a record of more than {MAX_VALUE_CHARS:,} characters",
                           "Split it or leave it out. If one object holds the whole list, save only the list.")
        text.position = len(text.buffer)
        if not text.more():
            return Problem(row, place, f"a record of more than {MAX_VALUE_CHARS:,} characters that does not end before the file does",
                           "If one object holds the whole list, save only the list; else the file is cut off: download it again.", ends=True)


def _unfinished(text: TextWindow, row: int, place: str, error: Exception) -> Problem:
    """The file is over and the value still open: cut off, or its quotes or brackets don't match."""
    at = error.pos if isinstance(error, json.JSONDecodeError) else len(text.buffer)
    if text.broken or at >= len(text.buffer.rstrip()) - 8 or "Unterminated string" in str(error):
        return _cut_off_row(row, place, f"the file breaks off in the middle of row {row}" + (f" ({text.broken})" if text.broken else ""))
    return Problem(row, place, f"{_describe(error, text, at)}; where this row ends can't be told",
                   "Correct the file there; the rows behind it were not read.", ends=True)


def _cut_off(text: TextWindow, row: int, what: str, broken: str) -> Problem:
    return Problem(row + 1, text.place(), f"the file breaks off after row {row}: {broken or what}",
                   "The rows before were read. Copy or download the file again to get the rest.", ends=True)


def _cut_off_row(row: int, place: str, what: str) -> Problem:
    return Problem(row, place, what, "The rows before were read. Copy or download the file again to get the rest.", ends=True)


def _describe(error: Exception, text: TextWindow | None, start: int) -> str:
    if isinstance(error, _Refused):
        return str(error)
    if isinstance(error, RecursionError):
        return "lists and objects nested too deeply to be read"
    if isinstance(error, json.JSONDecodeError):
        where = f" at {text.place(error.pos)}" if text else f" at character {error.pos + 1} of the line"
        return f"not valid JSON{where}: {error.msg[:1].lower()}{error.msg[1:]}"
    return "a whole number with more digits than can be read" if "digits" in str(error) else f"not valid JSON: {error}"


def _unsound(buffer: str, start: int, end: int, value: Any, suspicious: bool) -> str:
    """What makes a decoded value unusable, empty where it is sound. The searches run over its raw text, at C speed."""
    if buffer.find("\\u", start, end) >= 0 and _RISKY_ESCAPE.search(buffer, start, end):
        if _find_text(value, "\0"):
            return "a NUL character in a text"
        if _find_text(value, _SURROGATE):
            return "half of a surrogate pair (\\ud800 … \\udfff) in a text"
    if suspicious and _SURROGATE.search(buffer, start, end):
        broken = _BROKEN_BYTE.search(buffer, start, end)
        return f"an invalid UTF-8 byte (0x{ord(broken.group()) - 0xdc00:02x})" if broken else "half of a surrogate pair in a text"
    if buffer.count("[", start, end) + buffer.count("{", start, end) > MAX_DEPTH and _depth_exceeds(value, MAX_DEPTH):
        return f"lists and objects nested more than {MAX_DEPTH} deep"
    return ""


def _walk(value: Any) -> Iterator[tuple[Any, int]]:
    stack = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        yield item, depth
        if isinstance(item, dict):
            stack.extend((child, depth + 1) for pair in item.items() for child in pair)
        elif isinstance(item, list):
            stack.extend((child, depth + 1) for child in item)


def _find_text(value: Any, wanted: str | re.Pattern[str]) -> bool:
    found: Callable[[str], Any] = (lambda s: wanted in s) if isinstance(wanted, str) else wanted.search
    return any(isinstance(item, str) and found(item) for item, _ in _walk(value))


def _depth_exceeds(value: Any, limit: int) -> bool:
    return any(depth > limit and isinstance(item, (dict, list)) for item, depth in _walk(value))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise _Refused(f"the field {double[:60]!r} stands twice in one object")
    return built


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _Refused(f"the number {digits[:24]} is too large")
    return number


def _constant(word: str) -> Any:
    raise _Refused(f"{word} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)


class _Balance:
    """Finds where a value ends by its brackets and quotes alone; may be fed piece by piece."""

    def __init__(self) -> None:
        self.depth = 0
        self.in_string = False
        self._skip = 0
        """1 where the piece before ended in a backslash: the next character is no quote."""

    def feed(self, text: str, start: int) -> int | None:
        """Index behind the value's last character, None where the piece ends before it."""
        if self.depth == 0 and not self.in_string and text[start:start + 1] not in _OPENERS:
            return max(start + 1, _BARE.match(text, start).end())  # type: ignore[union-attr]
        position, self._skip = start + self._skip, 0
        while match := _STRUCTURE.search(text, position):
            position, char = match.end(), match.group()
            if char == "\\":
                if self.in_string:
                    position += 1
                    self._skip = int(position > len(text))
            elif char == '"':
                self.in_string = not self.in_string
                if not self.in_string and self.depth == 0:
                    return position
            elif not self.in_string:
                self.depth += 1 if char in "{[" else -1
                if self.depth == 0:
                    return position
        return None
