"""transformers' Trainer, told what it can't know: what a checkpoint holds, how held-out loss is measured, when to stop.

The loop, the optimizer, precision, accumulation, clipping and exact resume are the library's. Imports torch.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import Dataset, Sampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_pt_utils import get_length_grouped_indices
from transformers.trainer_utils import get_last_checkpoint

from pipeline.errors import StudioError
from pipeline.models.planning import Plan
from pipeline.training.learner import Learner
from pipeline.training.settings import TuneSettings

CHECKPOINTS = "checkpoints"
TRAINED = "trained.safetensors"
COMPLETE = "complete.json"
"""Written last into a checkpoint; one without it was cut off and is not gone on from."""
LOOKS = 8
KEEP = 2

Report = Callable[[dict[str, Any]], None]


class ByLength(Sampler[int]):
    """Every row once an epoch, in an order that puts rows of like length into one batch; a function of seed and epoch alone.

    Conversations differ four to one in length: without this a third of each batch is padding.
    """

    def __init__(self, lengths: list[int], batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed, self._epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        order = get_length_grouped_indices(self._lengths, self._batch, generator=generator)
        batches = [order[i:i + self._batch] for i in range(0, len(order), self._batch)]
        last = batches.pop() if len(batches[-1]) < self._batch else []  # a short batch stays the last one
        return iter([row for at in torch.randperm(len(batches), generator=generator).tolist() for row in batches[at]] + last)


class TuneTrainer(Trainer):
    """Checkpoints hold trained parameters only; evaluation weighs by tokens, not by batches."""

    def __init__(self, learner: Any, settings: Any, arguments: TrainingArguments, stopping: Callable[[], bool], **rest: Any) -> None:
        super().__init__(learner, arguments, **rest)
        self.settings = settings
        self.learner = learner
        self.stopping = stopping

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        rows: Any = train_dataset if train_dataset is not None else self.train_dataset
        return ByLength(rows.lengths, self.args.train_batch_size * self.args.gradient_accumulation_steps, self.settings.seed)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW over adapter and projector, each at its own rate."""
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(self.learner.groups(self.settings), weight_decay=0.0)
        return self.optimizer

    def evaluate(self, eval_dataset: Dataset | None = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """Mean loss of an answer token over all held-out records. Looking changes nothing: the random state is put back."""
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices):
            return self._look(eval_dataset, metric_key_prefix)

    def _look(self, eval_dataset: Dataset | None, prefix: str) -> dict[str, float]:
        model = self.model_wrapped
        model.eval()
        loss, count = 0.0, 0
        for batch in self.get_eval_dataloader(eval_dataset):
            with torch.no_grad():
                found = model(**self._prepare_inputs(batch))
            loss += float(found["loss_sum"])
            count += int(found["tokens"])
            if self.stopping():
                return self._break_off()
        metrics = {f"{prefix}_loss": loss / max(count, 1)}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _break_off(self) -> dict[str, float]:
        """Leave an evaluation because a person asked to stop; the steps done so far are saved."""
        if self.state.global_step == 0:
            raise Stopped()
        self.control.should_save = self.control.should_training_stop = True
        return {}

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: parameter.detach().cpu().contiguous() for name, parameter in self.learner.trained().items()}, folder / TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        self.take(Path(resume_from_checkpoint) / TRAINED)

    def take(self, path: Path) -> None:
        """Put stored trained parameters in place of the present ones. Raises StudioError where they are of another run."""
        stored = load_file(path)
        trained = self.learner.trained()
        if set(stored) != set(trained):
            raise StudioError(f"{path.parent.name} holds other parameters than this run trains", hint="Start a new run: its settings were changed.")
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(stored[name])


