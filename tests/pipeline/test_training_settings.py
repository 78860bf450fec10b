"""The table of fine-tune settings: limits, words, and refusal of nonsense before anything starts."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SettingError
from pipeline.training.settings import TuneSettings, defaults_for, describe

NUMBERS = [row["name"] for row in describe() if row["kind"] in ("whole", "number")]


def test_the_defaults_pass_their_own_check() -> None:
    assert TuneSettings.parse({}) == TuneSettings()
    assert TuneSettings.parse(TuneSettings().as_json()) == TuneSettings()


def test_every_field_has_words_and_limits() -> None:
    for row in describe():
        assert row["label"] and row["help"] and row["group"], row["name"]
        assert row["kind"] in ("text", "switch") or row["range"], row["name"]


def test_numbers_may_come_as_text() -> None:
    found = TuneSettings.parse({"learning_rate": "1e-4", "max_steps": " 20 ", "projector": "off"})
    assert (found.learning_rate, found.max_steps, found.projector) == (1e-4, 20, False)


@pytest.mark.parametrize("nonsense", ["1e-4; rm -rf /", "NaN", "inf", "-1", "1e9999", "", "0x10", "1_000", "²", None, [], {}, True, "--help", "$(id)", 10**400])
@pytest.mark.parametrize("name", NUMBERS)
def test_nonsense_in_a_number_field_is_refused_with_field_and_range(name: str, nonsense: object) -> None:
    row = next(row for row in describe() if row["name"] == name)
    with pytest.raises(SettingError) as caught:
        TuneSettings.parse({name: nonsense})
    assert name in caught.value.message and row["range"] in caught.value.message


@pytest.mark.parametrize(("name", "value"), [("learning_rate", 0), ("learning_rate", 1e9), ("batch_size", 0), ("batch_size", 10**9), ("batch_size", 2.5),
                                             ("lora_r", 10**9), ("epochs", 0), ("max_length", 1), ("held_out_share", 0.9), ("seed", -1)])
def test_values_outside_the_limits_are_refused(name: str, value: float) -> None:
    with pytest.raises(SettingError, match=name):
        TuneSettings.parse({name: value})


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingError) as caught:
        TuneSettings.parse({"learning_rate": "fast", "batch_size": 0, "method": "magic", "colour": "red"})
    for word in ("learning_rate", "batch_size", "method", "'colour'"):
        assert word in caught.value.message


@pytest.mark.parametrize("base", ["", "--model", "no such model here", "a\nb", "http://elsewhere.example/m", "x" * 600, 7])
def test_a_base_that_is_no_model_is_refused(base: object) -> None:
    with pytest.raises(SettingError, match="base"):
        TuneSettings.parse({"base": base})


def test_a_folder_that_is_no_llava_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"pickle")
    with pytest.raises(SettingError, match="config.json"):
        TuneSettings.parse({"base": str(tmp_path)})


def test_settings_that_are_no_table_are_refused() -> None:
    with pytest.raises(SettingError):
        TuneSettings.parse(["epochs"])  # type: ignore[arg-type]


def test_larger_bases_get_the_authors_recipe_unless_told_otherwise() -> None:
    found = TuneSettings.parse({"base": "llava-1.5-7b", "epochs": 2})
    assert (found.lora_r, found.lora_alpha, found.batch_size, found.epochs) == (128, 256, 16, 2.0)
    assert defaults_for("embedded").lora_r == 16


def test_a_projector_rate_far_above_the_adapters_is_refused() -> None:
    with pytest.raises(SettingError, match="projector_learning_rate"):
        TuneSettings.parse({"learning_rate": 1e-5, "projector_learning_rate": 1e-3})


@pytest.mark.parametrize(("records", "batch", "accumulation", "epochs", "most", "steps"),
                         [(96, 4, 1, 3, 0, 72), (97, 4, 1, 3, 0, 75), (10, 4, 2, 1, 0, 2), (96, 4, 1, 3, 20, 20), (8, 4, 1, 3, 20, 20), (96, 8, 1, 0.5, 0, 6), (0, 4, 1, 3, 0, 0)])
def test_steps_follow_from_records(records: int, batch: int, accumulation: int, epochs: float, most: int, steps: int) -> None:
    assert TuneSettings(batch_size=batch, gradient_accumulation=accumulation, epochs=epochs, max_steps=most).steps(records) == steps


@given(st.dictionaries(st.sampled_from([field.name for field in fields(TuneSettings) if field.name != "base"]),
                       st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers(), max_size=2)), max_size=4))
def test_whatever_comes_in_either_parses_into_limits_or_is_a_setting_error(told: dict[str, object]) -> None:
    try:
        found = TuneSettings.parse(told)
    except SettingError:
        return
    for row in describe():
        if row["kind"] in ("whole", "number"):
            value = getattr(found, row["name"])
            assert math.isfinite(value) and row["low"] <= value <= row["high"]
