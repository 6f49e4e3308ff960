"""How much of a step is done, when its parts are done side by side."""

from collections.abc import Callable
from functools import partial
from threading import Lock

STEP = 0.001
"""The least gain that is told: a decoder that told each packet would spend a tenth of its time on telling."""


class Progress:
    """Adds up the fractions of parts and tells `told` the whole, which never falls; from any thread."""

    def __init__(self, told: Callable[[float], None]) -> None:
        self._told, self._lock = told, Lock()
        self._done: dict[str, float] = {}

    def part(self, name: str, share: float) -> Callable[[float], None]:
        """Return what hears the fraction of the part called `name`, which is `share` of the whole."""
        self._done[name] = 0.0
        return partial(self._add, name, share)

    def _add(self, name: str, share: float, fraction: float) -> None:
        if fraction < 1.0 and share * fraction < self._done[name] + STEP:
            return
        with self._lock:
            self._done[name] = share * fraction
            self._told(min(1.0, sum(self._done.values())))
