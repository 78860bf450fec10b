"""Many distinct small JPEGs from the few free photos of the demo: other crops, mirrored, other tones; some dark, blurred, narrow or nearly the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from pipeline.settings import assets_dir

LONG_SIDE = 256
"""Pixels: large enough for a card and for every measure of quality, 6 to 12 kB a file."""
DARK, BLURRED, NARROW, NEARLY_SAME = 0.02, 0.02, 0.02, 0.03
"""Shares of flawed pictures; NEARLY_SAME: the picture before it, a little brighter."""


def photo_name(number: int) -> str:
    """As COCO names its pictures: twelve digits, never consecutive."""
    return f"{(number + 1) * 271 % 999_983:012d}.jpg"


def write_photos(folder: Path, count: int, seed: int = 0) -> list[str]:
    """Write so many pictures and return their names; those that are there already stay. The same seed writes the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    masters = [_master(path) for path in sorted((assets_dir() / "demo" / "images").glob("*.jpg"))]
    names = [photo_name(number) for number in range(count)]
    before: Image.Image | None = None
    for number, name in enumerate(names):
        rng = np.random.default_rng((seed, number))
        flaw = rng.random()
        if before is not None and flaw < NEARLY_SAME:
            picture = ImageEnhance.Brightness(before).enhance(1.06)
        else:
            picture = _variant(masters[number % len(masters)], flaw - NEARLY_SAME, rng)
        before = picture
        if not (folder / name).exists():
            picture.save(folder / name, "JPEG", quality=78, comment=f"{number}".encode())  # the number makes each file one of its own
    return names


def _master(path: Path) -> Image.Image:
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((2 * LONG_SIDE, 2 * LONG_SIDE))
    return picture


def _variant(master: Image.Image, flaw: float, rng: np.random.Generator) -> Image.Image:
    share = rng.uniform(0.55, 0.95)
    narrow = DARK + BLURRED <= flaw < DARK + BLURRED + NARROW
    width, height = int(master.width * share), int(master.height * (0.2 if narrow else share))
    left, top = int(rng.integers(0, master.width - width + 1)), int(rng.integers(0, master.height - height + 1))
    picture = master.crop((left, top, left + width, top + height))
    picture.thumbnail((LONG_SIDE, LONG_SIDE))
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = ImageEnhance.Color(picture).enhance(rng.uniform(0.4, 1.5))
    picture = ImageEnhance.Brightness(picture).enhance(0.12 if 0 <= flaw < DARK else rng.uniform(0.75, 1.25))
    return picture.filter(ImageFilter.GaussianBlur(5)) if DARK <= flaw < DARK + BLURRED else picture
