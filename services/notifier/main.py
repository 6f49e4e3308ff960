"""Wires the notifier: what it does, and what it sends with."""

from functools import partial

from faststream import FastStream

from services.notifier.sender import HttpSender
from services.notifier.settings import NotifierSettings
from services.notifier.stage import deliver
from shared.addresses import AddressGuard
from shared.blobs import ObjectStore
from shared.mesh.serve import Lifespan
from shared.mesh.stage import stage_service
from shared.telemetry import begin
from shared.topology import Stage


def build() -> FastStream:
    """Return the notifier; opens nothing yet."""
    settings = begin(Stage.NOTIFIER, NotifierSettings)
    guard = AddressGuard(settings.allowed_networks)
    sender = HttpSender(settings.signing_key.get_secret_value(), guard, settings.webhook_timeout)
    do, blobs = partial(deliver, sender=sender), ObjectStore(settings.blobs_url, written=False)
    return stage_service(Stage.NOTIFIER, settings, blobs, do, lifespan=Lifespan(sender.open, sender.close))
