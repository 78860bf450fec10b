"""Likeness to a record or a text: cosines in file order, and a way out where there is no map or no known word."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pipeline.errors import NotFound, SettingError
from pipeline.records import Record, Turn
from pipeline.signals import find, likeness
from pipeline.signals.run import build
from pipeline.store import Store

ANSWERS = ["A brown dog runs after a ball.", "The dog sleeps on the sofa.", "A train waits in the station.", "Two trains leave the station.", "An old clock on a tower.",
           "A dog and a ball on the grass.", "!", "The tower has a clock."]


@pytest.fixture
def dataset(store: Store) -> int:
    return fill(store)


def fill(store: Store, name: str = "seeded") -> int:
    dataset_id = store.datasets.create(name, "here")
    store.records.add(dataset_id, [Record(f"r{n}", (Turn("?", (answer,)),), "detail", True, row=n) for n, answer in enumerate(ANSWERS)])
    store.datasets.finish(dataset_id, {})
    return dataset_id


def test_before_the_map_there_is_a_way_out(store: Store, dataset: int) -> None:
    for ask in (lambda: likeness.like_text(store, dataset, "dog"), lambda: likeness.like_record(store, dataset, store.records.ids(dataset)[0])):
        with pytest.raises(SettingError, match="not made yet") as refused:
            ask()
        assert "Map" in refused.value.hint


def test_records_like_a_text_come_first(store: Store, dataset: int) -> None:
    build(store, dataset, find("map"))
    found = likeness.like_text(store, dataset, "a dog with a BALL")
    assert found.dtype == np.float32 and found.shape == (8,)
    assert set(np.argsort(-np.nan_to_num(found, nan=-9))[:2].tolist()) == {0, 5}
    assert np.isnan(found).tolist() == [False] * 6 + [True, False], "a record without a word is like nothing"
    assert np.nanmax(found) <= 1 + 1e-5 and np.nanmin(found) >= -1 - 1e-5


def test_records_like_a_record(store: Store, dataset: int) -> None:
    build(store, dataset, find("map"))
    ids = store.records.ids(dataset)
    found = likeness.like_record(store, dataset, ids[4])
    assert found[4] == pytest.approx(1, abs=1e-5) and int(np.argsort(-np.nan_to_num(found, nan=-9))[1]) == 7 and np.isnan(found[6])
    with pytest.raises(SettingError, match="neither a word"):
        likeness.like_record(store, dataset, ids[6])
    other = fill(store, "other")
    for foreign in (store.records.ids(other)[0], 10**15, -1):
        with pytest.raises(NotFound, match="not in this data set"):
            likeness.like_record(store, dataset, foreign)


@pytest.mark.parametrize("text", ["", "   ", "xyzzy plugh", "'; DROP TABLE record; --", "的", "x" * 100_000])
def test_a_text_without_a_known_word_says_so(store: Store, dataset: int, text: str) -> None:
    build(store, dataset, find("map"))
    with pytest.raises(SettingError, match="no record knows|no words") as refused:
        likeness.like_text(store, dataset, text)
    assert refused.value.hint and len(refused.value.message) < 120


def test_a_map_of_an_earlier_version_is_not_used(store: Store, dataset: int) -> None:
    build(store, dataset, find("map"))
    store.records.add(dataset, [Record("new", (Turn("What?", ("A dog.",)),), "detail", True, row=99)])
    with pytest.raises(SettingError, match="earlier version"):
        likeness.like_text(store, dataset, "dog")


def test_a_new_map_is_read_anew(store: Store, dataset: int) -> None:
    build(store, dataset, find("map"))
    first = likeness.like_text(store, dataset, "dog")
    build(store, dataset, find("map"))
    np.testing.assert_array_equal(first, likeness.like_text(store, dataset, "dog"))


def test_cosines_of_mapped_rows_equal_a_plain_product(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "AT_ONCE", 100)
    rows = np.random.default_rng(0).normal(size=(250, 64)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    np.testing.assert_allclose(likeness.cosines(np.load(tmp_path / "rows.npy", mmap_mode="r"), rows[3]), rows @ rows[3], rtol=1e-5, atol=1e-4)


@pytest.mark.slow
def test_a_million_rows_take_a_moment() -> None:
    rows = np.random.default_rng(0).random((1_000_000, 64), np.float32)
    likeness.cosines(rows, rows[0])
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        likeness.cosines(rows, rows[0])
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.3  # 0.03 s on a quiet machine; the tests share theirs
