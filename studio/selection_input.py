"""Reads what a page or a script sends about selections into values, or says which field is wrong and why.

Pure apart from looking up whether ids belong to the data set. Decides nothing about records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.errors import NotFound, SettingError
from pipeline.records import INSTRUCTION_TYPES
from pipeline.selection_spec import ALL, LARGEST_SEED, STAGES, Cut, Diverse, SelectionSpec
from pipeline.store import Store

MAX_ID = 2**53
LARGEST_AMOUNT = 1e9
MOST_DECISIONS = 100_000
VERDICTS = ("keep", "drop", "clear")
SHOWS = ("kept", "dropped", "hand", "unscored", "all")
SORTS = ("answer", "question", "row")


def body_of(data: Any) -> Mapping[str, Any]:
    """The body of a request as an object. Raises SettingError for lists, numbers and null."""
    if not isinstance(data, Mapping):
        raise SettingError(f"the request holds {_shown(data)} where an object was expected", hint='Send JSON like {"dataset": 1}.')
    return data


def dataset_of(store: Store, data: Mapping[str, Any]) -> int:
    """`dataset` of a body, checked to exist."""
    dataset_id = whole(data.get("dataset"), "dataset")
    store.datasets.get(dataset_id)
    return dataset_id


def whole(value: Any, place: str, *, least: int = 0, most: int = MAX_ID) -> int:
    """A whole number in bounds. Raises SettingError with its place."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SettingError(f"{_shown(value)} is no whole number of {least} or more", hint="Reload the page, or send a number.", place=place)
    return value


def one_of(value: Any, choices: tuple[str, ...], place: str) -> str:
    if value not in choices:
        raise SettingError(f"{_shown(value)} is none of {', '.join(choices)}", hint=f"Use one of: {', '.join(choices)}.", place=place)
    return value


def text_of(value: Any, place: str, *, most: int = 120) -> str:
    """A short text. Raises SettingError for other types, and for what is too long."""
    if not isinstance(value, str) or len(value) > most or any(ord(c) < 32 for c in value):
        raise SettingError(f"{_shown(value)} is no text of at most {most} characters", hint="Use a short name on one line.", place=place)
    return value.strip()


def records_of(data: Mapping[str, Any]) -> list[int]:
    """`records` of a body: ids, each once, in order. Whether they belong to the data set is checked by the store."""
    wanted = data.get("records")
    if not isinstance(wanted, list) or not wanted or len(wanted) > MOST_DECISIONS:
        raise SettingError(f"{_shown(wanted)} is no list of 1 to {MOST_DECISIONS:,} record numbers", hint="Choose at least one record.", place="records")
    return list(dict.fromkeys(whole(i, "records", least=1) for i in wanted))


def read_spec(store: Store, dataset_id: int, data: Any) -> SelectionSpec:
    """A selection from JSON. Each SettingError names its field: "question.detail", "per_image" …; NotFound a foreign scorer."""
    if not isinstance(data, Mapping):
        raise SettingError(f"{_shown(data)} is no selection", hint="A selection has question and answer cuts by group.", place="spec")
    per_type = data.get("per_type", False)
    if not isinstance(per_type, bool):
        raise SettingError(f"{_shown(per_type)} is neither true nor false", hint="Choose per type or together.", place="per_type")
    groups = INSTRUCTION_TYPES if per_type else (ALL,)
    cuts = {stage: _cuts(data.get(stage), stage, groups) for stage in STAGES}
    caps = {f"per_{noun}": _cap(data.get(f"per_{noun}"), noun) for noun in ("image", "cluster")}
    seed = whole(0 if data.get("seed") is None else data["seed"], "seed", most=LARGEST_SEED)
    keys = {f"{kind}_key": _key(store, data.get(f"{kind}_key"), kind) for kind in STAGES}
    return SelectionSpec(**cuts, **caps, per_type=per_type, diverse=_diverse(data.get("diverse")), seed=seed, **keys)


def _cap(cap: Any, noun: str) -> int | None:
    if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or not 1 <= cap <= LARGEST_AMOUNT):
        raise SettingError(f"{_shown(cap)} is no cap per {noun}", hint="Use a whole number of 1 or more, or leave the field empty.", place=f"per_{noun}")
    return cap


def _diverse(data: Any) -> Diverse | None:
    if data is None:
        return None
    if not isinstance(data, Mapping) or "method" not in data:
        raise SettingError(f"{_shown(data)} is no choice for variety", hint='It is like {"method": "kcenter", "mode": "share", "amount": 0.5}.', place="diverse")
    _amount(data.get("amount"), "diverse")
    return Diverse.from_json(data)


def _cuts(data: Any, stage: str, groups: tuple[str, ...]) -> dict[str, Cut]:
    if not isinstance(data, Mapping) or set(data) != set(groups):
        named = ", ".join(sorted(str(g)[:20] for g in data)) if isinstance(data, Mapping) else _shown(data)
        raise SettingError(f"the {stage} cuts are for {named or 'nothing'}, not for {', '.join(groups)}",
                           hint="Per type there is one cut for each instruction type, together one for all.", place=stage)
    return {group: _cut(data[group], f"{stage}.{group}") for group in groups}


def _cut(data: Any, place: str) -> Cut:
    if not isinstance(data, Mapping):
        raise SettingError(f"{_shown(data)} is no cut", hint='A cut is like {"mode": "share", "amount": 0.3}.', place=place)
    mode = data.get("mode")
    amount = 1.0 if mode == "pass" and data.get("amount") is None else _amount(data.get("amount"), place)
    try:
        return Cut(mode, amount)
    except SettingError as error:
        raise SettingError(error.message, hint=error.hint, place=place) from error


def _amount(amount: Any, place: str) -> float:
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or amount != amount:
        raise SettingError(f"{_shown(amount)} is no number for a cut", hint="Type a plain number, for example 30.", place=place)
    if not -LARGEST_AMOUNT <= amount <= LARGEST_AMOUNT:
        raise SettingError(f"{_shown(amount)} is too large for a cut", hint=f"Stay within ±{LARGEST_AMOUNT:,.0f}.", place=place)
    return amount


def _key(store: Store, digest: Any, kind: str) -> str | None:
    if digest is None:
        return None
    place = f"{kind}_key"
    if not isinstance(digest, str) or len(digest) > 64:
        raise SettingError(f"{_shown(digest)} names no scorer", hint="Leave it out for the scorer last used.", place=place)
    if store.scores.key(digest).kind != kind:
        raise NotFound(f"{digest} is no {kind} scorer", hint="Leave it out for the scorer last used.", place=place)
    return digest


def _shown(value: Any) -> str:
    """A foreign value as a few characters. Huge numbers aren't written out."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**18:
        return "a huge number"
    if isinstance(value, float) and not math.isfinite(value):
        return "infinity" if value == value else "“not a number”"
    return "nothing" if value is None else repr(value)[:60]
