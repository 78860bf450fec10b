"""The comparison job: a sample of a data set scored by one variant of precision and quantization after the other.

Owns the sample, the measuring and the order; what the figures mean is pipeline.scoring.variants' work. Never more than one
model of its own in memory. Its numbers are for the comparison alone: nothing is stored as scores of the data set.

Parameters of `run` (all optional): sample (64), seed (0), variants ["bf16", "int8", "bf16+nf4", …], kinds, scorers and device as
in scoring.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.agreement import FEWEST, SHARE
from pipeline.devices import Hardware, probe
from pipeline.errors import JobCancelled, SettingError, StudioError
from pipeline.facts import reads_facts
from pipeline.models.loading import load
from pipeline.models.memory import PeakMemory, give_back
from pipeline.models.planning import RUNTIME_GIB, Plan, Wish, plan
from pipeline.records import Record
from pipeline.scoring.contract import Kind, Place, places_of
from pipeline.scoring.engine import Engine, Outcome, Request
from pipeline.scoring.run import image_reader, wanted_scorers
from pipeline.scoring.scorers import Scorer
from pipeline.scoring.variants import Row, Values, Variant, advise, finished, read_variants
from pipeline.scoring.windows import image_problem
from pipeline.store.scores import ScoreTable
from pipeline.teaching.adoption import with_scorers

if TYPE_CHECKING:
    from pipeline.worker import JobContext

SAMPLE = 64
LARGEST_SAMPLE = 10_000
BATCH = {"cpu": 8, "cuda": 64}
"""Records a batch: the same for every variant, so that all share and pad alike. A stop waits for one batch."""
WARM_UP = 4
"""Records scored once before the clock runs: the first forward picks kernels and fills caches."""


@dataclass(frozen=True)
class Sample:
    """The records every variant scores, their instruction types (R,) and all their texts in one order."""

    records: tuple[Record, ...]
    types: np.ndarray
    places: tuple[Place, ...]


def run(context: "JobContext") -> dict[str, Any]:
    """Compare the variants; see `Row` for what is measured of each.

    Stopped after the reference it gives back what was measured so far with `stopped`. Raises SettingError for a bad wish,
    the first variant's StudioError where none can run, JobCancelled when stopped before the first was done.
    """
    dataset_id = context.job.dataset_id
    if dataset_id is None:
        raise SettingError("a comparison needs a data set", hint="Import one, or open the demo.")
    scorers = wanted_scorers(with_scorers(context, context.params))
    size, seed = _whole(context.params, "sample", SAMPLE, LARGEST_SAMPLE), _whole(context.params, "seed", 0, 2**32 - 1, least=0)
    device = context.params.get("device") or "auto"
    context.step(0, 0, "Looking at the machine", "")
    hardware = probe()
    variants = read_variants(context.params.get("variants"), hardware.device if device == "auto" else device)
    table = context.store.scores.table(dataset_id, None, None)
    if len(table) < FEWEST:
        raise SettingError(f"a ranking needs at least {FEWEST} records, this data set has {len(table)}", hint="Choose a larger data set.")
    sample = draw(context.store.records.many, table, size, seed, tuple(scorer.kind for scorer in scorers),
                  informed=[scorer.kind for scorer in scorers if reads_facts(scorer.training)])
    choice, own_words = _own_choice(scorers, hardware, device)
    context.shelf.clear()  # what a job before this one left loaded would count twice
    rows, values, stopped = _all(context, scorers, variants, sample, device)
    table_rows = finished(rows, values, sample.types, choice)
    if not any(row.reference for row in table_rows):
        raise StudioError(f"no variant could run: {table_rows[0].problem}", hint=table_rows[0].hint)
    name, words = advise(table_rows)
    return {
        "sample": len(sample.records), "records": len(table), "texts": len(sample.places), "seed": seed, "share": SHARE,
        "kinds": [scorer.kind for scorer in scorers], "scorers": {scorer.kind: scorer.name for scorer in scorers},
        "model": scorers[0].spec.label, "machine": hardware.name, "device": hardware.device,
        "rows": [{**asdict(row), "label": row.label} for row in table_rows], "reference": next(row.label for row in table_rows if row.reference),
        "advised": name, "advice": words, "choice": own_words, "stopped": stopped, "asked": [variant.name for variant in variants],
        "runtime_gib": RUNTIME_GIB[hardware.device],
    }


def draw(read: Callable[[Sequence[int]], list[Record]], table: ScoreTable, size: int, seed: int, kinds: tuple[Kind, ...], *,
         informed: Sequence[Kind] = ()) -> Sample:
    """`size` records, each instruction type with its share of the data set, records of one image next to each other."""
    chosen = stratified(table.type, size, np.random.default_rng(seed))
    order = chosen[np.lexsort((table.ids[chosen], table.image[chosen]))]
    records = tuple(read([int(record_id) for record_id in table.ids[order]]))
    return Sample(records, table.type[order], tuple(place for record in records for place in places_of(record, kinds, informed)))


def stratified(types: np.ndarray, size: int, chance: np.random.Generator) -> np.ndarray:
    """Places of `size` of these records, drawn without repetition, every type with its share (largest remainders); all where fewer."""
    if size >= len(types):
        return np.arange(len(types))
    names, counts = np.unique(types, return_counts=True)
    exact = counts * size / len(types)
    quota = np.floor(exact).astype(int)
    quota[np.argsort(quota - exact, kind="stable")[: size - int(quota.sum())]] += 1
    return np.sort(np.concatenate([chance.choice(np.flatnonzero(types == name), number, replace=False) for name, number in zip(names, quota)]))


def _all(context: "JobContext", scorers: list[Scorer], variants: Sequence[Variant], sample: Sample,
         device: str) -> tuple[list[Row], dict[str, dict[str, Values]], bool]:
    """(rows without comparisons, values by variant and kind, whether a person stopped it)."""
    rows: list[Row] = []
    values: dict[str, dict[str, Values]] = {}
    each = len(sample.records)
    for number, variant in enumerate(variants):
        def tell(done: int, words: str) -> None:
            context.step(number * each + done, len(variants) * each, variant.name, words)

        try:
            row, found = _one(context, scorers, variant, sample, device, tell)
        except JobCancelled:
            if not values:
                raise
            return rows, values, True
        rows.append(row)
        if found is not None:
            values[row.name] = found
        if len(context.shelf):  # an urgent job between two batches loaded its own
            context.shelf.clear()
    context.step(len(variants) * each, len(variants) * each, "Done", "")
    return rows, values, False


def _one(context: "JobContext", scorers: list[Scorer], variant: Variant, sample: Sample, device: str,
         tell: Callable[[int, str], None]) -> tuple[Row, dict[str, Values] | None]:
    """Load, warm up, score, let go. A variant that can't run here is a row with its reason."""
    row = Row(variant.name, variant.precision, variant.quantization)
    tell(0, f"Loading {variant.name}")
    try:
        planned = plan(scorers[0].spec, probe(), variant.wish(device))
        row = replace(row, precision=planned.precision, quantization=planned.quantization, planned_gib=round(planned.gib - RUNTIME_GIB[planned.device], 2))
        return _measured(context, scorers, planned, row, sample, tell)
    except JobCancelled:
        raise
    except StudioError as error:
        return replace(row, problem=error.message, hint=error.hint), None
    except (RuntimeError, MemoryError) as error:  # a kernel this machine lacks, or no memory for the weights
        return replace(row, problem=f"it failed while running: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}"), None
    finally:
        give_back()


