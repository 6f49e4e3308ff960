"""What services need to run: a broker, a database, a folder for blobs, a cache and keys; no service."""

import asyncio
import fcntl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import IO, Self

from deploy.local.faults import CannotRun
from deploy.local.mongo import Database
from deploy.local.rabbitmq import Broker
from deploy.local.secret import keys
from deploy.local.settings import LocalSettings
from shared.settings import load


class LocalParts:
    """Open with `async with`: starts what no `SCRIBE_*` variable names, under `home`, and stops it at the end.

    `broker` and `database` are None where the environment names another; `environment` is what services need to use
    the parts. Raises CannotRun if a part is missing, does not start, or if another mesh runs in the same home.
    """

    def __init__(self, home: Path, cache: Path | None = None) -> None:
        self.home = home.resolve()
        self._given = load(LocalSettings)
        self._cache = (cache or self._given.cache or self.home / "cache").resolve()
        self._open = AsyncExitStack()
        self.broker = None if self._given.amqp_url else Broker(self.home / "rabbitmq")
        self.database = None if self._given.mongo_url else Database(self.home / "database")
        self.environment: dict[str, str] = {}

    @property
    def amqp_url(self) -> str:
        """The broker's address."""
        return self.environment["SCRIBE_AMQP_URL"]

    @property
    def mongo_url(self) -> str:
        """The database's address."""
        return self.environment["SCRIBE_MONGO_URL"]

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            opening.enter_context(self._alone())
            for part in (self.broker, self.database):
                if part is not None:
                    opening.push_async_callback(part.stop)
                    await part.start()
            self.environment = self._environment()
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def last(self) -> None:
        """Wait for as long as the parts that were started here run; raise CannotRun when one has ended by itself."""
        started = [part.ended() for part in (self.broker, self.database) if part is not None]
        waits = [asyncio.ensure_future(each) for each in (asyncio.Event().wait(), *started)]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()

    def _alone(self) -> IO[str]:
        """Return the home's lock, held until it is closed: two brokers on one data folder would ruin it."""
        if "'" in str(self.home):  # RabbitMQ asks the system about its folder between two of them, and never starts
            raise CannotRun(f"{self.home} cannot be used: it has an apostrophe in its path; choose another: --home")
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            lock = (self.home / "lock").open("w")
        except OSError as closed:
            raise CannotRun(f"{self.home} cannot be used: {closed.strerror}; choose another: --home") from closed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise CannotRun(f"another mesh runs in {self.home}; stop it, or choose another folder: --home") from None
        return lock

    def _environment(self) -> dict[str, str]:
        return {
            "SCRIBE_AMQP_URL": self.broker.url if self.broker else str(self._given.amqp_url),
            "SCRIBE_MONGO_URL": self.database.url if self.database else str(self._given.mongo_url),
            "SCRIBE_BLOBS_URL": self._given.blobs_url or f"file://{self.home / 'blobs'}",
            "SCRIBE_CACHE": str(self._cache),
            "SCRIBE_WORK_DIR": str((self._given.work_dir or self.home / "work").resolve()),
            **keys(self.home / "secrets.env"),
            **self._given.keys,
        }
