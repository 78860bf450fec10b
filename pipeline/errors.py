"""The one tree of errors. Each says what happened, and `hint` says what to do about it.

StudioError
├── DataError          an import file, record or image that can't be read
├── SettingError       a wish that can't be met, refused before work starts
│   └── NothingKept    a selection that keeps no record, so that there is nothing to work on
├── ModelError         weights that are missing, damaged or of the wrong kind
├── StoreError         the workspace can't be used as it is
├── NotFound           a data set, record, job or selection that isn't there
└── JobCancelled       a person asked the job to stop (not a failure)
"""

from __future__ import annotations


class StudioError(Exception):
    """An error a person is meant to read: `str(error)` is the sentence, `hint` the way out, `place` where it is."""

    def __init__(self, message: str, *, hint: str = "", place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place

    def show(self) -> str:
        """One or two lines of plain text: place, what happened, what to do."""
        head = f"{self.place}: {self.message}" if self.place else self.message
        return f"{head}\n{self.hint}" if self.hint else head


class DataError(StudioError):
    """An import file, record or image that can't be read."""


class SettingError(StudioError):
    """A wish that can't be met, refused before work starts."""


class NothingKept(SettingError):
    """A selection that keeps no record, so that there is nothing to work on."""


class ModelError(StudioError):
    """Weights that are missing, damaged or of the wrong kind."""


class StoreError(StudioError):
    """The workspace can't be used as it is."""


class NotFound(StudioError):
    """A data set, record, job or selection that isn't there."""


class JobCancelled(StudioError):
    """A person asked the job to stop. What was done stays done."""

    def __init__(self) -> None:
        super().__init__("stopped on request")
