"""Why a score is what it is: its words are taken out one by one, the picture is covered cell by cell, and the score is taken again.

Owns the occlusion runs over a loaded model and the job that explains one score; where to cut is pipeline.scoring.occlusion's.
An effect is score(whole) − score(without): positive where the word or cell raises the score. Nothing is stored but the result.

Parameters of `run`: record_id · kind question | answer · turn, candidate (of an answer) · key (digest of the score's key, optional:
another scorer than that is refused) · scorers, precision, quantization and device as in scoring.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError, ModelError, NotFound, SettingError
from pipeline.facts import facts_of, reads_facts
from pipeline.models.loading import LoadedModel
from pipeline.records import WHOLE, Record
from pipeline.scoring.contract import cut_ids
from pipeline.scoring.engine import EMPTY, NO_NUMBER, apply_head, attach, blank_prefix, span_start, using
from pipeline.scoring.explanation import CellEffects, Counters, Explanation, WordEffect
from pipeline.scoring.forward import Row, pooled, prefix_of
from pipeline.scoring.occlusion import LONGEST_SIDE, Grid, Span, Subject, grid_of, spans_of
from pipeline.scoring.run import KINDS, image_problem, image_reader, load_base, wanted_scorers
from pipeline.scoring.scorers import Scorer
from pipeline.teaching.adoption import with_scorers

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from pipeline.worker import JobContext

MOST_SPANS = 120
FEWEST_SPANS = 12
WORD_TOKENS = {"cpu": 14_000, "cuda": 100_000}
"""Text positions the words may cost: longer texts get fewer, longer spans. About four seconds of the embedded model in bf16 on two cores."""
CELL_TOKENS = {"cpu": 7_500, "cuda": 50_000}
"""The same for the cells: on a CPU a text of more than 153 tokens gets a coarser grid."""
FEWEST_CELLS_A_SIDE = 3
LONGEST_TEXTS = 1024
"""Text positions of one row; its mask grows with the square."""
ENCODE_BATCH = 16

Report = Callable[[int, int, str], None]
"""(done, of, stage), called between two batches; may raise to stop."""


def explain(loaded: LoadedModel, scorer: Scorer, subject: Subject, picture: "Image | None", report: Report = lambda done, of, stage: None) -> Explanation:
    """Take one score apart. `picture` None shows the black picture of a text-only record, and there are no cells then. Deterministic."""
    start = time.monotonic()
    if not subject.body:
        return Explanation(None, EMPTY)
    return _Probe(loaded, scorer, report).explain(subject, picture, start)


class _Probe:
    """Scores variants of one text and one picture. `prefix` is the picture, computed once for all words."""

    def __init__(self, loaded: LoadedModel, scorer: Scorer, report: Report) -> None:
        attach(loaded, scorer)
        self.loaded, self.scorer, self.report = loaded, scorer, report
        self.counters = Counters()
        self.token_budget = 2048 if loaded.plan.device == "cpu" else 16384
        self.done = self.total = 0

    def explain(self, subject: Subject, picture: "Image | None", start: float) -> Explanation:
        length, device = len(self.ids(subject)[0]), self.loaded.plan.device
        spans, left_out = spans_of(subject, max(FEWEST_SPANS, min(MOST_SPANS, WORD_TOKENS[device] // length)))
        grid = None if picture is None else grid_of(*picture.size, self.scorer.image_preparation, cells_a_side(length, CELL_TOKENS[device]))
        self.total = len(spans) + (grid.rows * grid.columns if grid else 0)
        self.report(0, self.total, "Words")
        pixels = None if picture is None else self.loaded.pixels([picture], self.scorer.image_preparation)  # type: ignore[arg-type]
        prefix = self.blank() if pixels is None else self.prefixes(pixels)[0]
        whole, again, effects = self.words(prefix, subject, spans)
        if not math.isfinite(whole):
            return Explanation(None, NO_NUMBER, seconds=round(time.monotonic() - start, 2), counters=self.counters)
        noise, cells = 0.0, None
        if grid is not None and pixels is not None:
            noise, cells = self.cells(prefix, subject, grid, pixels)
        words = tuple(WordEffect(span.part, span.turn, span.start, span.end, effect) for span, effect in zip(spans, effects))
        return Explanation(whole, "", words, left_out, cells, max(noise, abs(difference(whole, again) or 0.0)), round(time.monotonic() - start, 2), self.counters)

    def words(self, prefix: "torch.Tensor", subject: Subject, spans: Sequence[Span]) -> tuple[float, float, list[float | None]]:
        """The score, the same score from the other end of the run, and what each span adds to it."""
        variants = [subject.without(span) for span in spans]
        left = [place for place, variant in enumerate(variants) if variant.body == subject.body or not variant.wordless]
        texts = [self.ids(subject), *(self.ids(variants[place]) for place in left), self.ids(subject)]
        rows = list(packed(prefix, texts))
        self.counters.prefix_tokens_saved += (len(texts) - len(rows)) * len(prefix)
        values: list[float] = []
        for batch in self.batches(rows):
            values += self.scores(batch)
            self.step(sum(len(row.texts) for row in batch), "Words")
        effects: list[float | None] = [None] * len(spans)
        for place, value in zip(left, values[1:-1]):
            effects[place] = difference(values[0], value)
        return values[0], values[-1], effects

    def cells(self, prefix: "torch.Tensor", subject: Subject, grid: Grid, pixels: "torch.Tensor") -> tuple[float, CellEffects]:
        """How far what nobody sees moves the score, and what each cell and the whole picture add to it, all in rows of one shape."""
        import torch

        text, span = self.ids(subject)
        values: list[float] = []
        views, prefixes = self.views(pixels, grid), [prefix]
        while chunk := list(islice(views, ENCODE_BATCH)):
            prefixes += self.prefixes(torch.stack(chunk))
            self.step(0, "Picture")
            for batch in self.batches([Row(one, (text,), (span,)) for one in prefixes]):
                values += self.scores(batch)
                self.step(len(batch), "Picture")
            prefixes = []
        brighter, darker, whole, *cells = (difference(values[0], value) for value in values[1:])
        table = tuple(tuple(cells[row * grid.columns:(row + 1) * grid.columns]) for row in range(grid.rows))
        return max(abs(brighter or 0.0), abs(darker or 0.0)), CellEffects(grid.rows, grid.columns, grid.shown, table, whole)

    def views(self, pixels: "torch.Tensor", grid: Grid) -> "Iterator[torch.Tensor]":
        """The picture (3, side, side) a step brighter, a step darker, all covered, and with each cell covered."""
        side = pixels.shape[-1]
        colour, step = self.mean_colour(pixels, grid)
        yield pixels[0] + step
        yield pixels[0] - step
        for down, across in (grid.whole(side), *grid.cells(side)):
            covered = pixels[0].clone()
            covered[:, down, across] = colour
            yield covered

    def ids(self, subject: Subject) -> tuple[tuple[int, ...], int]:
        """Ids the scorer reads of a text, and from which of them on a mean is taken."""
        ids = cut_ids(self.loaded.ids(subject.text), self.loaded.image_tokens + len(self.loaded.start_ids))
        return tuple(ids), span_start(self.loaded, subject.text, len(ids)) if self.scorer.span == "answer" else 0

    def blank(self) -> "torch.Tensor":
        with using(self.loaded, self.scorer):
            return blank_prefix(self.loaded)

    def prefixes(self, pixels: "torch.Tensor") -> "list[torch.Tensor]":
        """Pixels (N, 3, side, side) → N prefixes (P, hidden)."""
        import torch

        self.counters.images_encoded += len(pixels)
        with torch.inference_mode(), using(self.loaded, self.scorer):
            return [prefix_of(self.loaded, tokens) for tokens in self.loaded.tower_tokens(pixels)]

    def mean_colour(self, pixels: "torch.Tensor", grid: Grid) -> "tuple[torch.Tensor, torch.Tensor]":
        """Mean colour of the shown picture as 8-bit red, green, blue, and one step of 255, both in the pixels' own scale: (3, 1, 1)."""
        import torch

        down, across = grid.whole(pixels.shape[-1])
        processor = self.loaded.image_processor
        mean, spread = (torch.tensor(part, dtype=torch.float64)[:, None, None] for part in (processor.image_mean, processor.image_std))
        shown = pixels[0, :, down, across].double().cpu().mean((1, 2), keepdim=True) * spread + mean  # 0–1
        colour = ((shown * 255).round() / 255).clamp(0, 1)
        return ((colour - mean) / spread).to(pixels.device, pixels.dtype), (1 / 255 / spread).to(pixels.device, pixels.dtype)

    def batches(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        """Rows in order, as many at a time as the token budget allows."""
        batch: list[Row] = []
        for row in rows:
            if batch and max(one.length for one in (*batch, row)) * (len(batch) + 1) > self.token_budget:
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch

    def scores(self, batch: Sequence[Row]) -> list[float]:
        """A few rows → one number a text. Out of memory halves the batch, then the row. Raises ModelError for a single text too many."""
        import torch

        try:
            with using(self.loaded, self.scorer):
                states = pooled(self.loaded, batch, self.scorer.features, () if self.scorer.look is None else (self.scorer.look,))
        except (MemoryError, torch.OutOfMemoryError) as error:
            halves = _halves(batch)
            if halves is None:
                raise ModelError(f"out of memory on one text of {len(batch[0].texts[0])} tokens", hint="Choose nf4 or int8, or end what else uses this device.") from error
            return [value for half in halves for value in self.scores(half)]
        self.counters.forwards += 1
        self.counters.texts += sum(len(row.texts) for row in batch)
        self.counters.real_tokens += sum(row.length for row in batch)
        return apply_head(self.scorer, states)

    def step(self, done: int, stage: str) -> None:
        self.done = min(self.total, self.done + done)
        self.report(self.done, self.total, stage)


def packed(prefix: "torch.Tensor", texts: Sequence[tuple[tuple[int, ...], int]]) -> Iterator[Row]:
    """Texts (ids, span) behind one prefix as rows of at most LONGEST_TEXTS text positions, in order; a longer text has a row of its own."""
    members: list[tuple[tuple[int, ...], int]] = []
    for text in texts:
        if members and sum(len(ids) for ids, _ in members) + len(text[0]) > LONGEST_TEXTS:
            yield Row(prefix, *zip(*members))
            members = []
        members.append(text)
    yield Row(prefix, *zip(*members))


def _halves(batch: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row]] | None:
    """The batch in two, by rows or by the texts of its only row; None for a single text."""
    if len(batch) > 1:
        return batch[:len(batch) // 2], batch[len(batch) // 2:]
    row, middle = batch[0], len(batch[0].texts) // 2
    if not middle:
        return None
    return [Row(row.prefix, row.texts[:middle], row.spans[:middle])], [Row(row.prefix, row.texts[middle:], row.spans[middle:])]


def cells_a_side(length: int, tokens: int) -> int:
    """Cells along the longer side of a picture for a text of `length` tokens, where all cells together may cost `tokens`."""
    return max(FEWEST_CELLS_A_SIDE, min(LONGEST_SIDE, math.isqrt(tokens // length)))


def difference(whole: float, without: float) -> float | None:
    """None where the model gave no finite number."""
    effect = whole - without
    return effect if math.isfinite(effect) else None


def run(context: "JobContext") -> dict[str, Any]:
    """Explain one score. Raises SettingError or NotFound for a place that isn't there, ModelError, JobCancelled when stopped.

    An unreadable image or an empty text is no failure: `value` is None then, with the reason.
    """
    params = context.params
    context.step(0, 0, "Loading", "Reading scorer and model")
    record, subject = place_of(context)
    scorers = wanted_scorers(with_scorers(context, {**params, "kinds": [subject.kind]}))
    loaded, scorer = load_base(context, scorers), scorers[0]
    if reads_facts(scorer.training):
        subject = replace(subject, facts=facts_of(record))
    key = scorer.key(loaded.plan).digest
    if params.get("key", key) != key:
        raise SettingError(f"{scorer.name} is not what it was when this score was made", hint="Score the data set again, then ask why.")
    about = {"record_id": record.id, "kind": subject.kind, "turn": params.get("turn"), "candidate": params.get("candidate"), "image": record.image,
             "key": key, "scorer": scorer.name, "precision": loaded.plan.precision, "quantization": loaded.plan.quantization}
    problem = image_problem(record)
    try:
        picture = None if problem or record.image is None else image_reader(context.workspace)(record.image)
    except DataError as error:
        problem = error.message
    if problem:
        return {**about, **Explanation(None, problem).as_dict()}
    return {**about, **explain(loaded, scorer, subject, picture, context.step).as_dict()}


def place_of(context: "JobContext") -> tuple[Record, Subject]:
    """The record and the texts a job names. Raises SettingError for an unknown kind, NotFound for a place that isn't there."""
    params = context.params
    kind = params.get("kind")
    if kind not in KINDS:
        raise SettingError(f"{kind!r} is no kind of score", hint="Choose question or answer.")
    record = context.store.records.get(int(params["record_id"]))
    if kind == "question":
        return record, Subject.of(record, kind)
    turn, candidate = params.get("turn", WHOLE), params.get("candidate", WHOLE)
    if not 0 <= turn < len(record.turns) or not 0 <= candidate < len(record.turns[turn].answers):
        raise NotFound(f"record {record.key[:80]!r} has no answer {candidate + 1} in turn {turn + 1}", hint="Reload the page.")
    return record, Subject.of(record, kind, turn, candidate)
