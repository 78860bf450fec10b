"""The question job: base and tuned model answer the same question about the same image, by greedy decoding.

Params {"run": id or None, "record_id": int or "image": sha256 or neither, "question": str, "max_new_tokens": int}.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError, SettingError
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import spec_for
from pipeline.training import runs
from pipeline.training.settings import TuneSettings

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.models.loading import LoadedModel
    from pipeline.worker import JobContext

LONGEST_QUESTION = 4000
MOST_TOKENS = 512
BASE = "embedded"


def run(context: "JobContext") -> dict[str, Any]:
    """{"base": text, "tuned": text or None, "seconds": {"base", "tuned"}, "run", "question"}. Raises SettingError, NotFound, DataError."""
    from pipeline.devices import probe
    from pipeline.training.adapter import tuned

    question, most = _question(context.params), _most(context.params)
    chosen = runs.run_of(context.workspace, context.params["run"]) if context.params.get("run") else None
    if chosen is not None and not chosen.finished:
        raise SettingError(f"the run {chosen.id} is not finished", hint="Choose a finished run, or wait for this one.")
    settings = TuneSettings.parse(chosen.settings) if chosen else TuneSettings()
    image = _image(context)
    spec = spec_for(settings.base)
    found = plan(spec, probe(), Wish(settings.precision if settings.precision != "fp16" else "auto", settings.quantization))  # type: ignore[arg-type]
    context.step(0, 2 if chosen else 1, "loading the model")
    loaded = context.shelf.get(spec, found)
    context.step(0, 2 if chosen else 1, "base model")
    begun = time.monotonic()
    base = answer(loaded, question, image, most)
    seconds = {"base": round(time.monotonic() - begun, 2)}
    told = None
    if chosen is not None:
        context.step(1, 2, "tuned model")
        with tuned(loaded, chosen.folder):
            begun = time.monotonic()
            told = answer(loaded, question, image, most)
            seconds["tuned"] = round(time.monotonic() - begun, 2)
    return {"base": base, "tuned": told, "seconds": seconds, "run": chosen.id if chosen else None, "question": question, "model": spec.label}


def answer(loaded: "LoadedModel", question: str, image: "Image | None", most: int) -> str:
    """The model's own words on a question, about an image or none. Always the same for the same weights."""
    import torch

    from pipeline.training.supervision import Encoder

    encoder = Encoder(loaded.tokenizer, int(loaded.model.config.image_token_id), loaded.image_tokens)
    ids = torch.tensor([encoder.prompt(question, image is not None)], device=loaded.device)
    stop = encoder.mark(encoder.style.end)[-1]
    picture = {} if image is None else {"pixel_values": loaded.pixels([image])}
    with torch.inference_mode():
        out = loaded.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **picture, do_sample=False, max_new_tokens=most,
                                    eos_token_id=stop, pad_token_id=int(loaded.tokenizer.pad_token_id), suppress_tokens=_never(loaded))
    return loaded.tokenizer.decode(out[0, ids.shape[1]:], skip_special_tokens=True).strip()


def _never(loaded: "LoadedModel") -> list[int]:
    """Ids that are no answer: the image mark, and what the model's own generation config rules out."""
    told = loaded.model.generation_config.suppress_tokens or []
    return sorted({int(loaded.model.config.image_token_id), *told})


def _question(params: dict[str, Any]) -> str:
    question = params.get("question")
    if not isinstance(question, str) or not question.strip():
        raise SettingError("there is no question", hint="Type a question.", place="question")
    if len(question) > LONGEST_QUESTION:
        raise SettingError(f"the question has {len(question):,} characters", hint=f"Use at most {LONGEST_QUESTION:,}.", place="question")
    return question.strip()


def _most(params: dict[str, Any]) -> int:
    most = params.get("max_new_tokens", 64)
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST_TOKENS:
        raise SettingError(f"max_new_tokens is {str(most)[:40]!r}; allowed: 1 to {MOST_TOKENS}", place="max_new_tokens")
    return most


def _image(context: "JobContext") -> "Image | None":
    """The image of the record, or the one named by its sha256; None for a question without one."""
    from pipeline.training.pictures import read

    sha = context.params.get("image")
    if context.params.get("record_id") is not None:
        record = context.store.records.get(int(context.params["record_id"]))
        if record.image is None and not record.text_only:
            raise DataError(f"the image of record {record.key!r} can't be read", hint="Choose another record.")
        sha = record.image
    if not sha:
        return None
    if not isinstance(sha, str):
        raise SettingError("the image is no name", place="image")
    path = context.workspace.image_path(sha)
    if not path.is_file():
        raise DataError("there is no such image in the workspace", hint="Choose another record.", place=sha[:12])
    return read(path)
