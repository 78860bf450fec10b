"""Images in folders and zips: matched by written rules, and nothing outside is ever read."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from pipeline import image_sources
from pipeline.errors import DataError
from pipeline.image_sources import FolderImages, NameIndex, NoImages, ZipImages, open_source
from pipeline.images import ImageProblem


def make_zip(path: Path, members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


@pytest.mark.parametrize(("names", "path", "found"), [
    (["a/1.jpg", "b/1.jpg"], "a/1.jpg", ("a/1.jpg", "exact")),
    (["a/1.jpg", "b/1.jpg"], "./a//1.jpg", ("a/1.jpg", "exact")),
    (["a/1.jpg", "b/1.jpg"], "a\\1.jpg", ("a/1.jpg", "exact")),
    (["a\\1.jpg", "b\\1.jpg"], "a/1.jpg", ("a\\1.jpg", "exact")),
    (["top/a/1.jpg", "top/b/1.jpg"], "a/1.jpg", ("top/a/1.jpg", "below")),
    (["top/more/a/1.jpg", "top/more/b/1.jpg"], "a/1.jpg", ("top/more/a/1.jpg", "below")),
    (["top/more/a/1.jpg", "top/more/b/1.jpg"], "more/a/1.jpg", ("top/more/a/1.jpg", "below")),
    (["data.json", "images/a/1.jpg", "images/b/1.jpg"], "a/1.jpg", ("images/a/1.jpg", "below")),
    (["a/1.jpg", "b/1.jpg"], "coco/a/1.jpg", ("a/1.jpg", "tail")),
    (["top/a/1.jpg", "top/b/1.jpg"], "coco/a/1.jpg", ("top/a/1.jpg", "tail")),
    (["x/a/1.jpg", "y/b/1.jpg"], "a/1.jpg", ("x/a/1.jpg", "ending")),
    (["1.jpg", "2.jpg"], "coco/train/1.jpg", ("1.jpg", "name")),
    (["x/1.jpg", "2.jpg"], "y/1.jpg", ("x/1.jpg", "name")),
    (["a/1.JPG", "a/2.jpg"], "a/1.jpg", ("a/1.JPG", "case")),
    (["a/1.jpg", "b/1.jpg"], "1.jpg", None),
    (["a/1.jpg", "b/1.jpg"], "c/1.jpg", None),
    (["a/1.JPG", "a/1.Jpg"], "a/1.jpg", None),
    (["a/1.JPG", "a/1.jpg"], "a/1.jpg", ("a/1.jpg", "exact")),
    (["a/1.jpg"], "a/2.jpg", None),
    ([], "a.jpg", None),
])
def test_a_path_finds_its_file_by_the_first_rule_that_is_sure(names: list[str], path: str, found: tuple[str, str] | None) -> None:
    assert NameIndex(names).find(path) == found


def test_a_zip_gives_its_members_without_unpacking(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "a.zip", {"top/a.jpg": b"first", "top/b.jpg": b"second", "__MACOSX/top/._a.jpg": b"litter"}))
    assert isinstance(source, ZipImages) and source.file_count == 2 and source.refused == []
    assert source.read(source.find("a.jpg")[0]) == b"first"  # type: ignore[index]
    source.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_dangerous_members_are_refused_by_name_and_the_others_are_used(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.jpg")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("../../evil.jpg", b"x")
        made.writestr("a\\..\\..\\evil2.jpg", b"x")
        made.writestr("/etc/evil3.jpg", b"x")
        made.writestr("C:/evil4.jpg", b"x")
        made.writestr(link, b"/etc/passwd")
        made.writestr("inner.zip", b"PK")
        made.writestr("bomb.bmp", b"\0" * (30 << 20))
        made.writestr("good.jpg", b"good")
    source = ZipImages(tmp_path / "a.zip")
    reasons = {refused.name: refused.what for refused in source.refused}
    assert source.refused_count == len(reasons) == 7 and source.file_count == 1
    assert "leaves the archive" in reasons["../../evil.jpg"] and "leaves the archive" in reasons["a\\..\\..\\evil2.jpg"]
    assert "absolute" in reasons["/etc/evil3.jpg"] and "absolute" in reasons["C:/evil4.jpg"]
    assert "link" in reasons["link.jpg"] and "archive inside" in reasons["inner.zip"] and "bomb" in reasons["bomb.bmp"]
    assert source.find("evil.jpg") is None and source.read("good.jpg") == b"good"


def test_a_member_larger_than_any_image_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_sources, "MAX_BYTES", 1000)
    source = ZipImages(make_zip(tmp_path / "a.zip", {"big.jpg": os.urandom(2000), "small.jpg": b"x"}))
    assert [refused.name for refused in source.refused] == ["big.jpg"]


def test_a_member_that_lies_about_its_size_is_read_to_the_limit_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.jpg": b"\0" * 500_000}, method=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 100)  # the directory now promises 100 bytes
    path.write_bytes(data)
    monkeypatch.setattr(image_sources, "MAX_BYTES", 10_000)
    source = ZipImages(path)
    try:
        assert len(source.read("a.jpg")) <= 10_001
    except ImageProblem as problem:
        assert problem.kind in ("broken", "oversized")


def encrypted(path: Path) -> Path:
    """A zip whose members carry the encryption flag (the data behind it does not matter: it is never read)."""
    data = bytearray(make_zip(path, {"a.jpg": b"x", "b.jpg": b"y"}).read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + offset] |= 1
    path.write_bytes(data)
    return path


def test_an_encrypted_zip_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="encrypted"):
        ZipImages(encrypted(tmp_path / "a.zip"))


def test_a_damaged_member_is_a_broken_image_and_not_the_end(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.jpg": os.urandom(5000), "b.jpg": b"fine"})
    data = bytearray(path.read_bytes())
    data[2000] ^= 0xFF
    path.write_bytes(data)
    source = ZipImages(path)
    with pytest.raises(ImageProblem, match="can't be read out of the zip"):
        source.read("a.jpg")
    assert source.read("b.jpg") == b"fine"


@pytest.mark.parametrize(("data", "words"), [(b"", "0 bytes"), (b"no zip at all", "no zip archive"), (b"PK\x03\x04 cut off", "cut off")])
def test_what_is_no_zip_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match=words) as error:
        open_source(tmp_path / "a.zip")
    assert error.value.hint


def test_a_zip_cut_off_in_the_middle_is_named(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.jpg": os.urandom(5000)})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match="cut off"):
        ZipImages(path)


def test_too_many_members_are_refused_before_the_directory_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "a.zip", {f"{n}.jpg": b"" for n in range(20)})
    monkeypatch.setattr(image_sources, "MAX_MEMBERS", 19)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(DataError, match="20 members"):
        ZipImages(path)


def test_names_equal_but_for_case_are_told_and_kept_apart(tmp_path: Path) -> None:
    source = ZipImages(make_zip(tmp_path / "a.zip", {"A.jpg": b"upper", "a.jpg": b"lower"}))
    assert source.refused_count == 1 and "capital letters" in source.refused[0].what
    assert source.read(source.find("A.jpg")[0]) == b"upper" and source.read(source.find("a.jpg")[0]) == b"lower"  # type: ignore[index]


def test_a_name_twice_in_a_zip_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made, pytest.warns(UserWarning):
        made.writestr("a.jpg", b"first")
        made.writestr("a.jpg", b"second")
    source = ZipImages(tmp_path / "a.zip")
    assert source.refused_count == 1 and "twice" in source.refused[0].what and source.read("a.jpg") == b"second"


def test_a_folder_follows_no_link_out_of_itself(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "s.jpg").write_bytes(b"secret")
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "real.jpg").write_bytes(b"real")
    (folder / "inside.jpg").symlink_to(folder / "real.jpg")
    (folder / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "way").symlink_to(tmp_path / "secrets")
    source = FolderImages(folder)
    assert source.find("out.jpg") is None and source.find("way/s.jpg") is None and source.find("s.jpg") is None
    assert [refused.name for refused in source.refused] == ["out.jpg"]
    assert source.read("inside.jpg") == b"real"
    for name in ("out.jpg", "way/s.jpg", "../secret.jpg", "/etc/passwd"):
        with pytest.raises(ImageProblem):
            source.read(name)


def test_a_folder_link_swapped_after_the_walk_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"fine")
    (tmp_path / "secret").write_bytes(b"secret")
    source = FolderImages(folder)
    (folder / "a.jpg").unlink()
    (folder / "a.jpg").symlink_to(tmp_path / "secret")
    with pytest.raises(ImageProblem, match="leads out"):
        source.read("a.jpg")


def test_a_pipe_under_an_image_name_does_not_hold_the_import(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageProblem, match="no ordinary file"):
        FolderImages(tmp_path).read("pipe.jpg")


def test_odd_file_names_are_found(tmp_path: Path) -> None:
    names = ["weiß ß.jpg", "a'b\"c.jpg", "-rf.jpg", "50%.jpg", "new\nline.jpg", "emoji 😀.jpg", "<b>.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    source = FolderImages(tmp_path)
    assert [source.read(source.find(name)[0]) for name in names] == [name.encode() for name in names]  # type: ignore[index]


def test_a_place_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder or zip"):
        open_source(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="neither a folder nor a zip"):
        open_source(tmp_path / "pipe")


def test_no_place_finds_nothing() -> None:
    assert isinstance(open_source(None), NoImages) and open_source(None).find("a.jpg") is None


def test_the_bytes_of_a_zip_may_be_read_from_several_threads(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    members = {f"{n}.jpg": os.urandom(20_000) for n in range(30)}
    source = ZipImages(make_zip(tmp_path / "a.zip", members))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(source.read, members)) == list(members.values())
    assert io.BytesIO(source.read("0.jpg")).read(4) == members["0.jpg"][:4]
