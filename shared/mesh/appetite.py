"""Whether a service has room for one more step: what its engine could begin at once, less what waits to be begun."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.jobs.step import Step


def nothing_free() -> int:
    """Return what an engine could begin at once where there is none."""
    return 0


MOST_IN_HAND = 64
"""Steps in hand at the most. What the engine has done takes no room, but stays in hand until the broker has confirmed
what follows: while it does not, nothing else would end the taking."""


class Appetite:
    """The steps in hand, each with the weight of what of it waits to be begun; `free` is what could be begun at once.

    A step is taken only for an engine that would otherwise rest: what is taken before is what nothing urgent can
    overtake any more. The next step is expected to weigh what the last one did.
    """

    def __init__(self, free: Callable[[], int] = nothing_free) -> None:
        self._free = free
        self._weights: dict[Step, int | None] = {}
        self._usual: int | None = None
        self._closed = 0
        self._changed: Callable[[], None] = lambda: None

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever there may be room from now on."""
        self._changed = changed

    def changed(self) -> None:
        """Say that there may be room: an engine has become free, or a step has been begun."""
        self._changed()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Take nothing more inside the block."""
        self._closed += 1
        try:
            yield
        finally:
            self._closed -= 1
            self.changed()

    @contextmanager
    def taken(self, step: Step) -> Iterator[None]:
        """Count the step as in hand inside the block."""
        self._weights.setdefault(step, None)
        self.changed()
        try:
            yield
        finally:
            self._weights.pop(step, None)

    def weigh(self, step: Step, weight: int) -> None:
        """Note how much of the step waits to be begun; the first time, that is what it weighs."""
        if step in self._weights:
            if self._weights[step] is None:
                self._usual = max(weight, 1)
            self._weights[step] = weight
            self.changed()

    def release(self, step: Step) -> None:
        """Note that the engine is done with the step; what is left to do for it takes no room."""
        if step in self._weights:
            self._weights[step] = 0
            self.changed()

    def room(self, held: int) -> bool:
        """Whether a service that holds so many messages may take one more; some may have come only just now."""
        free, unknown = self._free(), max(held - len(self._weights), 0)
        if not free or self._closed or len(self._weights) + unknown >= MOST_IN_HAND:
            return False
        if self._usual is None:
            return not self._weights and not unknown
        weights = [self._usual if weight is None else weight for weight in self._weights.values()]
        waiting = sum(weights) + unknown * self._usual
        return waiting == 0 or waiting + self._usual <= free
