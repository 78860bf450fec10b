"""Scores texts about images with one loaded model: each image encoded once, its prefix shared, rows of like length together.

Owns running a schedule and the reasons for missing numbers. Which texts run together is pipeline.scoring.schedule's work,
images are pipeline.scoring.pictures'. Knows scorers and pictures, but neither records nor the store: `pipeline.scoring.run`
brings those. `score_one_by_one` is the plain reference that tests compare with.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ModelError
from pipeline.models.loading import LoadedModel
from pipeline.scoring.contract import Kind, cut_ids
from pipeline.scoring.forward import Feature, Prefix, Row, pooled, prefix_of
from pipeline.scoring.looking import LookHead
from pipeline.scoring.pictures import ImageReader, VisualTokens
from pipeline.scoring.schedule import Batch, PackedRow, Text, batches_of, padding, rows_of
from pipeline.scoring.scorers import Scorer

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

log = logging.getLogger(__name__)

TOKEN_BUDGET = {"cpu": 2048, "cuda": 32768}
"""Positions of a batch, padding included. On a CPU more gains nothing and lets a person wait; a GPU wants 16,000 and more,
so that the fixed cost of unpacking quantized weights is spread."""
START_COST = {"cpu": 16, "cuda": 512}
"""What starting a batch costs, in positions: some padding is cheaper than one more batch."""
LONGEST_ROW = 1024
PREFIXES_A_ROW = 3
"""A row may be this many prefixes long, or LONGEST_ROW where that is more: its mask grows with the square of its length, but a
row of little more than its prefix shares nothing."""
NO_NUMBER = "the model gave no finite number"
EMPTY = "the text is empty"


@dataclass(frozen=True)
class Request:
    """One text to score. `image` is a sha256, None for a record without an image (a black picture is shown then)."""

    kind: Kind
    image: str | None
    text: str


@dataclass(frozen=True)
class Outcome:
    """A score, or None with its reason."""

    value: float | None
    reason: str = ""


@dataclass
class Counters:
    """What sharing saved, over the life of an engine."""

    texts: int = 0
    images_encoded: int = 0
    images_reused: int = 0
    """Texts whose image another text had brought through decoder and tower already."""
    real_tokens: int = 0
    padded_tokens: int = 0
    shared_prefix_tokens: int = 0
    """Prefix positions that one-by-one scoring would have computed again."""
    batches: int = 0
    halvings: int = 0

    def add(self, other: "Counters") -> None:
        """Sum up the counters of several engines."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class Schedule:
    """Requests, the outcomes known before any work (empty texts), and the batches of the rest."""

    requests: tuple[Request, ...]
    known: dict[int, Outcome]
    batches: tuple[Batch, ...]


