"""Teaching a look head: made texts, a small world in which looking can be learned, and how looking is measured."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.models.classes import class_names
from pipeline.settings import assets_dir
from pipeline.teaching import heads, looks, proof
from pipeline.teaching.features import demo_photo_names, left_out_names
from pipeline.teaching.heads import Lesson, Recipe
from pipeline.teaching.preferences import Rated
from pipeline.teaching.scenes import SCENES, SceneText, scene_texts


def test_scenes_name_classes_that_there_are() -> None:
    assert all(0 <= number < len(class_names()) for scene in SCENES for number in scene.classes)
    assert all(len(scene.words) >= 2 and scene.classes for scene in SCENES)


def test_made_texts_are_the_same_for_a_seed_and_cover_every_class() -> None:
    made = scene_texts(seed=3)
    assert made == scene_texts(seed=3) != scene_texts(seed=4)
    assert {number for text in made for number in text.classes if len(text.classes) == 1} >= set(range(1000))
    assert {text.kind for text in made} == {"question", "answer"}


def test_what_scorers_are_measured_on_is_left_out_of_every_training() -> None:
    left_out = left_out_names()
    measured = {record.photo.name for record in proof.held_out_records(assets_dir())}
    assert measured <= left_out and demo_photo_names() <= left_out and len(measured) >= 40


def small_world(classes: int = 6, seed: int = 0) -> tuple[looks.Shown, looks.Said]:
    """Pictures of one class each, a classifier that knows it, and texts whose tokens hold a direction of their class."""
    import torch

    torch.manual_seed(seed)
    directions, words = torch.randn(classes, 24).abs(), torch.randn(classes, 16) * 2
    views = torch.stack([(directions[number % classes] + 0.3 * torch.randn(3, 24)).clamp(min=0) for number in range(60)])
    texts = tuple(SceneText("question", f"text {number}", frozenset({number % classes})) for number in range(90))
    states = [torch.cat([torch.randn(4, 16), words[number % classes][None] + 0.2 * torch.randn(1, 16), torch.randn(number % 5, 16)]) for number in range(90)]
    fits = torch.eye(classes)[torch.arange(90) % classes]
    return looks.Shown(views, 3 * (directions - directions.mean(0)), torch.zeros(classes)), looks.Said(texts, states, fits)


def test_a_look_head_learns_which_picture_a_text_is_about() -> None:
    shown, said = small_world()
    head = looks.learn(shown, said, layer=2, steps=80)
    fresh, texts = small_world()
    own, other = ([float(head.values(texts.states[n][None], [(0, 0, len(texts.states[n]))], [fresh.views[(n + shift) % 6, 1]])) for n in range(90)] for shift in (0, 1))
    assert np.mean(np.array(own) > np.array(other)) > 0.9 and head.layer == 2


def test_the_falling_share_counts_swaps_of_records_that_have_scores() -> None:
    found = proof._falling([[1.0, 0.5, 2.0], [1.0, 0.0, 0.0], [], [0.0, 1.0, 1.0]] * 10, swaps=2)
    assert found["value"] == pytest.approx(0.5) and found["records"] == 30 and found["low"] <= 0.5 <= found["high"]


def test_an_answer_record_keeps_the_candidate_chosen_behind_its_own_picture() -> None:
    record = proof.Shown(assets_dir() / "x.jpg", ("q1", "q2"), (("a", "b"), ("c",)))
    scores = {(0, 0): [0.1, 0.9, 0.5], (0, 1): [5.0, 0.2, None]}
    assert proof._record_scores("answer", {(0, 0): scores[0, 0], (0, 1): [5.0, 0.2, 0.4]}, 0, record, 1) == pytest.approx([0.7, 0.3])


def rated_world(images: int = 40, seed: int = 0) -> Lesson:
    chance = np.random.default_rng(seed)
    states = chance.normal(size=(images * 4, 1, 6))
    ratings = np.clip(0.5 + 0.2 * states[:, 0, 0] + 0.02 * chance.normal(size=len(states)), 0, 1).reshape(images, 4)
    return Lesson(tuple(Rated("question", f"i{number}", tuple("abcd"), tuple(map(float, row))) for number, row in enumerate(ratings)), states)


def test_a_whole_share_is_the_plain_cross_validation() -> None:
    lesson, recipe = rated_world(), Recipe((0,), 10.0)
    whole, (images, pairs) = heads.cross_values_of_share(lesson, recipe, 1.0)
    assert np.allclose(whole, heads.cross_values(lesson, recipe)) and images == 32 and pairs > 0
    assert heads.cross_values_of_share(lesson, recipe, 0.25)[1][0] == 8
