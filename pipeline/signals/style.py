"""The style gap: how surprised the inner LLM is by the questions and answers of each record, as if it wrote them itself.

The measure is pipeline.rewriting.style's; here it is taken over a data set. A low loss is the model's own manner of writing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.records import Record
from pipeline.rewriting.style import token_losses
from pipeline.rewriting.voice import Voice
from pipeline.scoring.estimate import CHARACTERS_A_TOKEN, Work
from pipeline.signals import answers, base_model
from pipeline.signals.signal import Column, Result, Signal, SignalContext

if TYPE_CHECKING:
    from pipeline.store import Store

LONGEST = 8_000
"""Characters of a text that are read, about 2,000 tokens: a page of mere text must not fill the memory."""
AT_ONCE = 64
"""Records sorted by length together, and what a stop waits for."""
PART = 1_024
COLUMNS = (
    Column("style_question", "Style gap of the questions", "number", "nats a token",
           "Mean loss of a token of the questions under the inner language model, as if it asked them itself. Low is its own manner; the mean over the turns."),
    Column("style_answer", "Style gap of the answers", "number", "nats a token",
           "Mean loss of a token of the answers under the inner language model, as if it wrote them itself. Low is its own manner; of each turn the best-scored "
           "answer, the first before scoring; the mean over the turns."),
)


def run(context: SignalContext) -> Result:
    chosen = answers.chosen(context.store, context.dataset_id)
    loaded = base_model.loaded_base(context, base_model.base_of(context.store))
    voice = Voice(loaded)
    arrays = context.over_records(lambda records: measure(voice, records, chosen), stage="reading the style", batch=AT_ONCE, part=PART,
                                  stamp=f"{base_model.stamp_of(loaded)} {chosen.stamp}")
    return Result(arrays, note=f"Read by {loaded.spec.label} in {loaded.plan.precision}; {chosen.words}.")


def measure(voice: Voice, records: list[Record], chosen: answers.Chosen) -> dict[str, np.ndarray]:
    """Means over turns, float32 (records,), NaN where a record has no such text. The same text is read once."""
    questions = [texts_of(turn.question_text for turn in record.turns) for record in records]
    replies = [texts_of(chosen.answers(record)) for record in records]
    distinct = list(dict.fromkeys(text for texts in (*questions, *replies) for text in texts))
    losses = dict(zip(distinct, token_losses(voice, distinct)))

    def mean(texts: list[str]) -> float:
        known = [loss for text in texts if (loss := losses[text]) is not None]
        return sum(known) / len(known) if known else float("nan")

    return {"style_question": np.array([mean(texts) for texts in questions], np.float32),
            "style_answer": np.array([mean(texts) for texts in replies], np.float32)}


def texts_of(texts: Iterable[str]) -> list[str]:
    """Those with words, cut at LONGEST. Lone surrogates, which no tokenizer takes, become `?`."""
    return [text[:LONGEST].encode("utf-8", "replace").decode("utf-8") for text in texts if text.strip()]


def cost(store: Store, dataset_id: int) -> float | None:
    chosen = answers.chosen(store, dataset_id)

    def work_of(record: Record) -> Work:
        texts = texts_of((*(turn.question_text for turn in record.turns), *chosen.answers(record)))
        return Work(len(texts), sum(len(text) for text in texts) / CHARACTERS_A_TOKEN + 4 * len(texts), 0)

    return base_model.cost(store, dataset_id, SIGNAL.name, base_model.base_of(store), work_of)


SIGNAL = Signal("style", "Style gap", "How far each text is from the inner language model's own manner of writing: what rewriting would change.",
                COLUMNS, "model", 1, False, cost, run)
