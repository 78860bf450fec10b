"""The check before launch: what stops a run, what warns, and how big it will be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import SettingError
from pipeline.models.planning import Plan
from pipeline.models.specs import SPECS
from pipeline.training.checks import (DataFacts, Finding, check_data, check_memory, data_facts, estimate_memory, estimate_seconds, refuse,
                                      trained_parameters)
from pipeline.training.data import Gathered, Row
from pipeline.training.settings import TuneSettings, defaults_for

EMBEDDED, LARGE = SPECS["embedded"], SPECS["llava-1.5-7b"]
CPU = Plan("cpu", "fp32", "none", 1.0, "")
SETTINGS = TuneSettings()


def gathered(count: int, *, text_only: int = 0, words: int = 100, kept: int | None = None, left_out: dict[str, int] | None = None, empty: int = 0) -> Gathered:
    rows = tuple(Row(n, f"r{n}", "detail", None if n < text_only else f"i{n}", (("q" * 30, "a" * words),)) for n in range(count))
    return Gathered(rows, left_out or {}, count if kept is None else kept, empty, 0)


def findings(found: Gathered, settings: TuneSettings = SETTINGS) -> list[Finding]:
    return check_data(data_facts(found, settings, EMBEDDED), settings)


def levels(found: list[Finding]) -> list[str]:
    return [finding.level for finding in found]


def test_a_good_set_has_only_good_lines() -> None:
    assert set(levels(findings(gathered(100, text_only=5)))) == {"good"}


@pytest.mark.parametrize(("count", "kept"), [(0, 0), (7, 7), (5, 40)])
def test_fewer_than_eight_records_stop_the_launch(count: int, kept: int) -> None:
    found = findings(gathered(count, kept=kept))
    assert found[0].level == "bad" and found[0].hint
    with pytest.raises(SettingError) as caught:
        refuse(found)
    assert caught.value.hint


def test_eight_records_pass_with_a_warning() -> None:
    found = findings(gathered(8))
    assert found[0].level == "warn" and "8 of 8" in found[0].text
    refuse(found)


def test_a_set_without_images_or_mostly_text_warns() -> None:
    assert "No record has an image" in findings(gathered(50, text_only=50))[1].text
    assert "more text than images" in findings(gathered(50, text_only=30))[1].text


def test_what_is_left_out_is_told_with_its_reason_and_denominator() -> None:
    texts = [finding.text for finding in findings(gathered(50, kept=53, left_out={"its image is missing": 3}, empty=2))]
    assert any("3 of 53" in text and "its image is missing" in text for text in texts)
    assert any("2 of 52 turns" in text for text in texts)


def test_cut_records_are_counted_and_the_longest_is_named() -> None:
    long = Row(99, "the long one", "detail", "i99", (("q", "a" * 40_000),))
    found = gathered(50)
    finding = findings(replace(found, rows=(*found.rows, long), kept=51))[-2]
    assert finding.level == "warn" and "1 of 51 records are cut" in finding.text and "the long one" in finding.hint


def test_no_held_out_record_warns() -> None:
    assert findings(gathered(50), TuneSettings(held_out_share=0.0))[-1].level == "warn"


def test_memory_is_judged_against_what_is_free() -> None:
    facts = data_facts(gathered(50), SETTINGS, EMBEDDED)
    def verdict(free: float) -> Finding:
        return check_memory(estimate_memory(EMBEDDED, SETTINGS, CPU, facts, free), SETTINGS, CPU)
    total = estimate_memory(EMBEDDED, SETTINGS, CPU, facts, 20).total
    assert (verdict(20).level, verdict(total * 1.05).level, verdict(total * 0.9).level) == ("good", "warn", "bad")
    assert "halve the batch size to 2" in verdict(total * 0.9).hint and "QLoRA" in verdict(1).hint


def test_the_estimate_is_near_what_was_measured() -> None:
    """Demo data, embedded model, fp32, 4 records of up to 236 tokens: 4.23 GiB resident at the peak."""
    facts = replace(data_facts(gathered(106), SETTINGS, EMBEDDED), longest_tokens=236)
    assert estimate_memory(EMBEDDED, SETTINGS, CPU, facts, 20).total == pytest.approx(4.23, rel=0.15)


def test_a_7b_fits_24_gib_in_four_bits_and_small_batches() -> None:
    rows = gathered(1000, words=1500)
    for method, quantization, batch, fits in (("lora", "none", 16, False), ("qlora", "nf4", 4, True)):
        settings = replace(defaults_for("llava-1.5-7b"), method=method, batch_size=batch)
        plan = Plan("cuda", "bf16", quantization, 1.0, "")  # type: ignore[arg-type]
        estimate = estimate_memory(LARGE, settings, plan, data_facts(rows, settings, LARGE), 23.0)
        assert (estimate.total < 23.0) is fits, (method, estimate)


def test_more_batch_length_and_precision_need_more_memory() -> None:
    facts = data_facts(gathered(50, words=4000), SETTINGS, EMBEDDED)
    base = estimate_memory(EMBEDDED, SETTINGS, CPU, facts, 20).total
    assert estimate_memory(EMBEDDED, replace(SETTINGS, batch_size=8), CPU, facts, 20).total > base
    assert estimate_memory(EMBEDDED, replace(SETTINGS, max_length=128), CPU, facts, 20).total < base
    assert estimate_memory(EMBEDDED, replace(SETTINGS, gradient_checkpointing="on"), CPU, facts, 20).total < base
    assert estimate_memory(EMBEDDED, SETTINGS, replace(CPU, precision="bf16"), facts, 20).total < base


def test_trained_parameters_of_the_embedded_model_are_near_the_true_count() -> None:
    """True count, rank 16 on all linear layers with the projector: 5,954,688."""
    assert trained_parameters(EMBEDDED, SETTINGS) == pytest.approx(5_954_688, rel=0.15)


def test_time_follows_an_earlier_run_where_there_is_one() -> None:
    facts = data_facts(gathered(96), SETTINGS, EMBEDDED)
    guess, why = estimate_seconds(EMBEDDED, SETTINGS, CPU, facts, 1e11)
    known, reason = estimate_seconds(EMBEDDED, SETTINGS, CPU, facts, 1e11, 500.0)
    assert "timed matrix product" in why and "earlier run" in reason
    assert known == pytest.approx(20 + SETTINGS.steps(facts.training) * 4 * facts.tokens / 96 / 500, rel=0.2)
    assert guess > 20


def test_facts_count_turns_types_and_images() -> None:
    facts: DataFacts = data_facts(gathered(20, text_only=4), SETTINGS, EMBEDDED)
    assert (facts.usable, facts.with_image, facts.text_only, facts.images, facts.turns, facts.types) == (20, 16, 4, 16, 20, {"detail": 20})
    assert facts.training + facts.held_out == 20 and facts.held_out == 2
