"""Opens a data file as text, whatever its name says: gzip, BOM and UTF-16 / UTF-32 are recognised by content.

Knows nothing of JSON. A file that is plainly something else (archive, picture, Parquet, web page) is refused by name.
"""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import DataError

CHUNK_BYTES = 1 << 20
SNIFF_BYTES = 4096
GZIP_MAX_RATIO = 300
GZIP_RATIO_AFTER_BYTES = 256 << 20
"""A gzip file may not unpack to more than 300 times its size, once that is more than 256 MiB."""

_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive", "Unpack the JSON or JSONL file from it and name that one; the images can stay in a zip of their own."),
    (b"PK\x05\x06", "an empty zip archive", "Name the JSON or JSONL file itself."),
    (b"PAR1", "a Parquet file", "Write it out as JSONL first, for example with pandas: read_parquet(...).to_json(..., orient='records', lines=True)."),
    (b"BZh", "a bzip2 file", "Unpack it first with bunzip2."),
    (b"\xfd7zXZ\x00", "an xz file", "Unpack it first with unxz."),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "Unpack it first with unzstd."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack the JSON or JSONL file from it first."),
    (b"\xff\xd8\xff", "a JPEG picture", "Name the JSON or JSONL file with the conversations; pictures go in as a folder or zip."),
    (b"\x89PNG", "a PNG picture", "Name the JSON or JSONL file with the conversations; pictures go in as a folder or zip."),
    (b"SQLite format 3", "a SQLite database", "Name the JSON or JSONL file with the conversations."),
    (b"%PDF", "a PDF document", "Name the JSON or JSONL file with the conversations."),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for", "Run `git lfs pull` where the file came from, then name it again."),
    (b"<!doctype", "a web page", "The download gave a page instead of the file: download it again."),
    (b"<html", "a web page", "The download gave a page instead of the file: download it again."),
)


@dataclass(frozen=True)
class TextFile:
    """A file that looks like text. `encoding` is a Python codec name; `size` counts bytes on disk."""

    path: Path
    size: int
    compressed: bool
    encoding: str

    @property
    def described(self) -> str:
        """For the report: "utf-8", "utf-16-le, gzip" …"""
        return self.encoding + (", gzip" if self.compressed else "")

    def chunks(self) -> Iterator[tuple[str, float]]:
        """Pieces of text of about a MiB, each with the share of the file read so far (0 to 1).

        Bytes that are not valid in the encoding come out as lone surrogates, so that the row they stand in can be named.
        Raises DataError where the compressed data itself is cut off, damaged or unpacks to an absurd size.
        """
        errors = "surrogateescape" if self.encoding.startswith("utf-8") else "surrogatepass"
        decoder = codecs.getincrementaldecoder(self.encoding)(errors)
        with open(self.path, "rb") as raw:
            source: BinaryIO = gzip.GzipFile(fileobj=raw) if self.compressed else raw  # type: ignore[assignment]
            unpacked, first = 0, True
            while True:
                block, broken = self._read(source)
                unpacked += len(block)
                if self.compressed and unpacked > max(GZIP_RATIO_AFTER_BYTES, GZIP_MAX_RATIO * self.size):
                    raise DataError(f"{self.path.name} unpacks to more than {GZIP_MAX_RATIO} times its size",
                                    hint="It looks like a decompression bomb. Unpack it by hand if you trust it.", place=f"byte {unpacked:,} unpacked")
                try:
                    text = decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    raise DataError(f"{self.path.name} is not valid {self.encoding}: {error.reason}", hint="Save the file as UTF-8 and import it again.",
                                    place=f"near byte {unpacked:,}") from error
                if first and text:
                    text, first = text.removeprefix("\ufeff"), False
                if text:
                    yield text, min(1.0, raw.tell() / self.size) if self.size else 1.0
                if broken:
                    raise DataError(broken, hint="The file is cut off or damaged: copy or download it again.", place=f"byte {unpacked:,} unpacked")
                if not block:
                    return

    def _read(self, source: BinaryIO) -> tuple[bytes, str]:
        """The next block, and the reason why there can be no other (empty while all is well)."""
        if not self.compressed:
            return source.read(CHUNK_BYTES), ""
        parts: list[bytes] = []
        left = CHUNK_BYTES
        try:
            while left:  # read1 hands out what was unpacked before the damage, read would lose it
                part = source.read1(left)  # type: ignore[attr-defined]
                if not part:
                    break
                parts.append(part)
                left -= len(part)
        except EOFError:
            return b"".join(parts), "the gzip data ends before its end mark"
        except (zlib.error, gzip.BadGzipFile, OSError) as error:
            return b"".join(parts), f"the gzip data is damaged ({error})"
        return b"".join(parts), ""


def open_text(path: Path) -> TextFile:
    """Look at a file's first bytes and say how to read it. Raises DataError with what it is, where it is no text."""
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder", hint="Name the JSON or JSONL file in it; a folder can be named for the images.")
        if not path.exists():
            raise DataError(f"there is no file {path}", hint="Check the path; give it in full.")
        if not path.is_file():
            raise DataError(f"{path} is no ordinary file", hint="Name a JSON or JSONL file.")
        size = path.stat().st_size
        with open(path, "rb") as file:
            head = file.read(SNIFF_BYTES)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}", hint="Check the path and its permissions.") from error
    if not head:
        raise DataError(f"{path.name} is empty (0 bytes)", hint="Export or download it again.")
    compressed = head.startswith(b"\x1f\x8b")
    if compressed:
        head = _unpacked_head(path, head)
    _refuse_foreign(path, head)
    return TextFile(path, size, compressed, _encoding(head))


def _unpacked_head(path: Path, head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, SNIFF_BYTES)
    except zlib.error as error:
        raise DataError(f"{path.name} begins like gzip, but can't be unpacked ({error})", hint="Download it again.") from error


def _encoding(head: bytes) -> str:
    for mark, name in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
                       (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return name
    return json.detect_encoding(head) if head.count(0, 0, 8) else "utf-8"


def _refuse_foreign(path: Path, head: bytes) -> None:
    start = head.lstrip()[:32].lower()
    for magic, what, way_out in _FOREIGN:
        if head.startswith(magic) or start.startswith(magic.lower()):
            raise DataError(f"{path.name} is {what}", hint=way_out)
    if head[257:262] == b"ustar":
        raise DataError(f"{path.name} is a tar archive", hint="Unpack the JSON or JSONL file from it first.")
