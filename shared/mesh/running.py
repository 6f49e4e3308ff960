"""The steps that this process works on, so that a redelivered message joins its step instead of starting it beside.

A lost connection cancels the handlers, but not the work: a model runs on in its thread. The handler of the
redelivered message finds the run here, waits for it, and then looks whether there is anything left to do.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from shared.jobs.step import Step

Start = Callable[[threading.Event], Coroutine[Any, Any, bool]]
"""Begins a run, which returns whether its step waits on the ladder now: it has a message of its own there."""


@dataclass(frozen=True)
class Run:
    """A step at work, and the event that tells it to stop."""

    task: asyncio.Task[bool]
    stop: threading.Event


class Running:
    """All runs of the process, by step."""

    def __init__(self) -> None:
        self._runs: dict[Step, Run] = {}

    async def join(self, step: Step, start: Start) -> None:
        """Wait for a run of the step that began no sooner than this; being cancelled leaves the run alone.

        One that goes on is waited for first. It may have begun, and ended its part, before the step was queued again;
        whoever comes to nothing new finds that at the claim. A step that it left on the ladder comes from there.
        """
        going_on = self._runs.get(step)
        if going_on is not None and await asyncio.shield(going_on.task):
            return
        run = self._runs.get(step) or self._begin(step, start)
        await asyncio.shield(run.task)

    def _begin(self, step: Step, start: Start) -> Run:
        stop = threading.Event()
        run = self._runs[step] = Run(asyncio.create_task(self._run(step, start(stop)), name=str(step)), stop)
        return run

    async def _run(self, step: Step, run: Coroutine[Any, Any, bool]) -> bool:
        try:
            return await run
        finally:
            del self._runs[step]  # no later: whoever comes from now on must begin a new one

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
