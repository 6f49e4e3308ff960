"""Wires the notifier: events become deliveries, deliveries are steps."""

from functools import partial

from faststream import FastStream

from services.notifier.desk import Desk
from services.notifier.sender import HttpSender
from services.notifier.settings import NotifierSettings
from services.notifier.stage import deliver
from shared.addresses import AddressGuard
from shared.blobs import ObjectStore
from shared.mesh.serve import Parts, Subscription, serve
from shared.mesh.stage import steps
from shared.settings import load
from shared.topology import NOTIFIED_QUEUE, Stage, work_queue


def build() -> FastStream:
    """Return the notifier; opens nothing yet."""
    settings = load(NotifierSettings)
    parts = Parts(Stage.NOTIFIER, settings, ObjectStore(settings.blobs_url))
    guard = AddressGuard(settings.allowed_networks)
    sender = HttpSender(settings.signing_key.get_secret_value(), guard, settings.webhook_timeout)
    subscriptions = [
        Subscription(NOTIFIED_QUEUE.name, Desk(parts.store, parts.post).handle),
        Subscription(work_queue(Stage.NOTIFIER).name, steps(parts, partial(deliver, sender=sender))),
    ]
    return serve(parts, subscriptions, sender.open, sender.close)
