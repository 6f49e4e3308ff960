"""Work side by side: blocking parts in threads, the others on the loop, and one end for all of them."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Legs:
    """Runs what it is given until `async with` ends, which is when all has ended; raises what failed first.

    Threads cannot be cancelled, nor can the store's reading: when a leg has failed, `abandon` is called and must make
    them end. There are `threads` threads for blocking parts, of which none ever waits for a thread: what blocks may
    wait for another leg.
    """

    def __init__(self, threads: int, abandon: Callable[[], None]) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="leg")
        self._abandon = abandon
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._group.__aexit__(kind, failure, trace)
        except BaseExceptionGroup as several:
            first = several.exceptions[0]
            raise first from first.__cause__
        finally:
            await asyncio.to_thread(self._threads.shutdown)

    def run(self, leg: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a leg that blocks, or that the store reads; when another one fails, it finds its files abandoned."""
        return self._group.create_task(_to_its_end(leg, self._abandon))

    def on_loop(self, leg: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a leg that only awaits; when another one fails, it is cancelled where it waits."""
        return self._group.create_task(leg)

    async def blocking(self, part: Callable[..., T], *args: Any) -> T:
        """Run a blocking part in a thread of its own; what it logs names the step, as everywhere."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, part, *args)


async def _to_its_end(leg: Coroutine[Any, Any, T], abandon: Callable[[], None]) -> T:
    running = asyncio.ensure_future(leg)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        abandon()
        await asyncio.gather(running, return_exceptions=True)
        raise
