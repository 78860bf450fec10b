"""How the published scripts score, as the baseline to beat: an honest one, with the same model, precision and threads.

For each candidate the image is decoded and prepared anew, six candidates in file order are padded to the longest, and each
passes the whole model, tower included. Source: facts of the published inference code of arXiv 2409.18541; written anew here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipeline.models.loading import LoadedModel
from pipeline.scoring.contract import cut_ids
from pipeline.scoring.engine import Request

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

BATCH = 6


def score_as_published(loaded: LoadedModel, head: "np.ndarray", requests: Sequence[Request], read: Callable[[str], "Image"]) -> list[float]:
    """Scores of requests with images, by a head (1, hidden) on the last token's state after the final norm."""
    import torch

    weight = torch.from_numpy(head[0]).to(loaded.device)
    pad = loaded.tokenizer.pad_token_id or 0
    prefix = [*loaded.start_ids, *[loaded.model.config.image_token_id] * loaded.image_tokens]
    found: list[float] = []
    for start in range(0, len(requests), BATCH):
        part = requests[start:start + BATCH]
        pixels = torch.cat([loaded.pixels([read(request.image or "")], "pad") for request in part])
        rows = [prefix + cut_ids(loaded.ids(request.text), len(prefix)) for request in part]
        width = max(len(row) for row in rows)
        ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=loaded.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=loaded.device)
        with torch.inference_mode():
            states = loaded.model.model(input_ids=ids, attention_mask=mask, pixel_values=pixels, use_cache=False).last_hidden_state  # (n, width, hidden)
            last = states[torch.arange(len(rows)), [len(row) - 1 for row in rows]].float()
            found += (last @ weight).tolist()
    return found
