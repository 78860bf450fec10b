"""Prepare the demo photos: scale each to at most 640 pixels, write it as JPEG, list its source.

Owns `images/` and `sources.json`; never touches the texts in `demo.json`, which are written by hand. It needs the folder
of free photos (argument 1) and takes only files whose index row says CC0 or public domain.

    python assets/demo/make_photos.py ../shared/data/free_photos
"""

from __future__ import annotations

import configparser
import json
import sys
from pathlib import Path
from urllib.parse import unquote

from PIL import Image, ImageOps

HERE = Path(__file__).parent
FREE = {"CC0-1.0", "Public Domain"}
LONGEST_SIDE_PX = 640
JPEG_QUALITY = 85


def known_photos(root: Path) -> dict[str, dict[str, str]]:
    """Stem of each photo → path, title, author, licence, source, for both collections that name a licence per photo."""
    photos: dict[str, dict[str, str]] = {}
    for line in (root / "gcompris" / "index.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        title = unquote(row.get("source_title") or row["label"]).strip()
        photos[Path(row["file"]).stem] = {
            "path": str(root / "gcompris" / row["file"]), "title": title, "author": row["author"],
            "licence": row["license"], "source": row["source"],
        }
    for entry in sorted((root / "palapeli").glob("*.desktop")):
        desktop = configparser.ConfigParser(interpolation=None, strict=False)
        desktop.read(entry, "utf-8")
        row = desktop["Desktop Entry"]
        photos[entry.stem] = {
            "path": str(entry.with_suffix(".jpg")), "title": row["Name"], "author": row["X-KDE-PluginInfo-Author"],
            "licence": row["X-KDE-PluginInfo-License"], "source": row["X-KDE-PluginInfo-Website"],
        }
    return photos


def main(root: Path) -> None:
    """Write every photo named in `photos.json` (our name → stem in the collection) and the list of sources."""
    wanted: dict[str, str] = json.loads((HERE / "photos.json").read_text("utf-8"))
    known = known_photos(root)
    (HERE / "images").mkdir(exist_ok=True)
    sources = []
    for name, stem in sorted(wanted.items()):
        photo = known[stem]
        if photo["licence"] not in FREE:
            raise SystemExit(f"{stem}: licence {photo['licence']!r} is neither CC0 nor public domain")
        with Image.open(photo["path"]) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX), Image.Resampling.LANCZOS)
        picture.save(HERE / "images" / f"{name}.jpg", quality=JPEG_QUALITY, optimize=True, progressive=True)
        facts = {key: photo[key] for key in ("title", "author", "licence", "source")}
        sources.append({"file": f"{name}.jpg", **facts, "original_file": Path(photo["path"]).name})
    (HERE / "sources.json").write_text(json.dumps(sources, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
