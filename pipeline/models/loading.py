"""The only place that loads weights: any LLaVA in transformers' layout, by the plan.

Owns loading and the plain steps every engine shares (image → visual tokens → word space, text → ids); scoring, writing
and training are others' work. `trust_remote_code` is off, safetensors only. Torch is imported inside functions.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import ModelError
from pipeline.models import original
from pipeline.models.folders import check_folder
from pipeline.models.planning import Plan
from pipeline.models.specs import ModelSpec

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

log = logging.getLogger(__name__)

Preparation = Literal["pad", "crop"]

_TOKENIZING = threading.Lock()
"""A fast tokenizer sets its own options at each call and fails ("Already borrowed") when two threads do so at once."""


@dataclass
class Attached:
    """Reward adapters beside a base, by revision, and which of them is switched on (None: the bare base).

    Only pipeline.models.adapters writes here.
    """

    adapters: dict[str, Any] = field(default_factory=dict)
    active: str | None = None


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run, in evaluation mode, with what turns text and pictures into its input."""

    spec: ModelSpec
    plan: Plan
    model: Any
    """LlavaForConditionalGeneration."""
    tokenizer: Any
    image_processor: Any
    attached: Attached = field(default_factory=Attached, repr=False, compare=False)

    @property
    def device(self) -> "torch.device":
        return self.model.device

    @property
    def dtype(self) -> "torch.dtype":
        """The computing type (that of the norms and embeddings; quantized layers hold bytes)."""
        return self.model.get_input_embeddings().weight.dtype

    @property
    def tower_dtype(self) -> "torch.dtype":
        """What the vision tower computes in: the model's type, or fp32 where the tower asks for it."""
        return next(self.model.model.vision_tower.parameters()).dtype

    @property
    def language_model(self) -> Any:
        """The inner LLM without its output layer."""
        return self.model.model.language_model

    @property
    def language_model_head(self) -> Any:
        return self.model.lm_head

    @property
    def projector(self) -> Any:
        """The base's projector, or that of the adapter which is switched on."""
        active = self.attached.active
        return self.model.model.multi_modal_projector if active is None else self.attached.adapters[active].projector

    @property
    def image_tokens(self) -> int:
        return int(self.model.config.image_seq_length)

    @property
    def start_ids(self) -> list[int]:
        """The BOS id, or nothing for a tokenizer without one."""
        return [] if self.tokenizer.bos_token_id is None else [int(self.tokenizer.bos_token_id)]

    def ids(self, text: str) -> list[int]:
        """Token ids of plain text: no BOS, no EOS, and words that look like special tokens stay words.

        A Llama tokenizer starts a text with a blank of its own, so that a line break is 29871, 13 and not 13 alone. Scorers
        were trained on that; some fast tokenizers are saved without the rule, and for those the blank is written here.
        """
        return self._plain_ids(f" {text}" if text and self._lacks_first_blank else text)

    def _plain_ids(self, text: str) -> list[int]:
        with _TOKENIZING:
            return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids)

    @cached_property
    def _lacks_first_blank(self) -> bool:
        """True for a tokenizer of sentencepiece's kind (pieces for a blank and for bytes) that begins a text without the blank."""
        blank, line_break = self.tokenizer.convert_tokens_to_ids(["▁", "<0x0A>"])
        unknown = self.tokenizer.unk_token_id
        return None not in (blank, line_break) and unknown not in (blank, line_break) and self._plain_ids("\n") == [line_break]

    def text_embeddings(self, ids: Sequence[int]) -> "torch.Tensor":
        """Ids (T) → word embeddings (T, hidden)."""
        import torch

        with torch.inference_mode():
            return self.model.get_input_embeddings()(torch.tensor(list(ids), dtype=torch.long, device=self.device))

    def pixels(self, images: Sequence["Image"], preparation: Preparation = "pad") -> "torch.Tensor":
        """Pictures → (N, 3, side, side), normalised. `pad` squares with the mean colour, `crop` cuts the middle."""
        return self.prepared(images, preparation).to(self.device, self.tower_dtype)

    def prepared(self, images: Sequence["Image"], preparation: Preparation = "pad") -> "torch.Tensor":
        """`pixels` in fp32 and in main memory: touches no model, so threads may do it."""
        mean = self.image_processor.image_mean
        squares = [squared(image, mean) if preparation == "pad" else image.convert("RGB") for image in images]
        return self.image_processor(squares, return_tensors="pt").pixel_values

    def image_features(self, images: Sequence["Image"], preparation: Preparation = "pad") -> "torch.Tensor":
        """Pictures → visual tokens before the projector (N, tokens, tower width), the chosen layer, CLS dropped."""
        import torch

        with torch.inference_mode():
            return self.tower_tokens(self.pixels(images, preparation))

    def tower_tokens(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """Pixels (N, 3, side, side) → tokens (N, tokens, tower width) of the layer the config names."""
        config = self.model.config
        states = self.model.model.vision_tower(pixels.to(self.tower_dtype), output_hidden_states=True, return_dict=True).hidden_states
        tokens = states[config.vision_feature_layer]
        return tokens[:, 1:] if config.vision_feature_select_strategy == "default" else tokens

    def project(self, features: "torch.Tensor", *, rounded: bool = True) -> "torch.Tensor":
        """Visual tokens (…, tower width) → word space (…, hidden), by the active projector; in the model's type, or as the
        projector gives them.
        """
        import torch

        with torch.inference_mode():
            projector = self.projector
            words = projector(features.to(self.device, projector.linear_1.weight.dtype))
            return words.to(self.dtype) if rounded else words


def squared(image: "Image", mean: Sequence[float]) -> "Image":
    """The picture in the middle of a square of the mean colour (as the authors train). A square picture comes back as it is."""
    from PIL import Image as images

    picture = image.convert("RGB")
    width, height = picture.size
    if width == height:
        return picture
    side = max(width, height)
    canvas = images.new("RGB", (side, side), tuple(int(part * 255) for part in mean))  # type: ignore[arg-type]
    canvas.paste(picture, ((side - width) // 2, (side - height) // 2))
    return canvas


def load(spec: ModelSpec, plan: Plan) -> LoadedModel:
    """Load by the plan; a folder in LLaVA-1.5's first layout is converted once. Raises ModelError where a folder is unsafe, incomplete,
    damaged or of another kind."""
    where = spec.path
    local = os.path.isdir(where)
    if local and original.is_original(Path(where)):
        where = str(original.converted(Path(where)))
    if local:
        check_folder(Path(where))
    import torch
    from transformers import LlavaForConditionalGeneration
    from transformers.utils import logging as transformers_logging

    import pipeline.models.efficientnet  # noqa: F401  (registers the embedded tower)
    from pipeline.models import quantization

    transformers_logging.disable_progress_bar()
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[plan.precision]
    try:
        model, report = LlavaForConditionalGeneration.from_pretrained(
            where, dtype=dtype, quantization_config=quantization.bitsandbytes_config(plan, spec.hidden), use_safetensors=True,
            trust_remote_code=False, local_files_only=local, output_loading_info=True,
            device_map={"": 0 if plan.device == "cuda" else "cpu"})
        tokenizer, image_processor = _text_and_image(where, local)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"{spec.label} can't be loaded: {_first_line(error)}",
                         hint="Fetch it again; a model from the hub needs a network, or name a folder that holds it.") from error
    missing = sorted(name for name in report["missing_keys"] if name != "lm_head.weight")
    wrong = sorted(str(entry) for entry in report["mismatched_keys"])
    if missing or wrong:
        raise ModelError(f"{spec.label} is incomplete: {len(missing)} tensors missing, {len(wrong)} of a wrong shape ({', '.join((missing + wrong)[:3])})",
                         hint="Copy or download the model again.")
    quantization.seal(model)
    model.eval()
    model.requires_grad_(False)
    log.info("loaded %s as %s %s on %s", spec.label, plan.precision, plan.quantization, plan.device)
    return LoadedModel(spec, plan, model, tokenizer, image_processor)


def _text_and_image(where: str, local: bool) -> tuple[Any, Any]:
    """Tokenizer and PIL image processor (torchvision is not needed and not wanted)."""
    from transformers import AutoTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False, local_files_only=local)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer, CLIPImageProcessorPil.from_pretrained(where, local_files_only=local)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
