"""Scores texts about images with one loaded model: encodes each image once, shares its prefix, batches by length.

Owns batching, the visual cache and the reasons for missing numbers. Knows scorers and pictures, but neither records nor
the store: `pipeline.scoring.run` brings those. `score_one_by_one` is the plain reference that tests compare with.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import DataError, ModelError
from pipeline.models.loading import LoadedModel
from pipeline.scoring.contract import Kind, cut_ids
from pipeline.scoring.forward import Feature, Row, pooled, prefix_of
from pipeline.scoring.scorers import Scorer

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

log = logging.getLogger(__name__)

ImageReader = Callable[[str], "Image"]
"""sha256 → decoded picture; raises DataError with the reason where it can't be read."""

CACHE_BYTES = 256 * 2**20
ENCODE_BATCH = 16
LONGEST_SHARED_ROW = 1024
"""A row with many texts is split here: its mask grows with the square."""
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
    real_tokens: int = 0
    padded_tokens: int = 0
    shared_prefix_tokens: int = 0
    """Prefix positions that one-by-one scoring would have computed again."""
    halvings: int = 0


@dataclass
class _Group:
    """One image's texts within one call, with the places of their outcomes."""

    image: str | None
    texts: list[tuple[int, ...]] = field(default_factory=list)
    spans: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


