"""Rows 1 to 6: the engine beside one forward a candidate, a bare product, the plain reference and the authors' way."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tests.bench.authors_way import score_as_published
from tests.bench.material import Figure, Material, Shown, demo, ratio, scienceqa, seconds

from pipeline.devices import probe
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import SPECS
from pipeline.scoring.contract import answer_text, question_text
from pipeline.scoring.engine import Engine, Request, score_one_by_one
from pipeline.scoring.forward import FINAL, Feature, Prefix, Row, pooled
from pipeline.scoring.schedule import padding
from pipeline.scoring.scorers import Scorer, active, load_scorer

PREFIX = 576
CANDIDATES = 7
LAST = (Feature(FINAL, "last"),)
"""What the published reward models read; the embedded heads read lower layers and are quicker still."""


def open_model(precision: str, quantization: str = "none") -> LoadedModel:
    """The embedded model on this machine's processor or GPU."""
    return load(SPECS["embedded"], plan(SPECS["embedded"], probe(), Wish(precision, quantization)))  # type: ignore[arg-type]


def published_head(loaded: LoadedModel, kind: str) -> Scorer:
    """A head of the published kind: one row of random weights on the last state. What it costs does not depend on its numbers."""
    width = loaded.language_model.config.hidden_size
    weights = np.random.default_rng(len(kind)).normal(0, width ** -0.5, (1, width)).astype(np.float32)
    return Scorer(f"bench-{kind}", kind, "embedded", LAST, "text", "pad", weights, 0.0, "0" * 64)  # type: ignore[arg-type]


def answers_of_usual_length(loaded: LoadedModel, material: Material, count: int = CANDIDATES) -> list[tuple[int, ...]]:
    """Ids of answers of 80 to 150 tokens, about what a candidate of the method has; longer ones are cut."""
    ids = [tuple(loaded.ids(request.text)) for request in material.requests if request.kind == "answer"]
    long = sorted((one for one in ids if len(one) >= 80), key=len)[:count] or sorted(ids, key=len)[-count:]
    return [one[:150] for one in long]


def shared_prefix(loaded: LoadedModel, material: Material) -> Figure:
    import torch

    texts = answers_of_usual_length(loaded, material)
    torch.manual_seed(0)
    prefix = Prefix((torch.randn(PREFIX, loaded.language_model.config.hidden_size, device=loaded.device) * 0.5).to(loaded.dtype))
    together = [Row(prefix, tuple(texts))]
    alone = [[Row(prefix, (text,))] for text in texts]
    differences = [float((a - b).abs().max()) for a, b in zip(pooled(loaded, together, LAST)[LAST[0]], [pooled(loaded, row, LAST)[LAST[0]][0] for row in alone])]
    found, more = ratio(lambda: [pooled(loaded, row, LAST) for row in alone], lambda: pooled(loaded, together, LAST), rounds=5)
    tokens = sum(PREFIX + len(text) for text in texts), PREFIX + sum(map(len, texts))
    return Figure("1", f"shared prefix ÷ one forward a candidate, {loaded.plan.precision}, P = {PREFIX}, {len(texts)} candidates", f"{found:.2f} ×", "≥ 2.8", found >= 2.8,
                  {**more, "tokens_alone": tokens[0], "tokens_together": tokens[1], "largest_state_difference": max(differences)})


def flop_rate(loaded: LoadedModel, material: Material, goal: float) -> Figure:
    """The whole forward of a batch beside nothing but its matrix products: what norms, rotation, attention and Python cost."""
    import torch

    texts = answers_of_usual_length(loaded, material)
    torch.manual_seed(0)
    prefix = Prefix((torch.randn(49, loaded.language_model.config.hidden_size, device=loaded.device) * 0.5).to(loaded.dtype))
    rows = [Row(prefix, tuple(texts[place::2])) for place in (0, 1)] * 2
    width, count = max(row.length for row in rows), len(rows)
    config = loaded.language_model.config
    head = config.hidden_size // config.num_attention_heads
    hidden, queries, keys, middle = config.hidden_size, config.num_attention_heads * head, config.num_key_value_heads * head, config.intermediate_size
    shapes = [(hidden, queries), (hidden, keys), (hidden, keys), (queries, hidden), (hidden, middle), (hidden, middle), (middle, hidden)]
    states = [(torch.randn(count * width, shape[0], device=loaded.device).to(loaded.dtype), torch.randn(shape[1], shape[0], device=loaded.device).to(loaded.dtype)) for shape in shapes]

    def bare() -> None:
        with torch.inference_mode():
            for _ in range(config.num_hidden_layers):
                for left, right in states:
                    torch.nn.functional.linear(left, right)

    slow, more = ratio(lambda: pooled(loaded, rows, LAST), bare, rounds=7)
    flop = 2 * count * width * config.num_hidden_layers * sum(a * b for a, b in shapes)
    pairs = sum(len(row.prefix) ** 2 / 2 + sum(len(text) * (len(row.prefix) + len(text) / 2) for text in row.texts) for row in rows)
    attention = 4 * pairs * queries * config.num_hidden_layers  # what a text may see: queries by keys, and weights by values
    share = (flop + attention) / flop / slow
    return Figure("2", f"FLOP rate ÷ a bare product of the same shapes, {loaded.plan.precision}", f"{share:.2f}", f"≥ {goal}", share >= goal,
                  {**more, "positions": count * width, "gflop_per_s_bare": round(flop / more["fast_s"] / 1e9, 1), "attention_share_of_flop": round(attention / (flop + attention), 3),
                   "without_attention": round(1 / slow, 3)})