class Engine:
    """Question and answer scorers of one base over one loaded model. Not for several threads at once.

    Scorers with adapters of their own share the visual tokens; each has its own prefix, because its projector is its own.
    """

    def __init__(self, loaded: LoadedModel, scorers: Sequence[Scorer], read_image: ImageReader, *, token_budget: int | None = None,
                 on_decode: Callable[[Sequence[str]], None] | None = None, on_decoded: Callable[[Sequence[str]], None] | None = None) -> None:
        preparations = {scorer.image_preparation for scorer in scorers}
        if len(preparations) != 1 or len({scorer.kind for scorer in scorers}) != len(scorers):
            raise ModelError("an engine takes one scorer a kind, all with the same image preparation", hint="Score the kinds one after the other.")
        hidden = loaded.language_model.config.hidden_size
        for scorer in scorers:
            if scorer.weights.shape[1] != hidden:
                raise ModelError(f"the scorer {scorer.name} is for states of width {scorer.weights.shape[1]}, {loaded.spec.label} has {hidden}",
                                 hint=f"Use it with its base {scorer.base}.")
            attach(loaded, scorer)
        self.loaded = loaded
        self.scorers = {scorer.kind: scorer for scorer in scorers}
        self.counters = Counters()
        self.token_budget = token_budget or TOKEN_BUDGET[loaded.plan.device]
        self.visual = VisualTokens(loaded, read_image, preparations.pop(), on_decode=on_decode, on_decoded=on_decoded)  # type: ignore[arg-type]
        adapters = list(dict.fromkeys(revision_of(scorer) for scorer in scorers))
        self._stages: list[list[Scorer]] = [[scorer for scorer in scorers if revision_of(scorer) == adapter] for adapter in adapters]
        self._stage_of = {scorer.kind: number for number, stage in enumerate(self._stages) for scorer in stage}
        self._current: Schedule | None = None
        self._blank: "torch.Tensor | None" = None
        self._prefix_length = loaded.image_tokens + len(loaded.start_ids)

    def score(self, requests: Sequence[Request]) -> list[Outcome]:
        """Outcomes in the order of the requests. An unreadable image or a failed text gives None with its reason."""
        schedule = self.schedule(requests)
        outcomes = dict(schedule.known)
        for batch in schedule.batches:
            outcomes.update(self.run(schedule, batch))
        return [outcomes[place] for place in range(len(requests))]

    def schedule(self, requests: Sequence[Request]) -> Schedule:
        """Which requests run together and in which order. Touches no image and no model; a thread of its own may do it."""
        known: dict[int, Outcome] = {}
        texts: list[Text] = []
        for place, request in enumerate(requests):
            if not has_words(request):
                known[place] = Outcome(None, EMPTY)
                continue
            ids = tuple(cut_ids(self.loaded.ids(request.text), self._prefix_length))
            span = span_start(self.loaded, request.text, len(ids)) if self.scorers[request.kind].span == "answer" else 0
            texts.append(Text(place, ids, span, request.image, self._stage_of[request.kind]))
        longest = max(LONGEST_ROW, PREFIXES_A_ROW * self._prefix_length)
        return Schedule(tuple(requests), known, tuple(batches_of(rows_of(texts, self._prefix_length, longest), self.token_budget, START_COST[self.loaded.plan.device])))

    def expect(self, schedule: Schedule, batches: Sequence[Batch]) -> None:
        """Say which batches of a schedule will be run: only their images are decoded. Without it, all are expected."""
        self._current = schedule
        self.visual.expect([image for batch in schedule.batches for image in batch.images], [image for batch in batches for image in batch.images])

    def run(self, schedule: Schedule, batch: Batch) -> dict[int, Outcome]:
        """Outcome of each place of one batch of a schedule."""
        if schedule is not self._current:
            self.expect(schedule, schedule.batches)
        encoded = self.visual.encoded
        found: dict[int, Outcome] = {}
        with self._using(batch.stage):
            rows: list[tuple[PackedRow, Prefix]] = []
            for row in batch.rows:
                prefix = self._prefix(row.image)
                if prefix is None:
                    found.update((text.place, Outcome(None, self.visual.problems[row.image or ""])) for text in row.texts)
                else:
                    rows.append((row, prefix))
            if rows:
                found.update(self._forward(rows, schedule))
        seen = sum(len(row.texts) for row, _ in rows if row.image is not None)
        self.counters.images_encoded += self.visual.encoded - encoded
        self.counters.images_reused += max(0, seen - (self.visual.encoded - encoded))
        self.counters.texts += len(batch.places)
        return found

    def close(self) -> None:
        """End the decoding threads; the model stays with whoever loaded it."""
        self.visual.close()

    def _using(self, stage: int) -> AbstractContextManager[None]:
        return using(self.loaded, self._stages[stage][0])

    def _prefix(self, image: str | None) -> Prefix | None:
        """BOS and image in word space under the adapter in use; None where the image can't be read."""
        if image is None:
            if self._blank is None:
                self._blank = blank_tokens(self.loaded)
            return prefix_of(self.loaded, self._blank, shown=False)
        tokens = self.visual.get(image)
        return None if tokens is None else prefix_of(self.loaded, tokens)

    def _forward(self, rows: list[tuple[PackedRow, Prefix]], schedule: Schedule) -> dict[int, Outcome]:
        """One forward; out of memory halves the batch, down to a single text."""
        scorers = self._stages[rows[0][0].stage]
        try:
            states = pooled(self.loaded, [Row(prefix, tuple(text.ids for text in row.texts), tuple(text.span for text in row.texts)) for row, prefix in rows],
                            tuple(dict.fromkeys(feature for scorer in scorers for feature in scorer.features)),
                            tuple(scorer.look for scorer in scorers if scorer.look is not None))
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            return self._halves(rows, schedule)
        batch = Batch(tuple(row for row, _ in rows))
        self.counters.batches += 1
        self.counters.real_tokens += sum(row.length for row in batch.rows)
        self.counters.padded_tokens += padding(batch)
        self.counters.shared_prefix_tokens += sum((len(row.texts) - 1) * self._prefix_length for row in batch.rows)
        found: dict[int, Outcome] = {}
        for scorer in scorers:
            for place, value in zip(batch.places, apply_head(scorer, states)):
                if schedule.requests[place].kind == scorer.kind:
                    found[place] = Outcome(value) if math.isfinite(value) else Outcome(None, NO_NUMBER)
        return found

    def _halves(self, rows: list[tuple[PackedRow, Prefix]], schedule: Schedule) -> dict[int, Outcome]:
        _give_back(self.loaded)
        self.counters.halvings += 1
        if len(rows) > 1:
            middle = len(rows) // 2
            return {**self._forward(rows[:middle], schedule), **self._forward(rows[middle:], schedule)}
        row, prefix = rows[0]
        if len(row.texts) > 1:
            middle = len(row.texts) // 2
            halves = [PackedRow(row.stage, row.image, part, len(prefix) + sum(len(text.ids) for text in part)) for part in (row.texts[:middle], row.texts[middle:])]
            return {**self._forward([(halves[0], prefix)], schedule), **self._forward([(halves[1], prefix)], schedule)}
        text = row.texts[0]
        return {text.place: Outcome(None, f"out of memory on one text of {len(text.ids)} tokens")}


