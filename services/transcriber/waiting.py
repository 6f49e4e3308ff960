"""Which windows go next, and which of them together: lanes first, then jobs in turn, a chunk begun before a new one."""

from collections.abc import Callable, Hashable, Iterable
from itertools import count
from typing import Generic, Protocol, TypeVar

ChunkName = tuple[str, int]
"""A job, and the number of a chunk in it."""


class Place(Protocol):
    """Where something that waits stands: a lane (the highest goes first), a job, a chunk, and what it may go with.

    Only things of the same `kind` go together.
    """

    @property
    def lane(self) -> int: ...  # noqa: D102 - the class says it

    @property
    def chunk(self) -> ChunkName: ...  # noqa: D102 - as above

    @property
    def kind(self) -> Hashable: ...  # noqa: D102 - as above


T = TypeVar("T", bound=Place)


class Waiting(Generic[T]):
    """What waits, in order of arrival; nothing in here waits for anything or knows of a model.

    A job's turn is one chunk: two jobs of many windows each would both end late if every batch held some of either.
    """

    def __init__(self) -> None:
        self._items: list[T] = []
        self._turns: dict[str, int] = {}
        self._begun: set[ChunkName] = set()
        self._tick = count()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T) -> None:
        """Put an item behind those of its chunk; its job, if it is new here, behind the other jobs."""
        self._items.append(item)
        self._turns.setdefault(item.chunk[0], next(self._tick))

    def put_back(self, items: Iterable[T]) -> None:
        """Put items that were taken in front of their chunks' others, and before the chunks of their lane not begun."""
        self._items[:0] = items = list(items)
        self._begun |= {item.chunk for item in items}
        for item in items:
            self._turns.setdefault(item.chunk[0], next(self._tick))

    def first(self) -> T | None:
        """Return what goes next, if anything waits."""
        return next(iter(self._next([], 0)), None)

    def take(self, width: int) -> list[T]:
        """Return what goes next, `width` items of one kind at the most, and forget it; nothing if nothing waits."""
        taken: list[T] = []
        while len(taken) < width and (chunk := self._next(taken, width - len(taken))):
            taken += self._out_of(chunk, width - len(taken), leads=not taken)
        self._tidy()
        return taken

    def drop(self, unwanted: Callable[[T], bool]) -> list[T]:
        """Return the items that nobody wants any more, and forget them."""
        dropped = [item for item in self._items if unwanted(item)]
        self._items = [item for item in self._items if item not in dropped]
        self._tidy()
        return dropped

    def _next(self, taken: list[T], room: int) -> list[T]:
        """Return the chunk that is to go next, or to go with those taken: one that fits into the room, if one does."""
        chunks: dict[tuple[ChunkName, int, Hashable], list[T]] = {}
        for item in self._items:
            if not taken or item.kind == taken[0].kind:
                chunks.setdefault((item.chunk, item.lane, item.kind), []).append(item)
        return min(chunks.values(), key=lambda chunk: self._rank(chunk, room if taken else None), default=[])

    def _rank(self, chunk: list[T], room: int | None) -> tuple[int, bool, bool, int]:
        name, lane = chunk[0].chunk, chunk[0].lane
        splits = room is not None and len(chunk) > room
        return -lane, name not in self._begun, splits, self._turns[name[0]]

    def _out_of(self, chunk: list[T], room: int, *, leads: bool) -> list[T]:
        going = chunk[:room]
        if leads:
            # One that only gives company keeps its turn: were it begun, too, there would always be one that is, and a
            # window that can go with nobody's would wait for all of them.
            self._begun.add(going[0].chunk)
            self._turns[going[0].chunk[0]] = next(self._tick)
        self._items = [item for item in self._items if item not in going]
        return going

    def _tidy(self) -> None:
        """Forget the chunks and jobs of which nothing waits."""
        left = {item.chunk for item in self._items}
        self._begun &= left
        jobs = {job for job, _ in left}
        self._turns = {job: turn for job, turn in self._turns.items() if job in jobs}
