"""Whether a scorer can have been trained on an image: the one rule by which accuracies are taken on pairs that are new to it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.teaching.preferences import HELD_OUT_SHARE, SPLIT_SEED, image_digest, is_held_out


def held_out_rule(training: Mapping[str, Any]) -> Callable[[str], bool]:
    """image id → True where the scorer's training never saw this image.

    By the digests of its training images where its description lists them. Else by the held-out rule (with its own seed and share
    where told), which every training of this project follows: an image outside of it may have been trained on.
    """
    digests = training.get("image_digests")
    if isinstance(digests, list):
        seen = set(digests)
        return lambda image: image_digest(image) not in seen
    split = training.get("split")
    told = split if isinstance(split, Mapping) else {}
    seed, share = told.get("seed", SPLIT_SEED), told.get("share", HELD_OUT_SHARE)
    return lambda image: is_held_out(image, seed, share)
