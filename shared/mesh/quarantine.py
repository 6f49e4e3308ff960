"""Which steps may be worked on side by side: one that has crashed a worker is worked on alone.

A service that works on several steps at once loses an attempt at each of them when one kills the process. If that
happened again and again, the steps beside a poison would be given up on with it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Quarantine:
    """The steps at work in this process; whoever asks to be alone waits for the others, and the others for it."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._inside, self._asking = 0, 0
        self._alone = False

    @asynccontextmanager
    async def entered(self, *, alone: bool) -> AsyncIterator[None]:
        """Work inside the block: with others, or alone."""
        async with self._changed:
            await (self._alone_at_last() if alone else self._changed.wait_for(self._open))
            self._inside += 1
            self._alone = alone
        try:
            yield
        finally:
            async with self._changed:
                self._inside -= 1
                self._alone = False
                self._changed.notify_all()

    def _open(self) -> bool:
        return not self._alone and not self._asking

    async def _alone_at_last(self) -> None:
        # Whoever comes later waits behind who asks to be alone: under load it would otherwise never be its turn.
        self._asking += 1
        try:
            await self._changed.wait_for(lambda: not self._inside)
        finally:
            self._asking -= 1
            self._changed.notify_all()
