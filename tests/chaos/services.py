"""The campaign's services: the real ones, but for their engines, with failpoints and doubling around the real parts."""

import asyncio
import random
from functools import partial
from pathlib import Path
from typing import Any

from faststream import FastStream

import services.diarizer.stage
import services.downloader.main
import services.enhancer.main
import services.intake.main
import services.notifier.main
import services.transcriber.stage
import shared.mesh.stage
from shared.blobs import ObjectStore
from shared.jobs.mongo_upkeep import MongoUpkeep
from shared.jobs.step import Step
from shared.jobs.store import JobStore
from shared.jobs.upkeep import Upkeep
from shared.mesh.appetite import Appetite
from shared.mesh.perform import Do
from shared.mesh.post import AmqpPost
from shared.mesh.serve import Parts
from shared.mesh.work import Work
from shared.settings import load
from shared.telemetry import begin
from shared.topology import Lane, Stage
from shared.transcript import Output
from tests.chaos.engines import StandInVoices, StandInWhisper
from tests.chaos.failpoints import Failpoints
from tests.chaos.ladder import Ladder
from tests.chaos.notes import Notes
from tests.chaos.settings import ChaosSettings

LONGEST_DELAY = 1.0


class ChaosParts(Parts):
    """The parts of every service, with the campaign's faults around them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        folder = load(ChaosSettings).chaos_folder
        failpoints = Failpoints(folder)
        failpoints.guard(self.store, "store", JobStore)
        failpoints.guard(self.post, "post", AmqpPost)
        failpoints.guard_messages()
        failpoints.guard_announcements()
        notes = Notes(folder)
        notes.guard_saves(self.store)
        notes.guard_messages()
        Ladder(folder).guard_saves(self.store)
        self.post.step = Twice(self.post.step, folder)  # type: ignore[method-assign]  # that is the fault


class ChaosUpkeep(MongoUpkeep):
    """Intake's questions about all jobs, with failpoints around those that write."""

    def __init__(self, client: Any, database: str) -> None:
        super().__init__(client, database)
        Failpoints(load(ChaosSettings).chaos_folder).guard(self, "upkeep", Upkeep)


class Twice:
    """Asks for every step a second time, some while later and so in another order, while the file `twice` is there."""

    def __init__(self, step: Any, folder: Path) -> None:
        self._step, self._file = step, folder / "twice"
        self._later = set[asyncio.Task[None]]()

    async def __call__(self, step: Step, lane: Lane) -> None:
        """Ask for the step now and, if that is on, again."""
        if self._file.exists():
            again = asyncio.create_task(self._again(step, lane))
            self._later.add(again)
            again.add_done_callback(self._later.discard)
        await self._step(step, lane)

    async def _again(self, step: Step, lane: Lane) -> None:
        await asyncio.sleep(random.random() * LONGEST_DELAY)
        await self._step(step, lane)


class Once:
    """A stage that writes down when it is asked to work on a step that this process works on already."""

    def __init__(self, do: Do, folder: Path) -> None:
        self._do, self._folder = do, folder
        self._at_work = set[Step]()

    async def __call__(self, work: Work) -> Output:
        """Do it."""
        if work.step in self._at_work:
            with (self._folder / "violations").open("a") as out:
                out.write(f"{work.step} runs twice at once\n")
        self._at_work.add(work.step)
        try:
            return await self._do(work)
        finally:
            self._at_work.discard(work.step)


def _armed() -> ChaosSettings:
    for module in (shared.mesh.stage, services.intake.main):
        module.Parts = ChaosParts  # type: ignore[attr-defined]  # both import it by name
    services.intake.main.MongoUpkeep = ChaosUpkeep  # type: ignore[attr-defined]  # as above
    return load(ChaosSettings)


def _stage(stage: Stage, do: Do, **engine: Any) -> FastStream:
    settings = _armed()
    return shared.mesh.stage.stage_service(
        stage, settings, ObjectStore(settings.blobs_url), Once(do, settings.chaos_folder), **engine
    )


def transcriber() -> FastStream:
    """Return the transcriber with a stand-in engine."""
    settings = begin(Stage.TRANSCRIBER, ChaosSettings)
    appetite = Appetite(lambda: engine.free)
    engine = StandInWhisper(settings.chaos_seconds, appetite.changed)
    do = partial(services.transcriber.stage.transcribe, engine=engine, blobs=ObjectStore(settings.blobs_url))
    return _stage(Stage.TRANSCRIBER, do, appetite=appetite)


def diarizer() -> FastStream:
    """Return the diarizer with a stand-in engine."""
    settings = begin(Stage.DIARIZER, ChaosSettings)
    do = partial(
        services.diarizer.stage.diarize,
        engine=StandInVoices(settings.chaos_seconds),
        blobs=ObjectStore(settings.blobs_url),
    )
    return _stage(Stage.DIARIZER, do)


def intake() -> FastStream:
    """Return intake."""
    _armed()
    return services.intake.main.build()


def downloader() -> FastStream:
    """Return the downloader."""
    _armed()
    return services.downloader.main.build()


def enhancer() -> FastStream:
    """Return the enhancer."""
    _armed()
    return services.enhancer.main.build()


def notifier() -> FastStream:
    """Return the notifier."""
    _armed()
    return services.notifier.main.build()
