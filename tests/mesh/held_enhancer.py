"""The enhancer, whose first attempt at a job that asks for it only waits: to be killed in the middle of a step."""

import asyncio
from functools import partial

from faststream import FastStream

from services.enhancer.settings import EnhancerSettings
from services.enhancer.stage import enhance, plain
from shared.blobs import Blobs, ObjectStore
from shared.mesh.stage import stage_service
from shared.mesh.work import Work
from shared.telemetry import begin
from shared.topology import Stage
from shared.transcript import Published

HELD = {"held": True}
"""The metadata of such a job."""


async def held(work: Work, settings: EnhancerSettings, blobs: Blobs) -> Published:
    """Say that the work has begun, wait if that is asked for, then do it."""
    work.progress(0.1)
    if work.attempt == 1 and work.job.options.metadata == HELD:
        await asyncio.to_thread(work.stop.wait)
    work.check()
    return await enhance(work, settings, blobs)


def build() -> FastStream:
    """Return the enhancer's service."""
    settings = begin(Stage.ENHANCER, EnhancerSettings)
    blobs = ObjectStore(settings.blobs_url)
    do = partial(held, settings=settings, blobs=blobs)
    stand_in = partial(plain, settings=settings, blobs=blobs)
    return stage_service(Stage.ENHANCER, settings, blobs, do, stand_in=stand_in)
