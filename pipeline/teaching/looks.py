"""Teaches a look head without a single captioned photo: the vision tower's own classifier says what a picture shows, and made texts say it.

Pictures are photos (whole and in crops) and photos pushed towards classes they lack; texts are made for classes and scenes. Both
are sent into one small space in which a text is near the pictures that the classifier finds fitting (contrastive loss with soft
targets, both ways). Works for a base whose tower comes with a classifier: the embedded one.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline import images
from pipeline.errors import ModelError
from pipeline.models.classes import class_names
from pipeline.models.loading import LoadedModel
from pipeline.scoring.forward import Row, prefix_of, token_states
from pipeline.scoring.looking import LookHead
from pipeline.teaching.scenes import SceneText, scene_texts

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

LAYER = 8
"""Read after this layer: words are joined to phrases there, and still about things."""
WIDTH = 64
STEPS, BATCH, RATE = 1500, 128, 3e-3
PUSHED = 0.3
"""Share of pictures pushed towards a class at random."""
OF_CLASS = 0.45
"""Share of texts made for the class itself; the others are of scenes it belongs to."""
DROPPED = 0.2
CROPS = 4
TEXTS_A_ROW, PREFIXES = 24, 40
CLASSIFIER = "classifier.safetensors"


@dataclass(frozen=True)
class Shown:
    """Pictures as mean visual tokens (N, views, V), and the tower's classifier: weight (C, V), bias (C)."""

    views: "torch.Tensor"
    weight: "torch.Tensor"
    bias: "torch.Tensor"


@dataclass(frozen=True)
class Said:
    """Made texts with the states (T, H) of their tokens, and which classes each fits (texts, C)."""

    texts: tuple[SceneText, ...]
    states: "list[torch.Tensor]"
    fits: "torch.Tensor"


def see(loaded: LoadedModel, photos: Sequence[Path], seed: int = 0) -> Shown:
    """Mean visual tokens of each photo, whole and in CROPS crops. A photo that can't be read is left out, with a word in the log.

    Raises ModelError for a base without a classifier.
    """
    import torch
    from PIL import ImageOps
    from safetensors.torch import load_file

    path = Path(loaded.spec.path) / CLASSIFIER
    if not path.is_file():
        raise ModelError(f"{loaded.spec.label} has no classifier of its tower, so nothing can teach it to look this way", hint="Teach a LoRA scorer with the setting `look`.")
    chance = random.Random(seed)
    found = []
    for number, photo in enumerate(photos):
        try:
            image = images.open_rgb(photo)
        except images.ImageProblem as problem:
            log.warning("%s is left out: %s", photo.name, problem)
            continue
        views = [image]
        for _ in range(CROPS):
            share = chance.uniform(0.55, 0.95)
            width, height = max(8, int(image.width * share)), max(8, int(image.height * share))
            left, top = chance.randint(0, image.width - min(width, image.width)), chance.randint(0, image.height - min(height, image.height))
            crop = image.crop((left, top, left + width, top + height))
            views.append(ImageOps.mirror(crop) if chance.random() < 0.5 else crop)
        found.append(loaded.image_features(views).float().mean(1))  # type: ignore[arg-type]
        if number % 100 == 99:
            log.info("looks: %d of %d photos", number + 1, len(photos))
    classifier = load_file(path)
    return Shown(torch.stack(found).clone(), classifier["weight"].float(), classifier["bias"].float())


def hear(loaded: LoadedModel, photos: Sequence[Path], layer: int = LAYER, seed: int = 0) -> Said:
    """Token states of all made texts, each behind a photo drawn at random, as a scorer meets them."""
    import torch

    texts = scene_texts(seed=seed)
    chance = random.Random(seed)
    order = sorted(range(len(texts)), key=lambda place: len(texts[place].text))
    states: "list[torch.Tensor | None]" = [None] * len(texts)
    prefixes = [prefix_of(loaded, loaded.image_features([images.open_rgb(photo)])[0]) for photo in chance.sample(list(photos), min(PREFIXES, len(photos)))]
    for start in range(0, len(order), 4 * TEXTS_A_ROW):
        part = order[start:start + 4 * TEXTS_A_ROW]
        rows = [Row(chance.choice(prefixes), tuple(tuple(loaded.ids(texts[place].text)) for place in part[at:at + TEXTS_A_ROW])) for at in range(0, len(part), TEXTS_A_ROW)]
        for place, state in zip(part, token_states(loaded, rows, layer)):
            states[place] = state.cpu().half()
    fits = torch.zeros(len(texts), len(class_names()))
    for place, text in enumerate(texts):
        fits[place, list(text.classes)] = 1
    return Said(tuple(texts), [state for state in states if state is not None], fits)


