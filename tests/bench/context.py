"""A job's context without a worker, over a real workspace: what `run(context)` needs, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.models.loading import LoadedModel
from pipeline.models.planning import Plan
from pipeline.models.shelf import ModelShelf
from pipeline.models.specs import ModelSpec
from pipeline.settings import assets_dir
from pipeline.store import Store
from pipeline.workspace import Workspace


class BenchContext:
    """Loads nothing where a loaded model is given; reports to nobody."""

    def __init__(self, workspace: Path, loaded: LoadedModel | None = None, kind: str = "score", dataset_id: int | None = 1, **params: Any) -> None:
        self.workspace = Workspace.open(workspace)
        self.store = Store(self.workspace)
        if loaded is not None:
            params = {"precision": loaded.plan.precision, "quantization": loaded.plan.quantization, **params}
        self.job = self.store.jobs.add(kind, "bench", dataset_id, params)
        self.params = self.job.params
        self.shelf = ModelShelf() if loaded is None else _Loaded(loaded)

    def step(self, done: int, total: int, stage: str = "", message: str = "") -> None:
        pass

    def check(self) -> None:
        pass

    def log(self, text: str) -> None:
        pass


class _Loaded:
    """A shelf that holds the one model it was given."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded

    def get(self, spec: ModelSpec, plan: Plan) -> LoadedModel:
        return self._loaded


def import_demo(workspace: Path, copies: int = 1) -> None:
    """The demo data set as data set 1 of a new workspace, its records so many times."""
    import json
    import tempfile

    from pipeline.importing import run

    folder = assets_dir() / "demo"
    records = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "demo.json"
        file.write_text(json.dumps([{**record, "id": f"{record['id']}-{copy}"} for copy in range(copies) for record in records]), encoding="utf-8")
        run(BenchContext(workspace, kind="import", dataset_id=None, file=str(file), images=str(folder / "images"), name="demo", uploaded=False))  # type: ignore[arg-type]
