"""How every connection to the broker is made: its AMQP heartbeat, by which a dead one is noticed, and its time limit.

A network can die silently: sockets stay open and carry nothing. RabbitMQ sends a heartbeat frame twice in the
time agreed on, and counts a peer as gone after two frames missed (https://www.rabbitmq.com/docs/heartbeats). aiormq
waits for three times that, up to 213 s at its default of 60 s, in which a service takes no message and says nothing.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit

import aiormq

HEARTBEAT_SECONDS = 15
CONNECT_SECONDS = 30.0
"""How long making a connection may take: the other side may accept it and then never answer."""

# aiormq checks twice in each heartbeat: with a multiplier of one it notices within two heartbeats.
aiormq.Connection.HEARTBEAT_GRACE_MULTIPLIER = 1


def with_heartbeat(url: str) -> str:
    """Return the broker's address with the mesh's heartbeat, or as it is if it names one (`?heartbeat=`, seconds)."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    return parts._replace(query=urlencode({"heartbeat": HEARTBEAT_SECONDS, **asked})).geturl()
