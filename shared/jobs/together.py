"""Writing together: what many ask to have written at about the same time is written as one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """Writes go out at once while none is under way; those that come meanwhile go together, as soon as it is back."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._gathered: list[T] = []
        self._next: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    async def add(self, each: T) -> None:
        """Return once it is written; raise what the write that carried it raised."""
        self._gathered.append(each)
        if self._next is None:
            self._next = asyncio.create_task(self._flush(), name="writing together")
        await asyncio.shield(self._next)  # one who waits no longer takes nothing from the others

    async def _flush(self) -> None:
        async with self._writing:
            gathered, self._gathered, self._next = self._gathered, [], None
            await self._write(gathered)
