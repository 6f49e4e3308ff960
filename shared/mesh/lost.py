"""A lost connection as an error: aiormq ends what waits on one with a cancellation that nobody asked for."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

LOST = (TimeoutError, AMQPError, ChannelInvalidStateError, ConnectionError)
"""What is raised by whoever asks something of a broker that is away, or does not answer in time."""


@contextmanager
def lost_as_error() -> Iterator[None]:
    """Raise ConnectionError where a connection found dead raises CancelledError in a task that nobody cancelled.

    Taken for a real cancellation it would silently end whoever waits, such as a handler, whose message then stays
    unacked on a living channel and keeps its place in the prefetch forever.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the connection to the broker was lost before it answered") from None
