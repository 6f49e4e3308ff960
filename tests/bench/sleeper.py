"""A transcriber whose engine is a thousand times faster than speech, and sleeps: it only waits for sound."""

import asyncio
import sys
from functools import partial

from faststream import FastStream

from deploy.local.commands import SERVICES
from services.transcriber.audio import read
from shared.blobs import Blobs, ObjectStore
from shared.mesh.appetite import Appetite
from shared.mesh.stage import stage_service
from shared.mesh.work import Work
from shared.settings import Settings
from shared.telemetry import begin
from shared.topology import Stage
from shared.transcript import SAMPLE_RATE, ChunkText, Cut, Segment

SPEED = 1_000
"""Seconds of sound in a second."""

CAPACITY = 2
"""Chunks in hand: one in the engine, and the next one's sound is read."""

COMMANDS = {
    **SERVICES,
    Stage.TRANSCRIBER: (sys.executable, "-m", "faststream", "run", "tests.bench.sleeper:build", "--factory"),
}


async def sleep(work: Work, blobs: Blobs, engine: asyncio.Lock) -> ChunkText:
    """Read the chunk's sound as the transcriber does, and take the engine for as long as it would need."""
    cut = work.outputs(Cut)[0]
    chunk = cut.chunks[work.step.part]
    work.weigh(1)
    samples = await read(blobs, cut.pcm, chunk)
    async with engine:
        await asyncio.sleep(len(samples) / SAMPLE_RATE / SPEED)
    said = Segment(start=chunk.start, end=chunk.end, text="zzz")
    return ChunkText(index=chunk.index, language="en", language_probability=1.0, segments=(said,), model="sleeper")


def build() -> FastStream:
    """Return the transcriber."""
    settings = begin(Stage.TRANSCRIBER, Settings)
    blobs = ObjectStore(settings.blobs_url)
    do = partial(sleep, blobs=blobs, engine=asyncio.Lock())
    return stage_service(Stage.TRANSCRIBER, settings, blobs, do, appetite=Appetite(lambda: CAPACITY))
