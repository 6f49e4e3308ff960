"""The mesh that rows measure: a broker, a database, and real services with real models."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import aio_pika

from deploy.local.commands import SERVICES, Command
from deploy.local.lines import Printer
from deploy.local.runner import LocalMesh
from shared.blobs import ObjectStore
from shared.jobs.mongo import MongoStore, connect
from shared.topology import EVENTS, Stage
from tests.bench import whisper
from tests.bench.client import TENANT, Bench
from tests.bench.lines import READY_SECONDS, Lines
from tests.bench.row import Size


@asynccontextmanager
async def bench_mesh(
    size: Size,
    stages: Sequence[Stage],
    *,
    scale: Mapping[str, int] | None = None,
    environment: Mapping[str, str] | None = None,
    commands: Mapping[str, Command] = SERVICES,
) -> AsyncIterator[Bench]:
    """Run the stages' services, and yield their client once they have loaded their models."""
    async with AsyncExitStack() as opened:
        lines = Lines(Printer(opened.enter_context((size.home / "mesh.log").open("w"))))
        told = {**whisper.environment(size.gpu), "SCRIBE_WORK_DIR": str(size.home / "work"), **(environment or {})}
        mesh = LocalMesh(size.home, services=stages, scale=scale, environment=told, commands=commands, say=lines)
        await opened.enter_async_context(mesh)
        await mesh.wait_ready(READY_SECONDS)
        await lines.until_ready(keeper.name for keepers in mesh.keepers.values() for keeper in keepers)
        connection = await opened.enter_async_context(await aio_pika.connect(mesh.amqp_url))
        channel = await connection.channel()
        client = connect(mesh.mongo_url)
        opened.callback(client.close)
        store, blobs = MongoStore(client, "scribe"), ObjectStore(mesh.environment["SCRIBE_BLOBS_URL"])
        made = Bench(mesh, lines, channel, store, blobs)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(EVENTS.name, f"job.{TENANT}.#")
        await queue.consume(made.hear)
        yield made
