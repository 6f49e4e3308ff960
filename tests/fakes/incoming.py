"""A message as the broker brings it: the fields of it that a desk reads."""

from dataclasses import dataclass, field
from typing import Any

from shared.topology import SUBMIT_KEY


@dataclass
class Incoming:
    """A submit message that wants a reply, unless it is told otherwise."""

    body: bytes
    routing_key: str = SUBMIT_KEY
    reply_to: str | None = "amq.gen-mine"
    priority: int | None = None
    correlation_id: str | None = "c"
    message_id: str | None = None
    type: str | None = None
    headers: dict[str, Any] = field(default_factory=dict)
