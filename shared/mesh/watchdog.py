"""The consumer watchdog: a service that no longer hears its queues ends itself, to be started again."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from aio_pika.exceptions import ChannelNotFoundEntity

from shared.mesh.post import Count

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
DEAF_SECONDS = 60.0


class Watchdog:
    """Looks at the queues every few seconds, and calls `end` once one had no consumer for `deaf` seconds.

    Only what the broker itself says counts: while it cannot be reached nothing is known, and the connection's own
    recovery is at work.
    """

    def __init__(
        self,
        queues: Sequence[str],
        count: Callable[[str], Awaitable[Count]],
        end: Callable[[], None] | None = None,
        look: float = LOOK_SECONDS,
        deaf: float = DEAF_SECONDS,
    ) -> None:
        self._queues, self._count, self._end = queues, count, end or end_this_process
        self._look, self._deaf = look, deaf
        self._heard: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start looking; every queue counts as just heard."""
        self._task = asyncio.create_task(self._run(), name="consumer watchdog")

    async def stop(self) -> None:
        """Look no more, also in the middle of a look: a broker that is away must not delay a drain."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        self._heard = dict.fromkeys(self._queues, clock())
        while True:
            await asyncio.sleep(self._look)
            for queue in self._queues:
                if await self._is_consumed(queue):
                    self._heard[queue] = clock()
                elif clock() - self._heard[queue] > self._deaf:
                    log.critical("%s had no consumer for %s s; ending, to be started again", queue, self._deaf)
                    self._end()
                    return

    async def _is_consumed(self, queue: str) -> bool:
        try:
            async with asyncio.timeout(self._look):
                return (await self._count(queue)).consumers > 0
        except ChannelNotFoundEntity:
            return False  # the broker lost the queue, and whoever consumed it with it
        except Exception as unknown:  # noqa: BLE001 - whatever keeps the broker from answering, nothing is known
            log.warning("cannot count the consumers of %s: %s", queue, unknown)
            return True


def end_this_process() -> None:
    """End the process in order, as whoever runs the service would: what can still be given back is."""
    os.kill(os.getpid(), signal.SIGTERM)
