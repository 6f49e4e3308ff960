"""How much of a stage's engine the steps in hand will take, and whether there is room for one more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.jobs.step import Step


def no_engine() -> int:
    """Return the capacity of a stage whose steps take no engine's room."""
    return 0


class Appetite:
    """The weights of the steps in hand against `capacity`, what the engine holds at once.

    The next step is expected to weigh what the last one did, and a step whose weight nobody knows yet leaves no room:
    so steps are taken one after the other, until one more would not fit into the engine's next round.
    """

    def __init__(self, capacity: Callable[[], int] = no_engine) -> None:
        # Asked each time: an engine knows its capacity only once it is open.
        self._capacity = capacity
        self._weights: dict[Step, int | None] = {}
        self._usual = 1
        self.changed: Callable[[], None] = lambda: None

    @contextmanager
    def taken(self, step: Step) -> Iterator[None]:
        """Count the step as in hand inside the block."""
        self._weights.setdefault(step, None)
        try:
            yield
        finally:
            self._weights.pop(step, None)

    def weigh(self, step: Step, weight: int) -> None:
        """Note how much of the engine the step takes."""
        self._usual = max(weight, 1)
        self._note(step, self._usual)

    def release(self, step: Step) -> None:
        """Note that the engine is done with the step; what is left to do for it takes no room."""
        self._note(step, 0)

    @property
    def room(self) -> bool:
        """Whether one more step may be taken."""
        weights = [weight for weight in self._weights.values() if weight is not None]
        return len(weights) == len(self._weights) and sum(weights) + self._usual <= self._capacity()

    def _note(self, step: Step, weight: int) -> None:
        if step in self._weights:
            self._weights[step] = weight
            self.changed()
