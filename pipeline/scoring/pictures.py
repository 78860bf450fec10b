"""Visual tokens of images, each image decoded and encoded once: chunks through the tower, the next ones decoded meanwhile.

Owns the background threads and the memory of tokens. Knows neither texts nor scorers: tokens are those before the projector,
so that all scorers of one tower share them.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline.errors import DataError
from pipeline.models.loading import LoadedModel, Preparation

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

ImageReader = Callable[[str], "Image"]
"""sha256 → decoded picture; raises DataError with the reason where it can't be read."""

CHUNK = 16
"""Images that go through the tower together."""
AHEAD = 2
"""Chunks decoded before they are needed: one is not enough when a batch takes less time than its decoding."""
ROOM_BYTES = 2 * 2**30
"""More than the images of one window take at 576 tokens of width 1024 in fp32."""
NOT_FINITE = "the vision tower gave no finite numbers for this image"


class VisualTokens:
    """Tokens by image for one loaded model and one image preparation. `get` from one thread only."""

    def __init__(self, loaded: LoadedModel, read_image: ImageReader, preparation: Preparation, *, on_decode: Callable[[Sequence[str]], None] | None = None,
                 on_decoded: Callable[[Sequence[str]], None] | None = None) -> None:
        self._loaded, self._read, self._preparation = loaded, read_image, preparation
        self._on_decode, self._on_decoded = on_decode, on_decoded
        self._tokens: OrderedDict[str, "torch.Tensor"] = OrderedDict()
        self._chunks: dict[str, tuple[str, ...]] = {}
        self._order: list[tuple[str, ...]] = []
        self._decoding: dict[tuple[str, ...], list[Future["torch.Tensor"]]] = {}
        self._threads: ThreadPoolExecutor | None = None
        self.problems: dict[str, str] = {}
        self.encoded = 0

    def expect(self, images: Sequence[str], needed: Sequence[str] | None = None) -> None:
        """Say which images come, in the order of their first use: it fixes which go through the tower together, and decoding starts.

        With `needed`, chunks that hold none of these are left out; the others are what they would be if all were needed.
        """
        new = [image for image in dict.fromkeys(images) if image not in self._chunks and image not in self._tokens]
        wanted = set(new if needed is None else needed)
        for start in range(0, len(new), CHUNK):
            chunk = tuple(new[start:start + CHUNK])
            if not wanted.isdisjoint(chunk):
                self._order.append(chunk)
                self._chunks.update((image, chunk) for image in chunk)
        self._decode_ahead()

    def forget(self) -> None:
        """Drop tokens and expectations, so that what comes next does not depend on what came before. Problems stay known."""
        for futures in self._decoding.values():
            for future in futures:
                future.cancel()
        self._tokens.clear()
        self._chunks.clear()
        self._order.clear()
        self._decoding.clear()

    def get(self, image: str) -> "torch.Tensor | None":
        """Tokens (T, tower width) of an image, None where `problems` says why not."""
        if image in self.problems:
            return None
        if image not in self._tokens:
            if image not in self._chunks:
                self.expect([image])
            self._encode(self._chunks[image])
        if image in self._tokens:
            self._tokens.move_to_end(image)
        return self._tokens.get(image)

    def decode(self, image: str) -> "torch.Tensor":
        """Pixels (1, 3, side, side) of an image, in fp32 and in main memory; nothing is kept. Raises DataError where it can't be read."""
        return self._loaded.prepared([self._read(image)], self._preparation)

    def close(self) -> None:
        """End the decoding threads."""
        self.forget()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def _encode(self, chunk: tuple[str, ...]) -> None:
        import torch

        futures = self._decoding.pop(chunk, None) or self._start(chunk)
        if chunk in self._order:
            self._order.remove(chunk)
        self._decode_ahead()
        pixels, names = [], []
        for image, future in zip(chunk, futures):
            self._chunks.pop(image, None)
            try:
                pixels.append(future.result())
                names.append(image)
            except DataError as error:
                self.problems[image] = error.message
        if self._on_decoded is not None:
            self._on_decoded(chunk)
        if not names:
            return
        loaded = self._loaded
        with torch.inference_mode():
            tokens = loaded.tower_tokens(torch.cat(pixels).to(loaded.device))  # (n, T, tower width)
            finite = torch.isfinite(tokens).flatten(1).all(1).tolist()
        for name, one, good in zip(names, tokens, finite):
            if good:
                self._tokens[name] = one
            else:
                self.problems[name] = NOT_FINITE
        self.encoded += len(names)
        self._shrink(len(chunk))

    def _shrink(self, in_use: int) -> None:
        """Forget the longest unused tokens beyond the room, never those just made. An image forgotten too early is encoded again."""
        if not self._tokens:
            return
        one = next(iter(self._tokens.values()))
        room = max(in_use, ROOM_BYTES // (one.numel() * one.element_size()))
        while len(self._tokens) > room:
            self._tokens.popitem(last=False)

    def _decode_ahead(self) -> None:
        for chunk in self._order[:AHEAD]:
            if chunk not in self._decoding:
                self._decoding[chunk] = self._start(chunk)

    def _start(self, chunk: tuple[str, ...]) -> list[Future["torch.Tensor"]]:
        if self._threads is None:
            # On a CPU the model wants the cores; beside a GPU they have nothing better to do.
            workers = 1 if self._loaded.plan.device == "cpu" else min(8, os.cpu_count() or 1)
            self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        if self._on_decode is not None:
            self._on_decode(chunk)
        return [self._threads.submit(self.decode, image) for image in chunk]