class Engine:
    """Question and answer scorers of one base over one loaded model. Not for several threads at once."""

    def __init__(self, loaded: LoadedModel, scorers: Sequence[Scorer], read_image: ImageReader, *, token_budget: int | None = None) -> None:
        preparations = {scorer.image_preparation for scorer in scorers}
        if len(preparations) != 1 or len({scorer.kind for scorer in scorers}) != len(scorers):
            raise ModelError("an engine takes one scorer a kind, all with the same image preparation", hint="Score the kinds one after the other.")
        hidden = loaded.language_model.config.hidden_size
        for scorer in scorers:
            if scorer.weights.shape[1] != hidden:
                raise ModelError(f"the scorer {scorer.name} is for states of width {scorer.weights.shape[1]}, {loaded.spec.label} has {hidden}",
                                 hint=f"Use it with its base {scorer.base}.")
        self.loaded = loaded
        self.scorers = {scorer.kind: scorer for scorer in scorers}
        self.counters = Counters()
        self.token_budget = token_budget or (2048 if loaded.plan.device == "cpu" else 16384)
        self._read_image = read_image
        self._preparation = preparations.pop()
        self._features: tuple[Feature, ...] = tuple(dict.fromkeys(f for scorer in scorers for f in scorer.features))
        self._prefixes: OrderedDict[str | None, "torch.Tensor"] = OrderedDict()
        self._problems: dict[str, str] = {}

    def score(self, requests: Sequence[Request]) -> list[Outcome]:
        """Outcomes in the order of the requests. An unreadable image or a failed text gives None with its reason."""
        outcomes: list[Outcome | None] = [None] * len(requests)
        groups: dict[str | None, _Group] = {}
        for place, request in enumerate(requests):
            if not has_words(request):
                outcomes[place] = Outcome(None, EMPTY)
                continue
            ids, span = self._ids(request)
            group = groups.setdefault(request.image, _Group(request.image))
            group.texts.append(ids)
            group.spans.append(span)
            group.places.append(place)
        self._encode([image for image in groups if image is not None])
        rows: list[tuple[Row, list[int]]] = []
        for image, group in groups.items():
            if image is not None and image in self._problems:
                for place in group.places:
                    outcomes[place] = Outcome(None, self._problems[image])
                continue
            rows += self._rows(group)
        for batch in self._batches(rows):
            for place, outcome in self._run(batch, requests):
                outcomes[place] = outcome
        self.counters.texts += len(requests)
        return [outcome or Outcome(None, NO_NUMBER) for outcome in outcomes]

    def _ids(self, request: Request) -> tuple[tuple[int, ...], int]:
        """Ids of one text, and from which id on a mean is taken."""
        ids = cut_ids(self.loaded.ids(request.text), self.loaded.image_tokens + len(self.loaded.start_ids))
        return tuple(ids), span_start(self.loaded, request.text, len(ids)) if self.scorers[request.kind].span == "answer" else 0

    def _encode(self, images: Sequence[str]) -> None:
        """Bring the prefixes of these images into the cache, several at a time; remember why one can't be read."""
        import torch

        wanted = [image for image in images if image not in self._prefixes and image not in self._problems]
        self.counters.images_reused += sum(image in self._prefixes for image in images)
        for image in images:
            if image in self._prefixes:
                self._prefixes.move_to_end(image)
        for start in range(0, len(wanted), ENCODE_BATCH):
            names, pictures = [], []
            for image in wanted[start:start + ENCODE_BATCH]:
                try:
                    pictures.append(self._read_image(image))
                    names.append(image)
                except DataError as error:
                    self._problems[image] = error.message
            if not names:
                continue
            visual = self.loaded.image_features(pictures, self._preparation)  # (n, tokens, tower width)
            for name, tokens in zip(names, visual):
                prefix = prefix_of(self.loaded, tokens)
                if torch.isfinite(prefix).all():
                    self._prefixes[name] = prefix
                else:
                    self._problems[name] = "the vision tower gave no finite numbers for this image"
            self.counters.images_encoded += len(names)
        self._shrink(len(images))

    def _shrink(self, in_use: int) -> None:
        """Forget the longest unused prefixes beyond the cache's room, never those of the present call."""
        if not self._prefixes:
            return
        one = next(iter(self._prefixes.values()))
        room = max(in_use + 1, CACHE_BYTES // (one.numel() * one.element_size()))
        while len(self._prefixes) > room:
            self._prefixes.popitem(last=False)

    def _prefix(self, image: str | None) -> "torch.Tensor":
        if image is None and None not in self._prefixes:
            self._prefixes[None] = blank_prefix(self.loaded)
        return self._prefixes[image]

    def _rows(self, group: _Group) -> list[tuple[Row, list[int]]]:
        """The group's texts as rows of bearable length, the shortest texts first."""
        prefix = self._prefix(group.image)
        rows: list[tuple[Row, list[int]]] = []
        members: list[int] = []
        length = len(prefix)
        for number in sorted(range(len(group.texts)), key=lambda i: len(group.texts[i])):
            size = len(group.texts[number])
            if members and length + size > LONGEST_SHARED_ROW:
                rows.append(_row(group, prefix, members))
                members, length = [], len(prefix)
            members.append(number)
            length += size
        rows.append(_row(group, prefix, members))
        self.counters.shared_prefix_tokens += (len(group.texts) - len(rows)) * len(prefix)
        return rows

    def _batches(self, rows: list[tuple[Row, list[int]]]) -> Iterator[list[tuple[Row, list[int]]]]:
        """Rows of like length together, as many as the token budget allows; the budget may shrink on the way."""
        waiting = sorted(rows, key=lambda entry: -entry[0].length)
        while waiting:
            count = max(1, self.token_budget // waiting[0][0].length)
            batch, waiting = waiting[:count], waiting[count:]
            yield batch

    def _run(self, batch: list[tuple[Row, list[int]]], requests: Sequence[Request]) -> list[tuple[int, Outcome]]:
        """One forward; out of memory halves the batch, down to a single text."""
        rows = [row for row, _ in batch]
        places = [place for _, members in batch for place in members]
        try:
            states = pooled(self.loaded, rows, self._features)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            return self._run_halves(batch, requests)
        width = max(row.length for row in rows)
        real = sum(row.length for row in rows)
        self.counters.real_tokens += real
        self.counters.padded_tokens += width * len(rows) - real
        found: dict[int, Outcome] = {}
        for kind, scorer in self.scorers.items():
            for place, value in zip(places, apply_head(scorer, states)):
                if requests[place].kind == kind:
                    found[place] = Outcome(value) if math.isfinite(value) else Outcome(None, NO_NUMBER)
        return list(found.items())

    def _run_halves(self, batch: list[tuple[Row, list[int]]], requests: Sequence[Request]) -> list[tuple[int, Outcome]]:
        _give_back(self.loaded)
        self.counters.halvings += 1
        self.token_budget = max(256, self.token_budget // 2)
        if len(batch) > 1:
            middle = len(batch) // 2
            return self._run(batch[:middle], requests) + self._run(batch[middle:], requests)
        row, members = batch[0]
        if len(members) > 1:
            middle = len(members) // 2
            halves = [(Row(row.prefix, row.texts[part], row.spans[part]), members[part]) for part in (slice(middle), slice(middle, None))]
            return self._run([halves[0]], requests) + self._run([halves[1]], requests)
        return [(members[0], Outcome(None, f"out of memory on one text of {len(row.texts[0])} tokens"))]


def has_words(request: Request) -> bool:
    """False for an empty question set or an empty answer, which must not be scored as if it were something else."""
    body = request.text.partition("\nAnswer:")[2] if request.kind == "answer" else request.text
    return bool(body.strip())


def span_start(loaded: LoadedModel, text: str, length: int) -> int:
    """Number of ids before the answer's first word, so that a mean is over the answer alone. At most length − 1."""
    head, mark, _ = text.partition("\nAnswer:")
    return min(len(loaded.ids(head + mark)), length - 1) if mark else 0


def blank_prefix(loaded: LoadedModel) -> "torch.Tensor":
    """Prefix of a record without an image: all pixels zero after normalisation, as the authors do."""
    import torch

    side = loaded.image_processor.crop_size["height"]
    with torch.inference_mode():
        visual = loaded.tower_tokens(torch.zeros(1, 3, side, side, device=loaded.device, dtype=loaded.dtype))[0]
    return prefix_of(loaded, visual)


def apply_head(scorer: Scorer, states: dict[Feature, "torch.Tensor"]) -> list[float]:
    """Pooled states, each (texts, hidden) → one number a text."""
    import torch

    total: "torch.Tensor | float" = scorer.bias
    for row, feature in zip(scorer.weights, scorer.features):
        state = states[feature]
        total = total + state.double() @ torch.from_numpy(row).to(state.device).double()
    return [float(value) for value in total]  # type: ignore[union-attr]


def score_one_by_one(loaded: LoadedModel, scorer: Scorer, image: "Image | None", text: str) -> float:
    """The plain way: one image, one text, one forward of transformers' own model. Slow; the truth tests compare with."""
    import torch

    with torch.inference_mode():
        if image is None:
            prefix = blank_prefix(loaded)
        else:
            prefix = prefix_of(loaded, loaded.image_features([image], scorer.image_preparation)[0])  # type: ignore[arg-type]
        ids = cut_ids(loaded.ids(text), len(prefix))
        embeddings = torch.cat([prefix, loaded.text_embeddings(ids)])[None]
        output = loaded.language_model(inputs_embeds=embeddings, output_hidden_states=True, use_cache=False)
        start = len(prefix) + (span_start(loaded, text, len(ids)) if scorer.span == "answer" else 0)
        states = {}
        for feature in scorer.features:
            layer = output.last_hidden_state if feature.layer < 0 else output.hidden_states[feature.layer]
            states[feature] = (layer[:, -1] if feature.pool == "last" else layer[:, start:].mean(1)).float()
    return apply_head(scorer, states)[0]


def _row(group: _Group, prefix: "torch.Tensor", members: list[int]) -> tuple[Row, list[int]]:
    row = Row(prefix, tuple(group.texts[i] for i in members), tuple(group.spans[i] for i in members))
    return row, [group.places[i] for i in members]


def _out_of_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words or "not enough memory" in words


def _give_back(loaded: LoadedModel) -> None:
    if loaded.plan.device == "cuda":
        import torch

        torch.cuda.empty_cache()
