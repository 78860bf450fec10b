"""The fine-tune's trainer over groups of rated texts: order pairs, look at held-out ones, keep the best, stop early.

The loop, precision, accumulation and exact resume are transformers' and pipeline.training.trainer's. Imports torch.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional
from torch.utils.data import Dataset, Sampler
from transformers import TrainerControl, TrainerState, TrainingArguments

from pipeline.errors import StudioError
from pipeline.teaching.preferences import Rated, each_pair
from pipeline.teaching.reward.augment import plain_group, taught_group, weighted_pairs
from pipeline.teaching.reward.runs import BEST
from pipeline.teaching.reward.settings import RewardSettings
from pipeline.training.program import main_process
from pipeline.training.trainer import ByLength, Report, TuneTrainer, Watch

if TYPE_CHECKING:
    from pipeline.teaching.reward.examples import Group
    from pipeline.teaching.reward.learner import RewardLearner


class TaughtItems(Dataset):
    """Training items as groups, made anew for each epoch from seed, epoch and place alone."""

    def __init__(self, items: Sequence[Rated], settings: RewardSettings) -> None:
        self.items, self.settings, self.epoch = list(items), settings, 0
        self._others = sorted({item.picture for item in items if item.picture is not None})

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> list[int]:
        """Characters of each item: items of like length share a batch."""
        return [sum(len(text) for text in item.texts) for item in self.items]

    def __getitem__(self, index: int) -> "Group":
        return taught_group(self.items[index], self.settings, random.Random(f"{self.settings.seed}/{self.epoch}/{index}"), self._others)


class EpochSampler(ByLength):
    """Tells the items which epoch they are made for."""

    def __init__(self, items: TaughtItems, batch: int, seed: int) -> None:
        super().__init__(items.lengths, batch, seed)
        self._items = items

    def set_epoch(self, epoch: int) -> None:
        super().set_epoch(epoch)
        self._items.epoch = epoch


class RewardTrainer(TuneTrainer):
    """Trains a RewardLearner; evaluation scores every held-out text once, shared among the processes."""

    learner: "RewardLearner"

    def __init__(self, learner: "RewardLearner", settings: RewardSettings, arguments: TrainingArguments, stopping: Callable[[], bool], *, held_out: Sequence[Rated],
                 folder: Path, batch: Callable[[Sequence["Group"]], Any], **rest: Any) -> None:
        super().__init__(learner, settings, arguments, stopping, data_collator=lambda groups: {"batch": batch(groups), "pairs": sum(len(group.pairs) for group in groups)}, **rest)
        self.held_out, self.folder, self.batch = list(held_out), folder, batch
        self.pairs_seen = 0
        self.model_accepts_loss_kwargs = False  # a step's loss is the mean of its batches' losses

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        items: Any = train_dataset if train_dataset is not None else self.train_dataset
        return EpochSampler(items, self.args.train_batch_size * self.args.gradient_accumulation_steps, self.settings.seed)

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """The loss of one batch of groups; through `model`, which several processes wrap to share their gradients."""
        self.pairs_seen += inputs["pairs"]
        found = model(**inputs["batch"])
        return (found["loss"], found) if return_outputs else found["loss"]

    def _look(self, eval_dataset: Dataset | None, prefix: str) -> dict[str, float]:
        values = self.values(self.held_out)
        if values is None:
            return self._break_off()
        metrics = {f"{prefix}_{name}": value for name, value in ordering(self.held_out, values, self.settings).items()}
        best = best_of(self.folder)
        if main_process() and (best is None or metrics[f"{prefix}_loss"] < best[1]):
            self._keep_best(metrics[f"{prefix}_loss"])
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def values(self, items: Sequence[Rated]) -> list[float] | None:
        """The score of every text, flat in item order; None where a person asked to stop. Each process scores its share."""
        world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        mine = sorted(range(rank, len(items), world), key=lambda number: sum(len(text) for text in items[number].texts))
        found: dict[int, list[float]] = {}
        self.learner.eval()
        for start in range(0, len(mine), self.settings.batch_groups):
            part = mine[start:start + self.settings.batch_groups]
            groups = [plain_group(items[number], self.settings) for number in part]
            with torch.no_grad():
                scores = iter(self.learner.scores(self._prepare_inputs({"batch": self.batch(groups)})["batch"]).float().cpu().tolist())
            for number, group in zip(part, groups):
                found[number] = [next(scores) for _ in group.entries]
            if world == 1 and self.stopping():
                return None
        if world > 1:
            shares: list[Any] = [None] * world
            torch.distributed.all_gather_object(shares, found)
            found = {number: values for share in shares for number, values in share.items()}
        return [value for number in range(len(items)) for value in found[number]]

    def _keep_best(self, loss: float) -> None:
        tensors = {name: parameter.detach().cpu().contiguous() for name, parameter in self.learner.trained().items()}
        scratch = self.folder / f"{BEST}.part"
        save_file(tensors, scratch, metadata={"step": str(self.state.global_step), "loss": repr(loss)})
        scratch.replace(self.folder / BEST)


class RewardWatch(Watch):
    """Also reports held-out pair accuracy, and ends a training whose held-out loss does not fall any more."""

    pace = "pairs_per_s"

    def __init__(self, settings: RewardSettings, report: Report, stopping: Callable[[], bool], pairs: Callable[[], int], past: dict[int, float]) -> None:
        """`past` are held-out losses of an earlier attempt, by step."""
        super().__init__(settings, report, stopping, pairs, True)
        self.losses = dict(past)
        self.ended_early = False

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: dict[str, float] | None = None, **rest: Any) -> TrainerControl:
        told = metrics or {}
        self.losses[state.global_step] = told["eval_loss"]
        self.report({"event": "evaluation", "step": state.global_step, "held_out_loss": told["eval_loss"], "held_out_accuracy": told["eval_accuracy"], "pairs": int(told["eval_pairs"])})
        if self.settings.early_stop and looks_since_best(self.losses) >= self.settings.early_stop and state.global_step < state.max_steps:
            self.ended_early = True
            control.should_training_stop = control.should_save = True
        return control


def together(stopping: Callable[[], bool]) -> Callable[[], bool]:
    """The wish to stop as all processes see it: one that was told a step earlier than another must not leave it waiting.

    With several processes each of them must ask equally often.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return stopping

    def asked() -> bool:
        flag = torch.tensor([float(stopping())], device=f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu")
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return bool(flag.item())

    return asked


def looks_since_best(losses: dict[int, float]) -> int:
    """How many looks came after the one with the lowest loss."""
    order = sorted(losses)
    return len(order) - 1 - min(range(len(order)), key=lambda place: losses[order[place]]) if order else 0


def ordering(items: Sequence[Rated], values: Sequence[float], settings: RewardSettings) -> dict[str, float]:
    """{"loss": weighted mean of −log σ(s_better − s_worse), "accuracy": share ordered as people did, ties half, "pairs"}.

    Raises StudioError where a score is no number: such a model orders nothing.
    """
    if not all(math.isfinite(value) for value in values):
        raise StudioError("a score of a held-out text is no number any more", hint="Lower the learning rate, or use bf16 or fp32. The last checkpoint is from before.")
    pairs = list(each_pair(items))
    weights = torch.tensor([weight for item in items for _, _, weight in weighted_pairs(item, settings)], dtype=torch.float64)
    numbers = torch.tensor(values, dtype=torch.float64)
    gaps = numbers[[better for _, better, _ in pairs]] - numbers[[worse for _, _, worse in pairs]]
    right = (gaps > 0).double() + 0.5 * (gaps == 0).double()
    return {"loss": float((weights * functional.softplus(-gaps)).sum() / weights.sum()), "accuracy": float(right.mean()), "pairs": float(len(pairs))}


def best_of(folder: Path) -> tuple[int, float] | None:
    """(step, held-out loss) of the best state kept so far, None before the first look."""
    path = folder / BEST
    if not path.is_file():
        return None
    with safe_open(path, "pt") as stored:
        told = stored.metadata()
    return int(told["step"]), float(told["loss"])
