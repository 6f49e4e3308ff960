"""A mesh of fakes around one job, in which a stage can be run as often as a test likes."""

import asyncio
import threading
from typing import Any

from shared.jobs.claims import Rules
from shared.jobs.document import Job
from shared.jobs.step import Step
from shared.mesh.perform import Do, Worker
from shared.mesh.run import Executor
from shared.mesh.work import Work
from shared.topology import Stage
from shared.transcript import Cut, Output
from tests.fakes.jobs import WINDOW, chunk_text, diarization, new_job, prepared, published
from tests.fakes.post import MemoryPost
from tests.fakes.store import MemoryStore

OUTPUTS: dict[Stage, Output] = {
    Stage.DOWNLOADER: prepared(),
    Stage.DIARIZER: diarization(),
    Stage.ENHANCER: published(),
}


class Bench:
    """A mesh of fakes around one job."""

    def __init__(self, **options: Any) -> None:
        self.store, self.post = MemoryStore(), MemoryPost()
        moved = new_job(**options)
        self.id, self.first = moved.job.id, moved.steps
        self.store.jobs[self.id] = moved.job.model_copy(update={"outbox": ()})

    @property
    def job(self) -> Job:
        """The document as it stands."""
        return self.store.jobs[self.id]

    def executor(self, stage: Stage, do: Do, name: str = "w1", attempts: int = 2, **more: Any) -> Executor:
        """Return an executor of one stage; `more` is the worker's own."""
        worker = Worker(stage, do, name, Rules(attempts, 20.0), WINDOW, 5.0, 60.0, away=(ConnectionError,), **more)
        return Executor(worker, self.store, self.post)

    async def run(self, step: Step, do: Do, **worker: Any) -> None:
        """Run one step with a stage, as its own message asks for it."""
        await self.executor(step.stage, do, **worker).run(step, threading.Event(), after=self.after(step))

    def after(self, step: Step) -> int:
        """Return the attempt after which the step's own message waits, if it does."""
        record = self.job.record(step)
        return record.attempts if record else 0

    async def through(self, *steps: Step) -> None:
        """Run steps with the usual outputs, and whatever they make ready."""
        for step in steps or self.first:
            fresh = len(self.post.steps)
            await self.run(step, usual)
            await self.through_all(self.post.steps[fresh:])

    async def through_all(self, steps: list[Step]) -> None:
        """Run each of the steps."""
        for step in steps:
            await self.through(step)

    def step(self, stage: Stage, part: int = 0) -> Step:
        """Return a step of the job."""
        return Step(self.id, stage, part)


async def usual(work: Work) -> Output:
    """Do what the stage does, as data."""
    return OUTPUTS.get(work.step.stage) or chunk_text(work.step.part)


async def announce(work: Work, part: Cut) -> None:
    """Announce a part of the output and return once that has been said."""
    work.announce(part)
    await asyncio.sleep(0)  # the announcement reaches the loop as a callback
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "announcing"))


def failing(failure: Exception) -> Do:
    """Return a stage that raises."""

    async def do(work: Work) -> Output:
        del work
        raise failure

    return do
