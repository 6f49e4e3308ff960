"""Performing a held step: the stage runs with its pulse, and however it ends becomes one of the outcomes."""

import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from shared import flow, telemetry
from shared.clock import now
from shared.jobs.claims import Rules
from shared.jobs.document import Job
from shared.jobs.step import Step
from shared.jobs.store import JobStore
from shared.mesh.announcer import Announcer
from shared.mesh.appetite import Appetite
from shared.mesh.limit import time_limit
from shared.mesh.outcomes import Again, Dead, Done, GiveUp, Left, Outcome, Stopped, TryLater
from shared.mesh.pulse import Pulse
from shared.mesh.work import Work
from shared.topology import Stage, rung_after
from shared.transcript import Cut, Output

log = logging.getLogger(__name__)

Do = Callable[[Work], Awaitable[Output]]


@dataclass(frozen=True)
class Heard:
    """What hears of a step while it goes on: `tell` its progress, 0.0 to 1.0, `say` what its stage announces."""

    tell: Callable[[float], Awaitable[None]]
    say: Callable[[Cut], Awaitable[None]]


@dataclass(frozen=True)
class Worker:
    """A stage at work: what it does, who it is, how often it is tried, and what stands in for it when it gives up.

    A step that takes longer than `limit` seconds ends the process; `appetite` hears what the steps weigh. `away` is
    what the store raises when there is no database: no failure of the stage.
    """

    stage: Stage
    do: Do
    name: str
    rules: Rules
    window: int
    heartbeat: float
    limit: float
    stand_in: Do | None = None
    appetite: Appetite = field(default_factory=Appetite)
    away: tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Held:
    """A claimed step: the document as claimed, the attempt that holds it, and why it must not be tried again, if so."""

    job: Job
    step: Step
    attempt: int
    exhausted: str | None = None


async def perform(
    held: Held,
    worker: Worker,
    store: JobStore,
    heard: Heard,
    stop: threading.Event,
) -> Outcome:
    """Return how the stage ended; `stop` ends it early. It raises no stage's failure, but what is `away`."""
    if held.exhausted is not None:
        return await _dead(held, worker, store, held.exhausted, None)
    try:
        with telemetry.working(worker.stage), time_limit(worker.limit):
            return Done(await _with_pulse(held, worker, store, heard, stop))
    except Stopped:
        return Left()
    except GiveUp as failure:
        return await _dead(held, worker, store, failure.reason, failure)
    except TryLater as wait:
        return await _again(held, worker, store, wait.reason, wait.delay, wait)
    except worker.away:
        raise
    except Exception as bug:
        log.exception("the stage failed in a way it did not mean to")
        return await _again(held, worker, store, f"{type(bug).__name__}: {bug}", 0, bug)


async def _with_pulse(
    held: Held,
    worker: Worker,
    store: JobStore,
    heard: Heard,
    stop: threading.Event,
) -> Output:
    beat, step = partial(store.beat, held.step, held.attempt), held.step
    pulse = Pulse(lambda fraction: beat(fraction, now()), heard.tell, stop, worker.heartbeat)
    announcer, weigh = Announcer(heard.say, stop), partial(worker.appetite.weigh, step)
    async with pulse, announcer:
        inputs = await store.outputs(held.job, flow.needs(held.job, step))
        work = Work(held.job, step, held.attempt, inputs, stop, pulse.progress, weigh, announcer.announce)
        try:
            return await worker.do(work)
        finally:
            worker.appetite.release(held.step)


async def _again(
    held: Held, worker: Worker, store: JobStore, reason: str, delay: float, failure: Exception
) -> Again | Dead:
    tries = held.job.steps[held.step.key].tries
    if tries >= worker.rules.attempts:
        return await _dead(held, worker, store, f"tried {tries} times; {reason}", failure)
    return Again(reason, max(delay, rung_after(tries).seconds))


async def _dead(held: Held, worker: Worker, store: JobStore, reason: str, failure: Exception | None) -> Dead:
    if worker.stand_in is None or held.job.options.strict:
        return Dead(reason, failure)
    try:
        inputs = await store.outputs(held.job, flow.needs(held.job, held.step))
        return Dead(reason, failure, await worker.stand_in(Work(held.job, held.step, held.attempt, inputs)))
    except worker.away:
        raise
    except Exception as second:
        log.exception("nothing could stand in for the stage")
        return Dead(f"{reason}; and what should stand in for it failed: {second}", failure)
