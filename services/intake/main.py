"""Wires intake: its queues, the desk, admission, and the sweeper that runs beside them."""

import asyncio
from contextlib import AsyncExitStack, suppress
from functools import partial

from faststream import FastStream

from services.intake.admission import Admission, Limits
from services.intake.desk import Desk
from services.intake.overdue import Patience
from services.intake.settings import IntakeSettings
from services.intake.sweeper import Sweeper
from shared.blobs import ObjectStore
from shared.jobs.mongo_upkeep import MongoUpkeep
from shared.mesh.declare import declare
from shared.mesh.serve import Lifespan, Parts, Subscription, serve
from shared.seal import Seal
from shared.telemetry import begin
from shared.topology import ENDED_QUEUE, Stage, work_queue


def build() -> FastStream:
    """Return the intake service; opens nothing yet."""
    settings = begin(Stage.INTAKE, IntakeSettings)
    parts = Parts(Stage.INTAKE, settings, ObjectStore(settings.blobs_url))
    upkeep = MongoUpkeep(parts.client, settings.mongo_database)
    limits = Limits(settings.max_running, settings.max_running_per_tenant)
    admission = Admission(upkeep, parts.store, parts.post, limits, settings.window)
    seal = Seal(settings.seal_key)
    desk = Desk(parts.store, parts.post, admission, seal, parts.worker, settings.window, settings.retention_days)
    sweeper = _sweeper(parts, settings, upkeep, admission)
    beside = AsyncExitStack()

    async def opening() -> None:
        await upkeep.prepare()
        sweeping = asyncio.create_task(sweeper.run(), name="sweeper")
        beside.push_async_callback(_cancelled, sweeping)

    queues = [
        Subscription(work_queue(Stage.INTAKE).name, desk.handle),
        Subscription(ENDED_QUEUE.name, admission.on_end),
    ]
    return serve(parts, queues, Lifespan(opening, beside.aclose))


def _sweeper(parts: Parts, settings: IntakeSettings, upkeep: MongoUpkeep, admission: Admission) -> Sweeper:
    return Sweeper(
        store=parts.store,
        upkeep=upkeep,
        post=parts.post,
        counts=parts.post,
        blobs=parts.blobs,
        admission=admission,
        worker=parts.worker,
        window=settings.window,
        patience=Patience(settings.heartbeat_lost, settings.overdue),
        interval=settings.sweep_seconds,
        declare=partial(declare, settings.amqp_url),
    )


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
