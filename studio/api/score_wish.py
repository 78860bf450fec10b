"""What a person asks to be scored, read from a request body and checked. Knows no plan and starts nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from pipeline.curation import curate
from pipeline.errors import NothingKept, SettingError
from pipeline.records import INSTRUCTION_TYPES
from pipeline.scoring import scorers
from pipeline.store import RecordFilter, Store
from pipeline.teaching.adoption import choosable

KINDS = ("question", "answer")
PRECISIONS = ("auto", "bf16", "fp16", "fp32")
QUANTIZATIONS = ("auto", "none", "int8", "nf4")
PREPARATIONS = ("auto", "pad", "crop")
MOST_WORKERS = 1024
RECORDS = re.compile(rf"all|kept|type:(?:{'|'.join(INSTRUCTION_TYPES)})|sample:[1-9]\d{{0,6}}")


@dataclass(frozen=True)
class ScoreWish:
    """Kinds in the order of the cascade, scorers by kind (the active one where none is named), and which records.

    `records`: "all" · "kept" by the open selection · "type:detail" · "sample:256", evenly over the file.
    """

    dataset_id: int
    kinds: tuple[str, ...]
    precision: str = "auto"
    quantization: str = "auto"
    records: str = "all"
    image_preparation: str = "auto"
    scorers: dict[str, str] = field(default_factory=dict)
    workers: int | None = None
    """Processes that share the run; None leaves it to the plan."""

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the job but for the records' ids."""
        found: dict[str, Any] = {"kinds": list(self.kinds), "precision": self.precision, "quantization": self.quantization}
        if self.scorers:
            found["scorers"] = dict(self.scorers)
        if self.image_preparation != "auto":
            found["image_preparation"] = self.image_preparation
        if self.workers is not None:
            found["workers"] = self.workers
        return found

    def record_ids(self, store: Store) -> list[int] | None:
        """Ids of the records asked for in file order, None for all of them. Raises SettingError where there are none."""
        what, _, more = self.records.partition(":")
        if what == "all":
            return None
        if what == "kept":
            ids = curate(store, self.dataset_id).kept_ids
            if not ids:
                raise NothingKept("the open selection keeps no record", hint="Choose all records, or loosen the cuts in Select.", place="records")
            return [int(one) for one in ids]
        if what == "type":
            ids = store.records.ids(self.dataset_id, RecordFilter(type=more))
            if not ids:
                raise SettingError(f"this data set has no {more} record", hint="Choose another type, or all records.", place="records")
            return ids
        ids, count = store.records.ids(self.dataset_id), int(more)
        return None if count >= len(ids) else [ids[place * len(ids) // count] for place in range(count)]


def read_wish(body: Any, store: Store | None = None) -> ScoreWish:
    """Check a JSON body {"dataset", "kinds", "precision", "quantization", "records", "image", "scorers", "workers"}. Raises SettingError naming what is wrong.

    With a store the workspace's own scorers may be named as far as people adopted or kept them, without one only those that ship.
    """
    if not isinstance(body, dict):
        raise SettingError("this is no scoring request", hint="Send an object with dataset and kinds.")
    dataset = body.get("dataset")
    if isinstance(dataset, bool) or not isinstance(dataset, int) or not 0 <= dataset <= 2**53:
        raise SettingError(f"{_shown(dataset)} is no data set's number", hint="Open a data set and start again.", place="dataset")
    told = body.get("kinds", list(KINDS))
    if not isinstance(told, list) or any(kind not in KINDS for kind in told):
        raise SettingError(f"{_shown(told)} names something else than questions and answers", hint="kinds is a list of: question, answer.", place="kinds")
    kinds = tuple(kind for kind in KINDS if kind in told)
    if not kinds:
        raise SettingError("neither questions nor answers are to be scored", hint="Choose at least one of the two scorers.", place="kinds")
    chosen = {name: body.get(name, "auto") for name in ("precision", "quantization", "image")}
    for name, known in (("precision", PRECISIONS), ("quantization", QUANTIZATIONS), ("image", PREPARATIONS)):
        if chosen[name] not in known:
            raise SettingError(f"{_shown(chosen[name])} is no {'image preparation' if name == 'image' else name}", hint=f"Choose one of {', '.join(known)}.", place=name)
    records = body.get("records", "all")
    if not isinstance(records, str) or not RECORDS.fullmatch(records):
        raise SettingError(f"{_shown(records)} says not which records", hint="Send all, kept, type:detail (or another type) or sample:256.", place="records")
    workers = body.get("workers", "auto")
    if workers != "auto" and (isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MOST_WORKERS):
        raise SettingError(f"{_shown(workers)} is no number of workers", hint="Send auto, or a whole number from 1 on.", place="workers")
    return ScoreWish(dataset, kinds, chosen["precision"], chosen["quantization"], records, chosen["image"], _scorers(body.get("scorers", {}), store),
                     None if workers == "auto" else workers)


def _scorers(told: Any, store: Store | None) -> dict[str, str]:
    """Scorers by kind, known ones only: a page must not point the studio at folders of its own choice."""
    if not isinstance(told, dict) or any(kind not in KINDS for kind in told):
        raise SettingError(f"{_shown(told)} names no scorers", hint="Send an object with question, answer or both.", place="scorers")
    for kind, name in told.items():
        names = scorers.available(kind) if store is None else [scorer.reference for scorer in choosable(store, store.workspace, kind)]
        if name not in names:
            raise SettingError(f"{_shown(name)} is no {kind} scorer to choose here", hint=f"Choose one of {', '.join(names) or 'none yet'}.", place="scorers")
    return {kind: told[kind] for kind in KINDS if kind in told}


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
