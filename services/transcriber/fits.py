"""How many windows of a batch fit into memory, found out when more did not and kept for the next start."""

import logging
from datetime import timedelta
from operator import index
from pathlib import Path
from time import time
from typing import Any

from services.transcriber.kept import keep, kept
from services.transcriber.settings import TranscriberSettings

log = logging.getLogger(__name__)

FORGOTTEN_SECONDS = 24 * 3_600.0
"""What took the memory may be gone: something else's peak on the same GPU must not cost every start from then on."""


class Fits:
    """The width of a batch: `configured`, or the less that `file` says fitted with the same settings, for a day.

    Every setting of the transcriber may change what fits, so under others nothing is known.
    """

    def __init__(self, file: Path, configured: int, settings: TranscriberSettings) -> None:
        self._file, self._configured = file, configured
        # Its own: those that all services share have nothing to do with its memory.
        self._settings = settings.model_dump(mode="json", include=set(TranscriberSettings.__annotations__))

    def width(self) -> int:
        """Return how many windows to begin with."""
        fitted = kept(self._file, self._fitted)
        if fitted is None:
            return self._configured
        windows, age = fitted
        told = "a batch holds %d windows, not %d: more did not fit %s ago; to try more within a day of that, remove %s"
        log.warning(told, windows, self._configured, age, self._file)
        return windows

    def _fitted(self, content: Any) -> tuple[int, timedelta] | None:
        """Return how many windows fitted, and how long ago that was found out; None if that says nothing now."""
        # A file without a time is from before times were kept.
        windows, age = index(content["windows"]), time() - content.get("at", 0.0)
        holds = content["settings"] == self._settings and 0 < windows < self._configured
        return (windows, timedelta(seconds=round(age))) if holds and 0 <= age < FORGOTTEN_SECONDS else None

    def only(self, windows: int) -> None:
        """Keep that no more windows fit."""
        keep(self._file, {"windows": windows, "settings": self._settings, "at": time()})
