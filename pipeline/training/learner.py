"""The model as it is trained: frozen LLaVA, an adapter on its language model, the loss on answers. Imports torch.

Owns what is trainable and the forward pass; the loop is transformers' Trainer (pipeline.training.trainer).
The weights come from pipeline.models.loading and keep the type they were loaded in; trained ones are fp32 and computed
in the plan's type by autocast. `prepare_model_for_kbit_training` is not used: it would turn frozen norms to fp32 under a
tower that stays in bf16. Parameters are frozen by loading instead.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from torch.nn import functional

from pipeline.models.loading import LoadedModel
from pipeline.training.settings import TuneSettings
from pipeline.training.supervision import IGNORED

TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""All linear layers of the language model and none of the tower. Source: LLaVA-1.5's LoRA recipe."""


class Learner(nn.Module):
    """A LLaVA with an adapter. Batches as `supervision.collate` makes them → {"loss", "loss_sum", "tokens"}.

    Only labelled positions go through the output layer: with 49,000 to 152,000 words it is the widest of all.
    """

    accepts_loss_kwargs = True
    """Tells the Trainer that `num_items_in_batch` is understood, so that accumulated batches weigh by their tokens."""

    def __init__(self, loaded: LoadedModel, settings: TuneSettings) -> None:
        super().__init__()
        config = LoraConfig(r=settings.lora_r, lora_alpha=settings.lora_alpha, lora_dropout=settings.lora_dropout, target_modules=TARGETS,
                            bias="none", task_type="CAUSAL_LM")
        torch.manual_seed(settings.seed)  # the adapter's first matrix is random: the same seed, the same start
        self.peft: PeftModel = get_peft_model(loaded.model, config)
        self.peft.peft_config["default"].base_model_name_or_path = loaded.spec.name
        self.tokens_seen = 0
        self._loaded = (loaded,)  # in a tuple: nn.Module must not look into it
        if settings.projector:
            self.projector.float().requires_grad_(True)
        if settings.checkpoints_gradients(loaded.spec):
            self.llava.model.language_model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})

    @property
    def llava(self) -> Any:
        return self.peft.base_model.model

    @property
    def projector(self) -> nn.Module:
        return self.llava.model.multi_modal_projector

    def train(self, mode: bool = True) -> "Learner":
        """Training mode for the adapter; the tower stays in evaluation, its batch norms see a handful of images only."""
        super().train(mode)
        self.llava.model.vision_tower.eval()
        return self

    def trained(self) -> dict[str, nn.Parameter]:
        """What has a gradient, by name: all that a checkpoint must hold."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def groups(self, settings: TuneSettings) -> list[dict[str, Any]]:
        """Parameter groups for the optimizer: the adapter, and the projector at its own rate."""
        projector = {id(parameter) for parameter in self.projector.parameters()}
        adapter = [parameter for parameter in self.trained().values() if id(parameter) not in projector]
        groups: list[dict[str, Any]] = [{"params": adapter, "lr": settings.learning_rate}]
        if settings.projector:
            groups.append({"params": list(self.projector.parameters()), "lr": settings.projector_learning_rate})
        return groups

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, features: torch.Tensor | None = None,
                pixel_values: torch.Tensor | None = None, num_items_in_batch: torch.Tensor | int | None = None) -> dict[str, torch.Tensor]:
        """input_ids, attention_mask, labels (B, T); features (N, tokens, width) or pixel_values (N, 3, side, side) of the images in order."""
        if self.training:
            self.tokens_seen += int(attention_mask.sum())
        words = self.llava.get_input_embeddings()(input_ids)  # (B, T, hidden)
        if pixel_values is not None:
            with torch.no_grad():
                features = self._loaded[0].tower_tokens(pixel_values)
        if features is not None:
            tokens = self.projector(features.to(next(self.projector.parameters()).dtype))  # (N, tokens, hidden)
            places = (input_ids == self.llava.config.image_token_id).unsqueeze(-1)  # (B, T, 1)
            words = words.masked_scatter(places, tokens.to(words.dtype))
        hidden = self.llava.model.language_model(inputs_embeds=words, attention_mask=attention_mask, use_cache=False).last_hidden_state
        learned = labels[:, 1:] != IGNORED  # (B, T - 1): position t predicts t + 1
        logits = self.llava.lm_head(hidden[:, :-1][learned]).float()  # (labelled, words)
        loss_sum = functional.cross_entropy(logits, labels[:, 1:][learned], reduction="sum")
        count = learned.sum()
        loss = loss_sum / (count.clamp(min=1) if num_items_in_batch is None else num_items_in_batch)
        return {"loss": loss, "loss_sum": loss_sum.detach(), "tokens": count}
