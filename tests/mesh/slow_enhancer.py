"""The enhancer, with a pause before its work in which it can be killed in the middle of a step."""

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

PAUSE = 3.0


async def slowly(work: Work, settings: EnhancerSettings, blobs: Blobs) -> Published:
    """Say that the work has begun, wait, then do it."""
    work.progress(0.1)
    await asyncio.to_thread(work.stop.wait, PAUSE)
    work.check()
    return await enhance(work, settings, blobs)


def build() -> FastStream:
    """Return the enhancer's service with the pause."""
    settings = begin(Stage.ENHANCER, EnhancerSettings)
    blobs = ObjectStore(settings.blobs_url)
    do = partial(slowly, settings=settings, blobs=blobs)
    stand_in = partial(plain, settings=settings, blobs=blobs)
    return stage_service(Stage.ENHANCER, settings, blobs, do, stand_in=stand_in)