def _measured(context: "JobContext", scorers: list[Scorer], planned: Plan, row: Row, sample: Sample,
              tell: Callable[[int, str], None]) -> tuple[Row, dict[str, Values]]:
    _warm_libraries(planned)
    memory = PeakMemory(planned.device)
    start = time.perf_counter()
    loaded = load(scorers[0].spec, planned)
    load_s = time.perf_counter() - start
    reader = image_reader(context.workspace)
    outcomes: list[Outcome] = []
    seconds, size, total = 0.0, BATCH[planned.device], len(sample.records)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="bitsandbytes")  # one a matrix product, about the type it casts to
        with closing(Engine(loaded, scorers, reader)) as engine:
            _score(engine, sample.records[:WARM_UP], sample.places)
        with closing(Engine(loaded, scorers, reader)) as engine:  # its own cache: no picture is for nothing
            for at in range(0, total, size):
                tell(at, f"{row.name}, {at} of {total} records")
                start = time.perf_counter()
                outcomes += _score(engine, sample.records[at:at + size], sample.places)
                seconds += time.perf_counter() - start
            halvings = engine.counters.halvings
    peak = memory.gib()
    row = replace(row, load_s=round(load_s, 2), seconds=round(seconds, 2), records_per_s=total / max(seconds, 1e-9), halvings=halvings,
                  measured_gib=None if peak is None else round(peak, 2))
    return row, {scorer.kind: folded(sample, outcomes, scorer.kind) for scorer in scorers}


def _score(engine: Engine, records: Sequence[Record], places: Sequence[Place]) -> list[Outcome]:
    """Outcomes of these records' places in order; an image that can't be read gives None with the reason."""
    problems = {record.id: (image_problem(record), record.image) for record in records}
    mine = [place for place in places if place.record_id in problems]
    readable = [place for place in mine if not problems[place.record_id][0]]
    found = iter(engine.score([Request(place.kind, problems[place.record_id][1], place.text) for place in readable]))
    return [Outcome(None, problems[place.record_id][0]) if problems[place.record_id][0] else next(found) for place in mine]


def folded(sample: Sample, outcomes: Sequence[Outcome], kind: Kind) -> Values:
    """Outcomes in the order of the places → numbers by text and by record. A record's answer score is the mean over its turns of
    the best candidate, NaN unless every turn has one, as everywhere."""
    mine = [(place, np.nan if outcome.value is None else outcome.value) for place, outcome in zip(sample.places, outcomes) if place.kind == kind]
    best: dict[int, dict[int, float]] = {record.id: {} for record in sample.records}
    for place, value in mine:
        turns = best[place.record_id]
        turns[place.turn] = float(np.fmax(turns.get(place.turn, np.nan), value))
    return Values(np.array([value for _, value in mine]), np.array([np.mean(list(turns.values())) if turns else np.nan for turns in best.values()]))


def _own_choice(scorers: list[Scorer], hardware: Hardware, device: str) -> tuple[Plan | None, str]:
    """What the plan takes when nothing is asked for, and its words; None with the refusal where nothing fits."""
    try:
        found = plan(scorers[0].spec, hardware, Wish(device=device))  # type: ignore[arg-type]
    except SettingError as error:
        return None, error.message
    return found, found.reason


def _warm_libraries(planned: Plan) -> None:
    """Import what loading imports, so that neither time nor memory of the first variant holds it."""
    import transformers.models.llava.modeling_llava  # noqa: F401

    if planned.quantization != "none":
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it asks for a package that this project has no use for
        with suppress(ImportError):  # told by loading itself
            import bitsandbytes  # noqa: F401


def _whole(params: dict[str, Any], name: str, usual: int, most: int, *, least: int = FEWEST) -> int:
    value = params.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SettingError(f"{str(value)[:40]!r} is no {name} between {least} and {most:,}", hint=f"Leave it out for {usual}.")
    return value
