"""A window on a text that is too long to hold, which knows its line numbers. Knows nothing of JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.errors import DataError

SPACE = re.compile(r"[ \t\r\n]*")


class TextWindow:
    """A window on a long text that knows its line numbers."""

    def __init__(self, chunks: Iterator[tuple[str, float]]) -> None:
        self._chunks = chunks
        self.buffer = ""
        self.position = 0
        self.share = 0.0
        self.over = False
        """True once nothing can be added to the window."""
        self.suspicious = False
        """True once a piece held a surrogate: from then on each row is searched for them."""
        self.broken = ""
        """Why the text ended before its end, where the file itself is damaged."""
        self._mark = 0  # lines and column are known up to here, so that no stretch is counted twice
        self._line = 1
        self._line_start = 0  # index where the line of the mark begins; negative where that was dropped already

    def more(self) -> bool:
        """Drop what was read and append at least as much as is left; False at the end of the text."""
        self._move_mark(self.position)
        self.buffer = self.buffer[self.position:]
        self._line_start -= self.position
        self.position = self._mark = 0
        pieces, wanted, got = [self.buffer], max(1, len(self.buffer)), 0
        while got < wanted and not self.over:
            piece = self._piece()
            pieces.append(piece)
            got += len(piece)
        self.buffer = "".join(pieces)
        return got > 0

    def _piece(self) -> str:
        try:
            piece, self.share = next(self._chunks, ("", 1.0))
        except DataError as error:
            piece, self.broken = "", f"{error.message}, {error.place}"
        self.over = not piece
        if not piece.isascii() and not self.suspicious:
            try:
                piece.encode("utf-8")
            except UnicodeEncodeError:
                self.suspicious = True
        return piece

    def skip_space(self) -> str:
        """Step over white space; the next character, or "" at the end."""
        while True:
            self.position = SPACE.match(self.buffer, self.position).end()  # type: ignore[union-attr]
            if self.position < len(self.buffer):
                return self.buffer[self.position]
            if not self.more():
                return ""

    def find_line_end(self, limit: int) -> int | None:
        """Index of the line break (or of the end of the text); None where the line is longer than `limit`. May move the window."""
        searched = self.position
        while True:
            end = self.buffer.find("\n", searched)
            if end >= 0:
                return end if end - self.position <= limit else None
            left = len(self.buffer) - self.position
            if left > limit:
                return None
            if not self.more():
                return len(self.buffer)
            searched = self.position + left

    def drop_line(self) -> None:
        """Step to the end of the present line without holding it."""
        while (end := self.buffer.find("\n", self.position)) < 0:
            self.position = len(self.buffer)
            if not self.more():
                return
        self.position = end

    def peek(self, count: int) -> str:
        return self.buffer[self.position:self.position + count]

    def line_at(self, index: int) -> int:
        return self._line + self.buffer.count("\n", self._mark, index)

    def place(self, index: int | None = None) -> str:
        """ "line 12, column 3" of the present position, or of an index behind it."""
        if index is None:
            self._move_mark(self.position)
            return f"line {self._line}, column {self.position - self._line_start + 1:,}"
        last_break = self.buffer.rfind("\n", self._mark, index)
        start = last_break + 1 if last_break >= 0 else self._line_start
        return f"line {self.line_at(index)}, column {index - start + 1:,}"

    def _move_mark(self, index: int) -> None:
        breaks = self.buffer.count("\n", self._mark, index)
        if breaks:
            self._line += breaks
            self._line_start = self.buffer.rfind("\n", self._mark, index) + 1
        self._mark = index
