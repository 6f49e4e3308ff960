"""Write coalescing: what many ask to have written at about the same time goes out in one write."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Coalescer(Generic[T]):
    """Writes at once if no write is under way; what is added meanwhile is written together as soon as that is back."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._group: list[T] = []
        self._next: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    async def add(self, each: T) -> None:
        """Return once it is written; raise what the write that carried it raised."""
        self._group.append(each)
        if self._next is None:
            self._next = asyncio.create_task(self._flush(), name="coalesced write")
        await asyncio.shield(self._next)  # a waiter that is cancelled must not cancel it for the others

    async def _flush(self) -> None:
        async with self._writing:
            group, self._group, self._next = self._group, [], None
            await self._write(group)
