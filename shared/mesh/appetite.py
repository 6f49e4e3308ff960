"""Whether a service has room for one more step: what its engine could begin at once, less what waits to be begun."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.jobs.step import Step
from shared.topology import Lane


def nothing_free() -> int:
    """Return what an engine could begin, at once or together, where there is none."""
    return 0


MOST_IN_HAND = 64
"""Steps in hand at the most. What the engine has done takes no room, but stays in hand until the broker has confirmed
what follows: while it does not, nothing else would end the taking."""


RECENT = 8
"""So many weights are remembered: the last chunk of a recording is light, and says nothing of those that follow."""


class Appetite:
    """The steps in hand, each with the weight of what of it waits to be begun; `free` is what could be begun at once.

    A step is taken only for an engine that would otherwise rest, or as one that overtakes those in hand: then `batch`,
    what the engine begins together, is how much of its lane may be in hand. The next step is expected to weigh what
    the last one did; one in hand that is not weighed yet, what the heaviest of the RECENT last ones did.
    """

    def __init__(self, free: Callable[[], int] = nothing_free, batch: Callable[[], int] = nothing_free) -> None:
        self._free, self._batch = free, batch
        self._weights: dict[Step, int | None] = {}
        self._lanes: dict[Step, int] = {}
        self._ahead = 0
        self._recent = deque[int](maxlen=RECENT)
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

    def overtake(self, lane: int) -> None:
        """Make room for steps of the lane or above beside those of lower lanes, until a step comes that is of none."""
        self._ahead = max(self._ahead, lane)
        self.changed()

    def late(self, lane: int, held: int) -> bool:
        """Whether a message that has come is of none of the lanes that room was made for, and there is no other room.

        The broker gives the highest lane first: others have taken what was to overtake.
        """
        if lane >= self._ahead:
            return False
        self._ahead = lane if lane > Lane.NORMAL else 0
        return not self.room(held)

    @contextmanager
    def taken(self, step: Step, lane: int = 0) -> Iterator[None]:
        """Count the step as in hand inside the block."""
        self._weights.setdefault(step, None)
        self._lanes[step] = lane
        self.changed()
        try:
            yield
        finally:
            self._weights.pop(step, None)
            self._lanes.pop(step, None)

    def weigh(self, step: Step, weight: int) -> None:
        """Note how much of the step waits to be begun; the first time, that is what it weighs."""
        if step in self._weights:
            if self._weights[step] is None:
                self._recent.append(max(weight, 1))
            self._weights[step] = weight
            self.changed()

    def release(self, step: Step) -> None:
        """Note that the engine is done with the step; what is left to do for it takes no room."""
        if step in self._weights:
            self._weights[step] = 0
            self.changed()

    def room(self, held: int) -> bool:
        """Whether a service that holds so many messages may take one more; some may have come only just now."""
        unknown = max(held - len(self._weights), 0)
        free = self._free() or (self._batch() if self._ahead else 0)
        if not free or self._closed or len(self._weights) + unknown >= MOST_IN_HAND:
            return False
        if not self._recent:
            return not self._weights and not unknown
        counted = [weight for step, weight in self._weights.items() if self._lanes[step] >= self._ahead]
        heaviest = max(self._recent)
        waiting = sum(heaviest if weight is None else weight for weight in counted) + unknown * heaviest
        return waiting == 0 or waiting + self._recent[-1] <= free
