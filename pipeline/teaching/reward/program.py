"""The program that teaches: `accelerate launch … -m pipeline.teaching.reward.program --config runs/0012-my-run/run.json`.

Reads its config, ratings and images, and writes only into its run folder: metrics.jsonl, checkpoints, best.safetensors,
scorer/, manifest.json last. Its frame (lock, stop, parent, errors) is pipeline.training.program's.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.teaching.measures import Accuracy, length_values, pair_accuracy, tfidf_values
from pipeline.teaching.preferences import Rated, count_pairs, image_digest
from pipeline.teaching.reward.checks import SETTLED
from pipeline.teaching.reward.lessons import read_items
from pipeline.teaching.reward.runs import BEST, SCORER
from pipeline.training.program import Config, Journal, StopFlag, main, main_process, run_facts, write_whole
from pipeline.training.runs import HELD_OUT_ROWS, MANIFEST, METRICS, TRAIN_ROWS

if TYPE_CHECKING:
    from pipeline.teaching.reward.settings import RewardSettings

STARTED = "started.safetensors"
HEAD_PARTS = ("head", "centre", "spread")
"""The head as training begins, and what its states are standardised by."""
SAMPLE = 200
"""Training items whose pairs are scored at the end, at most as many as are held out, to set learning beside memorising."""


def train(config: Config, report: Journal, stopping: StopFlag) -> bool:
    """Teach to the end, or to a stop (False). Raises StudioError with what a person can do about it."""
    from pipeline.models.loading import load
    from pipeline.models.planning import Plan
    from pipeline.models.specs import spec_for
    from pipeline.teaching.reward.examples import Examples
    from pipeline.teaching.reward.learner import RewardLearner
    from pipeline.teaching.reward.settings import RewardSettings
    from pipeline.teaching.reward.trainer import RewardTrainer, RewardWatch, TaughtItems, together
    from pipeline.training.trainer import Stopped, last_checkpoint, training_arguments

    settings = RewardSettings.parse(config.settings)
    plan = Plan(**config.plan)
    training, held_out = (list(read_items(config.folder / name)) for name in (TRAIN_ROWS, HELD_OUT_ROWS))
    report({"event": "stage", "stage": "loading the model"})
    loaded = load(spec_for(config.base), plan)
    report({"event": "baselines", **baselines(training, held_out)})
    examples = Examples(loaded, settings)
    paths = sorted({item.picture for item in [*training, *held_out] if item.picture is not None})
    examples.fill(paths, lambda done: report({"event": "stage", "stage": "reading images", "done": done, "of": len(paths)}), stopping)
    if stopping():
        return False
    learner = RewardLearner(loaded, settings)
    if not settle(config.folder, learner, examples, training, settings, report, stopping):
        return False
    checkpoint = last_checkpoint(config.folder)
    resumed = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    told = training_arguments(config.folder, plan, steps=settings.steps(len(training)), batch=settings.batch_groups, accumulation=settings.accumulation,
                              learning_rate=settings.learning_rate, schedule=settings.schedule, warmup_share=settings.warmup, seed=settings.seed)
    told.eval_on_start = checkpoint is None
    watch = RewardWatch(settings, report, together(stopping), lambda: trainer.pairs_seen, past_losses(config.folder, resumed))
    trainer = RewardTrainer(learner, settings, told, stopping, held_out=held_out, folder=config.folder, train_dataset=TaughtItems(training, settings),
                            eval_dataset=held_out, batch=examples.batch, callbacks=[watch])
    trainer.callback_handler.callbacks = [one for one in trainer.callback_handler.callbacks if type(one).__name__ != "PrinterCallback"]
    counts = {"items": len(training), "training_pairs": count_pairs(training), "held_out_items": len(held_out), "held_out_pairs": count_pairs(held_out)}
    trained = sum(parameter.numel() for parameter in learner.trained().values())
    report({"event": "start", "of": told.max_steps, "trained_parameters": trained, "resumed_from": resumed, **counts})
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except Stopped:
        return False
    if trainer.state.global_step < told.max_steps and not watch.ended_early:
        return False
    return _finish(config, report, trainer, training, watch, counts)


def _finish(config: Config, report: Journal, trainer: Any, training: Sequence[Rated], watch: Any, counts: dict[str, Any]) -> bool:
    """Measure the state that is kept, and save it as a scorer with its figures; False where a person asked to stop meanwhile."""
    from pipeline.teaching.reward.saving import save
    from pipeline.teaching.reward.trainer import best_of

    settings, folder = trainer.settings, config.folder
    report({"event": "stage", "stage": "measuring the scorer"})
    best = best_of(folder)
    chosen = trainer.state.global_step
    if settings.early_stop and best is not None:
        trainer.take(folder / BEST)
        chosen = best[0]
    sample = random.Random(settings.seed).sample(list(training), min(SAMPLE, len(training), len(trainer.held_out)))
    values, known = trainer.values(trainer.held_out), trainer.values(sample)
    if values is None or known is None:
        return False
    if not main_process():
        return True
    report({"event": "stage", "stage": "saving the scorer"})
    lengths = length_values(trainer.held_out)
    figures = {"scorer": rounded(pair_accuracy(trainer.held_out, values)), **baselines(training, trainer.held_out), "training": rounded(pair_accuracy(sample, known)),
               "correlation_with_length": _correlation(values, lengths), "chosen_step": chosen}
    save(trainer.learner, folder / SCORER, figures=figures, training=training_facts(config, settings, training, trainer.held_out, chosen, watch.ended_early))
    files = sorted(path for path in (folder / SCORER).rglob("*") if path.is_file())
    trained = sum(parameter.numel() for parameter in trainer.learner.trained().values())
    facts = run_facts(config, files, trained, "pairs_per_s")
    if settings.early_stop and best is not None:
        facts["held_out"]["after"] = best[1]  # of the state that is kept, as the accuracy is, not of the last look
    write_whole(folder / MANIFEST, {**facts, "kind": "teach", "data": {**config.data, **counts}, "figures": figures,
                                    "scorer": folder.name, "chosen_step": chosen, "ended": "early" if watch.ended_early else "whole"})
    return True


def settle(folder: Path, learner: Any, examples: Any, training: Sequence[Rated], settings: "RewardSettings", report: Journal, stopping: StopFlag) -> bool:
    """Start the head from a least-squares fit on a sample of the training items, over the untouched base; False where asked to stop.

    What comes of it is kept beside the run, so that going on does not measure again.
    """
    from safetensors.torch import load_file, save_file

    from pipeline.teaching.reward.augment import plain_group

    kept = folder / STARTED
    if not kept.is_file():
        chosen = random.Random(settings.seed).sample(list(training), min(SETTLED, len(training)))

        def batches() -> Iterator[Any]:
            for start in range(0, len(chosen), settings.batch_groups):
                if stopping():
                    raise StoppedBefore
                report({"event": "stage", "stage": "starting the head", "done": start, "of": len(chosen)})
                yield examples.batch([plain_group(item, settings) for item in chosen[start:start + settings.batch_groups]])

        try:
            learner.settle(batches(), [item.ratings for item in chosen])
        except StoppedBefore:
            return False
        if main_process():
            save_file({name: getattr(learner, name).detach().cpu().contiguous() for name in HEAD_PARTS}, folder / f"{STARTED}.part")
            (folder / f"{STARTED}.part").replace(kept)
        return True
    stored = load_file(kept)
    for name in HEAD_PARTS:
        getattr(learner, name).data.copy_(stored[name])
    return True


class StoppedBefore(Exception):
    """A person asked to stop before training began."""


def training_facts(config: Config, settings: "RewardSettings", training: Sequence[Rated], held_out: Sequence[Rated], chosen: int, early: bool) -> dict[str, Any]:
    """The training part of scorer.json: what it learned from, which images it saw and which were held out, whether it wants facts."""
    seen, unseen = (sorted({image_digest(item.image) for item in items}) for items in (training, held_out))
    origins: dict[str, int] = {}
    for item in training:
        origins[item.origin or "unknown"] = origins.get(item.origin or "unknown", 0) + len(item.pairs)
    return {
        "method": "Bradley–Terry over strictly ordered pairs of one image, LoRA", "run": config.folder.name,
        "ratings": f"{len(training)} items on {len(seen)} images, {count_pairs(training)} pairs", "pairs_by_origin": origins, "facts": settings.facts,
        "pictures_missing": len({item.image for item in training if item.picture is None}), "split": {"seed": settings.split_seed, "share": settings.held_out_share},
        "chosen_step": chosen, "chosen_by": "lowest held-out loss, on the pairs the accuracy is told of: it leans high" if settings.early_stop else "the last step", "ended_early": early,
        "recipe": config.settings, "command": f"python -m pipeline.teaching.reward.program --config runs/{config.folder.name}/run.json --alone",
        "image_digests": seen, "held_out_digests": unseen}


def baselines(training: Sequence[Rated], held_out: Sequence[Rated]) -> dict[str, Any]:
    """{"length", "tfidf"}: accuracy of both on the held-out pairs, TF-IDF fitted on the training pairs; None where it can't be fitted."""
    return {"length": rounded(pair_accuracy(held_out, length_values(held_out))), "tfidf": rounded(_tfidf(training, held_out))}


def _tfidf(training: Sequence[Rated], held_out: Sequence[Rated]) -> Accuracy | None:
    try:
        return pair_accuracy(held_out, tfidf_values(training, held_out))
    except ValueError:  # no word occurs twice: there is no vocabulary
        return None


def rounded(found: Accuracy | None) -> dict[str, Any] | None:
    """An accuracy as it is stored, with its interval and denominators."""
    return None if found is None else {"value": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4), "pairs": found.pairs, "images": found.images}


def past_losses(folder: Path, until: int) -> dict[int, float]:
    """Held-out losses of earlier attempts by step, as far as the checkpoint that is gone on from."""
    try:
        lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    told = [json.loads(line) for line in lines]
    return {event["step"]: event["held_out_loss"] for event in told if event["event"] == "evaluation" and event["step"] <= until} if until else {}


def _correlation(values: Sequence[float], lengths: Sequence[float]) -> float | None:
    """Of scores with text lengths, None where one of them never changes."""
    if len(set(values)) < 2 or len(set(lengths)) < 2:
        return None
    return round(float(np.corrcoef(values, lengths)[0, 1]), 3)


if __name__ == "__main__":
    sys.exit(main(train=train, name="pipeline.teaching.reward.program"))
