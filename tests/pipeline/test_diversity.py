"""Variety: proportional quotas, both greedy ways against plain ones, ties, and what a choice still covers."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import diversity
from pipeline.diversity import Groups, choose, coverage, largest_remainder, spread
from pipeline.errors import SettingError
from tests.pipeline.test_selection import table

METHODS = ("kcenter", "facility")


def drawn(n: int, clusters: int, *, seed: int = 0, width: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, clusters, n).astype(np.int32), rng.normal(size=(n, width)).astype(np.float32), rng.normal(size=n).astype(np.float32)


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 400))
def test_quotas_add_up_and_none_is_larger_than_its_part_or_off_by_one_or_more(sizes: list[int], total: int) -> None:
    parts = largest_remainder(sizes, total)
    assert parts.sum() == min(total, sum(sizes))
    assert (parts <= sizes).all() and (parts >= 0).all()
    if sum(sizes):
        exact = np.array(sizes) * min(total, sum(sizes)) / sum(sizes)
        assert (np.abs(parts - exact) < 1).all()


def test_equal_remainders_go_to_the_earlier_part() -> None:
    assert largest_remainder([1, 1, 1], 2).tolist() == [1, 1, 0]


@pytest.mark.parametrize("method", METHODS)
def test_clusters_give_in_proportion_and_their_best_record_first(method: str) -> None:
    cluster, vectors, score = drawn(300, 3)
    chosen = choose(cluster, vectors, score, 30, method)
    sizes = np.bincount(cluster)
    assert np.bincount(cluster[chosen]).tolist() == largest_remainder(sizes, 30).tolist()
    assert (np.diff(chosen) > 0).all()
    for one in range(3):
        members = np.flatnonzero(cluster == one)
        assert members[np.argmax(score[members])] in chosen


def test_k_center_takes_the_farthest_next() -> None:
    line = np.array([[0], [1], [2], [9], [10]], np.float32)
    score = np.array([5, 0, 0, 0, 0], np.float32)
    assert choose(np.zeros(5, int), line, score, 2, "kcenter").tolist() == [0, 4]
    assert choose(np.zeros(5, int), line, score, 3, "kcenter").tolist() == [0, 2, 4]


def test_facility_location_takes_the_typical_record_of_the_far_heap() -> None:
    line = np.array([[0], [1], [8], [9], [10], [11], [12]], np.float32)
    assert choose(np.zeros(7, int), line, np.array([5, 0, 0, 0, 0, 0, 0], np.float32), 2, "facility").tolist() == [0, 4]


@pytest.mark.parametrize("seed", range(4))
def test_facility_location_is_the_plain_greedy_one(seed: int) -> None:
    _, vectors, score = drawn(40, 1, seed=seed)
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    chosen = [int(np.argmax(score))]
    while len(chosen) < 12:
        rest = [i for i in range(40) if i not in chosen]
        chosen.append(min(rest, key=lambda i: distances[[*chosen, i]].min(axis=0).sum()))
    assert choose(np.zeros(40, int), vectors, score, 12, "facility").tolist() == sorted(chosen)


@pytest.mark.parametrize("seed", range(4))
def test_k_center_is_within_twice_the_best_radius(seed: int) -> None:
    _, vectors, score = drawn(12, 1, seed=seed, width=2)
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    best = min(distances[list(centres)].min(axis=0).max() for centres in combinations(range(12), 3))
    assert distances[choose(np.zeros(12, int), vectors, score, 3, "kcenter")].min(axis=0).max() <= 2 * best + 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_equal_vectors_and_scores_give_the_earlier_records(method: str) -> None:
    assert choose(np.zeros(9, int), np.full((9, 3), 0.1, np.float32), np.ones(9, np.float32), 4, method).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("method", METHODS)
def test_copies_come_last(method: str) -> None:
    vectors = np.repeat(np.array([[1.5, 0.3], [0.2, 7.1], [-3, 2]], np.float32), 3, axis=0)
    assert choose(np.zeros(9, int), vectors, np.zeros(9, np.float32), 3, method).tolist() == [0, 3, 6]


@pytest.mark.parametrize("method", METHODS)
def test_a_cluster_larger_than_a_block_still_gives_its_quota_and_its_best(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diversity, "LARGEST_BLOCK", 16)
    cluster, vectors, score = drawn(200, 1)
    for wanted in (1, 3, 50):
        chosen = choose(cluster, vectors, score, wanted, method)
        assert len(set(chosen.tolist())) == wanted and int(np.argmax(score)) in chosen


@pytest.mark.parametrize("method", METHODS)
def test_ugly_numbers_are_no_error(method: str) -> None:
    vectors = np.full((6, 2), np.nan, np.float32)
    vectors[0] = np.inf
    assert choose(np.full(6, -1), vectors, np.full(6, np.nan, np.float32), 2, method).tolist() == [0, 1]
    assert choose(np.zeros(0, int), np.zeros((0, 2)), np.zeros(0), 3, method).tolist() == []
    assert choose(np.zeros(3, int), np.zeros((3, 0)), np.zeros(3), 2, method).tolist() == [0, 1]
    assert choose(np.zeros(3, int), np.zeros((3, 2)), np.zeros(3), 0, method).tolist() == []


@pytest.mark.parametrize("method", METHODS)
def test_the_same_choice_every_time(method: str) -> None:
    cluster, vectors, score = drawn(2000, 5)
    assert np.array_equal(choose(cluster, vectors, score, 300, method), choose(cluster, vectors, score, 300, method))


@pytest.mark.parametrize("method", METHODS)
def test_fourteen_thousand_of_forty_eight_thousand_in_a_moment(method: str) -> None:
    cluster, vectors, score = drawn(48_000, 256, width=64)
    start = time.process_time()
    choose(cluster, vectors, score, 14_000, method)
    assert time.process_time() - start < 6, "about 0.1 s (k-center) and 0.6 s (facility location) on two quiet cores"


def test_coverage_counts_types_clusters_and_images_before_and_after() -> None:
    scores = table([1] * 4, [1] * 4, types=[0, 0, 1, 2], images=[5, 5, 6, -1])
    found = coverage(scores, np.ones(4, bool), np.array([True, True, False, False]), Groups(np.array([0, 1, 2, -1], np.int32)))
    assert found.before.types == {"conversation": 0.5, "detail": 0.25, "complex": 0.25}
    assert (found.before.clusters_covered, found.before.clusters_effective) == (3, 3.0)
    assert (found.before.images_covered, found.before.images_effective) == (2, pytest.approx(1.89, abs=0.01))
    assert (found.after.records, found.after.clusters_covered, found.after.images_covered, found.after.types["conversation"]) == (2, 2, 1, 1.0)


def test_nothing_kept_covers_nothing_and_clusters_may_be_unknown() -> None:
    found = spread(table([1], [1]), np.zeros(1, bool))
    assert found.as_json() == {"records": 0, "types": {"conversation": 0.0, "detail": 0.0, "complex": 0.0}, "clusters": None, "images": {"covered": 0, "effective": 0.0}}


def test_groups_of_another_size_are_refused_with_the_way_out() -> None:
    with pytest.raises(SettingError) as error:
        diversity.checked(Groups(np.zeros(3, np.int32)), 4, place="per_cluster")
    assert error.value.place == "per_cluster" and "again" in error.value.hint
