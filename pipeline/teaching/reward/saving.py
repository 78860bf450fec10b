"""Writes what was taught as a scorer's folder: the adapter in its authors' layout, the head, scorer.json last.

The same folder is read by pipeline.scoring.scorers; an adapter that reads after the last layer, last token, can also be loaded
by the authors' own code, up to the names of its files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.models.adapter_folder import CONFIG, HEADS, LORA_FILES, OTHER_FILES
from pipeline.scoring.forward import FINAL, Feature
from pipeline.scoring.scorers import save_scorer
from pipeline.teaching.reward.settings import RewardSettings

if TYPE_CHECKING:
    from pipeline.teaching.reward.learner import RewardLearner


def save(learner: "RewardLearner", folder: Path, *, figures: dict[str, Any], training: dict[str, Any], settings: RewardSettings | None = None) -> str:
    """Write the folder; returns the scorer's revision. Weights in fp32: they are small."""
    from safetensors.torch import save_file

    settings = settings or learner._settings
    folder.mkdir(parents=True, exist_ok=True)
    weight, bias = learner.folded_head()
    lora = {f"base_model.model.model.{name}.weight": tensor for name, tensor in learner.lora().items()}
    save_file({**lora, HEADS[0]: weight[-1:].contiguous()}, folder / LORA_FILES[0])
    projector = {f"base_model.model.model.mm_projector.{0 if name.startswith('linear_1') else 2}.{name.rpartition('.')[2]}": tensor.detach().float().cpu().contiguous()
                 for name, tensor in learner.projector.state_dict().items()}
    save_file(projector, folder / OTHER_FILES[0])
    base = learner.loaded.spec
    config = {"peft_type": "LORA", "task_type": "SEQ_CLS", "base_model_name_or_path": base.name, "r": settings.rank, "lora_alpha": settings.alpha,
              "lora_dropout": settings.dropout, "bias": "none", "target_modules": list(settings.modules),
              **({} if learner.first == 0 and learner.depth == len(learner.llava.model.language_model.layers) else {"layers_to_transform": list(range(learner.first, learner.depth))})}
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    layer = FINAL if learner.whole else learner.depth
    return save_scorer(folder, kind=settings.kind, base=settings.base, features=tuple(Feature(layer, pool) for pool in learner.pools),  # type: ignore[arg-type]
                       span="answer" if settings.kind == "answer" else "text", image_preparation="pad", weights=weight.numpy(), bias=bias,
                       figures=figures, training=training)
