"""The steps that this process works on, so that a redelivered message joins its step instead of starting it twice.

A lost connection cancels the handlers, but not the work: a model runs on in its thread. The handler of the
redelivered message finds the run here and waits for it.
"""

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from shared.jobs.step import Step


class Start(Protocol):
    """What begins a run; `again` says that its message has already waited for one."""

    def __call__(self, stop: threading.Event, *, again: bool) -> Coroutine[Any, Any, None]:
        """Return the run."""


@dataclass(frozen=True)
class Run:
    """A step at work, and the event that tells it to stop."""

    task: asyncio.Task[None]
    stop: threading.Event


class Running:
    """All runs of the process, by step."""

    def __init__(self) -> None:
        self._runs: dict[Step, Run] = {}

    async def join(self, step: Step, start: Start) -> None:
        """Wait for a run of the step that began no sooner than this; being cancelled leaves the run alone.

        One that goes on is waited for first, and starts no second one beside it. It may have begun, and ended its part,
        before the step was queued again; whoever comes to nothing new finds that at the claim.
        """
        going_on = self._runs.get(step)
        if going_on is not None:
            await asyncio.shield(going_on.task)
        run = self._runs.get(step) or self._begin(step, start, again=going_on is not None)
        await asyncio.shield(run.task)

    def _begin(self, step: Step, start: Start, *, again: bool) -> Run:
        stop = threading.Event()
        run = Run(asyncio.create_task(start(stop, again=again), name=str(step)), stop)
        self._runs[step] = run
        run.task.add_done_callback(lambda _: self._runs.pop(step))
        return run

    def stop(self, job: str) -> None:
        """Tell every run of the job to stop."""
        for step, run in self._runs.items():
            if step.job == job:
                run.stop.set()

    async def drain(self, grace: float) -> None:
        """Wait `grace` seconds for the runs to end, then tell those left to stop and wait until they have."""
        tasks = [run.task for run in self._runs.values()]
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=grace)
        for run in list(self._runs.values()):
            run.stop.set()
        if left:
            await asyncio.wait(left, timeout=grace)
