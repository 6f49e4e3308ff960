"""The figures of a drain: a process of its own works off what is queued, and says as JSON what it took."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import aio_pika

from deploy.local import child
from shared.topology import QUEUES

MEGABYTE = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Drained:
    """Jobs that were done, the seconds and the process's CPU-seconds that took, commands sent to the database.

    `resident` is the memory in MB at the end, of the process itself (0) and of those asked for by id.
    """

    jobs: int
    seconds: float
    cpu: float
    commands: int = 0
    resident: dict[int, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs / self.seconds

    def as_json(self) -> str:
        """Return the figures as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> Self:
        """Return the figures that the line holds."""
        said = json.loads(line)
        return cls(**{**said, "resident": {int(pid): each for pid, each in said["resident"].items()}})


async def drained(module: str, environment: Mapping[str, str], *words: str) -> Drained:
    """Run the module as a process of its own and return the figures it prints; raise RuntimeError if it fails."""
    command = [sys.executable, "-m", module, *words]
    process = await child.start(command, child.inherited(environment), Path.cwd())
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}:\n{said.decode()}")
    return Drained.read(said.decode().splitlines()[-1])


async def purged(url: str) -> None:
    """Take away whatever lies in the mesh's queues."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for queue in QUEUES:
            await (await channel.get_queue(queue.name, ensure=False)).purge()


def resident(pids: Sequence[int]) -> dict[int, float]:
    """Return the memory in MB of this process, as 0, and of the others."""
    return {pid: _megabytes(pid or os.getpid()) for pid in (0, *pids)}


def _megabytes(pid: int) -> float:
    return round(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / MEGABYTE, 1)
