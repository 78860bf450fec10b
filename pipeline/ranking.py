"""Orders of a million numbers in milliseconds: sort 64-bit keys that carry their place, instead of sorting places by key.

A sort of plain integers runs at the width of the processor's vectors, an argsort does not; the place in the low 32 bits makes the
order stable and comes out with it. Up to 2³² numbers.
"""

from __future__ import annotations

import numpy as np

_HALF = np.uint64(32)
_PLACE = np.uint64(0xFFFF_FFFF)
_LAST = np.uint32(0xFFFF_FFFF)


def best_first(scores: np.ndarray) -> np.ndarray:
    """int64 (N,): places of float32 scores (N,), highest first; equal scores by place, NaN last."""
    return _places(_packed(_falling(scores)))


def grouped(groups: np.ndarray) -> np.ndarray:
    """int64 (N,): places of groups (N,), whole numbers 0 to 2³² − 1, one group after the other, each in its own order."""
    return _places(_packed(groups))


def starts(groups: np.ndarray) -> np.ndarray:
    """int64: where each run of equal neighbours begins."""
    return np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]) if len(groups) else np.zeros(0, np.int64)


def within_cap(groups: np.ndarray, scores: np.ndarray, cap: int) -> np.ndarray:
    """bool (N,): True for the `cap` best of each group by float32 scores (N,); equal scores: the earlier place, NaN last. Group −1 has no cap."""
    allowed = np.ones(len(groups), bool)
    capped = np.flatnonzero(groups >= 0)
    order = capped[best_first(scores[capped])]
    packed = _packed(groups[order])
    group = (packed >> _HALF).astype(np.uint32)
    over = np.flatnonzero(group[cap:] == group[:-cap]) + cap  # `cap` places further up is still the same group
    allowed[order[_places(packed[over])]] = False
    return allowed


def _falling(scores: np.ndarray) -> np.ndarray:
    """uint32 (N,) whose rising order is the falling order of the scores, NaN last."""
    scores = scores.astype(np.float32, copy=False) + np.float32(0)  # −0 becomes +0: equal numbers need equal bits
    bits = scores.view(np.int32)
    keys = (bits ^ (~(bits >> 31) & 0x7FFF_FFFF)).view(np.uint32)  # IEEE 754 numbers are in the order of their bits, negative ones in the reverse
    keys[np.isnan(scores)] = _LAST
    return keys


def _packed(keys: np.ndarray) -> np.ndarray:
    """uint64 (N,), rising: whole-number keys 0 to 2³² − 1 above, their places below."""
    packed = (keys.astype(np.uint64) << _HALF) | np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    return packed


def _places(packed: np.ndarray) -> np.ndarray:
    return (packed & _PLACE).astype(np.int64)
