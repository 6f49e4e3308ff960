"""A step's pulse: the heartbeat in its document and its progress to the outside, while the stage works."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 1.0
"""At most one progress event a second and step."""


class Pulse:
    """Beats every `interval` seconds inside `async with`; a beat that finds the step lost sets `stop`."""

    def __init__(
        self,
        beat: Callable[[float], Awaitable[bool]],
        tell: Callable[[float], Awaitable[None]],
        stop: threading.Event,
        interval: float,
    ) -> None:
        self._beat, self._tell, self._stop, self._interval = beat, tell, stop, interval
        self._fraction = self._told = 0.0
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def progress(self, fraction: float) -> None:
        """Note how much of the step is done, 0.0 to 1.0; may be called from any thread."""
        self._fraction = min(max(fraction, 0.0), 1.0)

    async def __aenter__(self) -> Self:
        # Many a step is over before there is anything to tell: until then it costs a timer, and no task.
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._interval
        self._first = loop.call_later(self._pause, self._begin)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._first.cancel()
        self._ended.set()
        if self._task is not None:
            await self._task

    @property
    def _pause(self) -> float:
        return min(self._interval, PROGRESS_SECONDS)

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        # The work goes on without: whether it still counts is for the commit to find out. Telling is apart and takes no
        # longer than a beat may wait: a broker that is away must not let a step look abandoned.
        while not self._ended.is_set():
            await _logged(self._beat_if_due(), "no heartbeat could be recorded")
            await _logged(asyncio.wait_for(self._tell_if_moved(), self._interval), "no progress could be told")
            await self._wait(self._pause)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    async def _tell_if_moved(self) -> None:
        if self._fraction != self._told:
            told = self._fraction
            await self._tell(told)
            self._told = told

    async def _beat_if_due(self) -> None:
        clock = asyncio.get_running_loop().time
        if clock() < self._due:
            return
        self._due = clock() + self._interval
        if not await self._beat(self._fraction):
            log.warning("the step is no longer this worker's; stopping")
            self._stop.set()


async def _logged(said: Awaitable[None], failed: str) -> None:
    try:
        await said
    except Exception:
        log.exception(failed)
