"""Wires intake: its queue, the desk that handles it, and the key that seals sources."""

from faststream import FastStream

from services.intake.desk import Desk
from services.intake.settings import IntakeSettings
from shared.blobs import ObjectStore
from shared.mesh.serve import Parts, Subscription, serve
from shared.seal import Seal
from shared.settings import load
from shared.topology import Stage, work_queue


def build() -> FastStream:
    """Return the intake service; opens nothing yet."""
    settings = load(IntakeSettings)
    parts = Parts(Stage.INTAKE, settings, ObjectStore(settings.blobs_url))
    desk = Desk(parts.store, parts.post, Seal(settings.seal_key), parts.worker, settings.window)
    return serve(parts, [Subscription(work_queue(Stage.INTAKE).name, desk.handle)])
