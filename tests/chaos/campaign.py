"""The campaign's mesh: a broker, a database and every service, with a proxy before each of the two."""

import asyncio
import json
import os
import random
import resource
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.exceptions import ChannelNotFoundEntity
from motor.motor_asyncio import AsyncIOMotorClient

from deploy.local.keeper import Keeper
from deploy.local.lines import Printer
from deploy.local.mongo import Database
from deploy.local.rabbitmq import Broker
from deploy.local.runner import LocalMesh
from shared.blobs import ObjectStore
from shared.topology import QUEUES, Stage, work_queue
from tests.chaos import ears
from tests.chaos.failpoints import Failpoints
from tests.chaos.ladder import RUNG_MS, Ladder
from tests.chaos.proxy import Proxy
from tests.chaos.recordings import lay_down
from tests.chaos.sink import Sink

READY_SECONDS = 120.0
HEARTBEAT_LOST = 3.0
STEP_LIMIT = 4.0
"""Seconds a transcriber's step may take: a hang ends its process after that."""
GRACE = 2.0
"""Seconds a transcriber's step may go on after SIGTERM: less than the limit, or no step would ever be given back."""

ENVIRONMENT = {
    "SCRIBE_ALLOWED_NETWORKS": "127.0.0.0/8",
    "SCRIBE_CHUNK_SECONDS": "30",
    "SCRIBE_HEARTBEAT": "0.5",
    "SCRIBE_HEARTBEAT_LOST": str(HEARTBEAT_LOST),
    "SCRIBE_GRACE": "5",
    "SCRIBE_OVERDUE": "3",
    "SCRIBE_SWEEP_SECONDS": "2",
    "SCRIBE_LOG_LEVEL": "INFO",
}


def _command(stage: Stage) -> tuple[str, ...]:
    start = (sys.executable, "-m", "faststream", "run", f"tests.chaos.services:{stage}", "--factory")
    limit = ("/usr/bin/env", f"SCRIBE_STEP_LIMIT={STEP_LIMIT}", f"SCRIBE_GRACE={GRACE}")
    return (*limit, *start) if stage is Stage.TRANSCRIBER else start


