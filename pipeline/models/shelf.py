"""Keeps loaded models at hand within one process, so that the next small job answers at once. Owns their lifetime."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable

from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Plan
from pipeline.models.specs import ModelSpec

ShelfKey = tuple[str, str, str, str]


class ModelShelf:
    """At most `room` models, the least recently used one leaves first. Not for several threads at once."""

    def __init__(self, room: int = 2, loader: Callable[[ModelSpec, Plan], LoadedModel] = load) -> None:
        self._room = room
        self._loader = loader
        self._models: OrderedDict[ShelfKey, LoadedModel] = OrderedDict()

    def get(self, spec: ModelSpec, plan: Plan) -> LoadedModel:
        """The model of this spec and plan, loaded at most once. Raises ModelError as loading does."""
        key = (spec.source, plan.device, plan.precision, plan.quantization)
        if key not in self._models:
            while len(self._models) >= self._room:
                self._models.popitem(last=False)
                _give_back()
            self._models[key] = self._loader(spec, plan)
        self._models.move_to_end(key)
        return self._models[key]

    def __len__(self) -> int:
        return len(self._models)

    def clear(self) -> None:
        """Let go of all models and give their memory back."""
        self._models.clear()
        _give_back()


def _give_back() -> None:
    import sys

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
