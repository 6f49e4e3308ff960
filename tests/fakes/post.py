"""A post that keeps what it was given."""

from dataclasses import dataclass, field
from typing import Any

from shared.jobs.step import Step
from shared.messages import Diagnosis, Event, Order, Reply
from shared.topology import Happening, Lane


@dataclass
class MemoryPost:
    """Everything that was said, in order."""

    steps: list[Step] = field(default_factory=list)
    delayed: list[tuple[Step, float]] = field(default_factory=list)
    looking: list[Step] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    parked: list[tuple[bytes, Diagnosis]] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    async def step(self, step: Step, lane: Lane) -> None:
        """Keep a step that was asked for."""
        del lane
        self.steps.append(step)

    async def later(self, step: Step, lane: Lane, delay: float, *, after: int) -> None:
        """Keep a step that waits."""
        del lane
        self.delayed.append((step, delay))
        if not after:
            self.looking.append(step)

    async def event(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)

    async def park(self, body: bytes, why: Diagnosis, **properties: Any) -> None:
        """Keep a dead letter."""
        del properties
        self.parked.append((body, why))

    async def order(self, order: Order) -> None:
        """Keep an order."""
        self.orders.append(order)

    async def reply(self, queue: str, correlation_id: str | None, reply: Reply) -> None:
        """Keep a reply."""
        del queue, correlation_id
        self.replies.append(reply)

    def told(self) -> list[Happening]:
        """Return what happened, without progress."""
        return [event.happening for event in self.events if event.happening is not Happening.PROGRESS]
