"""Opens image bytes from strangers safely, and keeps them in the workspace by content.

The original bytes are kept unchanged under their sha256, so that an export is faithful; beside them a thumbnail for the
screen. Everything that looks at pixels goes through `open_rgb`, so that rotation, CMYK, 16 bit, palettes and animations are
treated alike everywhere. Knows no archive, no record and no database.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageOps

from pipeline.errors import DataError
from pipeline.workspace import Workspace

MAX_PIXELS = 50_000_000
MAX_BYTES = 64 << 20
MAX_SIDE = 60_000
THUMBNAIL_SIDE = 320
THUMBNAIL_QUALITY = 82
UNFINISHED = ".unfinished"
"""Folder of files that are being written, below the images and below the thumbnails."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What may be decoded. Left out on purpose: formats that run programs (EPS) or are documents (PDF, SVG)."""

CONVERSIONS: dict[str, str] = {
    "rotated": "turned upright as its EXIF data says",
    "cmyk": "CMYK, shown and read as RGB",
    "deep": "16 or 32 bits a channel, shown and read with 8",
    "palette": "palette image, shown and read as RGB",
    "gray": "gray image, shown and read as RGB",
    "transparent": "transparent parts, shown and read on white",
    "animated": "several frames, of which the first is shown and read",
    "misnamed": "a file name that says another format than the content",
}

_BROWSER_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
_SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".png": "PNG", ".webp": "WEBP", ".gif": "GIF", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF"}
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_ROTATING = (2, 3, 4, 5, 6, 7, 8)
_EXIF_ORIENTATION = 0x0112


