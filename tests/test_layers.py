"""The rooms keep their doors: who may import whom, and what importing the studio must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "transformers", "peft", "bitsandbytes", "accelerate", "safetensors"}


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files("pipeline"), ids=lambda p: str(p.relative_to(ROOT)))
def test_pipeline_never_imports_the_screen(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"gradio", "studio"}


@pytest.mark.parametrize("path", files("studio"), ids=lambda p: str(p.relative_to(ROOT)))
def test_studio_never_imports_model_libraries(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & HEAVY


@pytest.mark.parametrize("path", files("studio/tabs"), ids=lambda p: str(p.relative_to(ROOT)))
def test_tabs_do_not_import_each_other(path: Path) -> None:
    if path.name != "__init__.py":
        assert not [name for name in imports(path) if name.startswith("studio.tabs.")]


@pytest.mark.slow
def test_importing_the_studio_loads_no_model_library() -> None:
    code = "import sys, studio.server; print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'transformers', 'peft', 'bitsandbytes'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_every_job_kind_has_its_handler() -> None:
    from pipeline.jobs import KINDS, LANES

    for kind, (target, lane) in KINDS.items():
        module, function = target.split(":")
        path = ROOT / (module.replace(".", "/") + ".py")
        assert lane in LANES
        assert path.exists(), f"{kind}: {path} is missing"
        names = {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}
        assert function in names, f"{kind}: {function} is missing in {path.name}"
