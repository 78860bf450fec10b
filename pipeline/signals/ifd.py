"""How hard an answer is to follow from its question, and how much it needs its image: losses of one LLaVA, compared.

ifd = loss of the answers behind image and question ÷ loss of the same answers behind nothing. Near 1 the question does not
help (or the answer does not follow it), low values are answers that the question gives away. Source: instruction-following
difficulty, arXiv 2308.12032 (Cherry LLM); here with the image, and with an empty question in the place of none, so that the
marks of the prompt are the same on both sides.
image_need = loss behind image and question ÷ loss behind the question alone. Below 1 the image helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from pipeline.records import Record
from pipeline.scoring.estimate import CHARACTERS_A_TOKEN, Work
from pipeline.signals import answers, base_model
from pipeline.signals.signal import Column, Result, Signal, SignalContext, gone

if TYPE_CHECKING:
    from pipeline.signals.answer_losses import AnswerLosses
    from pipeline.store import Store
    from pipeline.training.supervision import Sample

AT_ONCE = 64
"""Records that are read together, and what a stop waits for."""
PART = 1_024
MARKS = 10
"""Tokens of the prompt's own marks in a conversation."""
COLUMNS = (
    Column("ifd", "Instruction-following difficulty", "number", "",
           "Loss of the answers with image and question ÷ loss without anything before them. Above 1 the question doesn't help; very low values are answers it gives away."),
    Column("image_need", "Image need", "number", "",
           "Loss of the answers with image and question ÷ loss with the question alone. Below 1 the image helps; records without image have none."),
)


def run(context: SignalContext) -> Result:
    return read_with(context, base_model.base_of(context.store))


def read_with(context: SignalContext, base: str) -> Result:
    """Both columns, read with the base of this reference (a name, a folder in LLaVA layout or a hub id)."""
    from pipeline.scoring.executors import image_reader
    from pipeline.signals.answer_losses import AnswerLosses

    chosen, store = answers.chosen(context.store, context.dataset_id), context.store
    loaded = base_model.loaded_base(context, base)
    ids, _ = store.records.by_image(context.dataset_id)  # records of one image next to each other: its prefix is run once
    with closing(AnswerLosses(loaded, image_reader(context.workspace))) as losses:
        def compute(part: np.ndarray) -> dict[str, np.ndarray]:
            records = store.records.many(part.tolist())
            if len(records) != len(part):
                raise gone()
            return measure(losses, records, chosen)

        found = context.over(ids, compute, stage="comparing losses", name="by_image", batch=AT_ONCE, part=PART, stamp=f"{base_model.stamp_of(loaded)} {chosen.stamp}")
    place = context.facts.ids.searchsorted(ids)
    arrays = {name: np.full(len(context.facts), np.nan, np.float32) for name in found}
    for name, values in found.items():
        arrays[name][place] = values
    return Result(arrays, note=_note(arrays["ifd"], f"Read by {loaded.spec.label} in {loaded.plan.precision}; {chosen.words}."))


def _note(ifd: np.ndarray, by: str) -> str:
    blank = int(np.isnan(ifd).sum())
    return by if not blank else f"{by} {blank:,} records have no value: no answer, or an image that can't be read."


def measure(losses: AnswerLosses, records: Sequence[Record], chosen: answers.Chosen) -> dict[str, np.ndarray]:
    """{"ifd", "image_need"} float32 (records,), NaN where there is nothing to compare."""
    from pipeline.signals.answer_losses import Shown

    wanted: list[Shown] = []

    def ask(sample: Sample | None, image: str | None = None) -> int | None:
        """Put a conversation on the list and give its place there; None for one without a token to read."""
        if sample is None:
            return None
        wanted.append(Shown(sample, image))
        return len(wanted) - 1

    asked: dict[int, tuple[int | None, int | None, list[int | None]]] = {}
    for number, record in enumerate(records):
        turns = [(turn.question_text, answer) for turn, answer in zip(record.turns, chosen.answers(record)) if answer]
        if turns and (record.image is not None or record.text_only):
            seen = ask(losses.with_image(turns), record.image) if record.image is not None else None
            asked[number] = seen, ask(losses.without_image(turns)), [ask(losses.alone(answer)) for _, answer in turns]
    read = losses.of(wanted)
    found = np.full((len(records), 2), np.nan, np.float32)
    for number, (seen, blind, alone) in asked.items():
        with_image, with_question, *bare = (None if place is None else read[place] for place in (seen, blind, *alone))
        found[number] = compared(with_image, with_question, bare, pictured=records[number].image is not None)
    return {"ifd": found[:, 0], "image_need": found[:, 1]}


def compared(with_image: np.ndarray | None, with_question: np.ndarray | None, alone: Sequence[np.ndarray | None], *, pictured: bool) -> tuple[float, float]:
    """(ifd, image need) from the losses of the answers' tokens; NaN where a part is missing. `alone` has one array an answer.

    All means are over the same tokens: those that a cut conversation still holds.
    """
    before = with_image if pictured else with_question
    if before is None or not alone or any(part is None for part in alone):
        return float("nan"), float("nan")
    count = min(len(before), sum(len(part) for part in alone), len(before) if with_question is None else len(with_question))  # type: ignore[arg-type]
    bare = np.concatenate(alone)[:count].mean(dtype=np.float64)  # type: ignore[arg-type]
    told = before[:count].mean(dtype=np.float64)
    need = told / with_question[:count].mean(dtype=np.float64) if pictured and with_question is not None else float("nan")
    return float(told / bare), float(need)


def cost(store: Store, dataset_id: int) -> float | None:
    chosen = answers.chosen(store, dataset_id)

    def work_of(record: Record) -> Work:
        replies = chosen.answers(record)
        answer = sum(len(one) for one in replies) / CHARACTERS_A_TOKEN + MARKS * len(replies)
        question = sum(len(turn.question_text) for turn in record.turns) / CHARACTERS_A_TOKEN + MARKS * len(replies)
        times = 2 if record.image is not None else 1
        return Work(times + len(replies), times * (question + answer) + answer, int(record.image is not None))

    return base_model.cost(store, dataset_id, SIGNAL.name, base_model.base_of(store), work_of)


SIGNAL = Signal("ifd", "Difficulty and image need", "Whether the question leads to the answer, and whether the image does: losses of the loaded LLaVA, compared.",
                COLUMNS, "model", 1, False, cost, run)
