"""Wires the enhancer: what it does, and what stands in for it."""

from functools import partial

from faststream import FastStream

from services.enhancer.settings import EnhancerSettings
from services.enhancer.stage import enhance, plain
from shared.blobs import ObjectStore
from shared.mesh.stage import stage_service
from shared.telemetry import begin
from shared.topology import Stage


def build() -> FastStream:
    """Return the enhancer; opens nothing yet."""
    settings = begin(Stage.ENHANCER, EnhancerSettings)
    blobs = ObjectStore(settings.blobs_url)
    do = partial(enhance, settings=settings, blobs=blobs)
    stand_in = partial(plain, settings=settings, blobs=blobs)
    return stage_service(Stage.ENHANCER, settings, blobs, do, stand_in=stand_in)