def learn(shown: Shown, said: Said, *, layer: int = LAYER, steps: int = STEPS, seed: int = 0) -> LookHead:
    """A head of strength 1. About a minute on two cores."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    pictures = shown.views.reshape(-1, shown.views.shape[-1])
    centre, spread = pictures.mean(0), pictures.std(0) + 1e-3
    words = torch.cat([state.float() for state in said.states[::4]])
    word_centre, word_spread = words.mean(0), words.std(0) + 1e-5
    pushes = shown.weight @ torch.cov(pictures.T)  # (C, V): where the features of a class lie, seen from the mean
    pushes, size = pushes / pushes.norm(dim=-1, keepdim=True), pictures.norm(dim=-1).mean()
    picture, text, attend = nn.Linear(pictures.shape[1], WIDTH), nn.Linear(words.shape[1], WIDTH), nn.Linear(words.shape[1], 1)
    nn.init.zeros_(attend.weight)
    sharpness = nn.Parameter(torch.tensor(2.0))
    optimizer = torch.optim.AdamW([*picture.parameters(), *text.parameters(), *attend.parameters(), sharpness], lr=RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=steps)
    of_class, of_scene = _by_class(said)

    def vectors(places: Sequence[int]) -> "torch.Tensor":
        padded = nn.utils.rnn.pad_sequence([said.states[place].float() for place in places], batch_first=True)  # (n, T, H)
        there = torch.arange(padded.shape[1])[None] < torch.tensor([len(said.states[place]) for place in places])[:, None]
        padded = functional.dropout((padded - word_centre) / word_spread, DROPPED)
        share = attend(padded)[..., 0].masked_fill(~there, -1e9).softmax(-1)
        return functional.normalize(text((share[..., None] * padded).sum(1)), dim=-1)

    for step in range(steps):
        seen = shown.views[torch.from_numpy(chance.integers(len(shown.views), size=BATCH)), torch.from_numpy(chance.integers(shown.views.shape[1], size=BATCH))]
        pushed = torch.from_numpy(chance.random(BATCH) < PUSHED)[:, None] * torch.from_numpy(chance.random((BATCH, 1))).float() * size
        seen = (seen + pushed * pushes[torch.from_numpy(chance.integers(len(pushes), size=BATCH))]).clamp(0, 6)
        believed = functional.softmax(seen @ shown.weight.T + shown.bias, dim=-1)  # (n, C)
        places = [_text_for(int(number), of_class, of_scene, chance) for number in torch.multinomial(believed, 1)[:, 0]]
        image = functional.normalize(picture(functional.dropout((seen - centre) / spread, DROPPED)), dim=-1)
        logits = image @ vectors(places).T * sharpness.exp().clamp(max=50)
        wanted = believed @ said.fits[places].T + 1e-6  # (n, n): how well each text fits each picture
        loss = -((wanted / wanted.sum(1, keepdim=True)) * logits.log_softmax(1)).sum(1).mean() - ((wanted.T / wanted.sum(0)[:, None]) * logits.T.log_softmax(1)).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 300 == 299:
            log.info("looks: step %d of %d, loss %.3f", step + 1, steps, loss.item())
    return _folded(layer, picture, text, attend, centre, spread, word_centre, word_spread)


def _by_class(said: Said) -> tuple[list[list[int]], list[list[int]]]:
    """Of each class: the texts made for it alone, the texts of its scenes."""
    alone: list[list[int]] = [[] for _ in range(said.fits.shape[1])]
    scenes: list[list[int]] = [[] for _ in range(said.fits.shape[1])]
    for place, text in enumerate(said.texts):
        for number in text.classes:
            (alone if len(text.classes) == 1 else scenes)[number].append(place)
    return alone, scenes


def _text_for(number: int, alone: list[list[int]], scenes: list[list[int]], chance: np.random.Generator) -> int:
    pool = alone[number] if chance.random() < OF_CLASS or not scenes[number] else scenes[number]
    return pool[int(chance.integers(len(pool)))]


def _folded(layer: int, picture: "torch.nn.Linear", text: "torch.nn.Linear", attend: "torch.nn.Linear", centre: "torch.Tensor", spread: "torch.Tensor",
            word_centre: "torch.Tensor", word_spread: "torch.Tensor") -> LookHead:
    """The head for raw states: standardisation goes into its weights (shares of attention sum to 1)."""
    import torch

    with torch.no_grad():
        seeing, reading = picture.weight / spread, text.weight / word_spread
        return LookHead(layer, (attend.weight[0] / word_spread).numpy(), reading.numpy(), (text.bias - reading @ word_centre).numpy(),
                        seeing.numpy(), (picture.bias - seeing @ centre).numpy(), 1.0)