class Watch(TrainerCallback):
    """Decides when to look at held-out records, save and stop, and reports every step. `pace` is what speed is counted in."""

    pace = "tokens_per_s"

    def __init__(self, settings: Any, report: Report, stopping: Callable[[], bool], tokens: Callable[[], int], held_out: bool) -> None:
        self.settings, self.report, self.stopping, self.tokens, self.held_out = settings, report, stopping, tokens, held_out
        self._ends: deque[tuple[float, int]] = deque(maxlen=30)  # (clock, step): evaluation and saving included, for the time left
        self._steps: deque[tuple[float, int]] = deque(maxlen=30)  # (seconds, tokens) of training alone, for the speed
        self._begun = (0.0, 0)

    def every(self, told: int, total: int) -> int:
        return told or max(1, math.ceil(total / LOOKS))

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        self._ends.append((time.monotonic(), state.global_step))

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        self._begun = (time.monotonic(), self.tokens())

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> TrainerControl:
        step, last = state.global_step, state.global_step >= state.max_steps
        control.should_log = True
        control.should_evaluate = self.held_out and (last or step % self.every(self.settings.eval_every, state.max_steps) == 0)
        control.should_save = last or step % self.every(self.settings.save_every, state.max_steps) == 0
        if self.stopping():
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False
        self._steps.append((time.monotonic() - self._begun[0], self.tokens() - self._begun[1]))
        self._ends.append((time.monotonic(), step))
        return control

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **rest: Any) -> None:
        if not logs or "loss" not in logs:
            return
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise StudioError(f"the loss is no number any more at step {state.global_step}",
                              hint="Lower the learning rate, or use bf16 or fp32. The last checkpoint is from before.")
        (since, first), (now, step) = self._ends[0], self._ends[-1]
        seconds, tokens = (sum(part) for part in zip(*self._steps))
        self.report({"event": "step", "step": state.global_step, "of": state.max_steps, "loss": loss, "learning_rate": float(logs["learning_rate"]),
                     "grad_norm": _finite(logs.get("grad_norm")), "epoch": state.epoch, self.pace: tokens / max(seconds, 1e-9),
                     "left_s": (state.max_steps - step) * (now - since) / max(step - first, 1)})

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: dict[str, float] | None = None, **rest: Any) -> None:
        self.report({"event": "evaluation", "step": state.global_step, "held_out_loss": (metrics or {})["eval_loss"]})

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (folder / COMPLETE).write_text(json.dumps({"step": state.global_step}), encoding="utf-8")
        self.report({"event": "checkpoint", "step": state.global_step})


class Stopped(Exception):
    """A person asked to stop before the first step."""


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(float(value)) else None


def arguments(folder: Path, settings: TuneSettings, plan: Plan, records: int) -> TrainingArguments:
    """The library's view of the settings."""
    return training_arguments(folder, plan, steps=settings.steps(records), batch=settings.batch_size, accumulation=settings.gradient_accumulation,
                              learning_rate=settings.learning_rate, schedule=settings.schedule, warmup_share=settings.warmup_share, seed=settings.seed)


def training_arguments(folder: Path, plan: Plan, *, steps: int, batch: int, accumulation: int, learning_rate: float, schedule: str,
                       warmup_share: float, seed: int) -> TrainingArguments:
    """Arguments of a run that looks, saves and stops when `Watch` says so, and tells nobody but it."""
    return TrainingArguments(
        output_dir=str(folder / CHECKPOINTS), max_steps=steps, per_device_train_batch_size=batch,
        per_device_eval_batch_size=batch, gradient_accumulation_steps=accumulation,
        learning_rate=learning_rate, lr_scheduler_type=schedule, warmup_steps=int(warmup_share * steps),
        use_cpu=plan.device == "cpu", bf16=plan.precision == "bf16", fp16=plan.precision == "fp16", seed=seed, data_seed=seed,
        logging_steps=1, logging_nan_inf_filter=False, eval_strategy="no", save_strategy="no", save_total_limit=KEEP,
        remove_unused_columns=False, label_names=["labels"], report_to=[], disable_tqdm=True, dataloader_num_workers=0,
        dataloader_pin_memory=plan.device == "cuda", log_level="error", ddp_find_unused_parameters=int(os.environ.get("WORLD_SIZE", "1")) > 1)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end, None before the first. Cut-off ones are removed."""
    import shutil

    home = folder / CHECKPOINTS
    for cut in [path for path in home.glob("checkpoint-*") if not (path / COMPLETE).is_file()]:
        shutil.rmtree(cut, ignore_errors=True)
    found = get_last_checkpoint(str(home)) if home.is_dir() else None
    return Path(found) if found else None
