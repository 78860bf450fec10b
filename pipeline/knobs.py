"""Settings as tables of knobs: a frozen dataclass whose fields carry their own words, unit and limits. Pure.

The form of the screen, the command line, the checks and the program of a run all read the one table; a value from outside
enters through `read_told`, which finds every problem before it refuses. What a run can be told is in its own module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any

from pipeline.errors import SettingError, StudioError
from pipeline.models.specs import spec_for

LONGEST_BASE = 500


def knob(default: Any, label: str, help: str, *, group: str, unit: str = "", low: float | None = None, high: float | None = None,
         choices: tuple[str, ...] = (), advanced: bool = False) -> Any:
    """A dataclass field that carries its own words and limits."""
    return field(default=default, metadata={"label": label, "help": help, "group": group, "unit": unit, "low": low, "high": high,
                                            "choices": choices, "advanced": advanced})


def read_told(table: type, told: Any, place: str) -> dict[str, Any]:
    """The values a person named, each as its field's type (numbers may be text). Raises SettingError naming every problem."""
    if told is not None and not isinstance(told, Mapping):
        raise SettingError("the settings are no table of fields", hint="Send an object: {\"epochs\": 3, …}.", place=place)
    told = told or {}
    known = {one.name: one for one in fields(table)}
    problems = [f"there is no setting {str(name)[:60]!r}" for name in told if name not in known]
    values: dict[str, Any] = {}
    for name, one in known.items():
        if name in told:
            try:
                values[name] = _read(name, one.metadata, one.default, told[name])
            except SettingError as error:
                problems.append(error.message)
    if problems:
        raise SettingError("; ".join(problems), hint=_hint(problems, known), place=place)
    return values


def describe_knobs(table: type) -> list[dict[str, Any]]:
    """Every field with its words, limits and default, in order: what a form needs."""
    rows = []
    for one in fields(table):
        kind = "choice" if one.metadata["choices"] else {bool: "switch", int: "whole", float: "number", str: "text"}[type(one.default)]
        rows.append({"name": one.name, "kind": kind, "default": one.default, **one.metadata, "choices": list(one.metadata["choices"]),
                     "range": allowed(one.metadata)})
    return rows


def allowed(limits: Mapping[str, Any]) -> str:
    """The allowed values of a field in words."""
    if limits["choices"]:
        return "one of " + ", ".join(limits["choices"])
    low, high = limits["low"], limits["high"]
    return "" if low is None else f"{_plain(low)} to {_plain(high)}"


def _plain(number: float) -> str:
    return f"{int(number):,}" if number == int(number) and abs(number) >= 1 else f"{number:g}"


def _read(name: str, limits: Mapping[str, Any], default: Any, value: Any) -> Any:
    """One value as its field's type. Raises SettingError naming field, value and range."""
    shown = f"{str(value)[:60]!r}"
    if isinstance(default, bool):
        if isinstance(value, str) and value.strip().lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            return value.strip().lower() in ("true", "yes", "on", "1")
        if not isinstance(value, bool):
            raise SettingError(f"{name} is {shown}, allowed: true or false")
        return value
    if isinstance(default, str):
        return _read_text(name, limits, value, shown)
    number = _number(value)
    if number is None:
        raise SettingError(f"{name} is {shown}, which is no number; allowed: {allowed(limits)}")
    if isinstance(default, int) and number != int(number):
        raise SettingError(f"{name} is {shown}, which is no whole number; allowed: {allowed(limits)}")
    if not limits["low"] <= number <= limits["high"]:
        raise SettingError(f"{name} is {shown}; allowed: {allowed(limits)}")
    return int(number) if isinstance(default, int) else float(number)


def _read_text(name: str, limits: Mapping[str, Any], value: Any, shown: str) -> str:
    if not isinstance(value, str):
        raise SettingError(f"{name} is {shown}, which is no text")
    text = value.strip()
    if limits["choices"]:
        if text not in limits["choices"]:
            raise SettingError(f"{name} is {shown}; allowed: {allowed(limits)}")
        return text
    if not text or len(text) > LONGEST_BASE or not text.isprintable() or text.startswith("-"):
        raise SettingError(f"{name} is {shown}, which is no model; allowed: a name, a folder or a hub id")
    try:
        spec_for(text)
    except StudioError as error:
        raise SettingError(f"{name}: {error.message}", hint=error.hint) from error
    return text


def _number(value: Any) -> float | None:
    """A finite number out of a number or its plain spelling, None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and (len(value) > 40 or "_" in value or not value.isascii()):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _hint(problems: list[str], known: Mapping[str, Any]) -> str:
    if any(problem.startswith("there is no setting") for problem in problems):
        return f"Settings: {', '.join(known)}."
    return "Nothing was started. Correct the fields named above."
