"""Whether a service has room for one more step: what its engine could begin at once, less what waits to be begun."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.jobs.step import Step


def nothing_free() -> int:
    """Return what an engine could begin at once where there is none."""
    return 0


class Appetite:
    """The steps in hand, each with the weight of what of it waits to be begun; `free` is what could be begun at once.

    A step is taken only for an engine that would otherwise rest: what is taken before is what nothing urgent can
    overtake any more. The next step is expected to weigh what the last one did.
    """

    def __init__(self, free: Callable[[], int] = nothing_free) -> None:
        self._free = free
        self._weights: dict[Step, int | None] = {}
        self._usual: int | None = None
        self._changed: Callable[[], None] = lambda: None

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever there may be room from now on."""
        self._changed = changed

    def changed(self) -> None:
        """Say that there may be room: an engine has become free, or a step has been begun."""
        self._changed()

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
                self._usual = weight
            self._weights[step] = weight
            self.changed()

    def release(self, step: Step) -> None:
        """Note that the engine is done with the step; what is left to do for it takes no room."""
        if step in self._weights:
            self._weights[step] = 0
            self.changed()

    @property
    def room(self) -> bool:
        """Whether one more step may be taken."""
        free = self._free()
        if not free or (self._usual is None and self._weights):
            return False
        usual = self._usual or 0
        waiting = sum(usual if weight is None else weight for weight in self._weights.values())
        return waiting == 0 or waiting + usual <= free
