"""Each guard passes what keeps the meaning and stops what doesn't."""

from __future__ import annotations

import pytest

from pipeline.rewriting import guards
from pipeline.rewriting.guards import GUARDS, Pair, check, failed, same_text

CASES: list[tuple[str, str, str, str, bool]] = [
    # guard, part, original, rewrite, passes
    ("numbers", "answer", "There are two dogs on 3 chairs.", "2 dogs are on three chairs.", True),
    ("numbers", "answer", "There are two dogs.", "There is one dog.", False),
    ("numbers", "answer", "It weighs 1,200 kg.", "It weighs 1200 kg.", True),
    ("numbers", "answer", "All of the birds fly.", "Some of the birds fly.", False),
    ("numbers", "answer", "The first door is open.", "The second door is open.", False),
    ("negation", "answer", "It isn't raining.", "It is not raining.", True),
    ("negation", "answer", "They can't see it.", "They cannot see it.", True),
    ("negation", "answer", "It isn't raining.", "It is raining.", False),
    ("negation", "answer", "The flowers are purple.", "The flowers are yellow, not purple.", False),
    ("negation", "answer", "It goes without saying that the gate is open.", "The gate is open.", True),
    ("colours", "answer", "A grey cat in a red box.", "A gray cat in a red box.", True),
    ("colours", "answer", "A red bus.", "A blue bus.", False),
    ("left/right", "answer", "The dog on the left sleeps.", "On the left the dog sleeps.", True),
    ("left/right", "answer", "The dog on the left sleeps.", "The dog on the right sleeps.", False),
    ("names", "answer", "The sign says Tokyo Hotel.", "Tokyo Hotel is what the sign says.", True),
    ("names", "answer", "The sign says Tokyo Hotel.", "The sign says Kyoto Hotel.", False),
    ("names", "answer", "The word “exit” is on the door.", "A word is on the door.", False),
    ("attached", "answer", "A red car and a blue bus.", "A blue bus and a red car.", True),
    ("attached", "answer", "A red car and a blue bus.", "A blue car and a red bus.", False),
    ("attached", "answer", "Two dogs and three cats.", "Three dogs and two cats.", False),
    ("pronouns", "answer", "A keeper feeds it chickens.", "A keeper feeds chickens.", False),
    ("pronouns", "answer", "It's likely that they left.", "They probably left.", True),
    ("links", "answer", "It is wet because it rained.", "It is wet and it rained.", False),
    ("links", "answer", "Due to the fact that it rained, it is wet.", "It is wet because it rained.", True),
    ("certainty", "answer", "It is probably a zoo, perhaps in spring.", "It is likely a zoo, maybe in spring.", True),
    ("certainty", "answer", "It is probably a zoo.", "It is a zoo.", False),
    ("no loops", "answer", "It is a plant, and plants need light.", "A plant is a plant, and plants need light.", False),
    ("no new things", "answer", "The people wear helmets.", "The people are wearing helmets.", True),
    ("no new things", "answer", "The people wear helmets.", "The people wear helmets and gear.", False),
    ("things kept", "answer", "A woman with an umbrella crosses the street.", "A woman crosses the street with an umbrella.", True),
    ("things kept", "answer", "A woman with an umbrella crosses the street.", "A woman crosses the street.", False),
    ("order", "answer", "The dog chases the cat around the house.", "The dog is chasing the cat around the house.", True),
    ("order", "answer", "The dog chases the cat.", "The cat chases the dog.", False),
    ("question", "question", "What is the colour of the car?", "What color is the car?", True),
    ("question", "question", "What is the man doing?", "The man is walking.", False),
    ("question", "question", "What is the man doing?", "Where is the man?", False),
    ("question", "question", "Is the gate open?", "Why is the gate open?", False),
    ("question", "question", "How many dogs are there?", "How old are the dogs?", False),
    ("question", "question", "Describe the image in detail.", "Describe this image in detail.", True),
    ("question", "question", "Describe the image.", "The image is of a dog.", False),
    ("question", "question", "What is in the image? Describe.", "What is in the image?", False),
    ("question", "question", "Can you tell me what this is? Explain it.", "What is this? Explain it.", True),
    ("no question", "answer", "It is a dog.", "Is it a dog?", False),
    ("no question", "answer", "It is a dog.", "It's a dog.", True),
    ("length", "answer", "It is a very small dog on a chair.", "It's a small dog on a chair.", True),
    ("length", "answer", "It is a very small brown dog that sits on a chair.", "A dog.", False),
    ("length", "answer", "A dog sits on the mat.", "A dog sits on the mat and then it looks at the door and at all of the people who pass by.", False),
    ("no refusal", "answer", "It is a dog.", "I'm sorry, but I can't see the image.", False),
    ("no refusal", "answer", "It is a dog.", "It's a dog.", True),
    ("no meta talk", "answer", "It is a dog.", "Here is the rewritten text: It's a dog.", False),
    ("no meta talk", "answer", "It is a dog.", "Sure! It's a dog.", False),
    ("no meta talk", "answer", "Here is the original sign.", "Here is the original sign, then.", True),
    ("no marks", "answer", "It is a dog.", "It is a dog.<|im_end|>", False),
    ("no marks", "answer", "It is a dog.", "ASSISTANT: It is a dog.", False),
    ("no marks", "question", "Is it a dog?", "<image> Is it a dog?", False),
    ("no marks", "answer", "It is a dog.", "It is a **dog**.", False),
    ("no marks", "answer", "It is a dog.", "It's a dog.", True),
    ("language", "answer", "It is a dog.", "Es ist ein Hund und er ist braun.", False),
    ("language", "answer", "It is a dog.", "这是一只狗。", False),
    ("language", "answer", "It is a dog.", "It's a dog.", True),
    ("no loops", "answer", "It is a dog on a mat.", "It is a dog. It is a dog on a mat.", False),
    ("no loops", "answer", "It is a dog. It is a cat.", "It is a dog. It is a cat.", True),
    ("whole", "answer", "It is a dog.", "It is a", False),
    ("whole", "answer", "It is a dog.", "It's a dog.", True),
]


