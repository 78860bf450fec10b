"""Twenty thousand words by part of speech, drawn as a language draws them: few often, most hardly ever. Pure.

The frequent words are English; the long tail is made of syllables, so that a search for a rare word finds a handful of records.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from pipeline.settings import assets_dir

SIZES = {"noun": 12_000, "adjective": 4_000, "verb": 2_600, "adverb": 1_400}
"""Words by part of speech; 20,000 in all."""
QUANTILES = 1 << 20
"""Steps of the drawing table: a word of the last rank (2 in a million) still has some of them."""
ZIPF_OFFSET = 2.7
"""Rank r has weight 1 ÷ (r + 2.7), Mandelbrot's form of Zipf's law for English."""

_FREQUENT = {
    "noun": "man woman person table street car dog cat tree building window horse train bus plate food ball bench sign field child boy girl water road umbrella bike boat hat shirt phone laptop kitchen "
            "room wall grass sky clock bottle cup chair bed beach wave surfboard skier mountain snow giraffe elephant zebra sheep cow bird pizza cake fruit banana orange sandwich café façade".split(),
    "adjective": "white black large small red blue green young old wooden bright busy quiet tall short open empty round wet dry warm cold modern colorful striped golden crowded narrow calm gray".split(),
    "verb": "stands sits rests waits leans walks rides holds looks moves hangs grazes plays runs eats drinks carries crosses watches smiles".split(),
    "adverb": "slowly nearby quietly together carefully closely partly alone clearly calmly outside evenly".split(),
}
_ENDINGS = {"noun": ("", "er", "ing", "et", "ness", "le"), "adjective": ("y", "ish", "al", "ous", "ed"), "verb": ("s", "es", "ates", "ens"), "adverb": ("ly", "wise", "wards")}
_STARTS = "b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr r s sh sk sl sp st t th tr v w".split()
_MIDDLES = "a e i o u ai ea oo ou".split()
_RUDE = frozenset("boob chink clit cock coit crap crick cum dick fag fuck gook hump jap nig piss pood prick rap shag shit skank slag slut spick suck tit turd wank".split())
_CLOSES = "b ck d ft g ll lt m mp n nd nk p rd rk rn sk ss st t".split()


@dataclass(frozen=True)
class Vocabulary:
    """words: array of str by part of speech, most frequent first · ranks: int16 (QUANTILES,), the rank a uniform draw falls on."""

    words: dict[str, np.ndarray]
    ranks: dict[str, np.ndarray]

    def draw(self, part: str, count: int, rng: np.random.Generator) -> list[str]:
        """So many words of one part of speech, by their frequency."""
        return self.words[part][self.ranks[part][rng.integers(0, QUANTILES, count, dtype=np.int32)]].tolist()


@cache
def vocabulary() -> Vocabulary:
    """The same words each time."""
    words = {part: np.array(_words(part, size), object) for part, size in SIZES.items()}
    return Vocabulary(words, {part: _ranks(size) for part, size in SIZES.items()})


def _words(part: str, size: int) -> list[str]:
    frequent = _FREQUENT[part] + (_labels() if part == "noun" else [])
    roots = ["".join(sounds) for sounds in product(_STARTS, _MIDDLES, _CLOSES) if "".join(sounds) not in _RUDE]
    mixed = np.random.default_rng(len(part)).permutation(len(roots))
    made = (roots[place] + ending for ending in _ENDINGS[part] for place in mixed)
    found = dict.fromkeys(frequent)
    for word in made:
        if len(found) == size:
            break
        found[word] = None
    assert len(found) == size, f"only {len(found)} {part}s"
    return list(found)


def _labels() -> list[str]:
    """What the demo's photos may show, one word each."""
    labels = json.loads((assets_dir() / "projector" / "imagenet_labels.json").read_text(encoding="utf-8"))
    return [word for word in dict.fromkeys(label.split()[-1].lower() for label in labels) if word.isalpha()]


def _ranks(size: int) -> np.ndarray:
    weights = 1 / (np.arange(size) + ZIPF_OFFSET)
    edges = np.cumsum(weights) / weights.sum()
    return np.searchsorted(edges, (np.arange(QUANTILES) + 0.5) / QUANTILES).astype(np.int16)