def attach(loaded: LoadedModel, scorer: Scorer) -> None:
    """Bring a scorer's adapter, where it has one, beside the base's weights. Raises ModelError where it does not fit the base."""
    if scorer.adapter is not None:
        from pipeline.models import adapters

        adapters.attach(loaded, scorer.adapter)


def using(loaded: LoadedModel, scorer: Scorer) -> AbstractContextManager[None]:
    """The scorer's adapter is active inside; the bare base where it has none."""
    if scorer.adapter is None and not loaded.attached.adapters:
        return nullcontext()
    from pipeline.models import adapters

    return adapters.using(loaded, scorer.adapter)


def revision_of(scorer: Scorer) -> str | None:
    """What tells adapters apart; None for a scorer that reads the bare base."""
    return None if scorer.adapter is None else scorer.adapter.revision


def has_words(request: Request) -> bool:
    """False for an empty question set or an empty answer, which must not be scored as if it were something else."""
    body = request.text.partition("\nAnswer:")[2] if request.kind == "answer" else request.text
    return bool(body.strip())


def span_start(loaded: LoadedModel, text: str, length: int) -> int:
    """Number of ids before the answer's first word, so that a mean is over the answer alone. At most length − 1."""
    head, mark, _ = text.partition("\nAnswer:")
    return min(len(loaded.ids(head + mark)), length - 1) if mark else 0


def blank_tokens(loaded: LoadedModel) -> "torch.Tensor":
    """Visual tokens (T, tower width) of a record without an image: all pixels zero after normalisation, as the authors do."""
    import torch

    side = loaded.image_processor.crop_size["height"]
    with torch.inference_mode():
        return loaded.tower_tokens(torch.zeros(1, 3, side, side, device=loaded.device))[0]


def blank_prefix(loaded: LoadedModel) -> Prefix:
    """Prefix of a record without an image."""
    return prefix_of(loaded, blank_tokens(loaded), shown=False)


def apply_head(scorer: Scorer, states: "dict[Feature | LookHead, torch.Tensor]") -> list[float]:
    """Pooled states, each (texts, hidden), and the look head's values → one number a text."""
    import torch

    total: "torch.Tensor | float" = scorer.bias
    for row, feature in zip(scorer.weights, scorer.features):
        state = states[feature]
        total = total + state.double() @ torch.from_numpy(row).to(state.device).double()
    if scorer.look is not None:
        total = total + states[scorer.look].double()
    return [float(value) for value in total]  # type: ignore[union-attr]


def score_one_by_one(loaded: LoadedModel, scorer: Scorer, image: "Image | None", text: str) -> float:
    """The plain way: one image, one text, one forward of transformers' own model. Slow; the truth tests compare with."""
    import torch

    attach(loaded, scorer)
    with torch.inference_mode(), using(loaded, scorer):
        if image is None:
            prefix = blank_prefix(loaded)
        else:
            prefix = prefix_of(loaded, loaded.image_features([image], scorer.image_preparation)[0])  # type: ignore[arg-type]
        ids = cut_ids(loaded.ids(text), len(prefix))
        embeddings = torch.cat([prefix.words.to(loaded.dtype), loaded.text_embeddings(ids)])[None]
        output = loaded.language_model(inputs_embeds=embeddings, output_hidden_states=True, use_cache=False)
        start = len(prefix) + (span_start(loaded, text, len(ids)) if scorer.span == "answer" else 0)
        states: dict[Feature | LookHead, torch.Tensor] = {}
        for feature in scorer.features:
            layer = output.last_hidden_state if feature.layer < 0 else output.hidden_states[feature.layer]
            states[feature] = (layer[:, -1] if feature.pool == "last" else layer[:, start:].mean(1)).float()
        if scorer.look is not None:
            states[scorer.look] = scorer.look.values(output.hidden_states[scorer.look.layer], [(0, len(prefix), len(ids))], [prefix.picture])
    return apply_head(scorer, states)[0]


def _out_of_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words or "not enough memory" in words


def _give_back(loaded: LoadedModel) -> None:
    if loaded.plan.device == "cuda":
        import torch

        torch.cuda.empty_cache()