@pytest.mark.parametrize(("name", "part", "original", "text", "passes"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_a_guard_stops_what_changes_the_meaning(name: str, part: str, original: str, text: str, passes: bool) -> None:
    found = {guard.name: guard for guard in check(Pair(original, text, part))}
    assert found[name].passed is passes, found[name]
    assert bool(found[name].detail) or passes, "a guard that stops says on what"


def test_every_guard_of_the_table_has_a_pass_and_a_fail_case() -> None:
    seen = {(name, passes) for name, *_, passes in CASES}
    for name in set(GUARDS) - {"style", "reward"}:
        assert {(name, True), (name, False)} <= seen, name
    assert {("no question", True), ("no question", False)} <= seen


@pytest.mark.parametrize(("before", "after", "passes"), [(4.0, 3.5, True), (4.0, 4.0, False), (4.0, 3.995, False), (4.0, 4.4, False)])
def test_the_style_guard_wants_a_lower_loss(before: float, after: float, passes: bool) -> None:
    found = guards.closer_in_style(Pair("a", "b", "answer", before, after))
    assert found is not None and found.passed is passes


def test_style_and_reward_guards_are_left_out_where_nothing_was_measured() -> None:
    names = {guard.name for guard in check(Pair("It is a dog.", "It's a dog.", "answer"))}
    assert not names & {"style", "reward"}


@pytest.mark.parametrize(("before", "after", "margin", "passes"), [(1.0, 1.2, 0.1, True), (1.0, 0.95, 0.1, True), (1.0, 0.9, 0.1, True), (1.0, 0.8, 0.1, False)])
def test_the_reward_may_not_fall_by_more_than_the_margin(before: float, after: float, margin: float, passes: bool) -> None:
    found = guards.reward_kept(Pair("a", "b", "answer", reward_before=before, reward_after=after, reward_margin=margin))
    assert found is not None and found.passed is passes


@pytest.mark.parametrize("text", ["What is the man doing?", "Two dogs, one of them brown, lie on the left; it isn't raining.", "Describe the image in detail.",
                                  "The sign reads 'Tokyo Hotel' in English capitals, with five golden stars below it."])
@pytest.mark.parametrize("part", ["question", "answer"])
def test_a_text_passes_all_guards_against_itself(text: str, part: str) -> None:
    assert failed(check(Pair(text, text, part))) == []


@pytest.mark.parametrize(("before", "after", "same"), [
    ("It is a dog.", "It is a dog", True), ("It is a dog.", "it  is a dog.", True), ("It is a dog.", "It's a dog.", False), ("A grey cat.", "A gray cat.", False), ("A dog.", "A cat.", False)])
def test_blanks_capitals_and_end_marks_make_no_other_text(before: str, after: str, same: bool) -> None:
    assert same_text(before, after) is same
