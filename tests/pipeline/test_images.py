"""Images from strangers: recognised by content, decoded whole within limits, seen alike everywhere."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import images
from pipeline.images import ImageProblem, inspect, is_misnamed, keep, open_rgb, viewable
from pipeline.workspace import Workspace


def photo(width: int = 80, height: int = 60) -> Image.Image:
    """Left half red, right half blue, so that a turn can be seen."""
    image = Image.new("RGB", (width, height), (250, 0, 0))
    image.paste((0, 0, 250), (width // 2, 0, width, height))
    return image


def encoded(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def noise(width: int = 400, height: int = 300) -> Image.Image:
    return Image.effect_noise((width, height), 90).convert("RGB")


def png_of(width: int, height: int, depth: int = 8, color: int = 2, rows: bytes = b"") -> bytes:
    """A PNG by hand: Pillow writes neither 16-bit colour nor sizes it would not read."""
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def problem_of(data: bytes) -> ImageProblem:
    with pytest.raises(ImageProblem) as error:
        inspect(data)
    assert error.value.hint
    return error.value


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_an_image_is_kept_to_the_byte_with_a_thumbnail(workspace: Workspace, format: str) -> None:
    data = encoded(noise(), format)
    kept = keep(data, workspace)
    assert kept.sha == hashlib.sha256(data).hexdigest() and (kept.width, kept.height, kept.bytes, kept.format) == (400, 300, len(data), format)
    assert workspace.image_path(kept.sha).read_bytes() == data
    with Image.open(workspace.thumbnail_path(kept.sha)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (320, 240))
    assert not [path for path in workspace.root.rglob("*.part")]


def test_a_small_image_gets_a_thumbnail_of_its_own_size(workspace: Workspace) -> None:
    with Image.open(workspace.thumbnail_path(keep(encoded(photo(), "PNG"), workspace).sha)) as thumbnail:
        assert thumbnail.size == (80, 60)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_file_cut_off_anywhere_is_never_taken_for_whole(format: str) -> None:
    data = encoded(noise(), format)
    for share in (0.1, 0.5, 0.9, 0.99):
        assert problem_of(data[:int(len(data) * share)]).kind == "broken"


def test_a_truncated_jpeg_says_that_it_is_cut_off() -> None:
    data = encoded(noise())
    assert "cut off" in problem_of(data[:len(data) // 2]).message


def test_damage_in_the_middle_of_a_png_is_found() -> None:
    data = bytearray(encoded(noise(), "PNG"))
    data[len(data) // 2] ^= 0xFF
    assert problem_of(bytes(data)).kind == "broken"


def test_144_megapixels_in_17_kilobytes_are_refused_before_decoding() -> None:
    data = encoded(Image.new("1", (12_000, 12_000)), "PNG")
    assert len(data) < 20_000
    error = problem_of(data)
    assert error.kind == "oversized" and "144 megapixels" in error.message and "50 megapixels" in error.message


def test_sizes_far_beyond_every_limit_are_refused_from_the_header_alone() -> None:
    assert problem_of(png_of(100_000, 100_000)).kind == "oversized"
    assert problem_of(png_of(70_000, 1)).kind == "oversized"


def test_the_limit_itself_is_allowed() -> None:
    data = encoded(Image.new("1", (100, 50)), "PNG")
    assert inspect(data, max_pixels=5_000).width == 100
    with pytest.raises(ImageProblem):
        inspect(data, max_pixels=4_999)


def test_a_file_of_too_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    assert problem_of(encoded(noise())).kind == "oversized"


@pytest.mark.parametrize(("data", "words"), [
    (b"", "0 bytes"), (b"\0" * 4096, "zeros"), (b"<!DOCTYPE html><html><body>404</body></html>", "web page"), (b"  <html>", "web page"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "SVG"), (b"%PDF-1.7", "PDF"), (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
    (b"hello, this is text", "no image format"), (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git LFS pointer"),
])
def test_what_is_no_image_is_named(data: bytes, words: str) -> None:
    error = problem_of(data)
    assert error.kind == "broken" and words in error.message


def test_every_lfs_pointer_of_a_real_download_is_named(shared_data: Path) -> None:
    files = sorted((shared_data / "malformed" / "lfs_pointers_named_jpg").glob("*.jpg"))
    assert len(files) == 24
    assert all("Git LFS pointer" in problem_of(file.read_bytes()).message for file in files)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x10\0\0\0WEBP", b"BM", b"II*\0", b"MM\0*"]))
@settings(max_examples=300)
def test_any_bytes_give_an_image_or_a_problem_and_nothing_else(data: bytes, magic: bytes) -> None:
    try:
        inspect(magic + data)
    except ImageProblem as error:
        assert error.message and error.hint


def test_an_exif_rotation_is_applied(workspace: Workspace) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned: the camera's left is the picture's top
    kept = keep(encoded(photo(80, 60), "JPEG", exif=exif, quality=95), workspace)
    upright = open_rgb(workspace.image_path(kept.sha))
    assert kept.conversions == ("rotated",) and upright.size == (60, 80)
    top, bottom = upright.getpixel((30, 5)), upright.getpixel((30, 75))
    assert top[0] > 200 and bottom[2] > 200
    with Image.open(workspace.thumbnail_path(kept.sha)) as thumbnail:
        assert thumbnail.size == (60, 80)


@pytest.mark.parametrize(("data", "conversions"), [
    (encoded(photo().convert("CMYK")), ("cmyk",)),
    (encoded(photo().convert("P"), "PNG"), ("palette",)),
    (encoded(photo().convert("L")), ("gray",)),
    (encoded(photo().convert("1"), "PNG"), ("gray",)),
    (encoded(photo().convert("RGBA"), "PNG"), ("transparent",)),
    (encoded(photo(), "GIF", save_all=True, append_images=[photo().rotate(90)]), ("palette", "animated")),
    (encoded(photo(), "PNG"), ()),
])
def test_unusual_modes_are_named_and_seen_as_rgb(data: bytes, conversions: tuple[str, ...]) -> None:
    assert inspect(data).conversions == conversions
    seen = open_rgb(data)
    assert (seen.mode, seen.size) == ("RGB", (80, 60))
    if conversions not in (("gray",), ("cmyk",)):
        assert seen.getpixel((5, 30))[0] > 200 and seen.getpixel((75, 30))[2] > 200


def test_cmyk_keeps_its_colours_roughly() -> None:
    seen = open_rgb(encoded(photo().convert("CMYK"), quality=95))
    assert seen.getpixel((5, 30))[0] > 200 and seen.getpixel((5, 30))[2] < 60


def test_transparent_parts_become_white() -> None:
    clear = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    assert open_rgb(encoded(clear, "PNG")).getpixel((5, 5)) == (255, 255, 255)


def test_sixteen_bit_gray_keeps_its_shades_instead_of_turning_white() -> None:
    wide = Image.new("I;16", (4, 1))
    for column, value in enumerate((0, 16_000, 32_768, 65_535)):
        wide.putpixel((column, 0), value)
    data = encoded(wide, "PNG")
    assert inspect(data).conversions == ("deep",)
    shades = [open_rgb(data).getpixel((column, 0))[0] for column in range(4)]
    assert shades[0] == 0 and 55 <= shades[1] <= 70 and 120 <= shades[2] <= 135 and shades[3] == 255


def test_sixteen_bit_colour_is_noticed() -> None:
    data = png_of(2, 1, depth=16, color=2, rows=b"\0" + struct.pack(">6H", 65535, 0, 0, 0, 0, 65535))
    assert inspect(data).conversions == ("deep",) and open_rgb(data).getpixel((0, 0)) == (255, 0, 0)


def test_what_a_browser_shows_is_given_as_it_is_and_the_rest_as_png(tmp_path: Path) -> None:
    for format, options, type in (("JPEG", {}, "image/jpeg"), ("WEBP", {}, "image/webp"), ("TIFF", {}, "image/png"), ("BMP", {}, "image/png")):
        (tmp_path / format).write_bytes(encoded(photo(), format, **options))
        data, media_type = viewable(tmp_path / format)
        assert media_type == type and (data == (tmp_path / format).read_bytes()) == (type != "image/png")
    (tmp_path / "cmyk").write_bytes(encoded(photo().convert("CMYK")))
    assert viewable(tmp_path / "cmyk")[1] == "image/png"


def test_an_image_that_is_gone_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    for open_it in (open_rgb, viewable):
        with pytest.raises(ImageProblem, match="can't be read"):
            open_it(tmp_path / "nowhere")


def test_a_name_that_lies_about_the_format_is_noticed() -> None:
    assert is_misnamed("a/b.JPG", "PNG") and not is_misnamed("a.jpeg", "JPEG") and not is_misnamed("a.jpg", "MPO") and not is_misnamed("a", "PNG")


def test_the_same_content_is_written_once(workspace: Workspace) -> None:
    data = encoded(photo())
    first = keep(data, workspace)
    before = workspace.image_path(first.sha).stat().st_mtime_ns
    assert keep(data, workspace) == first and workspace.image_path(first.sha).stat().st_mtime_ns == before
