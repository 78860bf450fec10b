"""Which rated pairs are new to a scorer: accuracies are taken on images its training cannot have seen, and on no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.scoring.contract import Kind
from pipeline.teaching.gather import gather
from pipeline.teaching.preferences import HELD_OUT_SHARE, SPLIT_SEED, Rated, count_pairs, image_digest, is_held_out, read_rated

if TYPE_CHECKING:
    from pipeline.store import Store
    from pipeline.workspace import Workspace


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


def held_out_pairs(store: "Store", workspace: "Workspace", kind: Kind, trainings: Mapping[str, Mapping[str, Any]], *, files: Sequence[str] = (),
                   gathered: bool = True) -> tuple[list[Rated], dict[str, Any]]:
    """(rated items none of the scorers was trained on, what they are counted as). trainings: {scorer's name: what its description says of it}.

    Counts: items, pairs, images · all_pairs there are, gathered_pairs of them from the workspace · trained_on: pairs left out ·
    with_picture · files · known: {name: whether it lists its images}. Raises DataError for a bad file.
    """
    items = list(gather(store, workspace, kind, dataset_id=None).rated) if gathered else []
    from_here = count_pairs(items)
    paths = [Path(str(path)) for path in files]
    for path in paths:
        items += [replace(item, origin=f"file: {path.name}") for item in read_rated(path, kind)]
    rules = [held_out_rule(training) for training in trainings.values()]
    kept = [item for item in items if all(new(item.image) for new in rules)]
    return kept, {
        "items": len(kept), "pairs": count_pairs(kept), "images": len({item.image for item in kept if item.pairs}), "all_pairs": count_pairs(items), "gathered_pairs": from_here,
        "trained_on": count_pairs(items) - count_pairs(kept), "with_picture": count_pairs([item for item in kept if item.picture is not None]),
        "files": [path.name for path in paths], "known": {name: isinstance(training.get("image_digests"), list) for name, training in trainings.items()},
    }
