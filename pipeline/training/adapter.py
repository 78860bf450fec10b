"""The finished work of a run on disk, and putting it on a loaded model for a while. Torch is imported inside functions.

    runs/0012-my-run/adapter/            PEFT's own format, loadable with PeftModel.from_pretrained
                     projector.safetensors  the tuned projector, where it was tuned
                     manifest.json       written last: a folder without it is not finished
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelError
from pipeline.models.loading import LoadedModel

if TYPE_CHECKING:
    from pipeline.training.learner import Learner

ADAPTER = "adapter"
PROJECTOR = "projector.safetensors"


def save_adapter(learner: "Learner", folder: Path, projector: bool) -> list[Path]:
    """Write adapter and projector; returns the files. fp32 throughout: they are small."""
    from safetensors.torch import save_file

    learner.peft.save_pretrained(str(folder / ADAPTER), safe_serialization=True, save_embedding_layers=False)
    (folder / ADAPTER / "README.md").unlink(missing_ok=True)  # PEFT's empty card; the manifest says more
    if projector:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in learner.projector.state_dict().items()}, folder / PROJECTOR)
    return sorted(path for path in [*(folder / ADAPTER).iterdir(), folder / PROJECTOR] if path.is_file())


@contextmanager
def tuned(loaded: LoadedModel, folder: Path) -> Iterator[Any]:
    """The loaded model with a run's adapter and projector on it; afterwards it is exactly as before.

    Raises ModelError where the adapter is missing, damaged or made for another base.
    """
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file

    if not (folder / ADAPTER / "adapter_model.safetensors").is_file():
        raise ModelError(f"the run {folder.name} holds no finished adapter", hint="Choose a run that has ended well.")
    projector = loaded.model.model.multi_modal_projector
    before = {name: tensor.clone() for name, tensor in projector.state_dict().items()}
    try:
        wrapped = PeftModel.from_pretrained(loaded.model, str(folder / ADAPTER), is_trainable=False)
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise ModelError(f"the adapter of {folder.name} does not fit {loaded.spec.label}: {str(error).splitlines()[0][:200]}",
                         hint="It was trained on another base model, or its files are damaged.") from error
    try:
        wrapped.eval()
        if (folder / PROJECTOR).is_file():
            with torch.no_grad():
                projector.load_state_dict(load_file(folder / PROJECTOR))  # copies into the type that is there
        yield loaded.model
    finally:
        wrapped.unload()
        with torch.no_grad():
            projector.load_state_dict(before)
