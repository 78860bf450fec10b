"""Made-worse texts, facts and groups: whole words only, never a refusal on top, the same for the same seed."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from pipeline.facts import shuffled_facts, with_facts
from pipeline.scoring.contract import answer_text, question_text
from pipeline.teaching.augment import REFUSALS
from pipeline.teaching.preferences import Rated
from pipeline.teaching.reward.augment import WAYS, broken, may_be_better, plain_group, taught_group, weighted_pairs
from pipeline.teaching.reward.settings import RewardSettings

QUESTIONS = question_text(["What does the man in the red coat hold?", "Why might he look up?"])
ANSWER = answer_text("What does he hold?", "He holds a small blue umbrella. It is raining hard, so he looks up.")
PHOTO, OTHER = Path("a.jpg"), Path("b.jpg")


def rated(kind: str = "answer", picture: Path | None = PHOTO, facts: tuple[str, ...] = ()) -> Rated:
    texts = (ANSWER, answer_text("What does he hold?", "A red kite on a very long string."), answer_text("What does he hold?", "Nothing at all that one could see."))
    return Rated(kind, "image", texts, (1.0, 0.5, 0.0), picture, facts, "people")  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(12))
def test_a_broken_answer_keeps_its_question_and_whole_words(seed: int) -> None:
    made = broken(ANSWER, "answer", random.Random(seed))
    assert made is not None and made != ANSWER
    head, _, body = made.partition("\nAnswer:")
    assert head == "\nQuestion: What does he hold?"
    assert set(body.split()) <= set(ANSWER.partition("\nAnswer:")[2].split())


@pytest.mark.parametrize("seed", range(12))
def test_broken_questions_stay_one_a_line_of_whole_words(seed: int) -> None:
    made = broken(QUESTIONS, "question", random.Random(seed))
    assert made is not None and made.startswith("\n") and made != QUESTIONS
    assert set(made.split()) <= set(QUESTIONS.split())
    assert len(made.strip().split("\n")) in (2, 4)  # doubled: asked again on lines of their own


def test_each_way_does_what_it_says() -> None:
    chance = random.Random(1)
    body = "One two three four five six. Seven eight nine ten."
    assert Counter(WAYS["shuffled"](body, "answer", chance).split()) == Counter(body.split())
    assert len(WAYS["thinned"](body, "answer", chance).split()) < 10
    assert len(WAYS["doubled"](body, "answer", chance).split()) > 10


@pytest.mark.parametrize("text", [answer_text("Q?", ""), answer_text("Q?", "yes"), question_text([""])])
def test_what_cannot_be_broken_is_left_alone(text: str) -> None:
    made = broken(text, "answer" if "Answer" in text else "question", random.Random(0))
    assert made is None or made.split() != text.split()


def test_a_refusal_a_short_and_a_lowest_text_are_never_the_better_side() -> None:
    texts = (*[answer_text("Q?", refusal) for refusal in REFUSALS], answer_text("Q?", "Yes it is."), ANSWER, answer_text("Q?", "The worst of all these texts."))
    item = Rated("answer", "i", texts, (*[0.9] * len(REFUSALS), 0.9, 0.5, 0.1), PHOTO)
    assert [place for place in range(len(texts)) if may_be_better(item, place)] == [len(REFUSALS) + 1]
    group = taught_group(item, RewardSettings(augment=1.0, look=1.0), random.Random(0), [PHOTO, OTHER])
    assert {better for better, worse, _ in group.pairs if worse >= len(texts)} == {len(REFUSALS) + 1}


def test_a_made_text_is_below_its_own_source_only() -> None:
    group = taught_group(rated(), RewardSettings(augment=1.0, look=0.0), random.Random(0))
    assert group.pairs[:3] == ((0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0))
    assert group.pairs[3:] == ((0, 3, 1.0), (1, 4, 1.0)) and len(group.entries) == 5
    assert (group.image, group.origin) == ("image", "people")


def test_the_same_text_behind_another_image_is_worse() -> None:
    group = taught_group(rated(), RewardSettings(augment=0.0, look=1.0), random.Random(0), [PHOTO, OTHER])
    made = [(group.entries[better], group.entries[worse]) for better, worse, _ in group.pairs if worse >= 3]
    assert len(made) == 2 and all(a.text == b.text and a.picture == PHOTO and b.picture == OTHER for a, b in made)
    assert len(taught_group(rated(picture=None), RewardSettings(augment=0.0, look=1.0), random.Random(0), [OTHER]).entries) == 3
    assert len(taught_group(rated(), RewardSettings(augment=0.0, look=1.0), random.Random(0), [PHOTO]).entries) == 3


def test_the_share_is_about_what_was_asked_and_a_seed_makes_the_same_group() -> None:
    settings = RewardSettings(augment=0.25, look=0.0)
    made = sum(len(taught_group(rated(), settings, random.Random(n)).entries) - 3 for n in range(1000))
    assert 400 < made < 600  # of 2,000 chances
    assert taught_group(rated(), settings, random.Random("0/1/2")) == taught_group(rated(), settings, random.Random("0/1/2"))


def test_a_margin_weighs_wide_pairs_more_and_an_item_as_much_as_before() -> None:
    weights = [weight for _, _, weight in weighted_pairs(rated(), RewardSettings(margin="rating"))]
    assert weights == pytest.approx([0.75, 1.5, 0.75]) and sum(weights) == 3
    assert [weight for _, _, weight in weighted_pairs(rated(), RewardSettings())] == [1.0, 1.0, 1.0]


def test_facts_stand_before_the_text_in_one_form() -> None:
    assert with_facts(ANSWER, ["A man in  the rain", "He wears red."]) == "\nFacts: A man in the rain. He wears red." + ANSWER
    assert with_facts(ANSWER, []) == with_facts(ANSWER, ["  "]) == ANSWER


def test_facts_are_shown_only_when_asked_for_alike_for_a_whole_group_and_in_changing_order() -> None:
    item = rated(facts=tuple(f"Fact {n}." for n in range(4)))
    assert all("Facts:" not in entry.text for entry in plain_group(item, RewardSettings()).entries)
    shown = RewardSettings(facts=True, augment=1.0)
    heads = {entry.text.split("\nQuestion:")[0] for entry in taught_group(item, shown, random.Random(3)).entries}
    assert len(heads) == 1 and heads != {"\nFacts: Fact 0. Fact 1. Fact 2. Fact 3."}
    assert plain_group(item, shown).entries[0].text.startswith("\nFacts: Fact 0. Fact 1. Fact 2. Fact 3.\nQuestion:")
    assert sorted(shuffled_facts(item.facts, random.Random(0))) == sorted(item.facts)


def test_a_plain_group_holds_what_people_said_and_nothing_made() -> None:
    group = plain_group(rated(), RewardSettings(augment=1.0, look=1.0))
    assert len(group.entries) == 3 and group.pairs == ((0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0))
