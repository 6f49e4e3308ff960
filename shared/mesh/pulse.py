"""A step's pulse: the heartbeat in its document and its progress to the outside, while the stage works."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from shared.mesh.lost import LOST

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 1.0
"""At most one progress event a second and step."""


class Pulse:
    """Beats every `interval` seconds inside `async with`; a beat that finds the step lost sets `stop`.

    `away` is what a beat raises when there is no database.
    """

    def __init__(
        self,
        beat: Callable[[float], Awaitable[bool]],
        tell: Callable[[float], Awaitable[None]],
        stop: threading.Event,
        interval: float,
        away: tuple[type[Exception], ...] = (),
    ) -> None:
        self._beat, self._tell, self._stop, self._interval = beat, tell, stop, interval
        self._expected: tuple[type[Exception], ...] = (*LOST, *away)
        self._failing = set[str]()
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
        clock = asyncio.get_running_loop().time
        while not self._ended.is_set():
            if clock() >= self._due:
                self._due = clock() + self._interval
                await self._tried(self._beaten(), "no heartbeat can be recorded")
            if self._fraction != self._told:
                await self._tried(asyncio.wait_for(self._tell_now(), self._interval), "no progress can be told")
            await self._wait(self._pause)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    async def _tell_now(self) -> None:
        told = self._fraction
        await self._tell(told)
        self._told = told

    async def _beaten(self) -> None:
        if not await self._beat(self._fraction):
            log.warning("the step is no longer this worker's; stopping")
            self._stop.set()

    async def _tried(self, said: Awaitable[None], failed: str) -> None:
        """Await it; of a failure that lasts only the beginning is logged, as it is tried again every second."""
        try:
            await said
        except Exception as failure:
            if failed not in self._failing:
                bug = not isinstance(failure, self._expected)
                log.warning("%s; trying on: %r", failed, failure, exc_info=bug)
            self._failing.add(failed)
        else:
            self._failing.discard(failed)
