"""Row 10: transcribing and diarizing at once takes no longer than the longer of the two; both sleep."""

import asyncio
import time
from collections import defaultdict
from uuid import uuid4

from deploy.local.parts import LocalParts
from shared.blobs import ObjectStore
from shared.mesh.serve import Parts
from shared.mesh.work import Work
from shared.settings import Settings
from shared.topology import Stage
from shared.transcript import Output
from tests.bench.row import Measured, Row, Size
from tests.broker.conftest import Net, listening
from tests.fakes.jobs import chunk_text, diarization, prepared, published

STAGES = (Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.DIARIZER, Stage.ENHANCER)
CHUNKS = 4
LEGS = ((8.0, 6.0), (6.0, 8.0))
"""Seconds of transcribing, over all chunks, and of diarizing: now one is the longer, now the other."""

ROUNDS = 2


class Legs:
    """The stages of a job, of which two sleep, and how long each slept."""

    def __init__(self, transcribing: float, diarizing: float) -> None:
        self._seconds = {Stage.TRANSCRIBER: transcribing / CHUNKS, Stage.DIARIZER: diarizing}
        self.slept = defaultdict[Stage, float](float)

    async def do(self, work: Work) -> Output:
        """Sleep as long as the stage works, and return what it makes."""
        stage = work.step.stage
        began = time.perf_counter()
        await asyncio.sleep(self._seconds.get(stage, 0.0))
        self.slept[stage] += time.perf_counter() - began
        made: dict[Stage, Output] = {
            Stage.DOWNLOADER: prepared(CHUNKS),
            Stage.DIARIZER: diarization(),
            Stage.ENHANCER: published(),
        }
        return made.get(stage) or chunk_text(work.step.part)


async def run(size: Size) -> Measured:
    """Return the wall time of jobs, from their submission to the event that they are completed, and the longer leg."""
    measured = Measured()
    async with LocalParts(size.home) as local:
        settings = Settings(
            amqp_url=local.amqp_url,
            mongo_url=local.mongo_url,
            mongo_database=f"bench_{uuid4().hex[:12]}",
            blobs_url=f"file://{size.home}/blobs",
            log_level="WARNING",
        )
        for legs in LEGS * ROUNDS:
            await _measure(settings, Legs(*legs), measured)
    measured.beside = {"legs, s": "8 and 6, 6 and 8", "wall": "submitted to completed, four stages and all messages"}
    return measured


async def _measure(settings: Settings, legs: Legs, measured: Measured) -> None:
    mesh = Parts(Stage.INTAKE, settings, ObjectStore(settings.blobs_url))
    await mesh.post.open()
    await mesh.store.prepare()
    async with listening(settings) as heard:
        net = Net(settings, mesh, heard)
        await net.stages(legs.do, *STAGES)
        began = time.perf_counter()
        await net.ended(await net.submit())
        wall, longer = time.perf_counter() - began, max(legs.slept.values())
        measured.add(wall, longer, wall / longer)
        await net.close()
    await mesh.post.close()
    mesh.client.close()


ROW = Row(
    number=10,
    title="transcribe and diarize at once, where both only sleep, against the longer leg",
    ours="s wall",
    peer="s longer leg",
    must=1.10,
    aim=1.05,
    run=run,
    better="less",
)