@dataclass
class Campaign:
    """What a scenario works with."""

    mesh: LocalMesh
    folder: Path
    broker: Broker
    database: Database
    to_broker: Proxy
    to_database: Proxy
    sink: Sink
    ears: ears.Ears
    failpoints: Failpoints
    blobs: ObjectStore
    recordings: list[str]
    jobs: Any
    expected: dict[str, dict[str, Any]]
    usual: dict[str, int]
    random: random.Random

    def keepers(self) -> list[Keeper]:
        """Return what keeps each process running."""
        return [keeper for keepers in self.mesh.keepers.values() for keeper in keepers]

    def pids(self, stage: Stage | None = None) -> list[int]:
        """Return the ids of the services' processes, or of one stage's."""
        names = [stage] if stage else list(self.mesh.processes)
        return [process.pid for name in names for process in self.mesh.processes[name]]

    def kill(self, pid: int, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a process of the campaign's own a signal; one that has just ended needs none."""
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return

    def memory(self) -> dict[str, int]:
        """Return the resident megabytes of each service's largest process, and of the broker.

        Not the database's: it caches what it stores, and the jobs stay there.
        """
        parts: dict[str, Sequence[int | None]] = {
            "broker": [self.broker.pid],
            **{str(stage): self.pids(stage) for stage in Stage},
        }
        found = {name: [_megabytes(pid) for pid in pids if pid] for name, pids in parts.items()}
        return {name: max(sizes) for name, sizes in found.items() if sizes}

    async def ready(self) -> None:
        """Return when every process is ready again, however often the campaign has ended it."""
        for keeper in self.keepers():
            keeper.failures = 0
        await self.mesh.wait_ready(READY_SECONDS)

    async def shorten_ladder(self, rung_ms: int = RUNG_MS) -> None:
        """Make every rung of the ladder wait so long; a broker that was wiped has forgotten it."""
        await Ladder(self.folder).shorten(self.broker, rung_ms)

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
        """Give a channel of its own to the broker, past the proxy."""
        async with await aio_pika.connect(self.broker.url) as connection, connection.channel() as channel:
            yield channel

    async def unsettled_messages(self) -> dict[str, int]:
        """Return how many messages each queue of the mesh, and the ears' own, holds, unacked ones included, if any."""
        said = await self.broker.control("list_queues", "name", "messages", "--formatter=json")
        counts = {row["name"]: row["messages"] for row in json.loads(said)}
        watched = {queue.name for queue in QUEUES if not queue.name.startswith(("scribe.dead", "scribe.unroutable"))}
        return {name: count for name, count in counts.items() if count and name in {*watched, ears.QUEUE}}

    async def listening(self) -> bool:
        """Whether the ears are at their queue: after the broker was wiped they have to make it anew."""
        try:
            async with self.channel() as channel:
                queue = await channel.declare_queue(ears.QUEUE, passive=True)
        except ChannelNotFoundEntity:
            return False
        return bool(queue.declaration_result.consumer_count)

    async def consumers(self) -> dict[Stage, int]:
        """Return how many consumers each work queue has."""
        async with self.channel() as channel:
            queues = {stage: await channel.declare_queue(work_queue(stage).name, passive=True) for stage in Stage}
        return {stage: queue.declaration_result.consumer_count or 0 for stage, queue in queues.items()}


@asynccontextmanager
async def campaign(home: Path) -> AsyncIterator[Campaign]:
    """Run a mesh for scenarios; its processes' lines are in `home`'s log."""
    async with AsyncExitStack() as opened:
        to_broker, to_database = [await opened.enter_async_context(Proxy()) for _ in range(2)]
        sink, faults = await opened.enter_async_context(Sink()), home / "faults"
        faults.mkdir(parents=True)
        # A heartbeat this short finds a dead connection within the small edition's patience.
        amqp = f"amqp://guest:guest@127.0.0.1:{to_broker.port}/?heartbeat=4"
        mongo = f"mongodb://127.0.0.1:{to_database.port}/?directConnection=true"
        mesh = LocalMesh(
            home,
            services=list(Stage),
            scale={Stage.TRANSCRIBER: 2, Stage.DIARIZER: 2},
            environment={
                **ENVIRONMENT,
                "SCRIBE_AMQP_URL": amqp,
                "SCRIBE_MONGO_URL": mongo,
                "SCRIBE_CHAOS_FOLDER": str(faults),
                "SCRIBE_WORK_DIR": str(home / "work"),
            },
            commands={stage: _command(stage) for stage in Stage},
            say=Printer(opened.enter_context((home / "mesh.log").open("w"))),
        )
        mesh.longest_delay = 0.5
        broker, database = mesh.parts.broker, Database(mesh.parts.home / "database", replica_set=True)
        mesh.parts.database = database  # as in a deployment, drivers repeat writes whose answers are lost
        assert broker is not None
        to_broker.to, to_database.to = broker.port, database.port
        await opened.enter_async_context(mesh)
        await mesh.wait_ready(READY_SECONDS)
        listener = await opened.enter_async_context(ears.Ears(f"{broker.url}?heartbeat=4"))
        client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(database.url, tz_aware=True)
        opened.callback(client.close)
        blobs = ObjectStore(mesh.environment["SCRIBE_BLOBS_URL"])
        made = Campaign(
            mesh=mesh,
            folder=faults,
            broker=broker,
            database=database,
            to_broker=to_broker,
            to_database=to_database,
            sink=sink,
            ears=listener,
            failpoints=Failpoints(faults),
            blobs=blobs,
            recordings=await lay_down(blobs),
            jobs=client["scribe"],
            expected={},
            usual={},
            random=random.Random(17),
        )
        await made.shorten_ladder()
        await until(made.listening, READY_SECONDS, "the campaign's own ears listen")
        yield made


def _megabytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has just ended
    return pages * resource.getpagesize() // 2**20


async def until(true: Any, seconds: float, what: str) -> float:
    """Wait until the awaited condition holds and return how long that took; raise AssertionError after the seconds."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while not await true():
        if clock() - began > seconds:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.25)
    return clock() - began
