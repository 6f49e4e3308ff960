"""How soon a dead connection is found out: the AMQP heartbeat, the same for every connection to the broker.

A network can die without a word: sockets stay open and carry nothing. RabbitMQ sends a heartbeat frame twice in the
time agreed on, and counts a peer as gone after two frames missed (https://www.rabbitmq.com/docs/heartbeats). aiormq
waits for three times that, up to 213 s at its default of 60 s, in which a service takes no message and says nothing.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit

import aiormq

HEARTBEAT_SECONDS = 15
CONNECT_SECONDS = 30.0
"""How long a connection may take to be made: the far side may take it and then never speak."""

# aiormq looks at half the heartbeat's pace, so with one it has found out well within two heartbeats.
aiormq.Connection.HEARTBEAT_GRACE_MULTIPLIER = 1


def with_heartbeat(url: str) -> str:
    """Return the broker's address with the mesh's heartbeat, or as it is if it names one (`?heartbeat=`, seconds)."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    return parts._replace(query=urlencode({"heartbeat": HEARTBEAT_SECONDS, **asked})).geturl()
