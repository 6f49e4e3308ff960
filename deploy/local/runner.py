"""The one-machine mesh: every service as its own process on top of the local parts."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from shlex import quote
from typing import Self

from deploy.local import child
from deploy.local.commands import DEFAULTS, GATEWAY, SERVICES, Command
from deploy.local.faults import CannotRun
from deploy.local.keeper import LONGEST_DELAY, Keeper, Say
from deploy.local.lines import Printer
from deploy.local.parts import LocalParts
from deploy.local.secret import keep
from deploy.local.waiting import until_ready

GRACE = 15.0
"""Seconds a service may take to end: its own drain (SCRIBE_GRACE) and some to close its connections."""

RUNNING_FILE = "running.env"


class LocalMesh:
    """Open with `async with`; parts first, then services, and the other way round at the end.

    `services` are names of `commands` (all of them if None), `scale` says of how many processes each consists (one if
    it is not named), `environment` adds `SCRIBE_*` variables for every service. `longest_delay` bounds the seconds
    before a process that ended starts again. Raises CannotRun.
    """

    def __init__(
        self,
        home: Path,
        *,
        services: Sequence[str] | None = None,
        scale: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        gateway_port: int | None = None,
        commands: Mapping[str, Command] = SERVICES,
        say: Say | None = None,
    ) -> None:
        self.parts = LocalParts(home)
        self._services = tuple(commands if services is None else services)
        self._scale, self._added = dict(scale or {}), dict(environment or {})
        self._commands, self._say = commands, say or Printer()
        self._unsaid = asyncio.Queue[OSError]()
        self.longest_delay = LONGEST_DELAY
        self._port = gateway_port or child.free_port()
        self.keepers: dict[str, list[Keeper]] = {}
        self._open = AsyncExitStack()

    @property
    def environment(self) -> dict[str, str]:
        """The `SCRIBE_*` variables with which a client or one more service joins this mesh."""
        return {**self.parts.environment, "SCRIBE_GATEWAY_URL": self.gateway_url, **self._added}

    @property
    def amqp_url(self) -> str:
        """The broker's address."""
        return self.environment["SCRIBE_AMQP_URL"]

    @property
    def mongo_url(self) -> str:
        """The database's address."""
        return self.environment["SCRIBE_MONGO_URL"]

    @property
    def gateway_url(self) -> str:
        """The gateway's address, without a slash at the end."""
        return f"http://{child.LOOPBACK}:{self._port}"

    @property
    def processes(self) -> dict[str, list[Process]]:
        """The processes that run now, by service; one that ended is absent until it has started again."""
        return {
            name: [keeper.process for keeper in keepers if keeper.process and keeper.process.returncode is None]
            for name, keepers in self.keepers.items()
        }

    async def __aenter__(self) -> Self:
        self._check()
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self.parts)
            opening.callback(self._announce().unlink, missing_ok=True)
            opening.push_async_callback(self._stop)
            self._start()
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def wait_ready(self, seconds: float) -> None:
        """Return when every process is ready; raise CannotRun, with its last lines, if one is not in time."""
        await until_ready([keeper for keepers in self.keepers.values() for keeper in keepers], seconds)

    async def last(self) -> None:
        """Wait for as long as all runs; raise CannotRun when a part has ended by itself or a line cannot be written."""
        waits = [asyncio.ensure_future(each) for each in (self.parts.last(), self._silenced())]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()

    async def _silenced(self) -> None:
        why = await self._unsaid.get()
        raise CannotRun(f"the lines of the processes cannot be written: {why.strerror}")

    def _tell(self, name: str, line: str) -> None:
        try:
            self._say(name, line)
        except OSError as closed:  # the next is read all the same: a process stands still once its pipe is full
            if self._unsaid.empty():
                self._unsaid.put_nowait(closed)

    def _check(self) -> None:
        unknown = {*self._services, *self._scale} - {*self._commands}
        if unknown:
            known = ", ".join(self._commands)
            raise CannotRun(f"there is no service called '{min(unknown)}'; the services are {known}")
        if GATEWAY in self._services:
            child.require_free(self._port, "the gateway")

    def _start(self) -> None:
        for name in self._services:
            count = self._scale.get(name, 1)
            names = [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]
            self.keepers[name] = [self._keeper(each, self._commands[name]) for each in names]
            for keeper in self.keepers[name]:
                keeper.start()

    def _keeper(self, name: str, command: Command) -> Keeper:
        port = child.free_port()
        words = [word.replace("{port}", str(self._port)) for word in command]
        own = {**self.environment, "SCRIBE_HEALTH_PORT": str(port)}
        return Keeper(name, words, {**DEFAULTS, **child.inherited(own)}, port, self._tell, self.longest_delay)

    async def _stop(self) -> None:
        await asyncio.gather(*(keeper.stop(GRACE) for keepers in self.keepers.values() for keeper in keepers))

    def _announce(self) -> Path:
        """Write the mesh's addresses where the `scribe` command of this folder finds them, for a shell, too."""
        file = self.parts.home / RUNNING_FILE
        keep(file, "".join(f"{name}={quote(value)}\n" for name, value in self.environment.items()))
        return file
