"""Announcing: what a stage says of its output while it works goes out, one after the other."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Self

from shared.jobs.changes import Stale
from shared.transcript import Cut

log = logging.getLogger(__name__)


class Announcer:
    """Lets `say` say what is announced inside `async with`; of what comes while it speaks, only the latest.

    What is still unsaid at the end is left to the commit. A step that turns out to be lost sets `stop`.
    """

    def __init__(self, say: Callable[[Cut], Awaitable[None]], stop: threading.Event) -> None:
        self._say, self._stop = say, stop
        self._latest: Cut | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def announce(self, part: Cut) -> None:
        """Take a part of the output; may be called from any thread."""
        self._loop.call_soon_threadsafe(self._take, part)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._latest, self._ended = None, True
        if self._task is not None:
            await self._task

    def _take(self, part: Cut) -> None:
        if self._ended:
            return
        self._latest = part
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="announcing")

    async def _run(self) -> None:
        while self._latest is not None:
            part, self._latest = self._latest, None
            try:
                await self._say(part)
            except Stale as stale:
                log.warning("nothing more is announced: %s; stopping", stale)
                self._stop.set()
            except Exception:
                # The work goes on: the next announcement or the commit says all that this one would have said.
                log.exception("what is prepared could not be announced")
