"""Stored columns: written whole, read lazily, stale when they should be, and what a histogram shows."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from pipeline import signals
from pipeline.errors import NotFound
from pipeline.signals import SIGNALS, Column, Result, Signal, find
from pipeline.signals.columns import BARS, SignalColumns, bars, folder_of, pace, summary, write
from pipeline.signals.parts import by_parts
from pipeline.signals.run import build
from pipeline.store import Store
from tests.pipeline.signal_material import add_dataset, record


@pytest.fixture
def dataset(store: Store) -> int:
    return add_dataset(store, [record(row=n) for n in range(5)])


def a_signal(*columns: Column, revision: int = 1) -> Signal:
    return Signal("text", "Made up", "", columns, "text", revision, False, lambda store, dataset_id: None, lambda context: Result({}))


# --- the table of signals

def test_names_of_signals_and_columns_are_used_once() -> None:
    names = [signal.name for signal in SIGNALS]
    columns = [column.name for signal in SIGNALS for column in signal.columns]
    assert len(set(names)) == len(names) and len(set(columns)) == len(columns)
    assert not any(name.startswith("field.") for name in columns)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_every_signal_tells_what_it_is(signal: Signal) -> None:
    assert find(signal.name) is signal and signal.help.endswith(".") and signal.label[0].isupper() and signal.columns
    assert all(column.label and column.kind in ("number", "flag", "category", "group") for column in signal.columns)
    assert not signal.automatic or signal.needs == "text"


def test_an_unknown_signal_names_those_there_are() -> None:
    with pytest.raises(NotFound) as caught:
        find("smell")
    assert "near_texts" in caught.value.hint


# --- columns on disk

def test_columns_come_back_as_they_were_stored(store: Store, dataset: int) -> None:
    arrays = {"n": np.array([1, np.nan, 3, 4, 5]), "f": np.array([1, 0, 255, 1, 0]), "c": np.array([0, 1, -1, 1, 1]), "g": np.array([0, 0, -1, -1, 1])}
    signal = a_signal(Column("n", "N", "number", "words", "How many."), Column("f", "F", "flag"), Column("c", "C", "category"), Column("g", "G", "group"))
    write(folder_of(store, dataset, "text"), signal, Result(arrays, {"c": ("cat", "dog")}, beside={"vectors": np.ones((5, 3), np.float32)}, note="Well."), records=5, seconds=1.5)
    columns = SignalColumns(store)
    found = columns.all(dataset)
    assert list(found) == ["n", "f", "c", "g"]
    assert [found[name].array.dtype for name in found] == [np.float32, np.uint8, np.int32, np.int32]
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name].array, values)
    assert found["n"].column == signal.columns[0] and (found["n"].low, found["n"].high, found["n"].known) == (1, 5, 4)
    assert found["c"].values == ("cat", "dog") and found["c"].counts == (1, 3) and found["f"].counts == (2, 2) and found["g"].known == 3
    assert columns.beside(dataset, "text", "vectors").shape == (5, 3) and columns.beside(dataset, "text", "else") is None  # type: ignore[union-attr]
    assert columns.stored(dataset, "text").note == "Well." and columns.stored(dataset, "text").seconds == 1.5  # type: ignore[union-attr]
    with pytest.raises(ValueError):
        found["n"].array[0] = 7  # read-only: every page shares it


def test_columns_read_once_are_shared_and_a_new_run_replaces_them(store: Store, dataset: int) -> None:
    columns = SignalColumns(store)
    assert columns.all(dataset) == {} and columns.state(dataset, find("text")) == "missing"
    build(store, dataset, find("text"))
    first = columns.all(dataset)["turns"]
    assert columns.all(dataset)["turns"] is first and columns.get(dataset, "turns") is first and columns.get(dataset, "nothing") is None
    build(store, dataset, find("text"))
    again = columns.all(dataset)["turns"]
    assert again is not first and again.made_at > first.made_at
    assert first.array.tolist() == [1] * 5  # a page that still holds the old run reads it whole
    assert len(list(folder_of(store, dataset, "text").iterdir())) == 1 + len(find("text").columns)


def test_large_columns_are_mapped_not_loaded(store: Store, dataset: int) -> None:
    signal = a_signal(Column("n", "N", "number"))
    write(folder_of(store, dataset, "text"), signal, Result({"n": np.arange(200_000)}), records=200_000, seconds=1)
    column = SignalColumns(store).stored(dataset, "text").columns[0]  # type: ignore[union-attr]
    assert isinstance(column.array, np.memmap) and column.array[-1] == 199_999


def test_a_higher_revision_or_another_number_of_records_makes_columns_stale(store: Store, dataset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    build(store, dataset, find("text"))
    columns = SignalColumns(store)
    newer = dataclasses.replace(find("text"), revision=find("text").revision + 1)
    assert columns.state(dataset, find("text")) == "ready" and columns.state(dataset, newer) == "stale"
    monkeypatch.setattr(signals, "SIGNALS", (newer,))
    assert columns.all(dataset) == {}
    build(store, dataset, newer)
    assert columns.state(dataset, newer) == "ready" and "turns" in columns.all(dataset)
    manifest = folder_of(store, dataset, "text") / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "records": 4}))
    assert columns.state(dataset, newer) == "stale" and columns.all(dataset) == {}


@pytest.mark.parametrize("damage", [lambda folder: (folder / "manifest.json").write_text("{"), lambda folder: (folder / "manifest.json").unlink(),
                                    lambda folder: [path.unlink() for path in folder.glob("*.npy")], lambda folder: [path.write_bytes(b"x") for path in folder.glob("*.npy")]])
def test_damaged_files_are_as_good_as_missing(store: Store, dataset: int, damage: object) -> None:
    build(store, dataset, find("text"))
    damage(folder_of(store, dataset, "text"))  # type: ignore[operator]
    assert SignalColumns(store).state(dataset, find("text")) == "missing" and SignalColumns(store).all(dataset) == {}


@pytest.mark.parametrize(("column", "array", "values"), [
    (Column("n", "N", "number"), np.zeros(4), ()), (Column("n", "N", "number"), np.zeros((5, 2)), ()), (Column("n", "N", "category"), np.full(5, 2), ("a", "b"))])
def test_an_array_that_is_not_as_its_column_says_is_refused(store: Store, dataset: int, column: Column, array: np.ndarray, values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="column n"):
        write(folder_of(store, dataset, "text"), a_signal(column), Result({"n": array}, {"n": values}), records=5, seconds=0)
    assert SignalColumns(store).stored(dataset, "text") is None


def test_readers_never_see_half_a_run(store: Store, dataset: int) -> None:
    build(store, dataset, find("text"))
    columns, failures, over = SignalColumns(store), [], threading.Event()

    def read() -> None:
        while not over.is_set():
            found = SignalColumns(store).all(dataset) if len(failures) % 2 else columns.all(dataset)
            if len(found) != 4 or len({one.made_at for one in found.values()}) != 1:
                failures.append(found)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        build(store, dataset, find("text"))
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_pace_is_that_of_the_newest_run_long_enough_to_tell(store: Store, dataset: int) -> None:
    other = add_dataset(store, [record()], "other")
    signal = a_signal()
    assert pace(store, "text") is None
    write(folder_of(store, other, "text"), signal, Result({}), records=1000, seconds=10)
    write(folder_of(store, dataset, "text"), signal, Result({}), records=5, seconds=0.5)  # start-up
    assert pace(store, "text") == 0.01
    write(folder_of(store, dataset, "text"), signal, Result({}), records=5000, seconds=5, resumed=True)
    assert pace(store, "text") == 0.01
    write(folder_of(store, dataset, "text"), signal, Result({}), records=1000, seconds=20)
    assert pace(store, "text") == 0.02


# --- histograms

def test_whole_numbers_have_a_bar_each_where_there_are_few() -> None:
    found = bars(np.array([1, 1, 2, 5], np.float32))
    assert found.counts == (2, 1, 0, 0, 1) and (found.low, found.high) == (0.5, 5.5)


def test_equal_numbers_are_one_bar() -> None:
    assert bars(np.full(9, 2.5, np.float32)).counts == (9,) and bars(np.full(9, 3.0, np.float32)).counts == (9,)


def test_an_outlier_is_drawn_in_and_still_counted() -> None:
    values = np.append(np.linspace(0, 1, 999), 1e6).astype(np.float32)
    found = bars(values)
    assert found.high < 1.1 and len(found.counts) == BARS and sum(found.counts) == 1000 and min(found.counts) > 5


def test_a_column_without_any_number_has_no_bars() -> None:
    told = summary(Column("n", "N", "number"), np.full(3, np.nan, np.float32))
    assert (told["known"], told["low"], told["high"], told["bars"]) == (0, None, None, None)


# --- parts

def test_parts_join_to_what_one_pass_gives(tmp_path: Path) -> None:
    def compute(items: np.ndarray) -> dict[str, np.ndarray]:
        return {"square": items ** 2, "pair": np.stack([items, -items], 1)}

    for count in (1, 2, 3, 4, 5, 8, 9, 11):
        found = by_parts(tmp_path / str(count), np.arange(count), compute, batch=2, part=4)
        assert found["square"].tolist() == [n * n for n in range(count)] and found["pair"].shape == (count, 2)
    assert by_parts(tmp_path / "none", np.arange(0), compute, batch=2, part=4) == {}


def test_parts_of_other_items_or_another_stamp_are_not_used(tmp_path: Path) -> None:
    seen: list[int] = []

    def compute(items: np.ndarray) -> dict[str, np.ndarray]:
        seen.extend(items.tolist())
        return {"n": items}

    for items, stamp, fresh in ((np.arange(9), "a", True), (np.arange(9), "a", False), (np.arange(9), "b", True), (np.arange(9)[::-1].copy(), "b", True)):
        seen.clear()
        assert by_parts(tmp_path, items, compute, batch=2, part=4, stamp=stamp)["n"].tolist() == items.tolist()
        assert bool(seen) is fresh
    next(tmp_path.glob("part-*")).write_bytes(b"cut off")
    seen.clear()
    by_parts(tmp_path, np.arange(9)[::-1].copy(), compute, batch=2, part=4, stamp="b")
    assert len(seen) in (1, 4)  # only the damaged part


def test_an_array_of_another_length_is_a_fault_of_the_signal(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="n has 1 values for 2 items"):
        by_parts(tmp_path, np.arange(4), lambda items: {"n": items[:1]}, batch=2, part=4)
