"""The embedded database: a server of its own process that speaks MongoDB's protocol, durable on every commit."""

import sys
from asyncio.subprocess import Process
from pathlib import Path

from pymongo import AsyncMongoClient
from pymongo.errors import ServerSelectionTimeoutError

from deploy.local import child
from deploy.local.child import LOOPBACK, free_port
from deploy.local.faults import CannotRun

START_SECONDS = 60.0
STOP_SECONDS = 15.0


class Database:
    """The server whose files lie under `home`. Its port stays the same from its making on, over every restart.

    `replica_set` has it appear as one, so that drivers write again what was not answered: what it keeps for that makes
    it slower with every write (0005).
    """

    def __init__(self, home: Path, port: int | None = None, *, replica_set: bool = False) -> None:
        self._home, self._shape = home, [] if replica_set else ["--standalone"]
        self.port = port or free_port()
        self._server: Process | None = None
        self.url = f"mongodb://{LOOPBACK}:{self.port}/?directConnection=true"

    @property
    def pid(self) -> int | None:
        """The server's process id, or None before the start."""
        return self._server.pid if self._server else None

    async def start(self) -> None:
        """Start the server, also after it was stopped or killed, and return when it answers.

        Raises CannotRun if it is not installed, its port is taken, it ends, or it does not answer within a minute.
        """
        child.require_free(self.port, "the database")
        self._home.mkdir(parents=True, exist_ok=True)
        command = [str(_program()), "--host", LOOPBACK, "--port", str(self.port), "--sync-on-commit"]
        command += [*self._shape, "--storage-path", str(self._home / "data")]
        alone = self._home / "server.lock"
        self._server = await child.start(command, child.inherited({}), self._home, self._log, alone)
        if not await child.ready_first(answers(self.url, START_SECONDS), self._server, START_SECONDS):
            await self.stop()
            raise CannotRun(f"the database did not start; its log is {self._log} and ends:\n{child.tail(self._log)}")

    async def stop(self) -> None:
        """Stop the server."""
        if self._server is not None:
            await child.stop(self._server, STOP_SECONDS)

    async def kill(self) -> None:
        """End it as a crash would, and return when it is gone; `start` brings it back."""
        if self._server is not None:
            self._server.kill()
            await self._server.wait()

    async def ended(self) -> None:
        """Raise CannotRun, with the log's last lines, once the server that was started has ended."""
        if self._server is not None:
            await self._server.wait()
        raise CannotRun(f"the database ended by itself; its log is {self._log} and ends:\n{child.tail(self._log)}")

    @property
    def _log(self) -> Path:
        return self._home / "database.log"


async def answers(url: str, seconds: float) -> bool:
    """Whether a MongoDB-protocol server answers at the address within the seconds; its driver does the waiting."""
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(url, serverSelectionTimeoutMS=int(seconds * 1000))
    async with client:
        try:
            await client.admin.command("ping")
        except ServerSelectionTimeoutError:
            return False
        return True


def _program() -> Path:
    program = Path(sys.executable).parent / "secantusd-py"
    if not program.exists():
        raise CannotRun(
            "the embedded database is not installed; type: make setup (or set SCRIBE_MONGO_URL to a MongoDB that runs)"
        )
    return program
