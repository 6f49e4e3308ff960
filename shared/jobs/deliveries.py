"""Deliveries: which fact goes to which of the job's webhooks, as the part of a step of the notifier."""

from shared.jobs.step import Step
from shared.topology import Stage

WEBHOOKS = 10
"""A part is the fact's sequence number times this, plus the webhook's place in the job's list, which is shorter."""


def delivery(job: str, sequence: int, webhook: int) -> Step:
    """Return the step that tells the webhook in that place of the fact with that number."""
    return Step(job, Stage.NOTIFIER, sequence * WEBHOOKS + webhook)


def sequence(step: Step) -> int:
    """Return the number of the fact that the delivery tells."""
    return step.part // WEBHOOKS


def webhook(step: Step) -> int:
    """Return the place, in the job's list, of the webhook that the delivery goes to."""
    return step.part % WEBHOOKS
