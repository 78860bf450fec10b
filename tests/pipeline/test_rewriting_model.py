"""The embedded model really writes, measures and reviews; batches change speed, not words."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from pipeline.devices import probe
from pipeline.models.fetch import embedded_ready
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import spec_for
from pipeline.rewriting.drafts import Source
from pipeline.rewriting.eligibility import SPECIAL_TOKENS
from pipeline.rewriting.generation import Ask, Decoding, write
from pipeline.rewriting.prompts import Piece, preamble, request
from pipeline.rewriting.review import review
from pipeline.rewriting.style import token_losses
from pipeline.rewriting.voice import Voice, in_batches
from pipeline.rewriting.writer import Writer

TEXTS = ["Two dogs sit on a mat.", "It should be noted that the grey cat isn't on the chair; it is under the table.", "A woman holds an umbrella."]


@pytest.fixture(scope="module")
def loaded() -> Iterator[LoadedModel]:
    if not embedded_ready():
        pytest.skip("SKIPPED FOR LACK OF A MODEL: run `make model`")
    spec = spec_for("embedded")
    yield load(spec, plan(spec, probe(), Wish("fp32", "none", "cpu")))


@pytest.fixture
def voice(loaded: LoadedModel) -> Voice:
    return Voice(loaded)


def _asks(voice: Voice) -> list[Ask]:
    return [Ask(text, request("answer", text, voice.form), 12) for text in TEXTS]


@pytest.mark.slow
def test_style_is_the_mean_cross_entropy_of_the_text_and_its_end(voice: Voice) -> None:
    import torch

    ids = voice.ids([Piece(voice.form.assistant[0].rstrip(" "), True)])
    row = [*voice.loaded.ids(TEXTS[0]), voice.end_id]
    with torch.inference_mode():
        logits = voice.loaded.model(input_ids=torch.tensor([[*ids, *row]])).logits[0].float()
    wanted = -torch.log_softmax(logits, -1)[range(len(ids) - 1, len(ids) + len(row) - 1), row].mean()
    alone, together = token_losses(voice, TEXTS[:1])[0], token_losses(voice, [TEXTS[1], TEXTS[0], ""])
    assert alone is not None and math.isclose(alone, float(wanted), abs_tol=1e-4)
    assert together[1] is not None and math.isclose(alone, together[1], abs_tol=1e-4) and together[2] is None


@pytest.mark.slow
def test_a_fluent_text_is_closer_to_its_manner_than_the_same_words_shuffled(voice: Voice) -> None:
    fluent, shuffled = token_losses(voice, ["The cat sits on the chair.", "Chair cat the on the sits."])
    assert fluent is not None and shuffled is not None and fluent < shuffled - 1


@pytest.mark.slow
def test_batched_drafts_are_those_written_one_by_one_and_repeat_for_a_seed(voice: Voice) -> None:
    head, decoding = preamble("answer", voice.form), Decoding(drafts=2, seed=7)
    together = write(voice, head, _asks(voice), decoding)
    one_by_one = [write(voice, head, [ask], decoding)[0] for ask in _asks(voice)]
    assert together == one_by_one
    assert write(voice, head, list(reversed(_asks(voice))), decoding) == list(reversed(together))
    other = write(voice, head, _asks(voice), Decoding(drafts=2, seed=8))
    assert [drafts[0] for drafts in other] == [drafts[0] for drafts in together], "the greedy draft has no seed"


@pytest.mark.slow
def test_the_greedy_draft_is_what_plain_generation_writes(voice: Voice) -> None:
    import torch

    head, ask = preamble("answer", voice.form), _asks(voice)[0]
    ids = torch.tensor([[*voice.ids(head, start=True), *voice.ids(ask.pieces)]])
    with torch.inference_mode():
        made = voice.loaded.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=ask.room, eos_token_id=voice.end_id)
    wanted = voice.loaded.tokenizer.decode(made[0, ids.shape[1]:], skip_special_tokens=True)
    assert write(voice, head, [ask], Decoding(drafts=1))[0] == [wanted]


@pytest.mark.slow
def test_sampled_drafts_keep_to_the_allowed_words(voice: Voice) -> None:
    allowed = frozenset(voice.loaded.ids(" a dog and a cat."))
    drafts = write(voice, preamble("answer", voice.form), [Ask("x", request("answer", TEXTS[0], voice.form), 10, allowed)], Decoding(drafts=3))[0]
    assert all(set(voice.loaded.ids(draft)) <= allowed for draft in drafts[1:] if draft)


@pytest.mark.slow
def test_the_review_is_the_mean_of_both_positions_and_a_text_against_itself_is_even(voice: Voice) -> None:
    same, pair, swapped = review(voice, [("answer", TEXTS[0], TEXTS[0]), ("answer", TEXTS[0], TEXTS[2]), ("answer", TEXTS[2], TEXTS[0])])
    assert same.margin == pytest.approx(0, abs=1e-4)
    assert pair.margin == pytest.approx(-swapped.margin, abs=1e-3), "exchanging the two exchanges the sign"
    assert pair.margin == pytest.approx(sum(pair.by_position) / 2)


@pytest.mark.slow
def test_the_review_prefers_whole_texts_to_damaged_ones(voice: Voice) -> None:
    damaged = [" ".join(word for i, word in enumerate(text.split()) if i % 4 != 2) for text in TEXTS]
    assert not any(verdict.prefers_rewrite for verdict in review(voice, [("answer", text, worse) for text, worse in zip(TEXTS, damaged)]))


@pytest.mark.slow
def test_the_writer_gives_each_text_an_outcome_and_never_sends_what_is_no_prose(voice: Voice) -> None:
    sources = [Source(1, 0, 0, "answer", TEXTS[1]), Source(2, 0, 0, "answer", "```print(1)```"), Source(3, 0, -1, "question", "What is the colour of the car in the picture?")]
    rewrites = [outcome.as_rewrite("test") for outcome in Writer(voice, Decoding(drafts=2)).rewrite(sources)]
    assert [w.original for w in rewrites] == [s.text for s in sources]
    assert rewrites[1].kept and rewrites[1].review["kind"] == "code" and rewrites[1].review["drafts"] == [] and rewrites[1].style_before is None
    for rewrite in (rewrites[0], rewrites[2]):
        assert rewrite.style_before is not None and any(d["origin"] == "model" and d["raw"] is not None for d in rewrite.review["drafts"])
        if rewrite.kept:
            assert rewrite.text == rewrite.original and rewrite.reason
        else:
            assert all(g.passed for g in rewrite.guards) and rewrite.style_after is not None and rewrite.style_after < rewrite.style_before and rewrite.review["preferred"]
        assert not SPECIAL_TOKENS.search(rewrite.text)


def test_batches_are_sorted_by_size_and_answers_come_back_in_order() -> None:
    seen: list[list[int]] = []

    def work(part: list[int]) -> list[int]:
        seen.append(part)
        return [value * 10 for value in part]

    assert in_batches([1, 5, 2, 4], lambda n: n, 8, work) == [10, 50, 20, 40]
    assert seen == [[5], [4, 2], [1]]


def test_a_batch_that_does_not_fit_is_halved() -> None:
    sizes: list[int] = []

    def work(part: list[int]) -> list[int]:
        sizes.append(len(part))
        if len(part) > 1:
            raise MemoryError
        return part

    assert in_batches([3, 1, 2, 4], lambda n: 1, 100, work) == [3, 1, 2, 4]
    assert sizes == [4, 2, 1, 1, 2, 1, 1]
    with pytest.raises(MemoryError):
        in_batches([1], lambda n: 1, 10, lambda part: (_ for _ in ()).throw(MemoryError()))
