"""Wires the transcriber: its stage, the engine, and the models that the engine loads."""

from functools import partial

from faststream import FastStream

from services.transcriber.engine import WhisperEngine
from services.transcriber.settings import TranscriberSettings
from services.transcriber.stage import transcribe
from shared.blobs import ObjectStore
from shared.mesh.appetite import Appetite
from shared.mesh.serve import Lifespan
from shared.mesh.stage import stage_service
from shared.models import ModelStore
from shared.telemetry import begin
from shared.topology import Stage


def build() -> FastStream:
    """Return the transcriber; opens nothing yet."""
    settings = begin(Stage.TRANSCRIBER, TranscriberSettings)
    blobs = ObjectStore(settings.blobs_url, written=False)
    appetite = Appetite(lambda: engine.free, lambda: engine.batch)
    engine = WhisperEngine(settings, ModelStore(settings.models_cache, settings.models_folder), appetite.changed)
    do = partial(transcribe, engine=engine, blobs=blobs)
    lifespan = Lifespan(engine.open)
    return stage_service(Stage.TRANSCRIBER, settings, blobs, do, appetite=appetite, lifespan=lifespan)
