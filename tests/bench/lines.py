"""What the processes say: kept in a log, and heard when one says that it takes messages."""

import asyncio
from collections.abc import Callable, Iterable

READY_SECONDS = 180.0


class Lines:
    """Keeps the processes' lines in a log, and tells when a process has said that it takes messages."""

    def __init__(self, log: Callable[[str, str], None]) -> None:
        self._log = log
        self.ready: dict[str, asyncio.Event] = {}

    def __call__(self, name: str, line: str) -> None:
        """Hear one line of the process called `name`."""
        self._log(name, line)
        if '"message": "ready"' in line:
            self.ready.setdefault(name, asyncio.Event()).set()

    async def until_ready(self, names: Iterable[str]) -> None:
        """Return when each of the processes takes messages: its models are loaded."""
        async with asyncio.timeout(READY_SECONDS):
            for name in names:
                await self.ready.setdefault(name, asyncio.Event()).wait()
