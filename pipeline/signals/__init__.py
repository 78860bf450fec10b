"""Signals: measurements over all records of a data set, each one plug-in with its columns.

    from pipeline.signals import SIGNALS, find
    from pipeline.signals.columns import SignalColumns
    SignalColumns(store).all(dataset_id)["answer_words"].array        # float32 (N,), mapped

A signal is one file here with `SIGNAL = Signal(...)` and one line in the table below. No module loads a heavy library when
it is imported: the screen reads this table too.
"""

from __future__ import annotations

from pipeline.errors import NotFound
from pipeline.signals import ifd, image_quality, near_images, near_texts, phrases, style, text
from pipeline.signals import map as mapping
from pipeline.signals.signal import Column, Kind, Result, Signal, SignalContext

__all__ = ["SIGNALS", "Column", "Kind", "Result", "Signal", "SignalContext", "find"]

SIGNALS: tuple[Signal, ...] = (
    text.SIGNAL,
    phrases.SIGNAL,
    near_texts.SIGNAL,
    near_images.SIGNAL,
    image_quality.SIGNAL,
    style.SIGNAL,
    ifd.SIGNAL,
    mapping.SIGNAL,
)


def find(name: str) -> Signal:
    """The signal of a name. Raises NotFound, naming those there are."""
    for signal in SIGNALS:
        if signal.name == name:
            return signal
    raise NotFound(f"there is no signal {name[:60]!r}", hint=f"Signals: {', '.join(signal.name for signal in SIGNALS)}.")
