"""A stage's service: steps in, the executor on each, and nothing else to write for a new stage."""

import threading

from aio_pika.abc import AbstractIncomingMessage
from faststream import FastStream

from shared.blobs import Blobs
from shared.jobs.claims import Rules
from shared.jobs.mongo import AWAY
from shared.mesh.appetite import Appetite
from shared.mesh.perform import Do, Worker
from shared.mesh.post import AFTER
from shared.mesh.run import Executor
from shared.mesh.serve import NOTHING, Lifespan, Parts, Subscription, serve
from shared.mesh.settle import Handle
from shared.messages import StepMessage
from shared.settings import Settings
from shared.topology import Stage, work_queue


def stage_service(
    stage: Stage,
    settings: Settings,
    blobs: Blobs,
    do: Do,
    *,
    stand_in: Do | None = None,
    appetite: Appetite | None = None,
    lifespan: Lifespan = NOTHING,
) -> FastStream:
    """Return the application that performs the stage's steps with `do`.

    `appetite` hears what the steps weigh and knows when there is room for one more; without it a message is taken only
    when another has been settled.
    """
    parts, appetite = Parts(stage, settings, blobs), appetite or Appetite()
    subscription = Subscription(work_queue(stage).name, step_handler(parts, do, appetite, stand_in), appetite)
    return serve(parts, [subscription], lifespan)


def step_handler(parts: Parts, do: Do, appetite: Appetite, stand_in: Do | None = None) -> Handle:
    """Return the handler that runs the step a message asks for, after the run of it that goes on here, if one does."""
    settings = parts.settings
    rules = Rules(settings.attempts, settings.heartbeat_lost)
    worker = Worker(
        stage=parts.stage,
        do=do,
        name=parts.worker,
        rules=rules,
        window=settings.window,
        heartbeat=settings.heartbeat,
        limit=settings.step_limit,
        stand_in=stand_in,
        appetite=appetite,
        away=AWAY,
    )
    executor = Executor(worker, parts.store, parts.post)

    async def handle(message: AbstractIncomingMessage) -> None:
        step = StepMessage.model_validate_json(message.body, context=parts.stage).step()

        async def run(stop: threading.Event) -> bool:
            with appetite.taken(step, message.priority or 0):
                return await executor.run(step, stop, after=_after(message))

        await parts.running.join(step, run)

    return handle


def _after(message: AbstractIncomingMessage) -> int:
    """Return the attempt after which the ladder brings the message; 0 if it comes from elsewhere, or only to look."""
    after = message.headers.get(AFTER, 0)
    return after if isinstance(after, int) else 0
