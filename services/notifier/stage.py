"""What the notifier does: POST one event to one webhook, and say how that went."""

from typing import Protocol

from shared.jobs import deliveries
from shared.mesh.outcomes import GiveUp, TryLater
from shared.mesh.work import Work
from shared.messages import Event
from shared.seal import shown_origin
from shared.transcript import Delivered

GONE = 410
OK = range(200, 300)


class Sender(Protocol):
    """What can POST an event."""

    async def send(self, url: str, tenant: str, message_id: str, body: str) -> int:
        """Return the HTTP status of the answer; raise TryLater or GiveUp if there is none."""


async def deliver(work: Work, sender: Sender) -> Delivered:
    """Deliver the step's event to its webhook; 410 ends it for good, any other refusal is tried again."""
    fact = work.job.deliveries[str(deliveries.sequence(work.step))]
    hook = work.job.options.webhooks[deliveries.webhook(work.step)]
    body = Event.of(work.job, fact).model_dump_json()
    status = await sender.send(hook.url, work.job.tenant, f"{work.job.id}:{fact.sequence}", body)
    place = shown_origin(hook.url)
    if status == GONE:
        raise GiveUp(f"{place} answered 410: it wants no more of these")
    if status not in OK:
        raise TryLater(f"{place} answered {status}")
    return Delivered(url=place, status=status)
