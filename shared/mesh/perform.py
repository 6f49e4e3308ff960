"""Performing a held step: the stage runs with its pulse, and however it ends becomes one of the outcomes."""

import asyncio
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
from shared.mesh.outcomes import Again, Dead, Done, GiveUp, Left, Outcome, Stopped, TryLater, short
from shared.mesh.pulse import Pulse
from shared.mesh.work import Work
from shared.topology import Stage, rung_after
from shared.transcript import Cut, Output

log = logging.getLogger(__name__)

Do = Callable[[Work], Awaitable[Output]]


@dataclass(frozen=True)
class Reports:
    """Where a step at work reports: `progress` takes 0.0 to 1.0, `announce` a part of its stage's output."""

    progress: Callable[[float], Awaitable[None]]
    announce: Callable[[Cut], Awaitable[None]]


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
    """A claimed step: the document as claimed, the attempt that holds it, and why it must not be tried again, if so.

    A `bare` one is buried without a stand-in: that has crashed the worker before.
    """

    job: Job
    step: Step
    attempt: int
    exhausted: str | None = None
    bare: bool = False


async def perform(
    held: Held,
    worker: Worker,
    store: JobStore,
    reports: Reports,
    stop: threading.Event,
) -> Outcome:
    """Return how the stage ended; `stop` ends it early. Of what the stage raises only `away` gets through."""
    try:
        return await Performance(held, worker, store, reports, stop).outcome()
    except Stopped:
        return Left()


@dataclass(frozen=True)
class Performance:
    """One attempt: the stage and, where that gives up, what stands in for it, each in its time and with a pulse."""

    held: Held
    worker: Worker
    store: JobStore
    reports: Reports
    stop: threading.Event

    async def outcome(self) -> Outcome:
        """Return how it ended; raise Stopped, or what is `away`."""
        if self.held.exhausted is not None:
            return await self._dead(self.held.exhausted, None)
        try:
            return Done(await self._done_by(self.worker.do))
        except Stopped:
            raise
        except self.worker.away:
            raise
        except GiveUp as failure:
            return await self._dead(failure.reason, failure)
        except TryLater as wait:
            return await self._again(wait.reason, wait.delay, wait)
        except Exception as bug:
            log.exception("the stage failed in a way it did not mean to")
            return await self._again(f"{type(bug).__name__}: {bug}", 0, bug)

    async def _done_by(self, do: Do) -> Output:
        held, worker, stop = self.held, self.worker, self.stop
        beat = partial(self.store.beat, held.step, held.attempt)
        pulse = Pulse(
            lambda fraction: beat(fraction, now()), self.reports.progress, stop, worker.heartbeat, worker.away
        )
        announcer, weigh = Announcer(self.reports.announce, stop), partial(worker.appetite.weigh, held.step)
        with telemetry.working(worker.stage), time_limit(worker.limit):
            async with pulse, announcer:
                inputs = await self.store.outputs(held.job, flow.needs(held.job, held.step))
                say = announcer.announce
                work = Work(held.job, held.step, held.attempt, inputs, stop, pulse.progress, weigh, say)
                try:
                    return await _made(do, work)
                finally:
                    worker.appetite.release(held.step)

    async def _again(self, reason: str, delay: float, failure: Exception) -> Again | Dead:
        tries = self.held.job.steps[self.held.step.key].tries
        if tries >= self.worker.rules.attempts:
            return await self._dead(f"tried {tries} times; {reason}", failure)
        return Again(short(reason), max(delay, rung_after(tries).seconds))

    async def _dead(self, reason: str, failure: Exception | None) -> Dead:
        if self.worker.stand_in is None or self.held.bare or self.held.job.options.strict:
            return Dead(short(reason), failure)
        try:
            return Dead(short(reason), failure, await self._done_by(self.worker.stand_in))
        except Stopped:
            raise
        except self.worker.away:
            raise
        except Exception as second:
            log.exception("nothing could stand in for the stage")
            return Dead(short(f"{reason}; and what should stand in for it failed: {second}"), failure)


async def _made(do: Do, work: Work) -> Output:
    try:
        return await do(work)
    except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as odd:
        # A panic in Rust, or a cancellation that nobody asked for, as of what the stage waited for. Let through, either
        # would end the run without an outcome, and its message would stay here, neither acked nor given back.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError(f"the stage ended in {type(odd).__name__}: {odd}") from odd
