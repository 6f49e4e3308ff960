"""How many windows of a batch fit into memory, found out when more did not and kept for the next start."""

import logging
from operator import index
from pathlib import Path

from services.transcriber.kept import keep, kept
from services.transcriber.settings import TranscriberSettings

log = logging.getLogger(__name__)


class Fits:
    """The width of a batch: `configured`, or the less that `file` says fitted with the same settings.

    Every setting of the transcriber may change what fits, so under others nothing is known.
    """

    def __init__(self, file: Path, configured: int, settings: TranscriberSettings) -> None:
        self._file, self._configured = file, configured
        # Its own: those that all services share have nothing to do with its memory.
        self._settings = settings.model_dump(mode="json", include=set(TranscriberSettings.__annotations__))

    def width(self) -> int:
        """Return how many windows to begin with."""
        fitted = kept(self._file, lambda content: (index(content["windows"]), content["settings"]))
        if fitted is None or fitted[1] != self._settings or not 0 < fitted[0] < self._configured:
            return self._configured
        told = "a batch holds %d windows, not %d: more did not fit into memory before; to try again, remove %s"
        log.warning(told, fitted[0], self._configured, self._file)
        return fitted[0]

    def only(self, windows: int) -> None:
        """Keep that no more windows fit."""
        keep(self._file, {"windows": windows, "settings": self._settings})
