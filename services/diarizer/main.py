"""Wires the diarizer: its stage and the pipeline that finds the speakers."""

from functools import partial

from faststream import FastStream

from services.diarizer.engine import PyannoteEngine
from services.diarizer.settings import DiarizerSettings
from services.diarizer.stage import diarize
from shared.blobs import ObjectStore
from shared.mesh.stage import stage_service
from shared.mesh.watchdog import end_this_process
from shared.models import ModelStore
from shared.telemetry import begin
from shared.topology import Stage


def build() -> FastStream:
    """Return the diarizer; opens nothing yet."""
    settings = begin(Stage.DIARIZER, DiarizerSettings)
    blobs = ObjectStore(settings.blobs_url)
    engine = PyannoteEngine(ModelStore(settings.models_cache, settings.models_folder), settings, end_this_process)
    return stage_service(Stage.DIARIZER, settings, blobs, partial(diarize, engine=engine, blobs=blobs))