def exactness(loaded: LoadedModel, material: Material, sample: int = 40) -> Figure:
    scorers = [load_scorer(active("question")), load_scorer(active("answer"))]
    requests = material.requests[:: max(1, len(material.requests) // sample)]
    engine = Engine(loaded, scorers, material.read)
    values = [outcome.value for outcome in engine.score(requests)]
    engine.close()
    by_kind = {scorer.kind: scorer for scorer in scorers}
    plain = [score_one_by_one(loaded, by_kind[request.kind], material.read(request.image) if request.image else None, request.text) for request in requests]
    largest = max(abs(a - b) for a, b in zip(values, plain))  # type: ignore[operator]
    return Figure("3", f"largest difference to the plain fp32 reference, {len(requests)} texts", f"{largest:.1e}", "≤ 1e-5", largest <= 1e-5, {"texts": len(requests)})


def engine_values(loaded: LoadedModel, requests: Sequence[Request], material: Material) -> tuple[list[float], float]:
    """(scores, seconds) of the shipped scorers."""
    engine = Engine(loaded, [load_scorer(active("question")), load_scorer(active("answer"))], material.read)
    engine.score(requests[:8])
    engine.visual.forget()
    found: list[float] = []
    took = seconds(lambda: found.extend(float(outcome.value or np.nan) for outcome in engine.score(requests)))
    engine.close()
    return found, took


def rank_agreement(reference: list[float], values: list[float], requests: Sequence[Request], variant: str, goal: float, speed: float) -> Figure:
    from scipy.stats import spearmanr

    found = {kind: float(spearmanr(*zip(*[(a, b) for a, b, request in zip(reference, values, requests) if request.kind == kind])).statistic) for kind in ("question", "answer")}
    worst = min(found.values())
    return Figure("3", f"Spearman of {variant} to fp32, {len(requests)} texts", f"{worst:.4f}", f"≥ {goal}", worst >= goal,
                  {**{kind: round(value, 5) for kind, value in found.items()}, "largest_difference": max(abs(a - b) for a, b in zip(reference, values)), "speed_to_fp32": round(speed, 2)})


def padded(loaded: LoadedModel, material: Material) -> Figure:
    engine = Engine(loaded, [load_scorer(active("question")), load_scorer(active("answer"))], material.read)
    batches = [batch for part in _windows(material) for batch in engine.schedule(part).batches]
    engine.close()
    real, empty = sum(row.length for batch in batches for row in batch.rows), sum(padding(batch) for batch in batches)
    return Figure("4", f"padded ÷ real tokens, {material.name}, {material.records} records", f"{empty / real:.1%}", "≤ 2 %", empty / real <= 0.02, {"real": real, "padded": empty, "batches": len(batches)})


def _windows(material: Material) -> list[list[Request]]:
    """The material's requests as a run schedules them, a window at a time."""
    from pipeline.scoring.windows import window_size

    size = window_size(material.records)
    parts: list[list[Request]] = []
    for number, request in enumerate(material.requests):
        records = sum(one.kind == "question" for one in parts[-1]) if parts else size
        if request.kind == "question" and records >= size:
            parts.append([])
        parts[-1].append(request)
    return parts


def from_disk(loaded: LoadedModel, material: Material) -> Figure:
    """The whole job, from the store and the image files back into the store, beside the engine on decoded pictures."""
    from tests.bench.context import BenchContext, import_demo

    from pipeline.scoring.run import run

    pictures = {name: material.read(name) for name in material.files}
    scorers = [load_scorer(active("question")), load_scorer(active("answer"))]

    def memory() -> None:
        engine = Engine(loaded, scorers, pictures.__getitem__)
        engine.score(material.requests)
        engine.close()

    with tempfile.TemporaryDirectory() as folder:
        def disk() -> None:
            context = BenchContext(Path(folder) / "workspace", loaded)
            context.store.database.connection.execute("DELETE FROM score")
            run(context)  # type: ignore[arg-type]

        import_demo(Path(folder) / "workspace")
        found, more = ratio(disk, memory, rounds=3)
    return Figure("5", f"whole run from disk ÷ the same in memory, {loaded.plan.precision}", f"{found:.2f}", "≤ 1.10", found <= 1.10, {**more, "records": material.records, "records_per_s": round(material.records / more["slow_s"], 2)})


def end_to_end(loaded: LoadedModel, material: Material) -> Figure:
    """Both from image files to numbers, with the published kind of head on all layers; texts with an image only."""
    scorers = [published_head(loaded, kind) for kind in ("question", "answer")]
    requests = [request for request in material.requests if request.image is not None]
    ours: list[float] = []

    def engine_run() -> None:
        engine = Engine(loaded, scorers, material.read)
        ours[:] = [float(outcome.value or np.nan) for outcome in engine.score(requests)]
        engine.close()

    published: dict[str, list[float]] = {}

    def baseline() -> None:
        for kind, scorer in zip(("question", "answer"), scorers):
            published[kind] = score_as_published(loaded, scorer.weights, [request for request in requests if request.kind == kind], material.read)

    found, more = ratio(baseline, engine_run, rounds=1 if loaded.plan.device == "cpu" else 3)
    theirs = {kind: iter(values) for kind, values in published.items()}
    largest = max(abs(value - next(theirs[request.kind])) for value, request in zip(ours, requests))
    return Figure("6", f"end to end ÷ the authors' way, {material.name}, {loaded.plan.precision}", f"{found:.2f} ×", "≥ 3", found >= 3,
                  {**more, "texts": len(requests), "images": len(material.files), "largest_difference": largest})


def method_shaped(material: Material) -> Material:
    """As the method's own data: on each of 32 photos one question with seven candidates, texts of the demo dealt out anew."""
    answers = [request.text.partition("\nAnswer: ")[2] for request in material.requests if request.kind == "answer"]
    files = dict(list(material.files.items())[:32])
    requests: list[Request] = []
    for number, image in enumerate(files):
        requests.append(Request("question", image, question_text(["What is to be seen here, and what does it tell?"])))
        requests += [Request("answer", image, answer_text("What is to be seen here?", answers[(7 * number + place) % len(answers)])) for place in range(CANDIDATES)]
    return Material(f"7 candidates on each of {len(files)} photos", len(files), requests, files)


def all_rows(precisions: Sequence[str], only: set[str]) -> list[Figure]:
    """Rows 1 to 6 in their order."""
    material = demo()
    more = scienceqa()
    found = Shown()
    reference: list[float] = []
    sample = material.requests
    fp32_s = 0.0
    for precision in dict.fromkeys(("fp32", *precisions)):
        loaded = open_model(precision)
        if "1" in only:
            found.append(shared_prefix(loaded, material))
        if "2" in only:
            found.append(flop_rate(loaded, material, 0.75 if precision == "fp32" else 0.4))
        if "3" in only:
            values, took = engine_values(loaded, sample, material)
            if precision == "fp32":
                reference, fp32_s = values, took
                found.append(exactness(loaded, material))
            else:
                found.append(rank_agreement(reference, values, sample, precision, 0.999, fp32_s / took))
        if "4" in only and precision == "fp32":
            for one in (material, more):
                if one is not None:
                    found.append(padded(loaded, one))
        if "5" in only and precision == precisions[0]:
            found.append(from_disk(loaded, material))
        if "6" in only:
            found.append(end_to_end(loaded, material))
            found.append(end_to_end(loaded, method_shaped(material)))
        del loaded
    if "3" in only:
        for quantization, goal in (("int8", 0.99), ("nf4", 0.98)):
            loaded = open_model(precisions[0], quantization)
            part = slice(None, None, 3)  # int8 has no quick kernel on a CPU
            values, took = engine_values(loaded, sample[part], material)
            found.append(rank_agreement(reference[part], values, sample[part], f"{quantization} ({precisions[0]})", goal, fp32_s / 3 / took))
            del loaded
    return sorted(found, key=lambda figure: figure.number)
