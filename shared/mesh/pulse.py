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

    def progress(self, fraction: float) -> None:
        """Note how much of the step is done, 0.0 to 1.0; may be called from any thread."""
        self._fraction = min(max(fraction, 0.0), 1.0)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._interval
        while not await self._over(min(self._interval, PROGRESS_SECONDS)):
            try:
                await self._tell_if_moved()
                if loop.time() >= due:
                    due = loop.time() + self._interval
                    await self._beat_once()
            except Exception:
                # The work goes on without a heartbeat: whether it still counts is for the commit to find out.
                log.exception("no heartbeat could be recorded")

    async def _over(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        return self._ended.is_set()

    async def _tell_if_moved(self) -> None:
        if self._fraction != self._told:
            self._told = self._fraction
            await self._tell(self._fraction)

    async def _beat_once(self) -> None:
        if not await self._beat(self._fraction):
            log.warning("the step is no longer this worker's; stopping")
            self._stop.set()
