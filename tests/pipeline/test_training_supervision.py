"""Tokens and labels: exactly the answers carry loss, and no text of a record can pose as a mark of the format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline.training.supervision import CHATML, IGNORED, VICUNA, Encoder, Sample, collate, style_of

IMAGE, BOS, EOS = 3, 1, 2


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A byte tokenizer: one id a byte, `<s>`, `</s>` and `<image>` special."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava"))


@pytest.fixture
def encoder(tokenizer: Any) -> Encoder:
    return Encoder(tokenizer, IMAGE, 4)


def spelled(tokenizer: Any, ids: tuple[int, ...] | list[int]) -> str:
    return tokenizer.decode(list(ids))


def learned(sample: Sample) -> list[int]:
    return [label for label in sample.labels if label != IGNORED]


def test_the_prompt_is_llavas_own(tokenizer: Any, encoder: Encoder) -> None:
    sample = encoder.sample([("What?", "A cat."), ("Sure?", "Yes.")], True, 10_000)
    assert sample is not None
    text = spelled(tokenizer, sample.ids)
    assert text == f"<s>{VICUNA.system}USER:<image><image><image><image>\nWhat?ASSISTANT:A cat.</s>USER:Sure?ASSISTANT:Yes.</s>"


def test_loss_is_on_answers_and_their_end_alone(tokenizer: Any, encoder: Encoder) -> None:
    sample = encoder.sample([("What?", "A cat."), ("Sure?", "Yes.")], True, 10_000)
    assert sample is not None
    assert spelled(tokenizer, learned(sample)) == "A cat.</s>Yes.</s>"
    assert all(label in (IGNORED, i) for i, label in zip(sample.ids, sample.labels))
    assert sample.labelled == len("A cat.") + 1 + len("Yes.") + 1


def test_chatml_learns_the_closing_mark_but_not_the_line_break_after_it(tokenizer: Any) -> None:
    encoder = Encoder(tokenizer, IMAGE, 1, CHATML)
    sample = encoder.sample([("Q", "A")], False, 1000)
    assert sample is not None
    assert spelled(tokenizer, sample.ids) == "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
    assert spelled(tokenizer, learned(sample)) == "A<|im_end|>"


@pytest.mark.parametrize("text", ["</s>", "a <image> b", "<s>", "x</s>USER: y", "<image>" * 9])
def test_a_records_text_holds_no_special_token(tokenizer: Any, encoder: Encoder, text: str) -> None:
    sample = encoder.sample([(text, text)], True, 10_000)
    assert sample is not None
    assert sample.ids.count(IMAGE) == 4 and sample.ids.count(BOS) == 1 and sample.ids.count(EOS) == 1
    assert spelled(tokenizer, learned(sample)[:-1]) == text


def test_a_text_without_image_has_no_image_tokens(encoder: Encoder) -> None:
    sample = encoder.sample([("Q", "A")], False, 1000)
    assert sample is not None and IMAGE not in sample.ids


def test_a_lone_surrogate_becomes_a_question_mark(tokenizer: Any, encoder: Encoder) -> None:
    sample = encoder.sample([("Q", "a\ud800b")], False, 1000)
    assert sample is not None and spelled(tokenizer, learned(sample)) == "a?b</s>"


def test_a_long_record_is_cut_and_says_so(encoder: Encoder) -> None:
    whole = encoder.sample([("Q", "A" * 50)], False, 1000)
    assert whole is not None and not whole.cut
    cut = encoder.sample([("Q", "A" * 50)], False, len(whole.ids) - 10)
    assert cut is not None and cut.cut and cut.ids == whole.ids[:-10] and cut.labelled == whole.labelled - 10


def test_a_record_whose_answers_are_all_cut_off_is_none(encoder: Encoder) -> None:
    assert encoder.sample([("Q" * 500, "A")], False, 300) is None
    assert encoder.sample([("Q", "A")], True, 4) is None  # not even the image fits


def test_the_prompt_to_answer_is_the_sample_up_to_its_first_answer(encoder: Encoder) -> None:
    sample = encoder.sample([("What?", "A cat.")], True, 1000)
    prompt = encoder.prompt("What?", True)
    assert sample is not None and list(sample.ids[:len(prompt)]) == prompt
    assert sample.labels[len(prompt)] != IGNORED and set(sample.labels[:len(prompt)]) == {IGNORED}


def test_a_batch_is_padded_without_loss_and_keeps_images_in_order() -> None:
    import torch

    short, long = Sample((5, 6), (IGNORED, 6), True, False), Sample((7, 8, 9), (IGNORED, 8, 9), False, False)
    batch = collate([{"sample": short, "features": torch.ones(4, 2)}, {"sample": long}, {"sample": short, "features": torch.zeros(4, 2)}], pad_id=0)
    assert batch["input_ids"].tolist() == [[5, 6, 0], [7, 8, 9], [5, 6, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 6, IGNORED], [IGNORED, 8, 9], [IGNORED, 6, IGNORED]]
    assert batch["features"].shape == (2, 4, 2) and batch["features"][0].sum() == 8 and batch["features"][1].sum() == 0
    assert "pixel_values" not in batch


def test_the_style_follows_the_tokenizer(tokenizer: Any) -> None:
    class FakeChatML:
        def get_vocab(self) -> dict[str, int]:
            return {"<|im_start|>": 1}

    assert style_of(tokenizer) is VICUNA and style_of(FakeChatML()) is CHATML


@pytest.mark.slow
def test_the_embedded_models_samples_equal_its_chat_template() -> None:
    from transformers import AutoTokenizer

    from pipeline.models.fetch import embedded_dir, embedded_ready

    if not embedded_ready():
        pytest.skip("SKIPPED: the embedded model is not fetched (make model)")
    tokenizer = AutoTokenizer.from_pretrained(embedded_dir())
    sample = Encoder(tokenizer, 49152, 49).sample([("Hi there, who?", "A dog."), ("Sure?", "Yes – quite.")], False, 1000)
    told = [{"role": role, "content": text} for role, text in
            (("user", "Hi there, who?"), ("assistant", "A dog."), ("user", "Sure?"), ("assistant", "Yes – quite."))]
    assert sample is not None and list(sample.ids) == tokenizer.apply_chat_template(told, tokenize=True)["input_ids"]
