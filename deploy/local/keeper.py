"""Keeps one service process running: its lines are passed on, and when it ends it is started again."""

import asyncio
import time
from asyncio import StreamReader
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from deploy.local import child
from deploy.local.commands import ROOT

LAST_LINES = 12
FIRST_DELAY = 0.5
LONGEST_DELAY = 15.0
STEADY_SECONDS = 30.0
"""A process that ran this long counts as having started well: the next delay is the first again."""

Say = Callable[[str, str], None]


class Keeper:
    """One process of a service; `say(name, line)` hears its output and every end and restart.

    `port` is the health port that its environment names. `failures` counts the ends since it last ran steadily.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        port: int,
        say: Say,
        longest_delay: float = LONGEST_DELAY,
    ) -> None:
        self.name, self.port, self._longest_delay = name, port, longest_delay
        self._command, self._environment, self._say = command, environment, say
        self.process: Process | None = None
        self.failures = 0
        self.spoke = asyncio.Event()
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start keeping; returns at once."""
        self._task = asyncio.create_task(self._keep(), name=f"keeper of {self.name}")

    async def stop(self, grace: float) -> None:
        """End the process, kill it after `grace` seconds, and start it no more."""
        task, self._task = self._task, None
        if task is None:
            return
        if self.process is not None:
            await child.stop(self.process, grace)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _keep(self) -> None:
        while self._task is not None:
            began = time.monotonic()
            self.process = await child.start(self._command, self._environment, ROOT)
            await self._pass_on(self.process)
            code = await self.process.wait()
            if self._task is not None:
                await self._pause(code, time.monotonic() - began)

    async def _pass_on(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was started without a log file
        while line := await _line(process.stdout):
            text = line.decode(errors="replace").rstrip()
            self.last.append(text)
            self._say(self.name, text)
            self.spoke.set()

    async def _pause(self, code: int, lasted: float) -> None:
        self.failures = 1 if lasted > STEADY_SECONDS else self.failures + 1
        delay = min(FIRST_DELAY * 2 ** (self.failures - 1), self._longest_delay)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self._say(self.name, f"{self.name} {how} after {lasted:.1f} s; it starts again in {delay:.1f} s")
        self.spoke.set()
        await asyncio.sleep(delay)


async def _line(out: StreamReader) -> bytes:
    """Return the next line, or nothing at the end; of one that is longer than `child.LINE_BYTES`, that it was."""
    try:
        return await out.readline()
    except ValueError:  # the reader has dropped what it held of it
        return b"(a part of a line that is too long was left out)\n"
