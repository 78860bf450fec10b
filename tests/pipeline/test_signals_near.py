"""Near-duplicate texts and pictures: who is found, who is left alone, and that a crowd costs no more than its size."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from pipeline.signals import near_images, near_texts
from pipeline.signals.linking import components, numbered
from pipeline.store import Store
from tests.pipeline.signal_material import add_dataset, keep_image, listed, measured, photo, record

WORDS = "a dog runs over green grass while two children watch from behind the old wooden fence under a grey sky near tall pine trees and small red barn".split()


def story(seed: int, length: int = 80) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


# --- texts

def test_copies_with_a_changed_word_are_one_group_and_other_texts_are_alone(store: Store) -> None:
    changed = story(1).split()
    changed[40] = "suddenly"
    rows = [record(story(1)), record(story(2)), record(" ".join(changed)), record(story(3)), record(story(1).upper()), record(story(2))]
    found = measured(store, add_dataset(store, rows), "near_texts")
    assert listed(found["near_text"]) == [0, 1, 0, -1, 0, 1]
    assert listed(found["near_text_size"]) == [3, 2, 3, 1, 3, 2]
    assert found["near_text"].known == 5


def test_texts_without_words_and_the_shortest_texts(store: Store) -> None:
    rows = [record("", ""), record("…", "?"), record("dog", ""), record("dog", ""), record("cat", ""), record("two dogs", ""), record("dogs, two", "")]
    found = measured(store, add_dataset(store, rows), "near_texts")
    assert listed(found["near_text"]) == [-1, -1, 0, 0, -1, 1, 1]
    assert listed(found["near_text_size"]) == [1, 1, 2, 2, 1, 2, 2]


def test_a_single_record_is_alone(store: Store) -> None:
    found = measured(store, add_dataset(store, [record()]), "near_texts")
    assert listed(found["near_text"]) == [-1] and listed(found["near_text_size"]) == [1]


def test_every_candidate_and_turn_belongs_to_the_text() -> None:
    assert near_texts.text_of(record(("yes", "no"), "<image>\nIs it?")) == "Is it?\nyes\nno"


def test_the_estimate_finds_what_is_alike_and_spares_what_is_not() -> None:
    found = {}
    for cut in (0, 4, 80):  # of 200 words: the same, Jaccard about .96, about .58
        texts = [story(seed, 200) for seed in range(30)]
        others = [" ".join(["elsewhere"] * cut + text.split()[cut:]) for text in texts]
        sketches = near_texts.sketch([record(text) for pair in zip(texts, others) for text in pair])
        group, _ = near_texts.like_groups(sketches["hashes"], sketches["empty"])
        found[cut] = int((group[0::2] == group[1::2])[group[0::2] >= 0].sum())
    assert found[0] == 30 and found[4] >= 28 and found[80] <= 2, found


def test_ten_thousand_nearly_equal_texts_are_one_group_without_comparing_each_with_each() -> None:
    rng = np.random.default_rng(2)
    hashes = np.tile(rng.integers(0, 1 << 32, near_texts.HASHES, dtype=np.uint32), (10_000, 1))
    changed = rng.random(hashes.shape) < 0.03
    hashes[changed] = rng.integers(0, 1 << 32, int(changed.sum()), dtype=np.uint32)
    group, size = near_texts.like_groups(hashes, np.zeros(10_000, bool))
    assert (group == 0).mean() > 0.999 and size.max() > 9_990


# --- pictures

def test_another_size_quality_light_and_edge_are_nearly_the_same_picture(store: Store) -> None:
    dog, church = photo("giraffes"), photo("berlin-cathedral")
    pictures = [dog, dog.resize((dog.width // 2, dog.height // 2)), church, ImageEnhance.Brightness(dog).enhance(0.7), ImageOps.mirror(dog), photo("kitten")]
    shas = [keep_image(store, picture) for picture in pictures] + [keep_image(store, dog, quality=30)]
    found = measured(store, add_dataset(store, [record(image=sha, row=n) for n, sha in enumerate(shas)]), "near_images")
    assert listed(found["near_image"]) == [0, 0, -1, 0, -1, -1, 0]
    assert listed(found["near_image_size"]) == [4, 4, 1, 4, 1, 1, 4]


def test_records_of_one_file_are_no_near_duplicates_and_a_group_counts_files(store: Store) -> None:
    big, kitten = photo("koala"), keep_image(store, photo("kitten"))
    one, two = keep_image(store, big), keep_image(store, big.resize((400, 300)))
    rows = [record(image=kitten), record(image=kitten), record(image=one), record(image=one), record(image=two), record()]
    found = measured(store, add_dataset(store, rows), "near_images")
    assert listed(found["near_image"]) == [-1, -1, 0, 0, 0, -1]
    assert listed(found["near_image_size"]) == [1, 1, 2, 2, 2, None]


def test_plain_areas_are_not_compared_and_a_lost_picture_has_no_value(store: Store) -> None:
    black, white, koala = (keep_image(store, picture) for picture in (Image.new("RGB", (90, 90)), Image.new("RGB", (90, 90), "white"), photo("koala")))
    store.workspace.thumbnail_path(koala).unlink()
    store.workspace.image_path(koala).unlink()
    dataset = add_dataset(store, [record(image=sha) for sha in (black, white, koala)])
    found = measured(store, dataset, "near_images")
    assert listed(found["near_image"]) == [-1, -1, -1] and listed(found["near_image_size"]) == [1, 1, None]


def test_a_missing_thumbnail_is_made_of_the_original(store: Store) -> None:
    sha = keep_image(store, photo("koala"))
    twin = keep_image(store, photo("koala"), quality=40)
    store.workspace.thumbnail_path(sha).unlink()
    found = measured(store, add_dataset(store, [record(image=sha), record(image=twin)]), "near_images")
    assert listed(found["near_image"]) == [0, 0]


def test_without_pictures_every_record_is_alone(store: Store) -> None:
    found = measured(store, add_dataset(store, [record(), record()]), "near_images")
    assert listed(found["near_image"]) == [-1, -1] and listed(found["near_image_size"]) == [None, None]


def test_hashes_up_to_six_bits_apart_are_alike_wherever_the_bits_lie() -> None:
    rng = np.random.default_rng(3)
    for bits, alike in ((0, True), (1, True), (6, True), (7, False)):
        hashes = rng.integers(0, 1 << 63, 400, dtype=np.uint64)
        twins = hashes.copy()
        for place in range(len(twins)):
            for bit in rng.choice(64, bits, replace=False):
                twins[place] ^= np.uint64(1) << np.uint64(bit)
        group, _ = near_images.like_groups(np.concatenate([hashes, twins]), np.ones(800, bool))
        assert bool((group[:400] == group[400:]).all() and (group >= 0).all()) is alike, bits


# --- groups

def test_chains_are_one_group_numbered_by_first_place() -> None:
    group, size = numbered(components(6, np.array([4, 1, 2]), np.array([2, 5, 0])))
    assert group.tolist() == [0, 1, 0, -1, 0, 1] and size.tolist() == [3, 2, 3, 1, 3, 2]
    assert [len(part) for part in numbered(components(0, np.zeros(0, int), np.zeros(0, int)))] == [0, 0]
