"""Hearing that the process is to end before the server has waited for its responses."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def told_to_stop(then: Callable[[], None]) -> Iterator[None]:
    """Call `then` on the loop when a signal ends the process, and let the server do what it does with it.

    Uvicorn tells an application of its end only once every response is over, and a stream of events goes on as long
    as its job: without this a listener would hold the process up. Signals reach the main thread alone.
    """
    loop = asyncio.get_running_loop()

    def hear(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(then)
        server = servers[signal.Signals(number)]
        if callable(server):
            server(number, frame)

    servers = {each: signal.signal(each, hear) for each in SIGNALS}
    try:
        yield
    finally:
        for each, server in servers.items():
            signal.signal(each, server)
