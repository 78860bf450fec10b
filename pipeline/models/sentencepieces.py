"""Reads a sentencepiece model (`tokenizer.model`) as a Llama tokenizer, and proves that both give the same ids.

transformers has no slow Llama tokenizer any more and reads such files through protobuf, which nothing else here needs. The
proof matters: scores are defined on the ids of the slow tokenizer, which starts each text with a blank of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.errors import ModelError

PROBES = ("\nQuestion: What's in the image?\nAnswer: Two dogs, 3.5 m apart.", "\nA  b   c\t\n\n d", "\nnaïve 漢字 🙂 ▁x", "\n<s> </s> <unk> <0x0A> <image>", "plain words", "\n")
"""Texts on which both tokenizers are compared: line breaks first, runs of blanks, bytes, words that look like marks."""


def llama_tokenizer(path: Path) -> Any:
    """A fast tokenizer of the pieces of a sentencepiece model. Raises ModelError where it would not give the same ids."""
    import sentencepiece
    from transformers import LlamaTokenizer
    from transformers.convert_slow_tokenizer import generate_merges

    try:
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise ModelError(f"the tokenizer {path} can't be read: {error}", hint="Copy or download the model again.") from error
    names = [pieces.id_to_piece(number) for number in range(pieces.get_piece_size())]
    vocabulary = {name: number for number, name in enumerate(names)}
    unknown, start, end = (names[number] if number >= 0 else None for number in (pieces.unk_id(), pieces.bos_id(), pieces.eos_id()))
    marks = [name for number, name in enumerate(names) if pieces.is_control(number) or pieces.is_unknown(number) or pieces.is_byte(number)]
    merges = generate_merges(vocabulary, {name: pieces.get_score(number) for number, name in enumerate(names)}, marks)  # letters never add up to a mark
    tokenizer = LlamaTokenizer(vocab=vocabulary, merges=merges, unk_token=unknown, bos_token=start, eos_token=end, pad_token=unknown)
    for text in PROBES:
        found = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
        if found != pieces.encode(text):
            raise ModelError(f"the tokenizer {path} is of a kind this studio would read differently: {text!r} gives {found[:8]}, should be {pieces.encode(text)[:8]}",
                             hint="Use a folder that holds a tokenizer.json.")
    return tokenizer
