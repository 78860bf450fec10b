"""A data file is recognised by its content: encoding, compression, and what is no text at all."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats import textfile
from pipeline.formats.textfile import open_text

TEXT = '[{"a": "Grüße, 你好 😀"}]\n' * 50


def read(path: Path) -> str:
    return "".join(piece for piece, _ in open_text(path).chunks())


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_are_told_by_content(tmp_path: Path, encoding: str) -> None:
    assert read(write(tmp_path / "data.json", TEXT.encode(encoding))) == TEXT


def test_gzip_under_a_plain_name_is_unpacked(tmp_path: Path) -> None:
    file = open_text(write(tmp_path / "data.csv", gzip.compress(TEXT.encode())))
    assert file.compressed and "gzip" in file.described
    assert "".join(piece for piece, _ in file.chunks()) == TEXT


def test_gzip_that_is_cut_off_gives_its_text_first_and_then_the_error(tmp_path: Path) -> None:
    data = gzip.compress(os.urandom(4000).hex().encode())
    pieces: list[str] = []
    with pytest.raises(DataError, match="ends before its end mark"):
        for piece, _ in open_text(write(tmp_path / "a.gz", data[:-500])).chunks():
            pieces.append(piece)
    assert len("".join(pieces)) > 6000


def test_a_decompression_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "GZIP_RATIO_AFTER_BYTES", 4 << 20)
    bomb = gzip.compress(b"[" + b" " * (40 << 20))
    assert len(bomb) < 60_000
    with pytest.raises(DataError, match="more than 300 times"):
        read(write(tmp_path / "bomb.json", bomb))


def test_the_share_read_grows_to_one(tmp_path: Path) -> None:
    shares = [share for _, share in open_text(write(tmp_path / "a.json", b"x" * (3 << 20))).chunks()]
    assert shares == sorted(shares) and shares[-1] == 1.0 and shares[0] < 0.5


def archive(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as made:
            made.writestr("a.json", "[]")
    else:
        with tarfile.open(fileobj=buffer, mode="w") as made:
            info = tarfile.TarInfo("a.json")
            info.size = 2
            made.addfile(info, io.BytesIO(b"[]"))
    return buffer.getvalue()


@pytest.mark.parametrize(("data", "words"), [
    (b"", "empty"), (archive("zip"), "zip archive"), (archive("tar"), "tar archive"), (b"PAR1" + b"\0" * 50, "Parquet"), (b"\xff\xd8\xff\xe0abc", "JPEG"),
    (b"<!DOCTYPE html><html></html>", "web page"), (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
    (b"SQLite format 3\0", "SQLite"), (b"\x1f\x8bnot really gzip", "gzip"),
])
def test_what_is_no_text_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words) as refused:
        open_text(write(tmp_path / "data.json", data))
    assert refused.value.hint


def test_a_missing_file_a_folder_and_a_pipe_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        open_text(tmp_path / "nowhere.json")
    with pytest.raises(DataError, match="is a folder"):
        open_text(tmp_path)
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DataError, match="no ordinary file"):
        open_text(tmp_path / "pipe.json")
