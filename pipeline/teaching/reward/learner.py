"""The reward model as it is trained: frozen LLaVA, LoRA on some layers, projector, and a linear head on pooled states. Imports torch.

Owns what is trainable and the forward pass; the loop is pipeline.teaching.reward.trainer's. Loss: −log σ(s_better − s_worse),
weighted mean over the pairs of a batch. Source: arXiv 2409.18541, reward models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from pipeline.errors import SettingError
from pipeline.models.adapter_folder import BLOCKS
from pipeline.models.loading import LoadedModel
from pipeline.teaching.measures import log_odds_factor
from pipeline.teaching.reward.settings import RewardSettings

ADAPTER = "teach"
RIDGE = 3000.0
"""Strength of the brake on the first head, over standardised states: what the embedded model's ratings asked for. The same for few
ratings as for many: noise and prior don't depend on their number."""
FOLDS = 5


class RewardLearner(nn.Module):
    """Scores texts behind pictures. Batches as `examples.Examples.batch` makes them.

    The head reads standardised states, so that one learning rate suits all of their dimensions; `settle` measures mean and
    spread on the untouched base, and `folded_head` gives the same head for raw states.
    """

    def __init__(self, loaded: LoadedModel, settings: RewardSettings) -> None:
        super().__init__()
        inner = loaded.language_model
        self.depth = settings.layers_of(loaded.spec) if loaded.spec.layers else len(inner.layers)
        if self.depth > len(inner.layers):
            raise SettingError(f"layer {settings.layer} was asked for, {loaded.spec.label} has {len(inner.layers)}", hint="Read after one of its layers.")
        self.whole = settings.layer < 0
        self.pools: tuple[str, ...] = ("mean", "last") if settings.pool == "both" else (settings.pool,)
        self._settings, self._loaded = settings, (loaded,)  # in a tuple: nn.Module must not look into it
        self.llava = loaded.model
        first = min(settings.from_layer, self.depth - 1)
        targets = "|".join(rf"{BLOCKS[name]}\.{name}" for name in settings.modules)
        layers = "|".join(str(number) for number in range(first, self.depth))
        torch.manual_seed(settings.seed)  # the adapter's first matrix is random: the same seed, the same start
        inject_adapter_in_model(LoraConfig(r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, bias="none",
                                           target_modules=rf"model\.language_model\.layers\.(?:{layers})\.(?:{targets})"), loaded.model, ADAPTER)
        self.first = first
        for name, parameter in self.llava.named_parameters():
            trained = f".lora_A.{ADAPTER}." in name or f".lora_B.{ADAPTER}." in name
            if trained:
                parameter.data = parameter.data.float()
            parameter.requires_grad_(trained)
        if settings.projector:
            self.projector.float().requires_grad_(True)
        width = inner.config.hidden_size * len(self.pools)
        device = loaded.device
        self.head = nn.Parameter(torch.zeros(width, device=device))
        self.register_buffer("centre", torch.zeros(width, device=device))
        self.register_buffer("spread", torch.ones(width, device=device))

    @property
    def loaded(self) -> LoadedModel:
        return self._loaded[0]

    @property
    def projector(self) -> nn.Module:
        return self.llava.model.multi_modal_projector

    def train(self, mode: bool = True) -> "RewardLearner":
        """Training mode for the adapter; the tower stays in evaluation, its batch norms see a handful of images only."""
        super().train(mode)
        self.llava.model.vision_tower.eval()
        return self

    def trained(self) -> dict[str, nn.Parameter]:
        """What has a gradient, by name: all that a checkpoint must hold."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def groups(self, settings: RewardSettings) -> list[dict[str, Any]]:
        """Parameter groups for the optimizer: adapter and projector, and the head at its own rate."""
        rest = [parameter for parameter in self.trained().values() if parameter is not self.head]
        return [{"params": rest, "lr": settings.learning_rate}, {"params": [self.head], "lr": settings.head_learning_rate}]

    def forward(self, num_items_in_batch: Any = None, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """{"loss", "scores" (E,)}. A batch without pairs has loss 0."""
        scores = self.scores(batch)
        return {"loss": self._loss(scores, batch["pairs"], batch["weights"]), "scores": scores.detach()}

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.forward(**batch)["loss"]

    def _loss(self, scores: torch.Tensor, pairs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        gaps = scores[pairs[:, 0]] - scores[pairs[:, 1]]
        return (weights * functional.softplus(-gaps)).sum() / weights.sum().clamp(min=1e-9)

    def scores(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """(E,) raw logits, higher is better, of the entries in order."""
        return ((self.states(batch) - self.centre) / self.spread) @ self.head

    def states(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """(E, width) pooled states in fp32, the pools beside each other."""
        batch = {name: tensor.to(self.loaded.device) for name, tensor in batch.items()}
        hidden = self._hidden(batch)  # (R, L, H)
        rows, places = batch["lasts"][:, 0], batch["lasts"][:, 1]
        found = {}
        if "last" in self.pools:
            found["last"] = hidden[rows, places].float()
        if "mean" in self.pools:
            mine = (batch["owner"][rows] == batch["owner"][rows, places][:, None]) & batch["judged"][rows]  # (E, L)
            found["mean"] = torch.stack([hidden[row][own].float().mean(0) for row, own in zip(rows.tolist(), mine)])
        return torch.cat([found[pool] for pool in self.pools], dim=1)

    def _hidden(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """States after the last layer that is computed, normed where that is the model's last."""
        inner, loaded = self.llava.model.language_model, self.loaded
        words = self.llava.get_input_embeddings()(batch["input_ids"])  # (R, L, H)
        features = batch.get("features")
        if features is None:
            with torch.no_grad():
                features = loaded.tower_tokens(batch["pixel_values"])
        tokens = self.projector(features.to(next(self.projector.parameters()).dtype))  # (P, T, H)
        place = (batch["input_ids"] == self.llava.config.image_token_id).unsqueeze(-1) & (batch["owner"] == 0).unsqueeze(-1)
        hidden = words.masked_scatter(place, tokens[batch["row_picture"]].to(words.dtype))
        positions, mask = batch["positions"], _mask(batch["owner"])
        turn = inner.rotary_emb(hidden, position_ids=positions)
        again = self.training and self._settings.checkpoints_gradients(loaded.spec)

        def through(layer: nn.Module, states: torch.Tensor) -> torch.Tensor:
            return layer(states, attention_mask=mask, position_ids=positions, position_embeddings=turn, use_cache=False)

        for number, layer in enumerate(inner.layers[:self.depth]):
            if number < self.first and not self._settings.projector:
                with torch.no_grad():
                    hidden = through(layer, hidden)
            else:
                hidden = checkpoint(through, layer, hidden, use_reentrant=False) if again else through(layer, hidden)
        return inner.norm(hidden) if self.whole else hidden

    def settle(self, batches: Iterable[dict[str, torch.Tensor]], ratings: Sequence[Sequence[float]]) -> None:
        """Measure the states of some rated groups, and start the head from a least-squares fit of their ratings.

        `ratings` are those of each group in the order of the batches' entries. The fit is stretched so that differences of
        scores are log odds, told on groups that a fit did not see; where nothing can be told apart the head stays 0.
        """
        self.eval()
        with torch.no_grad():
            states = torch.cat([self.states(batch) for batch in batches]).double()
        owner = torch.tensor([number for number, mine in enumerate(ratings) for _ in mine], device=states.device)
        wanted = torch.tensor([rating for mine in ratings for rating in mine], dtype=torch.float64, device=states.device)
        self.centre.copy_(states.mean(0).float())
        self.spread.copy_(states.std(0).clamp(min=1e-6).float())
        inside = _centred((states - states.mean(0)) / states.std(0).clamp(min=1e-6), owner)
        target = _centred(wanted[:, None], owner)[:, 0]
        ridge = RIDGE * torch.eye(inside.shape[1], dtype=torch.float64, device=states.device)
        unseen = torch.zeros_like(target)
        for fold in range(FOLDS):
            out = owner % FOLDS == fold
            unseen[out] = inside[out] @ torch.linalg.solve(inside[~out].T @ inside[~out] + ridge, inside[~out].T @ target[~out])
        weight = torch.linalg.solve(inside.T @ inside + ridge, inside.T @ target)
        same, higher = owner[:, None] == owner[None, :], wanted[:, None] > wanted[None, :]
        better, worse = (same & higher).nonzero(as_tuple=True)
        gaps = (unseen[better] - unseen[worse]).cpu().numpy()
        with torch.no_grad():
            self.head.copy_((weight * log_odds_factor(gaps)).float() if len(gaps) else torch.zeros_like(self.head))

    def folded_head(self) -> tuple[torch.Tensor, float]:
        """(weight (pools, H), bias) for states as they are, standardisation included."""
        weight = (self.head / self.spread).detach().double().cpu()
        return weight.reshape(len(self.pools), -1).float(), float(-(weight * self.centre.double().cpu()).sum())

    def lora(self) -> dict[str, torch.Tensor]:
        """{"layers.3.mlp.up_proj.lora_A": (r, in), …} of the adapter, fp32."""
        found = {}
        for name, parameter in self.llava.model.language_model.named_parameters():
            if parts := re.fullmatch(rf"(layers\..+)\.(lora_[AB])\.{ADAPTER}\.weight", name):
                found[f"{parts[1]}.{parts[2]}"] = parameter.detach().float().cpu().contiguous()
        return found


def _mask(owner: torch.Tensor) -> torch.Tensor:
    """Owners (R, L) → who may look at whom (R, 1, L, L): backwards, at the own text and at the prefix; padding at itself."""
    length = owner.shape[1]
    backwards = torch.ones(length, length, dtype=torch.bool, device=owner.device).tril()
    looker, looked = owner[:, :, None], owner[:, None, :]
    return (backwards & ((looker == looked) | ((looked == 0) & (looker > 0))))[:, None]


def _centred(values: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
    """Values (n, D) minus the mean of their group."""
    count = torch.bincount(owner).clamp(min=1)
    sums = torch.zeros(len(count), values.shape[1], dtype=values.dtype, device=values.device).index_add_(0, owner, values)
    return values - (sums / count[:, None])[owner]