class ImageProblem(DataError):
    """An image that can't be used. `kind` is "broken" or "oversized"."""

    def __init__(self, kind: Literal["broken", "oversized"], message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


@dataclass(frozen=True)
class StoredImage:
    """An image as it lies in the workspace. `width` × `height` in pixels are those of the file, before turning it upright.

    `conversions` are keys of CONVERSIONS: what `open_rgb` does to it.
    """

    sha: str
    width: int
    height: int
    format: str
    mode: str
    bytes: int
    conversions: tuple[str, ...] = ()


def inspect(data: bytes, *, max_pixels: int = MAX_PIXELS) -> StoredImage:
    """Check the header, then decode every pixel. Raises ImageProblem with what is wrong and what to do."""
    return _examine(data, max_pixels)[0]


def keep(data: bytes, workspace: Workspace, *, max_pixels: int = MAX_PIXELS) -> StoredImage:
    """Check an image and put it, with a thumbnail, into the workspace under its content name. Raises ImageProblem.

    The same content twice is written once. Files appear whole or not at all.
    """
    facts, image = _examine(data, max_pixels)
    thumbnail = workspace.thumbnail_path(facts.sha)
    if not thumbnail.exists():
        _write_whole(thumbnail, _thumbnail(_upright_rgb(image)))
    original = workspace.image_path(facts.sha)
    if not original.exists():
        _write_whole(original, data)
    return facts


def open_rgb(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image as every model and screen should see it: upright, RGB, 8 bits, first frame, transparency on white.

    Raises ImageProblem, also where the file is gone.
    """
    if isinstance(source, Path):
        try:
            source = source.read_bytes()
        except OSError as error:
            raise ImageProblem("broken", f"the image file can't be read: {error.strerror}", hint="Import the data set again.") from error
    image = _open(source, max_pixels)
    _load(image)
    return _upright_rgb(image)


def viewable(path: Path) -> tuple[bytes, str]:
    """Bytes and media type that any browser shows: the original where it is of such a format, else a PNG made of it.

    Raises ImageProblem. CMYK and deep images are converted, since browsers show them wrongly or not at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageProblem("broken", f"the image file can't be read: {error.strerror}", hint="Import the data set again.") from error
    image = _open(data, MAX_PIXELS)
    if image.format in _BROWSER_TYPES and not {"cmyk", "deep"} & set(_conversions(image, data)):
        return data, _BROWSER_TYPES[image.format]
    _load(image)
    buffer = io.BytesIO()
    _upright_rgb(image).save(buffer, "PNG")
    return buffer.getvalue(), "image/png"


def _examine(data: bytes, max_pixels: int) -> tuple[StoredImage, Image.Image]:
    image = _open(data, max_pixels)
    facts = StoredImage(hashlib.sha256(data).hexdigest(), image.width, image.height, image.format or "", image.mode, len(data), _conversions(image, data))
    _load(image)
    if facts.format == "PNG":
        _check_sums(data)
    return facts, image


def is_misnamed(name: str, format: str) -> bool:
    """True where a file name's ending says another image format than the content has."""
    told = _SUFFIXES.get(os.path.splitext(name)[1].lower())
    return told is not None and told != ("JPEG" if format == "MPO" else format)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    """Read the header only, and refuse what is no picture or too large to decode."""
    _refuse_impostors(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own size warning; the limit below is lower
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageProblem("oversized", f"far more pixels than the {max_pixels // 1_000_000} million allowed", hint="Make the image smaller and import again.") from error
    except Image.UnidentifiedImageError as error:
        raise ImageProblem("broken", f"no image format that is read here (begins with {data[:12]!r})",
                           hint="JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF are read: convert it, or download it again.") from error
    except Exception as error:  # a damaged header makes decoders raise whatever they like
        raise ImageProblem("broken", f"a damaged image header ({_words(error)})", hint="Download or export it again.") from error
    pixels = image.width * image.height
    if pixels > max_pixels or max(image.size) > MAX_SIDE:
        raise ImageProblem("oversized", f"{image.width:,} × {image.height:,} = {pixels / 1e6:.0f} megapixels from a file of {len(data):,} bytes; "
                           f"at most {max_pixels / 1e6:.0f} megapixels are decoded", hint="Make the image smaller and import again.")
    return image


def _refuse_impostors(data: bytes) -> None:
    again = "Download it again."
    if not data:
        raise ImageProblem("broken", "the file is empty (0 bytes)", hint=again)
    if len(data) > MAX_BYTES:
        raise ImageProblem("oversized", f"a file of more than {MAX_BYTES >> 20} MiB", hint="Make the image smaller and import again.")
    start = data[:512].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        raise ImageProblem("broken", "a Git LFS pointer, not the picture it stands for", hint="Run `git lfs pull` where the images came from, then import again.")
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        raise ImageProblem("broken", "a web page saved under an image name", hint="The download was answered with a page: download the image again.")
    if start.startswith((b"<?xml", b"<svg", b"%pdf", b"%!ps")):
        raise ImageProblem("broken", "a document or drawing (SVG, XML, PDF, PostScript), not a photo", hint="Convert it to PNG or JPEG first.")
    if not data[:64].strip(b"\0"):
        raise ImageProblem("broken", "the file holds only zeros at its start", hint="The copy was interrupted: " + again[0].lower() + again[1:])


def _load(image: Image.Image) -> None:
    """Decode all pixels of the first frame: a header check does not see a file that is cut off."""
    try:
        image.load()
    except MemoryError as error:
        raise ImageProblem("oversized", f"not enough memory to decode {image.width:,} × {image.height:,} pixels", hint="Make the image smaller and import again.") from error
    except Exception as error:  # each decoder has its own exceptions for damaged data
        what = "cut off: only a part of its data is there" if "truncated" in str(error).lower() else f"damaged ({_words(error)})"
        raise ImageProblem("broken", f"the {image.format or 'image'} data is {what}", hint="Download or export it again.") from error


def _check_sums(data: bytes) -> None:
    """Compare a PNG's check sums: its decoder does not, so that flipped bits would pass as pixels."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as again:
            again.verify()
    except Exception as error:
        raise ImageProblem("broken", f"the PNG data is damaged ({_words(error)})", hint="Download or export it again.") from error


def _conversions(image: Image.Image, data: bytes) -> tuple[str, ...]:
    found: list[str] = []
    if _orientation(image) in _ROTATING:
        found.append("rotated")
    if image.mode in ("CMYK", "YCCK"):
        found.append("cmyk")
    elif image.mode in _DEEP_MODES or (image.format == "PNG" and data[24] == 16):  # Pillow reduces 16-bit colour without a word
        found.append("deep")
    elif image.mode in ("P", "PA"):
        found.append("palette")
    elif image.mode in ("L", "1", "LA", "La"):
        found.append("gray")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        found.append("transparent")
    if image.format != "MPO" and _animated(image):
        found.append("animated")
    return tuple(found)


def _animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # a damaged later frame; the first one is checked when it is decoded
        return False


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # damaged EXIF data says nothing about the pixels
        return 1


def _upright_rgb(image: Image.Image) -> Image.Image:
    if _orientation(image) in _ROTATING:
        image = ImageOps.exif_transpose(image)
    if image.mode in _DEEP_MODES:
        image = _eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGB", layer.size, "white")
        white.paste(layer, mask=layer.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Bring 16- and 32-bit gray to 0–255. Pillow's own convert clips at 255, which turns most such pictures white."""
    wide = image.convert("F")
    low, high = wide.getextrema()
    if image.mode.startswith("I") and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0 if high > 255 else 255.0
    spread = (high - low) or 1.0
    return wide.point(lambda value: value * (255.0 / spread) + (-low * 255.0 / spread)).convert("L")


def _thumbnail(image: Image.Image) -> bytes:
    small = image.copy() if max(image.size) <= THUMBNAIL_SIDE else image
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()


def remove_unfinished(workspace: Workspace) -> int:
    """Delete the half written files of processes that were killed; those of living ones stay. Returns how many went."""
    gone = 0
    for folder in (workspace.images_dir, workspace.thumbnails_dir):
        for part in (folder / UNFINISHED).glob("*.part"):
            if not _alive(part.name.partition(".")[0]):
                part.unlink(missing_ok=True)
                gone += 1
    return gone


def _alive(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:  # somebody else's process: alive
        return True
    return True


def _write_whole(path: Path, data: bytes) -> None:
    """Write beside the place and rename, so that a kill leaves no half file under a content name.

    Half files of both folders lie in one place each, so that what a kill left is found without walking all images.
    """
    unfinished = path.parents[1] / UNFINISHED
    for folder in (path.parent, unfinished):
        folder.mkdir(parents=True, exist_ok=True)
    part = unfinished / f"{os.getpid()}.{id(data)}.{path.name}.part"
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _words(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:160]
