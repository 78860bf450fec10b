"""Makes the first projector of the embedded model from the tower's own classifier, without any caption.

Owns the fit and its command; must not be imported by the running product (it reads `assets/projector` instead).
Idea: the classifier says which of 1000 named classes a visual token shows; the language model has an embedding for each
name. The projector learns to send a token to the mix of name embeddings that the classifier sees in it. Training tokens
are real tokens of free photos, pushed towards classes that the photos lack along the features' covariance.

    python -m pipeline.models.projector --photos FOLDER --out assets/projector
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

PHOTO_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}
SHARPNESS = 2.0
"""Classifier logits of single tokens are flatter than those of whole images; they are multiplied by this."""


def name_embeddings(names: Sequence[str], tokenizer: object, table: "torch.Tensor") -> "torch.Tensor":
    """Class names → (classes, hidden): mean embedding of each name's tokens, with the blank that stands before a word."""
    import torch

    rows = [table[torch.tensor(tokenizer(f" {name}", add_special_tokens=False).input_ids)].mean(0) for name in names]  # type: ignore[operator]
    return torch.stack(rows)


def teach(tokens: "torch.Tensor", classifier: dict[str, "torch.Tensor"], names: "torch.Tensor", *, scale: float,
          steps: int = 3000, batch: int = 1024, seed: int = 0) -> tuple["torch.nn.Module", float]:
    """Fit linear → GELU → linear from visual tokens (N, V) to classifier-weighted name embeddings.

    `scale` is the norm that an output should have (that of word embeddings). Returns the module and the share of
    variance explained on tokens it did not see.
    """
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    weight, bias = classifier["weight"], classifier["bias"]
    centred = names - names.mean(0)
    directions = centred / centred.norm(dim=-1, keepdim=True) * scale  # rare and common names speak equally loud
    covariance = torch.cov(tokens.T)  # (V, V)
    pushes = weight @ covariance  # (classes, V): where the features of a class lie, seen from the mean
    pushes = pushes / pushes.norm(dim=-1, keepdim=True)
    size = tokens.norm(dim=-1).mean()

    def draw(pool: "torch.Tensor", count: int) -> tuple["torch.Tensor", "torch.Tensor"]:
        picked = pool[torch.randint(len(pool), (count,))]
        strength = torch.rand(count, 1) * size * (torch.rand(count, 1) < 0.6)
        shown = (picked + strength * pushes[torch.randint(len(pushes), (count,))]).clamp(0, 6)
        seen = functional.softmax(SHARPNESS * (shown @ weight.T + bias), dim=-1)  # (count, classes)
        return shown, seen @ directions

    order = torch.randperm(len(tokens))
    unseen, pool = tokens[order[: len(tokens) // 10]], tokens[order[len(tokens) // 10:]]
    hidden = names.shape[1]
    module = torch.nn.Sequential(torch.nn.Linear(tokens.shape[1], hidden), torch.nn.GELU(), torch.nn.Linear(hidden, hidden))
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    for step in range(steps):
        shown, wanted = draw(pool, batch)
        loss = functional.mse_loss(module(shown), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 500 == 0:
            log.info("projector step %d of %d, loss %.5f", step, steps, loss.item())
    with torch.no_grad():
        shown, wanted = draw(unseen, 4096)
        explained = 1 - functional.mse_loss(module(shown), wanted).item() / wanted.var(0).mean().item()
    return module, explained


def photo_tokens(folder: Path, leave_out: set[str]) -> "torch.Tensor":
    """Visual tokens (photos × 49, 1280) of every photo below a folder but those of these file names, through the embedded tower."""
    import torch
    from PIL import Image

    from pipeline.models import loading, planning, specs
    from pipeline.devices import probe

    spec = specs.spec_for("embedded")
    loaded = loading.load(spec, planning.plan(spec, probe(), planning.Wish(precision="fp32", quantization="none", device="cpu")))
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_ENDINGS and path.name not in leave_out)
    log.info("%d photos", len(files))
    rows = []
    for start in range(0, len(files), 16):
        photos = [Image.open(path).convert("RGB") for path in files[start:start + 16]]
        rows.append(loaded.image_features(photos).flatten(0, 1))
    return torch.cat(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: photos in, `projector.safetensors` and `CARD.md` figures out."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.models.projector", description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of freely licensed photos (searched recursively)")
    parser.add_argument("--out", type=Path, required=True, help="folder for projector.safetensors and projector.json")
    parser.add_argument("--leave-out", type=Path, required=True, help="file with one name of a photo a line that must not be seen (the photos that scorers are measured on)")
    parser.add_argument("--steps", type=int, default=3000)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    from pipeline.models import fetch
    from pipeline.models.classes import class_names

    home = fetch.embedded_dir()
    classifier = load_file(home / "classifier.safetensors")
    table = load_file(home / "model.safetensors")
    embeddings = next(tensor for name, tensor in table.items() if name.endswith("embed_tokens.weight")).float()
    tokenizer = AutoTokenizer.from_pretrained(home)
    names = name_embeddings(class_names(), tokenizer, embeddings)
    tokens = photo_tokens(options.photos, {line.strip() for line in options.leave_out.read_text(encoding="utf-8").splitlines()})
    scale = embeddings.norm(dim=-1).median().item()
    module, explained = teach(tokens, classifier, names, scale=scale, steps=options.steps)
    options.out.mkdir(parents=True, exist_ok=True)
    state = {"linear_1.weight": module[0].weight, "linear_1.bias": module[0].bias,
             "linear_2.weight": module[2].weight, "linear_2.bias": module[2].bias}
    save_file({name: tensor.detach().to(torch.bfloat16).contiguous() for name, tensor in state.items()}, options.out / "projector.safetensors")
    (options.out / "projector.json").write_text(json.dumps(
        {"tokens": len(tokens), "steps": options.steps, "variance_explained": round(explained, 4), "scale": round(scale, 4)}, indent=2) + "\n")
    log.info("variance explained on unseen tokens: %.3f", explained)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
