"""What sharing saved, told from a run's counters."""

from __future__ import annotations

from pipeline.scoring.reuse import reuse


def test_the_saved_work_is_told_against_the_work_without_sharing() -> None:
    found = reuse({"texts": 321, "images_encoded": 81, "images_reused": 240, "real_tokens": 20_000, "padded_tokens": 300, "shared_prefix_tokens": 12_000, "halvings": 1})
    assert found is not None
    assert (found.shared_tokens, found.one_by_one_tokens, found.times, found.padding) == (12_000, 32_000, 1.6, 0.015)
    assert (found.texts, found.images_encoded, found.texts_reusing, found.halvings) == (321, 81, 240, 1)


def test_a_run_that_computed_nothing_has_nothing_to_tell() -> None:
    assert reuse({}) is None and reuse({"texts": 0, "real_tokens": 0}) is None
